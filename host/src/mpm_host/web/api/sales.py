"""`/sales`."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core.plans import Period
from mpm_host.access.roles import Permission
from mpm_host.agents.agent_sale_deletions import delete_sale_of_anybody
from mpm_host.database import tables as t
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.sale_changes import (
    SaleChange,
    change_sale,
    change_sale_row,
    reschedule_sale,
)
from mpm_host.registration.settled_plans import Unlocker
from mpm_host.web.api.acting_agents import within_reach
from mpm_host.web.api.listing import AnyRow
from mpm_host.web.api.new_sales import CREATE_SALE, find_sale
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.sale_terms import InstalmentCount, money_if_given
from mpm_host.web.api.sale_views import Sale, sale_views
from mpm_host.web.api.values import UNSET, Amount, Body, Id, Page, PageQuery, Query, UnsetType

__all__ = ["OPERATIONS"]


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

    instalments: InstalmentCount
    period: Period


class DeletionQuery(Query, frozen=True, kw_only=True):
    """What becomes of the cash that an agent took at the sale."""

    keep_down_payment: bool = False


class SaleQuery(PageQuery, frozen=True, kw_only=True):
    """Which sales."""

    customer_id: Id | None = None


def _change(call: Call, connection: Connection) -> Sale:
    given, sale_id = call.body_as(SalePatch), call.path["id"]
    change = SaleChange(
        cost=money_if_given(call, given.cost, "cost"),
        price_per_day=money_if_given(call, given.price_per_day, "price per day"),
        minimum_payment=money_if_given(call, given.minimum_payment, "minimum payment"),
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
    keep = call.query_as(DeletionQuery).keep_down_payment
    changed = delete_sale_of_anybody(
        connection, call.company, call.path["id"], call.actor, keep_down_payment=keep
    )
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
    return find_sale(call, connection, call.path["id"])


def _show(call: Call, connection: Connection) -> Sale:
    return find_sale(call, connection, call.path["id"])


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
    CREATE_SALE,
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
        details="A down payment that an agent took and still holds they give back to the customer: "
        "it leaves their balance, with the commission it earned. `down_payment_handed_over`: they "
        "do not hold it any more; the company gives it back, or keeps it, and "
        "`keep_down_payment` leaves the agent's account as it is. `payment_open`: a token of the "
        "device is under way, or a person must decide on it first.",
        permission=Permission.SALES_CHANGE,
        query=DeletionQuery,
        status=204,
        change=_delete,
    ),
)
