"""`/sales`."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_core.plans import Period
from mpm_host.access.roles import Permission
from mpm_host.agents.agent_sales import sell_as_agent
from mpm_host.database import tables as t
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sale_changes import (
    SaleChange,
    change_sale,
    change_sale_row,
    delete_sale,
    reschedule_sale,
)
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.settled_plans import Unlocker
from mpm_host.web.api.acting_agents import acting_agent, within_reach
from mpm_host.web.api.listing import AnyRow, find_row
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.sale_views import Sale, sale_views
from mpm_host.web.api.values import UNSET, Amount, Body, Id, Page, PageQuery, UnsetType

__all__ = ["OPERATIONS", "SaleTermsBody", "plan_terms"]

_Count = Annotated[int, Meta(ge=1, le=1000)]


class SaleTermsBody(Body, frozen=True, kw_only=True):
    """How something is paid: one of `instalments`, `instalment_cost` and `price_per_day`.

    `cost` is for everything and not asked for energy as a service. The first instalment is due on
    `first_due_on`, or one period after the sale. The down payment is taken in cash.
    """

    cost: Amount | None = None
    sold_on: date | None = None
    down_payment: Amount | None = None
    instalments: _Count | None = None
    instalment_cost: Amount | None = None
    price_per_day: Amount | None = None
    minimum_payment: Amount | None = None
    period: Period = Period.MONTHLY
    first_due_on: date | None = None


class NewSale(SaleTermsBody, frozen=True, kw_only=True):
    """Something sold to a customer; with the serial of its device, if it has one.

    An agent (`agent_id`; for role agent themselves) sells what they were given, at their price, and
    holds the down payment: leave `cost` out.
    """

    customer_id: Id
    appliance_id: Id
    device_serial: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    agent_id: Id | None = None


class SalePatch(Body, frozen=True, kw_only=True):
    """Another total of a plan with instalments, or another price of energy as a service."""

    cost: Amount | UnsetType = UNSET
    price_per_day: Amount | UnsetType = UNSET
    minimum_payment: Amount | UnsetType = UNSET


class RowPatch(Body, frozen=True, kw_only=True):
    """Another cost of one row; 0 takes it out."""

    cost: Amount


class Reschedule(Body, frozen=True, kw_only=True):
    """How what is open is divided from now on."""

    instalments: _Count
    period: Period


class SaleQuery(PageQuery, frozen=True, kw_only=True):
    """Which sales."""

    customer_id: Id | None = None


def plan_terms(call: Call, given: SaleTermsBody) -> PlanTerms:
    """Read the amounts of terms.

    Raises:
        ServiceRefused: `amount_invalid`.
    """
    return PlanTerms(
        cost=_money(call, given.cost, "cost"),
        instalments=given.instalments,
        instalment_cost=_money(call, given.instalment_cost, "instalment cost"),
        price_per_day=_money(call, given.price_per_day, "price per day"),
        minimum_payment=_money(call, given.minimum_payment, "minimum payment"),
        down_payment=_money(call, given.down_payment, "down payment"),
        period=given.period,
        sold_on=given.sold_on,
        first_due_on=given.first_due_on,
    )


def _money(call: Call, given: str | UnsetType | None, what: str) -> Money | None:
    return call.money(given, what) if isinstance(given, str) else None


def _create(call: Call, connection: Connection) -> Sale:
    new = call.body_as(NewSale)
    request = SaleRequest(
        customer_id=new.customer_id,
        appliance_id=new.appliance_id,
        device_serial=new.device_serial,
        terms=plan_terms(call, new),
    )
    agent_id = acting_agent(call, new.agent_id)
    if agent_id is None:
        made = sell(connection, call.company, request, call.now).plan_id
    else:
        made = sell_as_agent(connection, call.company, agent_id, request, call.actor).plan_id
    sale = _find(call, connection, made)
    noted = {
        "customer_id": sale.customer_id,
        "appliance_id": sale.appliance_id,
        "device_serial": sale.device_serial,
        "cost": sale.cost,
        "down_payment": sale.down_payment,
    }
    if agent_id is not None:
        noted["agent_id"] = agent_id
    call.audit(connection, "sale.created", made, after=noted)
    return sale


def _change(call: Call, connection: Connection) -> Sale:
    given, sale_id = call.body_as(SalePatch), call.path["id"]
    change = SaleChange(
        cost=_money(call, given.cost, "cost"),
        price_per_day=_money(call, given.price_per_day, "price per day"),
        minimum_payment=_money(call, given.minimum_payment, "minimum payment"),
    )
    changed = change_sale(connection, call.company, sale_id, change, _unlocker(call))
    return _noted(call, connection, "sale.changed", changed)


def _change_row(call: Call, connection: Connection) -> Sale:
    cost = call.money(call.body_as(RowPatch).cost, "cost")
    number, sale_id = call.path["number"], call.path["id"]
    if not number.isdecimal() or not number.isascii() or len(number) > 4:  # noqa: PLR2004 - 1000
        raise ServiceRefused(
            RefusalCode.UNKNOWN_ROW, f"{number[:40]!r} is no number of a row; they count from 1."
        )
    changed = change_sale_row(connection, call.company, sale_id, int(number), cost, _unlocker(call))
    return _noted(call, connection, "sale.row_changed", changed)


def _unlocker(call: Call) -> Unlocker:
    return Unlocker(directory=call.context.host.house.directory, by=call.actor)


def _wake(call: Call) -> None:
    call.context.services.wake()


def _reschedule(call: Call, connection: Connection) -> Sale:
    given, sale_id = call.body_as(Reschedule), call.path["id"]
    changed = reschedule_sale(connection, call.company, sale_id, given.instalments, given.period)
    return _noted(call, connection, "sale.rescheduled", changed)


def _delete(call: Call, connection: Connection) -> None:
    changed = delete_sale(connection, call.company, call.path["id"], call.now)
    _noted(call, connection, "sale.deleted", changed)


def _noted(call: Call, connection: Connection, action: str, changed: dict[str, object]) -> Sale:
    """Note a change, `{name: [before, after]}`, and return the sale as it is now."""
    pairs = {name: pair for name, pair in changed.items() if isinstance(pair, list)}
    if pairs:
        call.audit(
            connection,
            action,
            call.path["id"],
            before={name: pair[0] for name, pair in pairs.items()},
            after={name: pair[1] for name, pair in pairs.items()},
        )
    return _find(call, connection, call.path["id"])


def _find(call: Call, connection: Connection, sale_id: str) -> Sale:
    reach = within_reach(call, t.plans.c.customer_id)
    row = find_row(call, connection, t.plans, sale_id, RefusalCode.UNKNOWN_SALE, reach)
    return sale_views(connection, [row])[0]


def _show(call: Call, connection: Connection) -> Sale:
    return _find(call, connection, call.path["id"])


def _list(call: Call, connection: Connection) -> Page[Sale]:
    paging, p = call.query_as(SaleQuery), t.plans.c
    query = sa.select(t.plans).where(p.company_id == call.company.id).order_by(p.id.desc())
    query = query.where(within_reach(call, p.customer_id))
    if paging.customer_id is not None:
        query = query.where(p.customer_id == paging.customer_id)
    if paging.cursor is not None:
        query = query.where(p.id < paging.cursor)
    rows: list[AnyRow] = list(connection.execute(query.limit(paging.limit + 1)))
    views = {view.id: view for view in sale_views(connection, rows)}
    return page_of(rows, paging.limit, lambda row: views[row.id], lambda row: str(row.id))


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/sales",
        name="create_sale",
        tag="sales",
        summary="Sell an appliance to a customer.",
        permission=Permission.SALES_WRITE,
        body=NewSale,
        answer=Sale,
        status=201,
        change=_create,
    ),
    Operation(
        method=Method.GET,
        path="/sales",
        name="list_sales",
        tag="sales",
        summary="List the sales.",
        permission=Permission.SALES_READ,
        query=SaleQuery,
        answer=Page[Sale],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/sales/{id}",
        name="show_sale",
        tag="sales",
        summary="Show a sale.",
        permission=Permission.SALES_READ,
        answer=Sale,
        read=_show,
    ),
    Operation(
        method=Method.PATCH,
        path="/sales/{id}",
        name="change_sale",
        tag="sales",
        summary="Change what a sale costs; rows that were paid on stay as they are.",
        details="If nothing is owed on it afterwards, its device is unlocked: see the payment of "
        "channel `plan_change`.",
        permission=Permission.SALES_CHANGE,
        body=SalePatch,
        answer=Sale,
        change=_change,
        after=_wake,
    ),
    Operation(
        method=Method.PATCH,
        path="/sales/{id}/rows/{number}",
        name="change_sale_row",
        tag="sales",
        summary="Change one row that nothing was paid on.",
        details="If nothing is owed on the sale afterwards, its device is unlocked: see the "
        "payment of channel `plan_change`.",
        permission=Permission.SALES_CHANGE,
        body=RowPatch,
        answer=Sale,
        change=_change_row,
        after=_wake,
    ),
    Operation(
        method=Method.POST,
        path="/sales/{id}/reschedule",
        name="reschedule_sale",
        tag="sales",
        summary="Divide what is open into new rows after the latest settled one.",
        permission=Permission.SALES_CHANGE,
        body=Reschedule,
        answer=Sale,
        change=_reschedule,
    ),
    Operation(
        method=Method.DELETE,
        path="/sales/{id}",
        name="delete_sale",
        tag="sales",
        summary="Take a sale back and release its device; what was paid stays in the ledger.",
        permission=Permission.SALES_CHANGE,
        status=204,
        change=_delete,
    ),
)
