"""What callers hear of a booking: pure, from the payment as the command left it."""

from __future__ import annotations

from mpm_core import Decision, PaymentStatus, ReasonCode
from mpm_host.payments.booking_commands import Outcome
from mpm_host.payments.payment_records import PaymentRecord

__all__ = ["accepted", "unknown_reference", "validation_outcome"]


def unknown_reference() -> Outcome:
    """Say that nobody knows what the call speaks of."""
    return Outcome(
        decision=Decision.NOT_FOUND,
        reason=ReasonCode.UNKNOWN_REFERENCE,
        message="No payment is known under this reference; nothing was booked.",
    )


def accepted(record: PaymentRecord, *, has_work: bool = False) -> Outcome:
    """Say that the money is booked, with the reply that was stored for every repeat."""
    return Outcome(
        decision=Decision.ACCEPTED, reply=record.reply, payment=record, has_work=has_work
    )


def validation_outcome(record: PaymentRecord) -> Outcome:
    """Answer a validation from the row, the first time and every time again."""
    refused = record.status in {PaymentStatus.REJECTED, PaymentStatus.UNMATCHED}
    return Outcome(
        decision=Decision.REJECTED if refused else Decision.VALIDATED,
        reason=record.reason if refused else "",
        message=record.message if refused else "",
        payment=record,
    )
