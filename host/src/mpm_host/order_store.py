"""Orders as rows: read for the worker, and written only by compare-and-set.

Every take-over of an order moves its `fence`; a worker that was paused and comes back finds another
number there and changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import (
    Charge,
    ChargeKind,
    Grant,
    Money,
    Order,
    Prepared,
    ReasonCode,
    Unit,
)
from mpm_host.database import tables as t
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.order_rules import (
    AttemptOutcome,
    OrderFacts,
    OrderStatus,
)

__all__ = ["DETAIL_LENGTH", "OrderRecord", "OrderStore", "StateMovedError"]

_IN_DOUBT = (OrderStatus.UNKNOWN, OrderStatus.PARKED)
DETAIL_LENGTH = 500


@attrs.frozen(kw_only=True)
class OrderRecord:
    """One order with what its worker needs of the payment and the device."""

    id: str
    company_id: str
    payment_id: str
    device_id: str
    serial: str
    instance_id: str
    status: OrderStatus
    fence: int
    attempts: int
    facts: OrderFacts
    charge: Charge
    prepared: Mapping[str, str] | None
    created_at: datetime
    lease_until: datetime | None

    @classmethod
    def from_row(cls, row: RowMapping) -> OrderRecord:
        """Read one row of the query below."""
        unit_price = row["unit_price"]
        return cls(
            id=row["id"],
            company_id=row["company_id"],
            payment_id=row["payment_id"],
            device_id=row["device_id"],
            serial=row["serial"],
            instance_id=row["instance_id"],
            status=OrderStatus(row["status"]),
            fence=row["fence"],
            attempts=row["attempts"],
            facts=OrderFacts(
                doubt=row["doubt"],
                failures=row["failures"],
                looks=row["looks"],
                not_found=row["not_found"],
                vendor_works=row["reason"] == ReasonCode.VENDOR_PENDING,
            ),
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
        )

    def as_order(self, attempt: int, prepared: Mapping[str, str]) -> Order:
        """Return the order as plugins see it."""
        return Order(key=self.id, attempt=attempt, created_at=self.created_at, prepared=prepared)


class OrderStore:
    """Reads and writes orders; every method runs inside the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def load(
        self, connection: Connection, order_id: str, *, lock: bool = False
    ) -> OrderRecord | None:
        """Read an order, or `None` if there is no such order."""
        query = (
            sa.select(t.orders, t.devices.c.serial)
            .join(t.devices, t.devices.c.id == t.orders.c.device_id)
            .where(t.orders.c.id == order_id)
        )
        if lock:
            query = query.with_for_update(of=t.orders)
        row = connection.execute(query).mappings().one_or_none()
        return None if row is None else OrderRecord.from_row(row)

    def has_turn(self, connection: Connection, order: OrderRecord, *, blocks_device: bool) -> bool:
        """Tell whether no other order of the device must come first.

        Takes the device's row for update, so that two orders of one device cannot both begin.
        """
        connection.execute(
            sa.select(t.devices.c.id).where(t.devices.c.id == order.device_id).with_for_update()
        )
        o = t.orders.c
        earlier = o.id < order.id
        before = [o.status == OrderStatus.SENT, earlier & (o.status == OrderStatus.QUEUED)]
        if blocks_device:
            before.append(earlier & o.status.in_(_IN_DOUBT))
        query = sa.select(o.id).where(
            o.device_id == order.device_id,
            o.id != order.id,
            o.finished_at.is_(None),
            sa.or_(*before),
        )
        return connection.execute(query.limit(1)).first() is None

    def begin_attempt(  # noqa: PLR0913 - everything that must be durable before the call
        self,
        connection: Connection,
        order: OrderRecord,
        prepared: Prepared,
        *,
        state_version: int,
        plugin: str,
        now: datetime,
        lease: timedelta,
    ) -> OrderRecord | None:
        """Mark the order *sent* and write its attempt, or return `None` if somebody else did."""
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
            )
        )
        if updated.rowcount != 1:
            return None
        if prepared.state is not None and not self._replace_state(
            connection, order.device_id, prepared.state, state_version
        ):
            raise StateMovedError(order.device_id)
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
        return begun

    def _replace_state(
        self, connection: Connection, device_id: str, state: Mapping[str, str], version: int
    ) -> bool:
        d = t.devices.c
        updated = connection.execute(
            sa.update(t.devices)
            .where(d.id == device_id, d.state_version == version)
            .values(state=dict(state), state_version=version + 1)
        )
        return updated.rowcount == 1

    def postpone(
        self, connection: Connection, order: OrderRecord, until: datetime, detail: str
    ) -> None:
        """Leave a queued or unknown order for later; no attempt is made of it."""
        o = t.orders.c
        connection.execute(
            sa.update(t.orders)
            .where(o.id == order.id, o.fence == order.fence, o.finished_at.is_(None))
            .values(next_at=until, detail=detail[:DETAIL_LENGTH])
        )

    def keep_evidence(
        self, connection: Connection, order: OrderRecord, grant: Grant, now: datetime
    ) -> None:
        """Store an answer that came too late to count with the attempt it belongs to."""
        a = t.attempts.c
        evidence = json.dumps(
            {
                "codes": [code.reveal() for code in grant.codes],
                "quantity": grant.quantity,
                "unit": grant.unit,
                "vendor_reference": grant.vendor_reference,
            }
        )
        connection.execute(
            sa.update(t.attempts)
            .where(a.order_id == order.id, a.number == order.attempts)
            .values(
                evidence=self._vault.seal(evidence),
                detail="A grant came after the order was decided; it is kept as evidence.",
                finished_at=now,
            )
        )


class StateMovedError(RuntimeError):
    """The device's state changed since the order was prepared; prepare it again."""
