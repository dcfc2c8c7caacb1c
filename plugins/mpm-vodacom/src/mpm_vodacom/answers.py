"""From the host's verdict to HTTP status and envelope: pure and total, same verdict same bytes.

Statuses (JSON contract: validate, process, query): 400 refused or unreadable, 401 no key, 404
unknown, 409 known with other content, 422 wrong members (named), 503 *ask again*. Whatever this
version does not know is 503 or `processing`, never a *no*: 503 also for a stale signature, because
the message is genuine and must not vanish.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from mpm_core import (
    Decision,
    EnquiryRequest,
    PaymentFacts,
    PaymentStatus,
    ProcessRequest,
    ProviderRequest,
    ReasonCode,
    Reply,
    ValidationRequest,
    Verdict,
)
from mpm_vodacom.mapping import PROCESS, QUERY, VALIDATE
from mpm_vodacom.wire import json_amount, write_data, write_number

__all__ = ["answer_verdict"]

_MESSAGES: Mapping[str, str] = {
    ReasonCode.UNKNOWN_SERIAL: "device not found",
    ReasonCode.DEVICE_UNASSIGNED: "device has no owner",
    ReasonCode.DEVICE_NOT_MAPPED: "device is not confirmed yet",
    ReasonCode.AMOUNT_INVALID: "invalid amount",
    ReasonCode.AMOUNT_BELOW_MINIMUM: "amount below minimum",
    ReasonCode.AMOUNT_ABOVE_MAXIMUM: "amount above maximum",
    ReasonCode.NO_TARIFF: "device has no tariff",
    ReasonCode.NO_PRICE: "device has no price",
    ReasonCode.NO_PLAN: "device has no payment plan",
    ReasonCode.PLAN_ALREADY_SETTLED: "device is already paid off",
    ReasonCode.DUPLICATE_REFERENCE: "reference already used with other content",
    ReasonCode.UNKNOWN_REFERENCE: "unknown reference",
    ReasonCode.PLUGIN_NOT_ENABLED: "payments to this device are not possible",
    ReasonCode.PLUGIN_UNAVAILABLE: "temporarily unavailable, try again",
    ReasonCode.OPERATION_NOT_SUPPORTED: "device cannot be paid this way",
    ReasonCode.VENDOR_REFUSED: "payments to this device are not possible",
    ReasonCode.VENDOR_PENDING: "temporarily unavailable, try again",
    ReasonCode.OUTCOME_UNKNOWN: "temporarily unavailable, try again",
}
_UNAVAILABLE = (503, "unavailable", "temporarily unavailable, try again")
_FIXED_ERRORS: Mapping[str, tuple[int, str, str]] = {
    Decision.UNAUTHENTICATED: (401, "unauthorised", "unauthorised"),
    Decision.NOT_FOUND: (404, "unknown_reference", "unknown reference"),
    Decision.CONFLICT: (409, "duplicate_reference", "reference already used with other content"),
    Decision.STALE: (503, "stale", "signature too old or too new, sign and send again"),
}
_PRODUCTS = {"meter": "METER", "shs": "SHS", "e_bike": "E-BIKE"}
_PROCESSING = "processing"
_STATUS_WORDS: Mapping[str, str] = {
    PaymentStatus.VALIDATED: "validated",
    PaymentStatus.REJECTED: "failed",
    PaymentStatus.TOKEN_PENDING: _PROCESSING,
    PaymentStatus.UNKNOWN: _PROCESSING,
    PaymentStatus.HELD: _PROCESSING,
    PaymentStatus.UNMATCHED: _PROCESSING,
    PaymentStatus.SETTLED: "completed",
    PaymentStatus.REVERSED: "failed",
    PaymentStatus.DENIED: "failed",
}


def answer_verdict(path: str, request: ProviderRequest | None, verdict: Verdict) -> Reply:
    """Choose and write our answer to a call of a path."""
    if path == VALIDATE and isinstance(request, ValidationRequest):
        if verdict.decision is Decision.VALIDATED and verdict.number is not None:
            return _write_validated(verdict.number, request, verdict.payment)
    elif path == PROCESS and isinstance(request, ProcessRequest):
        if verdict.decision is Decision.ACCEPTED and request.number is not None:
            return _write_accepted(request.number, request)
    elif (
        path == QUERY and isinstance(request, EnquiryRequest) and verdict.decision is Decision.FOUND
    ):
        return _write_found(request, verdict)
    return _write_error(verdict)


def _write_validated(
    number: int, request: ValidationRequest, payment: PaymentFacts | None
) -> Reply:
    kind = payment.device_kind if payment else None
    product = {"product": _PRODUCTS.get(kind, kind.upper())} if kind else {}
    return write_data(
        {
            "transactionId": write_number(number),
            "status": "validated",
            "details": {**product, "validAmount": json_amount(request.amount)},
            "success": True,
        }
    )


def _write_accepted(number: int, request: ProcessRequest) -> Reply:
    """Answer from the request alone: the host stores this reply before it books."""
    return write_data(
        {
            "transactionId": write_number(number),
            "status": _PROCESSING,
            "providerReference": request.receipt or request.reference,
            "success": True,
        }
    )


def _write_found(request: EnquiryRequest, verdict: Verdict) -> Reply:
    payment = verdict.payment
    status = _STATUS_WORDS.get(payment.status, _PROCESSING) if payment else _PROCESSING
    number = verdict.number if verdict.number is not None else request.number
    facts = {
        "referenceId": (payment.reference if payment else None) or request.reference,
        "transactionId": None if number is None else write_number(number),
        "status": status,
        "mpesaReceipt": payment.receipt if payment else None,
        "completedAt": _completed_at(payment) if status == "completed" else None,
        "success": True,
    }
    return write_data({name: value for name, value in facts.items() if value is not None})


def _completed_at(payment: PaymentFacts | None) -> str | None:
    if payment is None or payment.settled_at is None:
        return None
    return payment.settled_at.astimezone(UTC).isoformat(timespec="seconds")


def _write_error(verdict: Verdict) -> Reply:
    match verdict.decision:
        case Decision.MALFORMED if verdict.fields:
            message = verdict.message or f"missing or wrong: {', '.join(verdict.fields)}"
            return _error(422, "invalid_fields", message, fields=verdict.fields)
        case Decision.MALFORMED:
            return _error(400, "malformed", verdict.message or "unreadable request")
        case Decision.REJECTED:
            message = _MESSAGES.get(verdict.reason) or verdict.message or "payment not possible"
            return _error(400, verdict.reason or "rejected", message)
        case _:
            return _error(*_FIXED_ERRORS.get(verdict.decision, _UNAVAILABLE))


def _error(http_status: int, code: str, message: str, fields: tuple[str, ...] = ()) -> Reply:
    named = {"fields": fields} if fields else {}
    data = {"message": message, "code": code, **named, "success": False}
    return write_data(data, http_status=http_status)
