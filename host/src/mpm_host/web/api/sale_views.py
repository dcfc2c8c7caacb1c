"""Sales and their plans as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_core.plans import Period, PlanKind
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.web.api.listing import AnyRow
from mpm_host.web.api.values import View

__all__ = ["Sale", "SalePush", "SaleRow", "SaleStatus", "sale_views"]

_REMEDY = (
    "It was not paid, as far as anybody knows. Ask again (POST /pushes with this sale_id), take "
    "cash (POST /cash-payments with this sale_id), or take the sale back (DELETE /sales/{id})."
)


class SaleStatus(StrEnum):
    """What became of a sale."""

    OPEN = "open"
    SETTLED = "settled"
    DELETED = "deleted"


class SalePush(View, frozen=True, kw_only=True):
    """The newest prompt on a payer's phone for this sale.

    `remedy` says what to do when it was not paid; empty while there is nothing to be done.
    """

    id: str
    payment_id: str
    amount: str
    status: PushStatus
    detail: str
    remedy: str


class SaleRow(View, frozen=True, kw_only=True):
    """One instalment, or the down payment; `number` counts in due order, from 1."""

    number: int
    id: str
    is_down_payment: bool
    due_on: date
    cost: str
    remaining: str


class Sale(View, frozen=True, kw_only=True):
    """What was sold to a customer, and how it is paid.

    Energy as a service has a price per day and no rows. `down_payment` is what was agreed, and
    `down_payment_remaining` what of it is still owed.
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
    down_payment_remaining: str
    remaining: str
    currency: str
    period: Period | None
    price_per_day: str | None
    minimum_payment: str
    rows: list[SaleRow]
    push: SalePush | None


def sale_views(connection: Connection, plans: Sequence[AnyRow]) -> list[Sale]:
    """Return sales with their rows and pushes; one query each finds those of all of them."""
    r, ids = t.plan_rows.c, [plan.id for plan in plans]
    query = (
        sa.select(r.id, r.plan_id, r.due_on, r.cost, r.remaining, r.is_down_payment)
        .where(r.plan_id.in_(ids), r.cost > 0)  # one that costs nothing was taken out of the plan
        .order_by(r.is_down_payment.desc(), r.due_on, r.id)
    )
    rows: dict[str, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(query):
        rows[row.plan_id].append(row)
    newest = _newest_pushes(connection, ids)
    return [_sale(plan, rows[plan.id], newest.get(plan.id)) for plan in plans]


def _newest_pushes(connection: Connection, plan_ids: Sequence[object]) -> Mapping[str, AnyRow]:
    p, u = t.payments.c, pushes.c
    query = (
        sa.select(p.plan_id, u.id, u.payment_id, u.amount, u.status, u.detail, u.next_at)
        .join(pushes, u.payment_id == p.id)
        .where(p.plan_id.in_(plan_ids))
        .order_by(u.id)
    )
    return {row.plan_id: row for row in connection.execute(query)}


def _push(plan: AnyRow, push: AnyRow) -> SalePush:
    status = PushStatus(push.status)
    is_over = status is PushStatus.FAILED or (status is PushStatus.UNKNOWN and push.next_at is None)
    return SalePush(
        id=push.id,
        payment_id=push.payment_id,
        amount=str(Money(push.amount, plan.currency)),
        status=status,
        detail=push.detail,
        remedy=_REMEDY if is_over and plan.deleted_at is None else "",
    )


def _sale(plan: AnyRow, rows: Sequence[AnyRow], push: AnyRow | None) -> Sale:
    remaining = sum(row.remaining for row in rows)
    down = sum(row.remaining for row in rows if row.is_down_payment)

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
        down_payment_remaining=written(down),
        remaining=written(remaining),
        currency=plan.currency,
        period=Period(plan.period) if plan.period else None,
        price_per_day=None if plan.price_per_day is None else written(plan.price_per_day),
        minimum_payment=written(plan.minimum_payment),
        rows=[
            SaleRow(
                number=number,
                id=row.id,
                is_down_payment=row.is_down_payment,
                due_on=row.due_on,
                cost=written(row.cost),
                remaining=written(row.remaining),
            )
            for number, row in enumerate(rows, start=1)
        ],
        push=None if push is None else _push(plan, push),
    )


def _status(plan: AnyRow, remaining: int) -> SaleStatus:
    if plan.deleted_at is not None:
        return SaleStatus.DELETED
    is_open = plan.live if plan.price_per_day is not None else remaining > 0
    return SaleStatus.OPEN if is_open else SaleStatus.SETTLED
