"""Selling something to a customer on a plan; the plan itself is made in `plan_terms`."""

from __future__ import annotations

from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import DeviceKind
from mpm_host.database import tables as t
from mpm_host.database.bulk_insert import bulk_insert
from mpm_host.database.columns import as_indexed
from mpm_host.directory import CompanyRecord
from mpm_host.orders.switch_rows import end_switches
from mpm_host.payments.open_payments import refuse_open_payments_of_device
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.appliances import find_appliances
from mpm_host.registration.inputs import read_serial
from mpm_host.registration.plan_terms import PlanTerms, PlanWrites, SaleDevice, prepare_sale

__all__ = ["SaleRequest", "Sold", "insert_plans", "put_settled_plan_aside", "sell"]

_LIVE = as_indexed(t.plans.c.live)


@attrs.frozen(kw_only=True)
class SaleRequest:
    """Sell an appliance to a customer.

    Attributes:
        device_serial: of the device handed over; none for plain appliances. A device without an
            owner becomes the customer's.
    """

    customer_id: str
    appliance_id: str
    terms: PlanTerms
    device_serial: str | None = None


@attrs.frozen(kw_only=True)
class Sold:
    """What came of a sale."""

    plan_id: str


def sell(
    connection: Connection, company: CompanyRecord, request: SaleRequest, now: datetime
) -> Sold:
    """Sell an appliance on a plan, in the caller's transaction.

    A device may have one live plan: a settled one is put aside, an open one refuses the sale.

    Raises:
        ServiceRefused: customer, appliance or device is unknown or does not fit, the device has an
            open plan or an open payment, or the terms make no plan.
    """
    _lock_customer(connection, company, request.customer_id)
    appliance = find_appliances(connection, company, ids=[request.appliance_id]).get(
        request.appliance_id
    )
    if appliance is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_APPLIANCE,
            f"The company has no appliance with id {request.appliance_id[:64]!r}.",
        )
    device = _sold_device(connection, company, request)
    writes = prepare_sale(company, request.customer_id, appliance, device, request.terms, now)
    if device is not None:
        _hand_over(connection, device, request, now)
    insert_plans(connection, [writes])
    return Sold(plan_id=writes.plan_id)


def insert_plans(connection: Connection, plans: list[PlanWrites]) -> None:
    """Write new plans with their rows and down payments, one statement per table."""
    bulk_insert(connection, t.plans, [writes.plan for writes in plans])
    bulk_insert(connection, t.plan_rows, [row for writes in plans for row in writes.rows])
    bulk_insert(connection, t.entries, [entry for writes in plans for entry in writes.entries])


def _lock_customer(connection: Connection, company: CompanyRecord, customer_id: str) -> None:
    """Take the customer first, as everywhere, so that no payment is allocated meanwhile."""
    c = t.customers.c
    query = sa.select(c.id).where(
        c.id == customer_id, c.company_id == company.id, c.deleted_at.is_(None)
    )
    if connection.execute(query.with_for_update(key_share=True)).first() is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_CUSTOMER,
            f"The company has no customer with id {customer_id[:64]!r}.",
        )


def _sold_device(
    connection: Connection, company: CompanyRecord, request: SaleRequest
) -> SaleDevice | None:
    if request.device_serial is None:
        return None
    serial = read_serial(request.device_serial)
    row = _find_device(connection, company, serial)
    if row is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_SERIAL, f"The company has no device {serial!r}; register it first."
        )
    if row.customer_id not in {None, request.customer_id}:
        raise ServiceRefused(
            RefusalCode.DEVICE_OWNED,
            f"Device {serial!r} belongs to another customer; move it to this one first.",
        )
    return SaleDevice(id=row.id, serial=serial, kind=DeviceKind(row.kind))


def _find_device(
    connection: Connection, company: CompanyRecord, serial: str
) -> Row[str, str | None, str] | None:
    d = t.devices.c
    query = (
        sa.select(d.id, d.customer_id, d.kind)
        .where(d.company_id == company.id, d.serial == serial)
        .with_for_update()
    )
    return connection.execute(query).first()


def _hand_over(
    connection: Connection, device: SaleDevice, request: SaleRequest, now: datetime
) -> None:
    """Give a locked device its owner; a settled plan of it is put aside.

    A token that is under way would count for the new sale, or unlock what is paid off no longer.
    """
    refuse_open_payments_of_device(connection, device.id, device.serial)
    if put_settled_plan_aside(connection, device.id, device.serial):
        end_switches(connection, [device.id], now)  # it is paid off no longer
    connection.execute(
        sa.update(t.devices)
        .where(t.devices.c.id == device.id)
        .values(customer_id=request.customer_id, appliance_id=request.appliance_id)
    )


def put_settled_plan_aside(connection: Connection, device_id: str, serial: str) -> bool:
    """Make room for another plan, or another owner, of a device that is paid off.

    Returns:
        Whether there was a plan.

    Raises:
        ServiceRefused: `plan_open`.
    """
    p, r = t.plans.c, t.plan_rows.c
    live = connection.execute(
        sa.select(
            p.id, p.price_per_day, sa.func.coalesce(sa.func.sum(r.remaining), 0).label("remaining")
        )
        .select_from(t.plans.outerjoin(t.plan_rows, r.plan_id == p.id))
        .where(p.device_id == device_id, _LIVE)
        .group_by(p.id, p.price_per_day)
    ).first()
    if live is None:
        return False
    if live.price_per_day is not None or live.remaining > 0:
        raise ServiceRefused(
            RefusalCode.PLAN_OPEN,
            f"Device {serial!r} has a plan that is not paid off; end that one first.",
        )
    connection.execute(sa.update(t.plans).where(p.id == live.id).values(live=False))
    return True
