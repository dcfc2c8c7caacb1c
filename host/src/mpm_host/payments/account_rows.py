"""What the tables hold of customers that a payment can touch, as the money rules' values.

Each kind is read with one statement for many customers, so that a batch costs what one does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import DeviceKind, DeviceMapping
from mpm_core.allocation.accounts import AccessDebt
from mpm_core.plans import Plan, PlanKind, PlanRow
from mpm_core.tariffs import AccessRate, PriceComponent, Tariff
from mpm_host.database import tables as t
from mpm_host.database.lists import among

__all__ = [
    "AnyRow",
    "DeviceKey",
    "OwnedDevice",
    "read_access_debts",
    "read_customers",
    "read_devices",
    "read_owners",
    "read_plans",
    "tariff_from_row",
]

DeviceKey = tuple[str, str]  # company id, serial
AnyRow = Row[*tuple[Any, ...]]


@attrs.frozen(kw_only=True)
class OwnedDevice:
    """A device of the customer, with what prices it."""

    id: str
    serial: str
    kind: DeviceKind
    instance_id: str
    tariff: Tariff | None
    access_due_on: date | None
    mapping: DeviceMapping


def read_owners(connection: Connection, keys: Sequence[DeviceKey]) -> dict[DeviceKey, str | None]:
    """Return the owner of each device there is, by company and serial; `None`: nobody's."""
    if not keys:
        return {}
    d, wanted = t.devices.c, set(keys)
    # Two lists instead of a list of pairs: SQLite answers a list of pairs by reading every device.
    query = sa.select(d.company_id, d.serial, d.customer_id).where(
        among(d.company_id, {company_id for company_id, _ in wanted}),
        among(d.serial, {serial for _, serial in wanted}),
    )
    return {
        (row.company_id, row.serial): row.customer_id
        for row in connection.execute(query)
        if (row.company_id, row.serial) in wanted
    }


def read_customers(
    connection: Connection, customer_ids: Sequence[str], *, lock: bool
) -> Sequence[AnyRow]:
    """Return customers in the order of their ids; `lock` takes their rows for update."""
    c = t.customers.c
    query = (
        sa.select(c.id, c.company_id, c.phone, c.credit)
        .where(among(c.id, customer_ids))
        .order_by(c.id)
    )
    return connection.execute(query.with_for_update() if lock else query).all()


def read_devices(
    connection: Connection, customer_ids: Sequence[str]
) -> Mapping[str, dict[str, OwnedDevice]]:
    """Return each customer's devices, by serial, with what prices them now."""
    d, version = t.devices.c, t.tariff_versions.c
    query = (
        sa.select(
            d.id, d.serial, d.kind, d.customer_id, d.instance_id, d.tariff_id, d.access_due_on,
            d.mapping,
            version.id.label("version_id"), version.price_per_kwh, version.components,
            version.minimum_purchase, version.access_amount, version.access_period_days,
        )
        .select_from(
            t.devices.outerjoin(t.tariffs, t.tariffs.c.id == d.tariff_id).outerjoin(
                t.tariff_versions,
                sa.and_(
                    version.tariff_id == t.tariffs.c.id, version.version == t.tariffs.c.version
                ),
            )
        )
        .where(among(d.customer_id, customer_ids))
    )  # fmt: skip
    found: dict[str, dict[str, OwnedDevice]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.customer_id][row.serial] = OwnedDevice(
            id=row.id,
            serial=row.serial,
            kind=DeviceKind(row.kind),
            instance_id=row.instance_id,
            tariff=tariff_from_row(row) if row.version_id is not None else None,
            access_due_on=row.access_due_on,
            mapping=DeviceMapping(row.mapping),
        )
    return found


def tariff_from_row(row: AnyRow) -> Tariff:
    """Read a tariff version's columns as the rules' tariff; its version is the row's id."""
    access_rate = (
        AccessRate(amount=row.access_amount, period_days=row.access_period_days)
        if row.access_amount
        else None
    )
    return Tariff(
        version=row.version_id,
        price_per_kwh=Decimal(row.price_per_kwh),
        components=tuple(
            PriceComponent(name=part["name"], price_per_kwh=Decimal(part["price_per_kwh"]))
            for part in row.components
        ),
        minimum_purchase=row.minimum_purchase,
        access_rate=access_rate,
    )


def read_plans(connection: Connection, customer_ids: Sequence[str]) -> Mapping[str, list[Plan]]:
    """Return each customer's live plans with their rows."""
    p, r = t.plans.c, t.plan_rows.c
    query = (
        sa.select(
            p.id, p.customer_id, p.kind, p.device_serial, p.price_per_day, p.minimum_payment,
            r.id.label("row_id"), r.due_on, r.cost, r.remaining, r.is_down_payment,
        )
        .select_from(t.plans.outerjoin(t.plan_rows, r.plan_id == p.id))
        .where(among(p.customer_id, customer_ids), p.live)
    )  # fmt: skip
    grouped: dict[str, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(query):
        grouped[row.id].append(row)
    found: dict[str, list[Plan]] = defaultdict(list)
    for rows in grouped.values():
        first = rows[0]
        found[first.customer_id].append(
            Plan(
                id=first.id,
                kind=PlanKind(first.kind),
                device_serial=first.device_serial,
                rows=tuple(
                    PlanRow(
                        id=row.row_id,
                        due_on=row.due_on,
                        cost=row.cost,
                        remaining=row.remaining,
                        is_down_payment=row.is_down_payment,
                    )
                    for row in rows
                    if row.row_id is not None
                ),
                price_per_day=first.price_per_day,
                minimum_payment=first.minimum_payment,
            )
        )
    return found


def read_access_debts(
    connection: Connection, customer_ids: Sequence[str]
) -> Mapping[str, list[AccessDebt]]:
    """Return each customer's access rates that are owed."""
    a = t.access_debts.c
    query = (
        sa.select(a.id, a.customer_id, a.due_on, a.remaining, t.devices.c.serial)
        .join(t.devices, t.devices.c.id == a.device_id)
        .where(among(a.customer_id, customer_ids), a.remaining > 0)
    )
    found: dict[str, list[AccessDebt]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.customer_id].append(
            AccessDebt(
                id=row.id, due_on=row.due_on, remaining=row.remaining, device_serial=row.serial
            )
        )
    return found
