"""Customers' accounts as the money rules see them: read from the tables, accrual included.

Used dry for quotes (`lock=False`) and by booking, which locks the customers first, so that two
payments of one customer are allocated one after the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import DeviceKind, DeviceMapping
from mpm_core.allocation.accounts import AccessDebt, Account, Options, Target
from mpm_core.plans import Plan, PlanKind, PlanRow
from mpm_core.tariffs import AccessRate, PriceComponent, Tariff, next_boundary, passed_boundaries
from mpm_host.database import tables as t
from mpm_host.database.lists import among
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.identifiers import new_identifier

__all__ = [
    "AccountMovedError",
    "Accrual",
    "CustomerAccount",
    "DeviceKey",
    "OwnedDevice",
    "load_accounts",
    "load_customers",
]

DeviceKey = tuple[str, str]  # company id, serial
AnyRow = Row[*tuple[Any, ...]]


class AccountMovedError(RuntimeError):
    """A device changed its owner between look-up and lock; the caller tries again."""


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


@attrs.frozen(kw_only=True)
class Accrual:
    """Access-rate boundaries that came since anybody looked: debts not in the tables yet."""

    device_id: str
    next_due_on: date
    amount: int
    debts: tuple[AccessDebt, ...]


@attrs.frozen(kw_only=True)
class CustomerAccount:
    """Everything about one customer that a payment can touch."""

    customer_id: str
    company: CompanyRecord
    phone: str
    account: Account
    devices: Mapping[str, OwnedDevice]  # by serial
    accruals: tuple[Accrual, ...]
    today: date

    def target(self, serial: str, directory: Directory) -> Target:
        """Return the addressed device as the rules see it."""
        device = self.devices[serial]
        facts = directory.instances[device.instance_id].facts
        return Target(
            serial=serial,
            kind=device.kind,
            tariff=device.tariff,
            energy_step=facts.energy_step if facts else None,
        )

    @property
    def options(self) -> Options:
        """Return what the company chose."""
        return Options(arrears_buy_time=self.company.arrears_buy_time)


def load_accounts(
    connection: Connection,
    directory: Directory,
    keys: Iterable[DeviceKey],
    now: datetime,
    *,
    lock: bool,
) -> tuple[Mapping[DeviceKey, str | None], Mapping[str, CustomerAccount]]:
    """Read the accounts of the customers who own devices.

    Args:
        connection: of the caller's transaction.
        directory: companies, for their dates and options.
        keys: company and serial of the addressed devices.
        now: decides which access-rate boundaries have come.
        lock: take the customers' rows for update, in the order of their ids.

    Returns:
        The owner of each known device (`None`: it has none; absent: unknown serial), and the
        accounts by customer.

    Raises:
        AccountMovedError: an owner changed meanwhile; try again.
    """
    owners = _owners(connection, sorted(set(keys)))
    customer_ids = {owner for owner in owners.values() if owner is not None}
    accounts = load_customers(connection, directory, customer_ids, now, lock=lock)
    for (_, serial), owner in owners.items():
        if owner is not None and serial not in accounts[owner].devices:
            raise AccountMovedError(owner)
    return owners, accounts


def load_customers(
    connection: Connection,
    directory: Directory,
    customer_ids: Iterable[str],
    now: datetime,
    *,
    lock: bool,
) -> Mapping[str, CustomerAccount]:
    """Read the accounts of customers, by id; the arguments are those of `load_accounts`."""
    wanted = sorted(set(customer_ids))
    if not wanted:
        return {}
    customers = _customers(connection, wanted, lock=lock)
    found = _Found(
        devices=_devices(connection, wanted),
        plans=_plans(connection, wanted),
        debts=_access_debts(connection, wanted),
    )
    return {row.id: _assemble(row, directory, found, now) for row in customers}


def _owners(connection: Connection, keys: Sequence[DeviceKey]) -> dict[DeviceKey, str | None]:
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


def _customers(
    connection: Connection, customer_ids: Sequence[str], *, lock: bool
) -> Sequence[AnyRow]:
    c = t.customers.c
    query = (
        sa.select(c.id, c.company_id, c.phone, c.credit)
        .where(among(c.id, customer_ids))
        .order_by(c.id)
    )
    return connection.execute(query.with_for_update() if lock else query).all()


def _devices(
    connection: Connection, customer_ids: Sequence[str]
) -> Mapping[str, dict[str, OwnedDevice]]:
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


def _plans(connection: Connection, customer_ids: Sequence[str]) -> Mapping[str, list[Plan]]:
    p, r = t.plans.c, t.plan_rows.c
    query = (
        sa.select(
            p.id, p.customer_id, p.kind, p.device_serial, p.price_per_day, p.minimum_payment,
            r.id.label("row_id"), r.due_on, r.cost, r.remaining,
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
                        id=row.row_id, due_on=row.due_on, cost=row.cost, remaining=row.remaining
                    )
                    for row in rows
                    if row.row_id is not None
                ),
                price_per_day=first.price_per_day,
                minimum_payment=first.minimum_payment,
            )
        )
    return found


def _access_debts(
    connection: Connection, customer_ids: Sequence[str]
) -> Mapping[str, list[AccessDebt]]:
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


@attrs.frozen(kw_only=True)
class _Found:
    """What was read of all customers, by customer."""

    devices: Mapping[str, dict[str, OwnedDevice]]
    plans: Mapping[str, list[Plan]]
    debts: Mapping[str, list[AccessDebt]]


def _assemble(
    customer: AnyRow, directory: Directory, found: _Found, now: datetime
) -> CustomerAccount:
    company = directory.companies[customer.company_id]
    today = company.today(now)
    devices = found.devices[customer.id]
    accruals = tuple(
        accrual for device in devices.values() if (accrual := _accrue(device, today)) is not None
    )
    accrued = tuple(debt for accrual in accruals for debt in accrual.debts)
    return CustomerAccount(
        customer_id=customer.id,
        company=company,
        phone=customer.phone,
        account=Account(
            currency=company.company.currency,
            credit=customer.credit,
            plans=tuple(found.plans[customer.id]),
            access_debts=(*found.debts[customer.id], *accrued),
        ),
        devices=devices,
        accruals=accruals,
        today=today,
    )


def _accrue(device: OwnedDevice, today: date) -> Accrual | None:
    rate = device.tariff.access_rate if device.tariff else None
    if rate is None or device.access_due_on is None or device.access_due_on > today:
        return None
    boundaries = passed_boundaries(device.access_due_on, rate.period_days, today)
    return Accrual(
        device_id=device.id,
        next_due_on=next_boundary(device.access_due_on, rate.period_days, today),
        amount=rate.amount,
        debts=tuple(
            AccessDebt(
                id=new_identifier(),
                due_on=boundary,
                remaining=rate.amount,
                device_serial=device.serial,
            )
            for boundary in boundaries
        ),
    )
