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
from mpm_host.database.lists import among, as_list

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

_DEVICE, _VERSION = t.devices.c, t.tariff_versions.c
_PLAN, _ROW, _DEBT = t.plans.c, t.plan_rows.c, t.access_debts.c
_CUSTOMER = t.customers.c
# Two lists instead of a list of pairs: SQLite answers a list of pairs by reading every device.
_OWNERS = sa.select(_DEVICE.company_id, _DEVICE.serial, _DEVICE.customer_id).where(
    among(_DEVICE.company_id, "companies"), among(_DEVICE.serial, "serials")
)
_CUSTOMERS = (
    sa.select(_CUSTOMER.id, _CUSTOMER.company_id, _CUSTOMER.phone, _CUSTOMER.credit)
    .where(among(_CUSTOMER.id, "ids"))
    .order_by(_CUSTOMER.id)
)
_LOCKED_CUSTOMERS = _CUSTOMERS.with_for_update(key_share=True)
_DEVICES = (
    sa.select(
        _DEVICE.id, _DEVICE.serial, _DEVICE.kind, _DEVICE.customer_id, _DEVICE.instance_id,
        _DEVICE.tariff_id, _DEVICE.access_due_on, _DEVICE.mapping,
        _VERSION.id.label("version_id"), _VERSION.price_per_kwh, _VERSION.components,
        _VERSION.minimum_purchase, _VERSION.access_amount, _VERSION.access_period_days,
    )
    .select_from(
        t.devices.outerjoin(t.tariffs, t.tariffs.c.id == _DEVICE.tariff_id).outerjoin(
            t.tariff_versions,
            sa.and_(
                _VERSION.tariff_id == t.tariffs.c.id, _VERSION.version == t.tariffs.c.version
            ),
        )
    )
    .where(among(_DEVICE.customer_id, "ids"))
)  # fmt: skip
_PLANS = (
    sa.select(
        _PLAN.id, _PLAN.customer_id, _PLAN.kind, _PLAN.device_serial, _PLAN.price_per_day,
        _PLAN.minimum_payment,
        _ROW.id.label("row_id"), _ROW.due_on, _ROW.cost, _ROW.remaining, _ROW.is_down_payment,
    )
    .select_from(t.plans.outerjoin(t.plan_rows, _ROW.plan_id == _PLAN.id))
    .where(among(_PLAN.customer_id, "ids"), _PLAN.live)
)  # fmt: skip
_ACCESS_DEBTS = (
    sa.select(_DEBT.id, _DEBT.customer_id, _DEBT.due_on, _DEBT.remaining, _DEVICE.serial)
    .join(t.devices, _DEVICE.id == _DEBT.device_id)
    .where(among(_DEBT.customer_id, "ids"), _DEBT.remaining > 0)
)


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
    wanted = set(keys)
    given = {
        "companies": as_list(company_id for company_id, _ in wanted),
        "serials": as_list(serial for _, serial in wanted),
    }
    return {
        (row.company_id, row.serial): row.customer_id
        for row in connection.execute(_OWNERS, given)
        if (row.company_id, row.serial) in wanted
    }


def read_customers(
    connection: Connection, customer_ids: Sequence[str], *, lock: bool
) -> Sequence[AnyRow]:
    """Return customers in the order of their ids; `lock` takes their rows for update."""
    query = _LOCKED_CUSTOMERS if lock else _CUSTOMERS
    return connection.execute(query, {"ids": as_list(customer_ids)}).all()


def read_devices(
    connection: Connection, customer_ids: Sequence[str]
) -> Mapping[str, dict[str, OwnedDevice]]:
    """Return each customer's devices, by serial, with what prices them now."""
    found: dict[str, dict[str, OwnedDevice]] = defaultdict(dict)
    for row in connection.execute(_DEVICES, {"ids": as_list(customer_ids)}):
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
    grouped: dict[str, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(_PLANS, {"ids": as_list(customer_ids)}):
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
    found: dict[str, list[AccessDebt]] = defaultdict(list)
    for row in connection.execute(_ACCESS_DEBTS, {"ids": as_list(customer_ids)}):
        found[row.customer_id].append(
            AccessDebt(
                id=row.id, due_on=row.due_on, remaining=row.remaining, device_serial=row.serial
            )
        )
    return found
