"""Sales and their plans as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_core.plans import Period, PlanKind
from mpm_host.database import tables as t
from mpm_host.web.api.listing import AnyRow
from mpm_host.web.api.values import View

__all__ = ["Sale", "SaleRow", "SaleStatus", "sale_views"]


class SaleStatus(StrEnum):
    """What became of a sale."""

    OPEN = "open"
    SETTLED = "settled"
    DELETED = "deleted"


class SaleRow(View, frozen=True, kw_only=True):
    """One instalment, or the down payment; `number` counts in due order, from 1."""

    number: int
    id: str
    due_on: date
    cost: str
    remaining: str


class Sale(View, frozen=True, kw_only=True):
    """What was sold to a customer, and how it is paid.

    Energy as a service has a price per day and no rows.
    """

    id: str
    customer_id: str
    appliance_id: str | None
    device_id: str | None
    device_serial: str | None
    kind: PlanKind
    status: SaleStatus
    sold_on: date
    cost: str
    down_payment: str
    remaining: str
    currency: str
    period: Period | None
    price_per_day: str | None
    minimum_payment: str
    rows: list[SaleRow]


def sale_views(connection: Connection, plans: Sequence[AnyRow]) -> list[Sale]:
    """Return sales with their rows, which one query finds for all of them."""
    r = t.plan_rows.c
    query = (
        sa.select(r.id, r.plan_id, r.due_on, r.cost, r.remaining)
        .where(r.plan_id.in_([plan.id for plan in plans]))
        .order_by(r.due_on, r.id)
    )
    rows: dict[str, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(query):
        rows[row.plan_id].append(row)
    return [_sale(plan, rows[plan.id]) for plan in plans]


def _sale(plan: AnyRow, rows: Sequence[AnyRow]) -> Sale:
    remaining = sum(row.remaining for row in rows)

    def written(minor: int) -> str:
        return str(Money(minor, plan.currency))

    return Sale(
        id=plan.id,
        customer_id=plan.customer_id,
        appliance_id=plan.appliance_id,
        device_id=plan.device_id,
        device_serial=plan.device_serial,
        kind=PlanKind(plan.kind),
        status=_status(plan, remaining),
        sold_on=plan.sold_on,
        cost=written(plan.cost),
        down_payment=written(plan.down_payment),
        remaining=written(remaining),
        currency=plan.currency,
        period=Period(plan.period) if plan.period else None,
        price_per_day=None if plan.price_per_day is None else written(plan.price_per_day),
        minimum_payment=written(plan.minimum_payment),
        rows=[
            SaleRow(
                number=number,
                id=row.id,
                due_on=row.due_on,
                cost=written(row.cost),
                remaining=written(row.remaining),
            )
            for number, row in enumerate(rows, start=1)
        ],
    )


def _status(plan: AnyRow, remaining: int) -> SaleStatus:
    if plan.deleted_at is not None:
        return SaleStatus.DELETED
    is_open = plan.live if plan.price_per_day is not None else remaining > 0
    return SaleStatus.OPEN if is_open else SaleStatus.SETTLED
