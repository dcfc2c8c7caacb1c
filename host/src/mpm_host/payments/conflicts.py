"""Conflicts: calls that speak of a known payment and say something else of it.

Nothing is booked for a call that can be refused; money that cannot be is booked as nobody's. The
payment is marked, and each difference is one event however often the telecom repeats it (T-55); how
many calls there were, the counter of answered calls tells.
"""

from __future__ import annotations

from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Objection, PaymentStatus, ProcessRequest, ValidationRequest
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.payments.booking_writes import BookingWrites
from mpm_host.payments.payment_records import PaymentRecord

__all__ = [
    "CONFLICT",
    "PAID_AFTER_DENIAL",
    "PAID_DIFFERENTLY",
    "Conflicts",
    "contradictions",
    "difference",
]

CONFLICT = "conflict"  # the kind of the event
# Reasons of payments that are booked all the same, for their money has moved.
PAID_AFTER_DENIAL = "paid_after_denial"
PAID_DIFFERENTLY = "paid_differently"


def difference(record: PaymentRecord, request: ValidationRequest | ProcessRequest) -> str:
    """Name what a call says differently from the row; what one side does not say agrees."""
    if request.serial is not None and record.serial not in {None, request.serial}:
        return f"serial: {request.serial!r} instead of {record.serial!r}"
    if request.amount is not None and record.money not in {None, request.amount}:
        return f"amount: {request.amount} instead of {record.money}"
    if request.payer is not None and record.payer not in {None, request.payer.e164}:
        return f"payer: {request.payer.masked}"
    return ""


def contradictions(record: PaymentRecord, request: ProcessRequest) -> tuple[Objection, ...]:
    """Return what of the row speaks against a call that money has moved, the gravest first."""
    found = []
    if record.status is PaymentStatus.DENIED:
        found.append(Objection(code=PAID_AFTER_DENIAL, message="paid after a final no"))
    if other := difference(record, request):
        found.append(Objection(code=PAID_DIFFERENTLY, message=f"paid with another {other}"))
    return tuple(found)


@attrs.frozen(kw_only=True)
class Conflicts:
    """Notes the conflicts of one batch, whose payments are locked.

    Attributes:
        connection: of the batch's transaction.
        writes: what the batch writes; events of earlier commands are still among them.
        now: when.
    """

    connection: Connection
    writes: BookingWrites
    now: datetime

    def note(self, record: PaymentRecord, what: str, receipt: str | None) -> None:
        """Mark a payment and keep the difference, once; repeating it changes nothing.

        Args:
            record: of a locked payment, or of one that this batch makes.
            what: the difference.
            receipt: the telecom's number for what it took, if the call carries one (T-56).
        """
        detail = f"{what} (receipt {receipt})" if receipt else what
        if not record.conflict:
            record.conflict = True
            self.writes.save(record)
        if self._is_known(record.id, detail):
            return
        self.writes.events.append(
            {
                "id": new_identifier(),
                "company_id": record.company_id,
                "payment_id": record.id,
                "kind": CONFLICT,
                "detail": detail,
                "at": self.now,
            }
        )

    def _is_known(self, payment_id: str, detail: str) -> bool:
        wanted = (payment_id, CONFLICT, detail)
        if any((one["payment_id"], one["kind"], one["detail"]) == wanted
               for one in self.writes.events):  # fmt: skip
            return True
        e = t.events.c
        query = sa.select(e.id).where(
            e.payment_id == payment_id, e.kind == CONFLICT, e.detail == detail
        )
        return self.connection.execute(query.limit(1)).first() is not None
