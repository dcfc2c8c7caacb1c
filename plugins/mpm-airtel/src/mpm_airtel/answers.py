"""From the host's verdict to STATUS and MESSAGE: pure and total, the same verdict the same bytes.

What each STATUS makes Airtel do decides everything here (C2B COMMAND interface, responses):

* *validate*: no money has moved; anything but 200 is a harmless no, also when we cannot answer.
* *process*: the customer has paid; a 400 gives the money back. When we cannot tell whether it was
  booked (database gone, a decision this version does not know) we must not say 400: it would return
  money that may be in our ledger. We answer HTTP 503 with STATUS 500, neither of which is a word of
  the protocol, so Airtel counts our answer as lost and asks by *enquiry*.
* *enquiry*: 404 gives the money back and is said only when the host is sure; everything unclear is
  400 *Pending*.

Two words are ours: STATUS 500 above and, with `status_words = "words"`, PENDING: the one known
implementation that writes words has only SUCCESS and FAILED, and FAILED would be a *no*, which an
enquiry we cannot read must not hear, nor a caller after money moved whom we do not believe.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from mpm_airtel.mapping import ENQUIRY, PROCESS, VALIDATE
from mpm_airtel.settings import StatusWords
from mpm_core import Decision, PaymentStatus, ProcessRequest, ProviderRequest, ReasonCode, Verdict

__all__ = ["Answer", "answer_verdict"]

_DONE, _NO, _STRANGER, _NOT_FOUND, _OUR_FAULT = "200", "400", "401", "404", "500"
_MESSAGES: Mapping[str, str] = {
    ReasonCode.UNKNOWN_SERIAL: "Device not found",
    ReasonCode.DEVICE_UNASSIGNED: "Device has no owner",
    ReasonCode.DEVICE_NOT_MAPPED: "Device is not confirmed yet",
    ReasonCode.AMOUNT_INVALID: "Invalid amount",
    ReasonCode.AMOUNT_BELOW_MINIMUM: "Amount below minimum",
    ReasonCode.AMOUNT_ABOVE_MAXIMUM: "Amount above maximum",
    ReasonCode.NO_TARIFF: "Device has no tariff",
    ReasonCode.NO_PRICE: "Device has no price",
    ReasonCode.NO_PLAN: "Device has no payment plan",
    ReasonCode.PLAN_ALREADY_SETTLED: "Device is already paid off",
    ReasonCode.DUPLICATE_REFERENCE: "Duplicate Reference1",
    ReasonCode.UNKNOWN_REFERENCE: "Unknown reference1",
    ReasonCode.PLUGIN_NOT_ENABLED: "Payments to this device are not possible",
    ReasonCode.PLUGIN_UNAVAILABLE: "Service unavailable, try again",
    ReasonCode.OPERATION_NOT_SUPPORTED: "Device cannot be paid this way",
    ReasonCode.VENDOR_REFUSED: "Payments to this device are not possible",
    ReasonCode.VENDOR_PENDING: "Service unavailable, try again",
    ReasonCode.OUTCOME_UNKNOWN: "Service unavailable, try again",
}
_UNAVAILABLE = "Service unavailable, try again"
_NO_PAYMENT = frozenset(
    {
        PaymentStatus.VALIDATED,
        PaymentStatus.REJECTED,
        PaymentStatus.REVERSED,
        PaymentStatus.DENIED,
    }
)


@attrs.frozen(kw_only=True)
class Answer:
    """What we say, before it is written as XML or JSON.

    Attributes:
        still_working: neither yes nor no, whatever STATUS the protocol lends for it.
        extra: the children after MESSAGE.
    """

    status: str
    message: str
    still_working: bool = False
    http_status: int = 200
    extra: tuple[tuple[str, str], ...] = ()

    def children(self, words: StatusWords) -> tuple[tuple[str, str], ...]:
        """Return the children of the COMMAND in their order."""
        status = self.status if words == StatusWords.NUMERIC else self._word()
        return (("STATUS", status), ("MESSAGE", self.message), *self.extra)

    def _word(self) -> str:
        if self.still_working:
            return "PENDING"
        return "SUCCESS" if self.status == _DONE else "FAILED"


def answer_verdict(path: str, request: ProviderRequest | None, verdict: Verdict) -> Answer:
    """Choose our answer to a call of a path."""
    match verdict.decision:
        case Decision.UNAUTHENTICATED:
            unsure = path in {PROCESS, ENQUIRY}
            return Answer(status=_STRANGER, message="Invalid Token", still_working=unsure)
        case Decision.MALFORMED:
            return _answer_malformed(path, verdict)
        case _ if path == VALIDATE:
            return _answer_validation(verdict)
        case _ if path == PROCESS:
            return _answer_process(request, verdict)
        case _ if path == ENQUIRY:
            return _answer_enquiry(request, verdict)
        case _:
            return _cannot_tell()


def _answer_malformed(path: str, verdict: Verdict) -> Answer:
    named = f"Missing or wrong: {', '.join(verdict.fields)}" if verdict.fields else ""
    return Answer(
        status=_NO,
        message=verdict.message or named or "Unreadable request",
        still_working=path == ENQUIRY,
        http_status=200 if verdict.fields else 400,
    )


def _answer_validation(verdict: Verdict) -> Answer:
    match verdict.decision:
        case Decision.VALIDATED:
            return Answer(status=_DONE, message="Success")
        case Decision.REJECTED:
            return _refuse(verdict)
        case Decision.CONFLICT:
            return Answer(status=_NO, message=_MESSAGES[ReasonCode.DUPLICATE_REFERENCE])
        case _:
            return Answer(status=_NO, message=_UNAVAILABLE)


def _answer_process(request: ProviderRequest | None, verdict: Verdict) -> Answer:
    match verdict.decision:
        case Decision.ACCEPTED if isinstance(request, ProcessRequest):
            # From the request alone: the host stores this reply before it books.
            extra = (("TXNID", request.reference),)
            return Answer(status=_DONE, message="Success", extra=extra)
        case Decision.REJECTED:
            return _refuse(verdict)
        case Decision.CONFLICT:
            return Answer(status=_NO, message=_MESSAGES[ReasonCode.DUPLICATE_REFERENCE])
        case Decision.NOT_FOUND:
            return Answer(status=_NO, message=_MESSAGES[ReasonCode.UNKNOWN_REFERENCE])
        case _:
            return _cannot_tell()


def _answer_enquiry(request: ProviderRequest | None, verdict: Verdict) -> Answer:
    if verdict.decision is Decision.NOT_FOUND:
        return Answer(status=_NOT_FOUND, message="Not Found")
    if verdict.decision is Decision.FOUND and verdict.payment is not None:
        status = verdict.payment.status
        if status in _NO_PAYMENT:
            return Answer(status=_NOT_FOUND, message="Not Found")
        if status.is_booked:
            return Answer(status=_DONE, message="Success", extra=_our_reference(request, verdict))
    return Answer(status=_NO, message="Pending", still_working=True)


def _our_reference(
    request: ProviderRequest | None, verdict: Verdict
) -> tuple[tuple[str, str], ...]:
    """Return REF, the partner's id; Airtel's own where the host has given no number."""
    if verdict.number is not None:
        return (("REF", str(verdict.number)),)
    reference = getattr(request, "reference", None)
    return (("REF", reference),) if reference else ()


def _refuse(verdict: Verdict) -> Answer:
    message = _MESSAGES.get(verdict.reason) or verdict.message or "Payment not possible"
    return Answer(status=_NO, message=message)


def _cannot_tell() -> Answer:
    return Answer(status=_OUR_FAULT, message=_UNAVAILABLE, still_working=True, http_status=503)
