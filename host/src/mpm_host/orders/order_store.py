"""Orders as rows: read for the worker, and written only by compare-and-set.

Every take-over of an order moves its `fence`; a worker that was paused and comes back finds another
number there and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import (
    Charge,
    ChargeKind,
    Money,
    Order,
    Prepared,
    ReasonCode,
    Unit,
)
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.orders.order_rules import (
    AttemptOutcome,
    OrderFacts,
    OrderStatus,
)
from mpm_host.payments.payment_locks import lock_device

__all__ = [
    "OrderPurpose",
    "OrderRecord",
    "StateMovedError",
    "ask_to_look",
    "begin_attempt",
    "can_be_looked_after",
    "is_in_hand",
    "last_sent_at",
    "load_order",
    "move_state",
    "orders_before",
    "postpone",
    "rest",
]

_IN_DOUBT = (OrderStatus.UNKNOWN, OrderStatus.PARKED)
_BETWEEN_WISHES = timedelta(seconds=30)  # looking at a page again and again asks nobody more often


class OrderPurpose(StrEnum):
    """Why there is an order besides the one of the payment's own sale."""

    UNLOCK = "unlock"  # the plan of another device was settled, or one without any payment
    RETRY = "retry"  # a person tries again what was refused
    REISSUE = "reissue"  # two people want a second grant


@attrs.frozen(kw_only=True)
class OrderRecord:
    """One order with what its worker needs of the payment and the device.

    Attributes:
        reversing: its payment is to be taken back once the order has ended.
    """

    id: str
    company_id: str
    payment_id: str
    device_id: str
    serial: str
    instance_id: str
    status: OrderStatus
    purpose: OrderPurpose | None
    fence: int
    attempts: int
    facts: OrderFacts
    charge: Charge
    prepared: Mapping[str, str] | None
    created_at: datetime
    lease_until: datetime | None
    due_at: datetime | None
    next_at: datetime | None
    unknown_since: datetime | None
    reversing: bool

    @classmethod
    def from_row(cls, row: RowMapping, now: datetime) -> OrderRecord:
        """Read one row of the query below, as it is at a moment."""
        unit_price = row["unit_price"]
        return cls(
            id=row["id"],
            company_id=row["company_id"],
            payment_id=row["payment_id"],
            device_id=row["device_id"],
            serial=row["serial"],
            instance_id=row["instance_id"],
            status=OrderStatus(row["status"]),
            purpose=OrderPurpose(row["purpose"]) if row["purpose"] else None,
            fence=row["fence"],
            attempts=row["attempts"],
            facts=_facts(row, now),
            charge=Charge(
                kind=ChargeKind(row["kind"]),
                money=Money(row["money"], row["currency"]),
                quantity=row["quantity"],
                unit=Unit(row["unit"]) if row["unit"] else None,
                unit_price=Decimal(unit_price) if unit_price is not None else None,
            ),
            prepared=row["prepared"],
            created_at=row["created_at"],
            lease_until=row["lease_until"],
            due_at=row["due_at"],
            next_at=row["next_at"],
            unknown_since=row["unknown_since"],
            reversing=row["reversing_at"] is not None,
        )

    def as_order(
        self, attempt: int, prepared: Mapping[str, str], *, sent_at: datetime | None = None
    ) -> Order:
        """Return the order as plugins see it."""
        return Order(
            key=self.id,
            attempt=attempt,
            created_at=self.created_at,
            sent_at=sent_at,
            prepared=prepared,
        )


def _facts(row: RowMapping, now: datetime) -> OrderFacts:
    since = row["unknown_since"]
    return OrderFacts(
        doubt=row["doubt"],
        failures=row["failures"],
        age=timedelta(0) if since is None else max(now - since, timedelta(0)),
        looks=row["looks"],
        not_found=row["not_found"],
        vendor_works=row["reason"] == ReasonCode.VENDOR_PENDING,
    )


def load_order(
    connection: Connection, order_id: str, now: datetime, *, lock: bool = False
) -> OrderRecord | None:
    """Read an order, or `None` if there is no such order.

    Args:
        connection: of the caller's transaction.
        order_id: which one.
        now: decides how long its outcome has been unknown.
        lock: take the row for update; payment and device come before it.
    """
    query = (
        sa.select(t.orders, t.devices.c.serial, t.payments.c.reversing_at)
        .join(t.devices, t.devices.c.id == t.orders.c.device_id)
        .join(t.payments, t.payments.c.id == t.orders.c.payment_id)
        .where(t.orders.c.id == order_id)
    )
    if lock:
        query = query.with_for_update(of=t.orders)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else OrderRecord.from_row(row, now)


def orders_before(
    connection: Connection, order: OrderRecord, *, blocking: Collection[ChargeKind]
) -> int:
    """Count the other orders of the device that must come first; takes the device.

    An order in doubt comes first whatever its id: ids follow the clocks of the machines that made
    them, and it may have had its effect already.

    Args:
        connection: of the caller's transaction.
        order: that wants to begin.
        blocking: kinds of orders whose doubt holds the device's other orders back.
    """
    lock_device(connection, order.device_id)
    o = t.orders.c
    earlier = o.id < order.id
    repeats_first = o.doubt & earlier if order.facts.doubt else o.doubt | earlier
    before = [
        o.status == OrderStatus.SENT,
        (o.status == OrderStatus.QUEUED) & repeats_first,
        o.status.in_(_IN_DOUBT) & o.kind.in_(blocking),
    ]
    query = sa.select(sa.func.count()).where(
        o.device_id == order.device_id,
        o.id != order.id,
        o.finished_at.is_(None),
        sa.or_(*before),
    )
    return connection.execute(query).scalar_one()


def begin_attempt(  # noqa: PLR0913 - everything that must be durable before the call
    connection: Connection,
    order: OrderRecord,
    prepared: Prepared,
    *,
    prepared_from: int | None,
    plugin: str,
    now: datetime,
    lease: timedelta,
) -> OrderRecord | None:
    """Mark the order *sent* and write its attempt, or return `None` if somebody else did.

    Args:
        connection: of a transaction that has taken the device.
        order: as its worker knows it.
        prepared: what the plugin decided.
        prepared_from: the version of the device it was decided from; none: by an earlier attempt.
        plugin: its name and version.
        now: when.
        lease: how long its worker may be silent.

    Raises:
        StateMovedError: the device is not what it was when the order was prepared.
    """
    o = t.orders.c
    updated = connection.execute(
        sa.update(t.orders)
        .where(o.id == order.id, o.fence == order.fence, o.status == OrderStatus.QUEUED)
        .values(
            status=OrderStatus.SENT,
            fence=o.fence + 1,
            attempts=o.attempts + 1,
            prepared=dict(prepared.inputs),
            lease_until=now + lease,
            next_at=now + lease,
            due_at=now + lease,
        )
    )
    if updated.rowcount != 1:
        return None
    if prepared_from is not None:
        _confirm_state(connection, order.device_id, prepared.state, prepared_from)
    begun = attrs.evolve(
        order, status=OrderStatus.SENT, fence=order.fence + 1, attempts=order.attempts + 1,
        prepared=dict(prepared.inputs),
    )  # fmt: skip
    connection.execute(
        sa.insert(t.attempts).values(
            id=new_identifier(),
            company_id=order.company_id,
            order_id=order.id,
            number=begun.attempts,
            at=now,
            outcome=AttemptOutcome.SENT,
            plugin=plugin,
            detail="",
        )
    )
    crash_point(CrashPoint.ATTEMPT_WRITTEN)
    return begun


def is_in_hand(connection: Connection, order: OrderRecord, now: datetime) -> bool:
    """Tell whether an attempt that was begun is still its worker's to make.

    A machine may sleep between the two, for longer than a lease: others went on meanwhile, and what
    it asks now would come after what they did.
    """
    o = t.orders.c
    query = sa.select(o.id).where(o.id == order.id, o.fence == order.fence, o.lease_until > now)
    return connection.execute(query).first() is not None


def _confirm_state(
    connection: Connection, device_id: str, state: Mapping[str, str] | None, version: int
) -> None:
    """Go on only from what the order was prepared with, and replace it if the plugin says so.

    Preparing takes no lock, so an order before this one may have taken effect meanwhile: the plugin
    would have asked its vendor before that and begin where the device was.
    """
    d = t.devices.c
    confirm = sa.update(t.devices).where(d.id == device_id, d.state_version == version)
    confirm = confirm.values(state_version=version + 1)
    if state is not None:
        confirm = confirm.values(state=dict(state))
    if connection.execute(confirm).rowcount != 1:
        raise StateMovedError(device_id)


def move_state(connection: Connection, device_id: str) -> None:
    """Have whatever was prepared for a device before now be prepared again; the device is taken."""
    d = t.devices.c
    connection.execute(
        sa.update(t.devices).where(d.id == device_id).values(state_version=d.state_version + 1)
    )


def postpone(
    connection: Connection,
    order: OrderRecord,
    until: datetime,
    detail: str,
    *,
    next_at: datetime | None,
) -> None:
    """Leave a queued or unknown order for later; no attempt is made of it.

    Args:
        connection: of the caller's transaction.
        order: as its worker knows it.
        until: when it is due.
        detail: why.
        next_at: when a worker must have it, if its customer is to be told something before.
    """
    o = t.orders.c
    connection.execute(
        sa.update(t.orders)
        .where(o.id == order.id, o.fence == order.fence, o.finished_at.is_(None))
        .values(next_at=next_at, due_at=until, detail=detail)
    )


def rest(connection: Connection, order: OrderRecord, until: datetime | None) -> None:
    """Let an order that is not due be handed over again only then."""
    o = t.orders.c
    connection.execute(
        sa.update(t.orders)
        .where(o.id == order.id, o.fence == order.fence, o.due_at == order.due_at)
        .values(next_at=until)
    )


def last_sent_at(connection: Connection, order_id: str) -> datetime | None:
    """Return when the last attempt at an order was made."""
    a = t.attempts.c
    query = sa.select(a.at).where(a.order_id == order_id).order_by(a.number.desc()).limit(1)
    return connection.execute(query).scalar()


def can_be_looked_after(connection: Connection, payment_id: str, now: datetime) -> bool:
    """Tell whether `ask_to_look` would do anything; it takes no lock."""
    query = sa.select(t.orders.c.id).where(_can_be_looked_after(payment_id, now))
    return connection.execute(query.limit(1)).first() is not None


def ask_to_look(connection: Connection, payment_id: str, now: datetime) -> bool:
    """Let a payment's unknown orders be looked after now, because somebody is interested.

    Returns:
        Whether there is anything to do now; asking again and again does not make more of it.
    """
    asked = connection.execute(
        sa.update(t.orders)
        .where(_can_be_looked_after(payment_id, now))
        .values(asked_at=now, due_at=now, next_at=now)
    )
    return asked.rowcount > 0


def _can_be_looked_after(payment_id: str, now: datetime) -> sa.ColumnElement[bool]:
    o = t.orders.c
    return sa.and_(
        o.payment_id == payment_id,
        o.status == OrderStatus.UNKNOWN,
        o.due_at > now,
        o.not_found == 0,  # the answer that ends the doubt must be of a later moment
        sa.or_(o.asked_at.is_(None), o.asked_at <= now - _BETWEEN_WISHES),
    )


class StateMovedError(RuntimeError):
    """An order of the device began or took effect since this one was prepared: prepare it again."""
