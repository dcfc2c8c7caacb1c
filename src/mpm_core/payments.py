"""What a telecom asks and what the host answers: provider requests, quotes, objections, verdicts.

A payment is found again in three ways, each unique per company and instance: its `reference` (the
provider's own id of the payment), its `intent` (the text under which it was validated, where that
is another one) and our running `number` (where the protocol hands it back).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import attrs

from mpm_core.delivery_reports import DeliveryReport
from mpm_core.money import Money
from mpm_core.msisdn import Msisdn

__all__ = [
    "Decision",
    "EnquiryRequest",
    "Heartbeat",
    "NoticeEvent",
    "NoticeRequest",
    "Objection",
    "PaymentFacts",
    "PaymentStatus",
    "ProcessRequest",
    "ProviderRequest",
    "Quote",
    "QuoteLine",
    "ReasonCode",
    "ValidationRequest",
    "Verdict",
]

_NO_DETAILS: Mapping[str, str] = MappingProxyType({})  # shared, so it must be read-only


class ReasonCode(StrEnum):
    """Why something was refused or needs a person: one word for one fact, stable for ever."""

    UNKNOWN_SERIAL = "unknown_serial"
    DEVICE_UNASSIGNED = "device_unassigned"
    DEVICE_NOT_MAPPED = "device_not_mapped"
    AMOUNT_INVALID = "amount_invalid"
    AMOUNT_BELOW_MINIMUM = "amount_below_minimum"
    AMOUNT_ABOVE_MAXIMUM = "amount_above_maximum"
    NO_TARIFF = "no_tariff"
    NO_PRICE = "no_price"
    NO_PLAN = "no_plan"
    PLAN_ALREADY_SETTLED = "plan_already_settled"
    DUPLICATE_REFERENCE = "duplicate_reference"
    UNKNOWN_REFERENCE = "unknown_reference"
    PLUGIN_NOT_ENABLED = "plugin_not_enabled"
    PLUGIN_UNAVAILABLE = "plugin_unavailable"
    OPERATION_NOT_SUPPORTED = "operation_not_supported"
    VENDOR_REFUSED = "vendor_refused"
    VENDOR_PENDING = "vendor_pending"
    OUTCOME_UNKNOWN = "outcome_unknown"


class PaymentStatus(StrEnum):
    """Where a payment stands; the words of the public interface."""

    VALIDATED = "validated"  # money has not moved
    REJECTED = "rejected"  # refused before money moved
    TOKEN_PENDING = "token_pending"  # noqa: S105 - booked; its order is queued, sent or waiting
    UNKNOWN = "unknown"  # booked; a token may exist; tried further or parked
    HELD = "held"  # booked; surely no token; a person decides
    UNMATCHED = "unmatched"  # money in suspense
    SETTLED = "settled"  # token issued, or none due
    REVERSED = "reversed"  # taken back
    DENIED = "denied"  # we said a final no; no call of the telecom books it ever

    @property
    def is_booked(self) -> bool:
        """Tell whether the money is in the ledger: the telecom must never hear *no* then."""
        return self in _BOOKED


_BOOKED = frozenset(
    {
        PaymentStatus.TOKEN_PENDING,
        PaymentStatus.UNKNOWN,
        PaymentStatus.HELD,
        PaymentStatus.UNMATCHED,
        PaymentStatus.SETTLED,
    }
)


@attrs.frozen(kw_only=True)
class ValidationRequest:
    """*May this serial be paid this amount?* Money has not moved.

    Attributes:
        serial: the device's serial, surrounding blanks removed, else byte for byte.
        amount: in the company's currency.
        reference: the provider's id of the payment, if it is known already.
        intent: the text the process call will point back with, where that is not `reference`.
        payer: who pays, if the text given is a usable phone number.
        details: small texts stored with the payment and handed to `mpm_write_reply` again.
    """

    serial: str
    amount: Money
    reference: str | None = None
    intent: str | None = None
    payer: Msisdn | None = None
    details: Mapping[str, str] = _NO_DETAILS


@attrs.frozen(kw_only=True)
class ProcessRequest:
    """*It is paid.* What the call does not carry comes from the stored validation.

    Attributes:
        reference: the provider's id of the payment: the key that makes it count once.
        number: our number, where the protocol hands it back.
        intent: the validation's text, where the protocol hands that back.
        receipt: the id the payer sees, if there is another one.
    """

    reference: str
    number: int | None = None
    intent: str | None = None
    serial: str | None = None
    amount: Money | None = None
    payer: Msisdn | None = None
    receipt: str | None = None
    details: Mapping[str, str] = _NO_DETAILS


@attrs.frozen(kw_only=True)
class EnquiryRequest:
    """The telecom asks what became of a payment.

    Attributes:
        final: a *no* makes the telecom give the money back, so the host remembers it: a process
            call of this reference that comes later books nothing.
    """

    reference: str | None = None
    number: int | None = None
    intent: str | None = None
    final: bool = False
    details: Mapping[str, str] = _NO_DETAILS


class NoticeEvent(StrEnum):
    """What a notice claims; it is never believed alone where its protocol has a query."""

    PAID = "paid"
    FAILED = "failed"
    REVERSED = "reversed"


@attrs.frozen(kw_only=True)
class NoticeRequest:
    """The provider tells us something about a payment or push, unasked."""

    event: NoticeEvent
    reference: str
    amount: Money | None = None
    receipt: str | None = None
    details: Mapping[str, str] = _NO_DETAILS


@attrs.frozen(kw_only=True)
class Heartbeat:
    """A sign of life: answered, nothing stored."""

    details: Mapping[str, str] = _NO_DETAILS


ProviderRequest = (
    ValidationRequest | ProcessRequest | EnquiryRequest | NoticeRequest | DeliveryReport | Heartbeat
)


@attrs.frozen(kw_only=True)
class QuoteLine:
    """One line of what the amount would clear or buy; `kind` as in the public interface."""

    kind: str
    amount: Money


@attrs.frozen(kw_only=True)
class Quote:
    """What a payment would do if it were made now; nothing is booked."""

    lines: tuple[QuoteLine, ...]
    watt_hours: int | None = None
    days: int | None = None
    unlocks: bool = False


@attrs.frozen(kw_only=True)
class Objection:
    """Why a payment should be refused before money moves.

    Attributes:
        code: a `ReasonCode`, or the plugin's own word prefixed by its name (`acme_blocked`).
        message: a sentence for the payer's telecom, with the remedy.
    """

    code: str
    message: str


class Decision(StrEnum):
    """What the host decided about an inbound call; each protocol has its own words for it."""

    VALIDATED = "validated"  # may be paid
    ACCEPTED = "accepted"  # booked, now or earlier with the same content
    FOUND = "found"  # answer to an enquiry; `payment.status` says where it stands
    NOTED = "noted"  # a notice, delivery report or heartbeat was taken
    REJECTED = "rejected"  # may not be paid; `reason` says why
    CONFLICT = "conflict"  # known with other content, or a final no was said earlier
    NOT_FOUND = "not_found"  # an enquiry's final or present no; or ids alone of an unknown payment
    UNAUTHENTICATED = "unauthenticated"
    MALFORMED = "malformed"  # `fields` names what could not be read
    STALE = "stale"
    UNAVAILABLE = "unavailable"  # we cannot answer now; the telecom should ask again


@attrs.frozen(kw_only=True)
class PaymentFacts:
    """What a verdict may tell about a stored payment.

    Attributes:
        details: what the telecom's calls asked us to keep; in `mpm_report_payment` only.
    """

    status: PaymentStatus
    amount: Money | None = None
    serial: str | None = None
    device_kind: str | None = None
    reference: str | None = None
    receipt: str | None = None
    accepted_at: datetime | None = None
    settled_at: datetime | None = None
    details: Mapping[str, str] = _NO_DETAILS


@attrs.frozen(kw_only=True)
class Verdict:
    """The host's decision about one inbound call.

    The same verdict must always encode to the same bytes.

    Attributes:
        reason: a `ReasonCode` or an objection's code; empty when there is nothing to explain.
        message: one plain sentence without secrets or whole phone numbers.
        number: our running number of the payment at this instance, once it has one.
        payment: facts of the stored payment, where one is known. An *accepted* verdict carries
            none: its reply is encoded before booking and must not depend on the outcome.
        fields: for *malformed*, the wire names of the fields at fault.
    """

    decision: Decision
    reason: str = ""
    message: str = ""
    number: int | None = None
    payment: PaymentFacts | None = None
    fields: tuple[str, ...] = ()
