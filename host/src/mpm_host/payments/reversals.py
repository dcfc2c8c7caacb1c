"""Taking a payment back by counter-entries: debts reopen, what was delivered becomes owed.

The ledger is never rewritten: each entry gets one of the opposite sign, at its position. Value that
reached the device stays sold; its price becomes negative credit, collected from the next payment.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.payments.ledger import LedgerAccount
from mpm_host.payments.ledger_entries import BookedLine, NewEntry, net_lines, write_journal
from mpm_host.payments.payment_locks import lock_customer_of
from mpm_host.payments.payment_progress import counting_orders

__all__ = ["SOLD", "book_reversal", "book_reversal_if_due", "was_delivered"]

SOLD = frozenset({LedgerAccount.ENERGY, LedgerAccount.TIME, LedgerAccount.EAAS})
_PLAN_ROWS = frozenset({LedgerAccount.INSTALMENT, LedgerAccount.DOWN_PAYMENT})
_ENDED = frozenset({OrderStatus.ISSUED, OrderStatus.REFUSED, OrderStatus.CANCELLED})


def book_reversal_if_due(connection: Connection, payment_id: str, now: datetime) -> bool:
    """Book the reversal of a locked payment that is to be taken back, once its orders have ended.

    Returns:
        Whether it was booked.
    """
    orders = counting_orders(connection, payment_id)
    if any(order.status not in _ENDED for order in orders):
        return False
    book_reversal(connection, payment_id, now)
    return True


def book_reversal(connection: Connection, payment_id: str, now: datetime) -> None:
    """Write the counter-entries of a locked payment and close it; its orders have ended."""
    lock_customer_of(connection, payment_id)
    delivered = was_delivered(connection, payment_id)
    entries = [
        _counter_entry(connection, line, delivered=delivered)
        for line in net_lines(connection, payment_id)
    ]
    write_journal(connection, payment_id, entries, now)
    connection.execute(
        sa.update(t.payments)
        .where(t.payments.c.id == payment_id)
        .values(
            status=PaymentStatus.REVERSED,
            needs_person=False,
            disputed=False,
            reason="reversed",
            message="The payment was taken back.",
            settled_at=None,
        )
    )


def was_delivered(connection: Connection, payment_id: str) -> bool:
    """Tell whether what the payment bought for its own device was granted."""
    o, p = t.orders.c, t.payments.c
    granted = (
        sa.select(o.id)
        .join(t.payments, p.id == o.payment_id)
        .where(p.id == payment_id, o.device_id == p.device_id, o.status == OrderStatus.ISSUED)
    )
    return connection.execute(granted.limit(1)).first() is not None


def _counter_entry(connection: Connection, line: BookedLine, *, delivered: bool) -> NewEntry:
    stays_sold = line.account in SOLD and delivered
    is_gone = line.account in _PLAN_ROWS and not _is_live(connection, line.refers_to)
    if stays_sold or is_gone:
        return line.entry(-line.amount, account=LedgerAccount.CREDIT, refers_to="")
    return line.entry(-line.amount)


def _is_live(connection: Connection, row_id: str) -> bool:
    """Tell whether a plan's row can be owed again; plans that were put aside collect nothing."""
    r, p = t.plan_rows.c, t.plans.c
    query = sa.select(p.live).join(t.plan_rows, r.plan_id == p.id).where(r.id == row_id)
    return bool(connection.execute(query).scalar_one_or_none())
