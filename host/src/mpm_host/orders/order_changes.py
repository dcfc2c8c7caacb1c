"""What people's actions write to orders: closing one, or putting another in its place."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.orders.order_store import OrderPurpose, OrderRecord

__all__ = ["cancel", "follow", "park"]

_COPIED = (
    "company_id", "payment_id", "customer_id", "device_id", "kind", "money", "currency",
    "quantity", "unit", "unit_price", "calculation",
)  # fmt: skip


def follow(connection: Connection, order: OrderRecord, purpose: OrderPurpose, now: datetime) -> str:
    """Queue a new order for the same value in the place of one that ended, and return its id.

    It goes to whoever makes the device now, under a key of its own: a vendor that remembers keys
    would only repeat its answer to the old one.
    """
    o = t.orders.c
    old = (
        connection.execute(
            sa.select(*(o[name] for name in _COPIED), t.devices.c.instance_id)
            .join(t.devices, t.devices.c.id == o.device_id)
            .where(o.id == order.id)
        )
        .mappings()
        .one()
    )
    new_id = new_identifier()
    connection.execute(
        sa.insert(t.orders).values(
            id=new_id,
            **old,
            status=OrderStatus.QUEUED,
            purpose=purpose,
            follows_id=order.id,
            next_at=now,
            created_at=now,
        )
    )
    return new_id


def cancel(connection: Connection, order: OrderRecord, reason: str, now: datetime) -> None:
    """Close a locked order that surely brought and will bring nothing."""
    _end(connection, order, OrderStatus.CANCELLED, reason, finished_at=now)


def park(connection: Connection, order: OrderRecord, reason: str) -> None:
    """Leave a locked order that may have brought a token to a person."""
    _end(connection, order, OrderStatus.PARKED, reason, finished_at=None)


def _end(
    connection: Connection,
    order: OrderRecord,
    status: OrderStatus,
    reason: str,
    *,
    finished_at: datetime | None,
) -> None:
    o = t.orders.c
    connection.execute(
        sa.update(t.orders)
        .where(o.id == order.id)
        .values(
            status=status,
            fence=o.fence + 1,
            reason=reason,
            detail="",
            next_at=None,
            due_at=None,
            finished_at=finished_at,
        )
    )
