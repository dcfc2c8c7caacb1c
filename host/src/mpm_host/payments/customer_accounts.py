"""Customers' accounts as the money rules see them: read from the tables, accrual included.

Used dry for quotes (`lock=False`) and by booking, which locks the customers first, so that two
payments of one customer are allocated one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import attrs
from sqlalchemy.engine import Connection

from mpm_core.allocation.accounts import AccessDebt, Account, Options, Target
from mpm_core.plans import Plan
from mpm_core.tariffs import next_boundary, passed_boundaries
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.identifiers import new_identifier
from mpm_host.payments.account_rows import (
    AnyRow,
    DeviceKey,
    OwnedDevice,
    read_access_debts,
    read_customers,
    read_devices,
    read_owners,
    read_plans,
)

__all__ = [
    "AccountMovedError",
    "Accrual",
    "CustomerAccount",
    "DeviceKey",
    "OwnedDevice",
    "load_accounts",
    "load_customers",
]


class AccountMovedError(RuntimeError):
    """A device changed its owner between look-up and lock; the caller tries again."""


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


def load_accounts(  # noqa: PLR0913 - what to read, of whom, when and how
    connection: Connection,
    directory: Directory,
    keys: Iterable[DeviceKey],
    now: datetime,
    *,
    lock: bool,
    buyers: Iterable[str] = (),
) -> tuple[Mapping[DeviceKey, str | None], Mapping[str, CustomerAccount]]:
    """Read the accounts of the customers who own devices, and of those who pay sales.

    Args:
        connection: of the caller's transaction.
        directory: companies, for their dates and options.
        keys: company and serial of the addressed devices.
        now: decides which access-rate boundaries have come.
        lock: take the customers' rows for update, in the order of their ids.
        buyers: ids of further customers.

    Returns:
        The owner of each known device (`None`: it has none; absent: unknown serial), and the
        accounts by customer.

    Raises:
        AccountMovedError: an owner changed meanwhile; try again.
    """
    owners = read_owners(connection, sorted(set(keys)))
    customer_ids = {owner for owner in owners.values() if owner is not None} | set(buyers)
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
    customers = read_customers(connection, wanted, lock=lock)
    found = _Found(
        devices=read_devices(connection, wanted),
        plans=read_plans(connection, wanted),
        debts=read_access_debts(connection, wanted),
    )
    return {row.id: _assemble(row, directory, found, now) for row in customers}


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
