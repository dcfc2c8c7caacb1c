"""Payments for one sale by mobile money: what a payer was asked for, down payments above all.

They pay that sale alone. The money has moved when they are booked, so nothing is refused any more:
what does not fit the sale by then becomes the buyer's credit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core.allocation import Allocation
from mpm_core.allocation.plan_payments import allocate_moved_to_plan
from mpm_host.database import tables as t
from mpm_host.directory import Directory
from mpm_host.payments.customer_accounts import CustomerAccount, OwnedDevice
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.refusals import RefusalCode

__all__ = ["BUYER_DELETED", "SALE_DELETED", "PaidSale", "allocate_for_sale", "read_paid_sales"]

# Also the reasons of money that came too late.
SALE_DELETED = RefusalCode.SALE_DELETED.value
BUYER_DELETED = RefusalCode.UNKNOWN_CUSTOMER.value


@attrs.frozen(kw_only=True)
class PaidSale:
    """Whose sale is paid, and whether it was taken back or its buyer deleted."""

    customer_id: str
    is_deleted: bool
    is_buyer_deleted: bool


def read_paid_sales(connection: Connection, plan_ids: Collection[str]) -> Mapping[str, PaidSale]:
    """Return sales by id, with one statement; with none where there are no ids."""
    if not plan_ids:
        return {}
    p, c = t.plans.c, t.customers.c
    query = (
        sa.select(p.id, p.customer_id, p.deleted_at, c.deleted_at.label("buyer_deleted_at"))
        .join(t.customers, c.id == p.customer_id)
        .where(p.id.in_(sorted(plan_ids)))
    )
    return {
        row.id: PaidSale(
            customer_id=row.customer_id,
            is_deleted=row.deleted_at is not None,
            is_buyer_deleted=row.buyer_deleted_at is not None,
        )
        for row in connection.execute(query)
    }


def allocate_for_sale(
    record: PaymentRecord,
    plan_id: str,
    owner: CustomerAccount,
    device: OwnedDevice | None,
    directory: Directory,
) -> Allocation:
    """Divide a payment over the rows of its sale.

    Args:
        record: the payment; its amount is known.
        plan_id: the sale.
        owner: who buys, locked.
        device: that was sold; `None` for a plain appliance.
        directory: what manufacturers sell.
    """
    return allocate_moved_to_plan(
        record.amount or 0,
        owner.account,
        plan_id,
        owner.target(device.serial, directory) if device else None,
        owner.today,
        owner.options,
    )
