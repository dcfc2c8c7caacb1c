"""Where a payment stands, told by its orders.

A payment may have several: one per device, and a later one where a person had one repeated. An
order whose place another took no longer counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import PaymentStatus
from mpm_host.actions.proposals import is_meaningful
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.outbox.outbox import Fact, OutboxHook, is_heard, tell

__all__ = ["OrderSummary", "Progress", "counting_orders", "progress_of", "refresh_payment"]

# The first of these that an order has is what the payment says.
_RANKS: tuple[tuple[frozenset[OrderStatus], PaymentStatus], ...] = (
    (frozenset({OrderStatus.UNKNOWN, OrderStatus.PARKED}), PaymentStatus.UNKNOWN),
    (frozenset({OrderStatus.REFUSED}), PaymentStatus.HELD),
    (frozenset({OrderStatus.QUEUED, OrderStatus.SENT}), PaymentStatus.TOKEN_PENDING),
)
_NEEDS_PERSON = frozenset({OrderStatus.REFUSED, OrderStatus.PARKED})


@attrs.frozen(kw_only=True)
class OrderSummary:
    """What an order says about its payment."""

    id: str
    status: OrderStatus
    device_id: str
    follows_id: str | None
    reason: str = ""
    detail: str = ""


@attrs.frozen(kw_only=True)
class Progress:
    """What a payment says about itself."""

    status: PaymentStatus
    needs_person: bool
    reason: str = ""
    detail: str = ""


def progress_of(orders: Sequence[OrderSummary]) -> Progress:
    """Return where a payment with these counting orders stands: its most worrying one decides."""
    needs_person = any(order.status in _NEEDS_PERSON for order in orders)
    for statuses, payment_status in _RANKS:
        for order in orders:
            if order.status in statuses:
                return Progress(
                    status=payment_status,
                    needs_person=needs_person,
                    reason=order.reason,
                    detail=order.detail,
                )
    last = orders[-1] if orders else None
    return Progress(
        status=PaymentStatus.SETTLED,
        needs_person=False,
        reason=last.reason if last else "",
        detail=last.detail if last else "",
    )


def counting_orders(connection: Connection, payment_id: str) -> tuple[OrderSummary, ...]:
    """Read a payment's orders but those whose place another took, the oldest first."""
    o = t.orders.c
    query = (
        sa.select(o.id, o.status, o.device_id, o.follows_id, o.reason, o.detail)
        .where(o.payment_id == payment_id)
        .order_by(o.id)
    )
    orders = [_summary(row) for row in connection.execute(query)]
    followed = {order.follows_id for order in orders}
    return tuple(order for order in orders if order.id not in followed)


def _summary(row: Row[*tuple[object, ...]]) -> OrderSummary:
    return OrderSummary(
        id=row.id,
        status=OrderStatus(row.status),
        device_id=row.device_id,
        follows_id=row.follows_id,
        reason=row.reason,
        detail=row.detail,
    )


def refresh_payment(connection: Connection, payment_id: str, now: datetime) -> Progress:
    """Write where a booked payment stands, after one of its orders moved; the payment is locked."""
    progress = progress_of(counting_orders(connection, payment_id))
    waits_for_approval = sa.exists().where(
        t.proposals.c.payment_id == payment_id,
        t.proposals.c.order_id == t.orders.c.id,
        is_meaningful(),
    )
    settled = progress.status is PaymentStatus.SETTLED
    if settled:
        _tell_settled(connection, payment_id, now)
    connection.execute(
        sa.update(t.payments)
        .where(t.payments.c.id == payment_id)
        .values(
            status=progress.status,
            needs_person=sa.or_(
                sa.literal(progress.needs_person), waits_for_approval, t.payments.c.disputed
            ),
            reason=progress.reason,
            message=progress.detail,
            settled_at=now if settled else None,
        )
    )
    return progress


def _tell_settled(connection: Connection, payment_id: str, now: datetime) -> None:
    """Have it told that a payment settles now, unless it was settled or is being taken back."""
    if not is_heard(connection, OutboxHook.PAYMENT_SETTLED):
        return
    p = t.payments.c
    query = sa.select(p.company_id).where(
        p.id == payment_id, p.status != PaymentStatus.SETTLED, p.reversing_at.is_(None)
    )
    if (company_id := connection.execute(query).scalar_one_or_none()) is not None:
        hook = OutboxHook.PAYMENT_SETTLED
        tell(connection, [Fact(hook=hook, company_id=company_id, subject_id=payment_id, at=now)])
