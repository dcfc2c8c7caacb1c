"""What may be asked of a payer's phone for one sale: checked while nothing has moved.

For a sale that is there, by the rules of cash for a sale; for a down payment, before its sale is
written.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import Money, Quote, QuoteLine, ReasonCode
from mpm_core.allocation.accounts import LineKind
from mpm_core.allocation.plan_payments import allocate_to_plan
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes
from mpm_host.directory import CompanyRecord, Directory, InstanceRecord
from mpm_host.payments.amounts import check_amount
from mpm_host.payments.customer_accounts import CustomerAccount, OwnedDevice, load_customers
from mpm_host.payments.device_objections import mapping_objection
from mpm_host.payments.quotes import Quoted, as_quote
from mpm_host.payments.staff_bookings import manufacturer_objection, refuse
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["QuotedSale", "lock_sale_for_push", "quote_down_payment", "quote_sale"]

_SHOWN = 64  # characters; telecoms cut what they show the payer anyway
_OPEN = [PushStatus.REQUESTED.value, PushStatus.UNKNOWN.value]


@attrs.frozen(kw_only=True)
class QuotedSale:
    """What a payer may be asked for.

    Attributes:
        quoted: what plugins are asked about, if a device was sold.
        serial: of the device; `None` for a plain appliance.
        shown: what the payer is told that they pay for: the serial, or the appliance's name.
    """

    quoted: Quoted
    serial: str | None
    shown: str


def quote_sale(  # noqa: PLR0913, PLR0917 - of which sale, how much, by whom, when
    connection: Connection,
    directory: Directory,
    instance: InstanceRecord,
    sale_id: str,
    amount: Money,
    now: datetime,
) -> QuotedSale:
    """Return what an amount would do for a sale that is there.

    Raises:
        ServiceRefused: `unknown_sale`, `sale_deleted`, `plan_already_settled`, `amount_invalid` and
            whatever else stands against the device or the amount.
        PlanChangeRefused: the amount does not fit the sale's rows.
    """
    sale = _find_sale(connection, instance.company_id, sale_id)
    owner = load_customers(connection, directory, [sale.customer_id], now, lock=False)[
        sale.customer_id
    ]
    device = owner.devices.get(sale.device_serial or "")
    _check(instance, amount, owner.company, device, directory)
    if all(plan.id != sale_id for plan in owner.account.plans):
        raise ServiceRefused(
            ReasonCode.PLAN_ALREADY_SETTLED,
            f"Sale {sale_id!r} is paid off and was put aside; nothing can be paid on it.",
        )
    quoted = _quote(owner, device, sale_id, amount, directory)
    shown = sale.device_serial or (sale.name or "")[:_SHOWN] or sale_id
    return QuotedSale(quoted=quoted, serial=sale.device_serial, shown=shown)


def quote_down_payment(  # noqa: PLR0913, PLR0917 - of which sale to be, how much, by whom, when
    connection: Connection,
    directory: Directory,
    instance: InstanceRecord,
    appliance_id: str,
    serial: str | None,
    amount: Money,
) -> QuotedSale:
    """Return what a down payment would do; whether the sale may be made, selling decides.

    Raises:
        ServiceRefused: what stands against the amount.
    """
    if objection := check_amount(amount, instance.amount_rules):
        raise refuse(objection)
    a, d = t.appliances.c, t.devices.c
    name = connection.scalar(
        sa.select(a.name).where(a.company_id == instance.company_id, a.id == appliance_id)
    )
    device = connection.execute(
        sa.select(d.id, d.kind, d.instance_id).where(
            d.company_id == instance.company_id, d.serial == serial
        )
    ).first()
    shown = serial or str(name or appliance_id)[:_SHOWN]
    if device is None:
        return QuotedSale(quoted=Quoted(), serial=serial, shown=shown)
    manufacturer = directory.instances[device.instance_id]
    quoted = Quoted(
        device_id=device.id,
        device_kind=device.kind,
        manufacturer_id=manufacturer.id,
        quote=Quote(lines=(QuoteLine(kind=LineKind.DOWN_PAYMENT, amount=amount),)),
    )
    return QuotedSale(quoted=quoted, serial=serial, shown=shown)


def lock_sale_for_push(connection: Connection, company_id: str, sale_id: str) -> None:
    """Take the buyer of a sale, and refuse while its payer is being asked already.

    Two prompts at once could both be paid. One that nobody knows the end of, and that is not asked
    about any more, stands in nobody's way.

    Raises:
        ServiceRefused: `unknown_sale`, `push_open`.
    """
    c, s, p, u = t.customers.c, t.plans.c, t.payments.c, pushes.c
    buyer = sa.select(s.customer_id).where(s.company_id == company_id, s.id == sale_id)
    lock = sa.select(c.id).where(c.id == buyer.scalar_subquery()).with_for_update(key_share=True)
    connection.execute(lock)  # first: only under it does nobody take the sale back
    _find_sale(connection, company_id, sale_id)
    query = (
        sa.select(u.id, u.status)
        .join(t.payments, p.id == u.payment_id)
        .where(
            p.plan_id == sale_id,
            p.company_id == company_id,
            u.status.in_(_OPEN),
            u.next_at.is_not(None),
        )
    )
    found = connection.execute(query.limit(1)).first()
    if found is not None:
        raise ServiceRefused(
            RefusalCode.PUSH_OPEN,
            f"A payer is being asked for sale {sale_id!r} already: push {found.id} is "
            f"{found.status}. Wait until it is paid or failed.",
        )


def _find_sale(connection: Connection, company_id: str, sale_id: str) -> Row[*tuple[Any, ...]]:
    p, a = t.plans.c, t.appliances.c
    query = (
        sa.select(p.customer_id, p.deleted_at, p.device_serial, a.name)
        .select_from(t.plans.outerjoin(t.appliances, a.id == p.appliance_id))
        .where(p.company_id == company_id, p.id == sale_id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_SALE, f"The company has no sale with id {sale_id[:64]!r}."
        )
    if row.deleted_at is not None:
        raise ServiceRefused(
            RefusalCode.SALE_DELETED,
            f"Sale {sale_id!r} was taken back; nothing can be paid on it.",
        )
    return row


def _check(
    instance: InstanceRecord,
    amount: Money,
    company: CompanyRecord,
    device: OwnedDevice | None,
    directory: Directory,
) -> None:
    objection = check_amount(amount, instance.amount_rules)
    if objection is None and device is not None:
        objection = manufacturer_objection(device, directory) or mapping_objection(company, device)
    if objection is not None:
        raise refuse(objection)


def _quote(
    owner: CustomerAccount,
    device: OwnedDevice | None,
    sale_id: str,
    amount: Money,
    directory: Directory,
) -> Quoted:
    target = owner.target(device.serial, directory) if device else None
    allocation = allocate_to_plan(
        amount.minor, owner.account, sale_id, target, owner.today, owner.options
    )
    for objection in allocation.objections:
        raise refuse(objection)
    return Quoted(
        quote=as_quote(allocation, amount.currency),
        device_id=device.id if device else None,
        device_kind=device.kind if device else None,
        manufacturer_id=device.instance_id if device else None,
    )
