"""Changing a registered device: its owner, its tariff, its village.

The ledger stays with the old owner: what the device cost them until today are their debts, and what
they paid is their history. The new owner begins with nothing.
"""

from __future__ import annotations

from datetime import date, datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import DeviceKind
from mpm_core.tariffs import AccessRate
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.orders.switch_rows import end_switches
from mpm_host.payments.customer_accounts import AccountMovedError
from mpm_host.payments.open_payments import refuse_open_payments_of_device
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.access_rates import begin_rate, book_passed
from mpm_host.registration.customers import lock_customers, require_village
from mpm_host.registration.sales import put_settled_plan_aside
from mpm_host.registration.tariff_book import find_tariffs, keep_versions

__all__ = ["DeviceChange", "change_device"]


@attrs.frozen(kw_only=True)
class DeviceChange:
    """What to change; `None` leaves it."""

    customer_id: str | None = None
    tariff_id: str | None = None
    village_id: str | None = None


def change_device(
    connection: Connection,
    company: CompanyRecord,
    device_id: str,
    change: DeviceChange,
    now: datetime,
) -> dict[str, tuple[object, object]]:
    """Change a device in the caller's transaction, or refuse and write nothing.

    Args:
        connection: of the caller's transaction.
        company: whose device it is.
        device_id: the device.
        change: what becomes of it.
        now: aware; access rates begin on the company's date.

    Returns:
        What was changed, from and to, for the audit trail: `{name: (before, after)}`.

    Raises:
        ServiceRefused: `unknown_device`, `unknown_customer`, `unknown_tariff`, `unknown_village`,
            `tariff_forbidden` for what is no meter; of another owner, `payment_open` while a token
            is under way or to be decided on, and `plan_open` when the device is not paid off.
        AccountMovedError: its owner changed at this very moment; try again.
    """
    if change.tariff_id is not None:
        keep_versions(connection, company, ids=[change.tariff_id])
    device = _lock(connection, company, device_id, change)
    wanted = {
        "customer_id": change.customer_id or device["customer_id"],
        "tariff_id": change.tariff_id or device["tariff_id"],
        "village_id": change.village_id or device["village_id"],
    }
    changed = {name: value for name, value in wanted.items() if value != device[name]}
    if not changed:
        return {}
    if "village_id" in changed:
        require_village(connection, company, str(wanted["village_id"]))
    if "tariff_id" in changed and device["kind"] != DeviceKind.METER.value:
        raise ServiceRefused(
            RefusalCode.TARIFF_FORBIDDEN,
            f"Only meters have a tariff, not {device['kind']}; leave it out.",
        )
    if "customer_id" in changed:
        _leave_owner(connection, device, now)
    due_on = device["access_due_on"]
    if changed.keys() & {"customer_id", "tariff_id"}:
        due_on = _restart_access_rate(connection, company, device, wanted["tariff_id"], now)
    connection.execute(
        sa.update(t.devices)
        .where(t.devices.c.id == device_id)
        .values(**wanted, access_due_on=due_on)
    )
    return {name: (device[name], value) for name, value in changed.items()}


def _lock(
    connection: Connection, company: CompanyRecord, device_id: str, change: DeviceChange
) -> RowMapping:
    """Lock the customers concerned, then the device."""
    owner = _find(connection, company, device_id)["customer_id"]
    concerned = {each for each in (owner, change.customer_id) if each is not None}
    if concerned:
        lock_customers(connection, company, concerned)
    device = _find(connection, company, device_id, lock=True)
    if device["customer_id"] != owner:
        raise AccountMovedError(device_id)
    return device


def _leave_owner(connection: Connection, device: RowMapping, now: datetime) -> None:
    """Let a locked device go to another owner, who begins with nothing."""
    device_id, serial = device["id"], device["serial"]
    refuse_open_payments_of_device(connection, device_id, serial)
    if device["customer_id"] is not None:
        put_settled_plan_aside(connection, device_id, serial)
        end_switches(connection, [device_id], now)


def _find(
    connection: Connection, company: CompanyRecord, device_id: str, *, lock: bool = False
) -> RowMapping:
    d = t.devices.c
    query = sa.select(t.devices).where(d.company_id == company.id, d.id == device_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_DEVICE, f"The company has no device with id {device_id[:64]!r}."
        )
    return row


def _restart_access_rate(
    connection: Connection,
    company: CompanyRecord,
    device: RowMapping,
    tariff_id: str | None,
    now: datetime,
) -> date | None:
    """Book what the old rate came to, and return when the new one first falls due."""
    today = company.today(now)
    old = _rate(connection, company, device["tariff_id"])
    new = _rate(connection, company, tariff_id)
    owner, due_on = device["customer_id"], device["access_due_on"]
    if old is not None and owner is not None and due_on is not None:
        book_passed(
            connection,
            company,
            customer_id=owner,
            device_id=device["id"],
            rate=old,
            due_on=due_on,
            today=today,
        )
    return begin_rate(connection, device["id"], new, today)


def _rate(
    connection: Connection, company: CompanyRecord, tariff_id: str | None
) -> AccessRate | None:
    if tariff_id is None:
        return None
    found = find_tariffs(connection, company, ids=[tariff_id]).get(tariff_id)
    if found is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_TARIFF, f"The company has no tariff with id {tariff_id[:64]!r}."
        )
    return found.tariff.access_rate
