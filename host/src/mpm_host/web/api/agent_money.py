"""`/agents/{id}/receipts`, `/entries` and `/appliances`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from mpm_host.access.roles import Permission
from mpm_host.agents.agent_appliances import (
    AssignedAppliance,
    assign_appliance,
    list_assigned,
    take_appliance_back,
)
from mpm_host.agents.agent_entries import AgentEntry, list_entries, list_receipts
from mpm_host.agents.agent_receipts import Receipt, take_receipt
from mpm_host.agents.agent_rules import EntryKind
from mpm_host.agents.agent_store import find_agent
from mpm_host.web.api.acting_agents import require_visible
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import Amount, Body, CashAmount, Id, Page, PageQuery, View

__all__ = ["OPERATIONS"]


class NewReceipt(Body, frozen=True, kw_only=True):
    """Cash that the agent hands over; the commission earned so far is kept from the rest."""

    amount: CashAmount


class AgentReceipt(View, frozen=True, kw_only=True):
    """Cash that was handed over.

    `commission_paid` is what the agent kept; `balance_before` and `balance_after` are the company's
    cash in their hands.
    """

    id: str
    amount: str
    commission_paid: str
    balance_before: str
    balance_after: str
    currency: str
    taken_by: str
    created_at: datetime


class AgentLedgerEntry(View, frozen=True, kw_only=True):
    """What moved the agent's balance and commission; one of the last three ids says why."""

    id: str
    kind: EntryKind
    amount: str
    commission: str
    balance_after: str
    commission_after: str
    actor: str
    at: datetime
    sale_id: str | None
    payment_id: str | None
    receipt_id: str | None


class NewAgentAppliance(Body, frozen=True, kw_only=True):
    """What the agent may sell from now on, and for how much; another price replaces the former."""

    appliance_id: Id
    price: Amount


class AgentAppliance(View, frozen=True, kw_only=True):
    """What the agent may sell; `price` is the agent's, not the list price."""

    appliance_id: str
    name: str
    price: str
    created_at: datetime


def _take_receipt(call: Call, connection: Connection) -> AgentReceipt:
    amount = call.money(call.body_as(NewReceipt).amount, "amount")
    receipt = take_receipt(connection, call.company, call.path["id"], amount, call.actor)
    return _receipt_view(call, receipt)


def _receipts(call: Call, connection: Connection) -> Page[AgentReceipt]:
    agent_id, paging = _visible(call, connection), call.query_as(PageQuery)
    found = list_receipts(
        connection, call.company.id, agent_id, limit=paging.limit + 1, after=paging.cursor
    )
    return page_of(
        list(found), paging.limit, lambda each: _receipt_view(call, each), lambda each: each.id
    )


def _entries(call: Call, connection: Connection) -> Page[AgentLedgerEntry]:
    agent_id, paging = _visible(call, connection), call.query_as(PageQuery)
    found = list_entries(
        connection, call.company.id, agent_id, limit=paging.limit + 1, after=paging.cursor
    )
    return page_of(
        list(found), paging.limit, lambda each: _entry_view(call, each), lambda each: each.id
    )


def _assign(call: Call, connection: Connection) -> AgentAppliance:
    given = call.body_as(NewAgentAppliance)
    price = call.money(given.price, "price")
    assigned = assign_appliance(
        connection, call.company, call.path["id"], given.appliance_id, price, call.actor
    )
    return _appliance_view(call, assigned)


def _take_appliance_back(call: Call, connection: Connection) -> None:
    agent_id, appliance_id = call.path["id"], call.path["appliance_id"]
    take_appliance_back(connection, call.company, agent_id, appliance_id, call.actor)


def _appliances(call: Call, connection: Connection) -> Page[AgentAppliance]:
    agent_id, paging = _visible(call, connection), call.query_as(PageQuery)
    found = list_assigned(
        connection, call.company.id, agent_id, limit=paging.limit + 1, after=paging.cursor
    )
    return page_of(
        list(found), paging.limit, lambda each: _appliance_view(call, each), lambda each: each.id
    )


def _visible(call: Call, connection: Connection) -> str:
    """Return the agent of the path.

    Raises:
        ServiceRefused: `unknown_agent`.
    """
    require_visible(call, call.path["id"])
    return find_agent(connection, call.company, call.path["id"]).id


def _receipt_view(call: Call, receipt: Receipt) -> AgentReceipt:
    return AgentReceipt(
        id=receipt.id,
        amount=call.written(receipt.amount),
        commission_paid=call.written(receipt.commission_paid),
        balance_before=call.written(receipt.balance_before),
        balance_after=call.written(receipt.balance_after),
        currency=receipt.currency,
        taken_by=receipt.taken_by,
        created_at=receipt.created_at,
    )


def _entry_view(call: Call, entry: AgentEntry) -> AgentLedgerEntry:
    return AgentLedgerEntry(
        id=entry.id,
        kind=entry.kind,
        amount=call.written(entry.amount),
        commission=call.written(entry.commission),
        balance_after=call.written(entry.balance_after),
        commission_after=call.written(entry.commission_after),
        actor=entry.actor,
        at=entry.at,
        sale_id=entry.plan_id,
        payment_id=entry.payment_id,
        receipt_id=entry.agent_receipt_id,
    )


def _appliance_view(call: Call, assigned: AssignedAppliance) -> AgentAppliance:
    return AgentAppliance(
        appliance_id=assigned.appliance_id,
        name=assigned.name,
        price=call.written(assigned.price),
        created_at=assigned.created_at,
    )


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/agents/{id}/receipts",
        name="take_agent_receipt",
        tag="agents",
        summary="Note that an agent handed cash over; pays their commission out of what they keep.",
        permission=Permission.AGENTS_SETTLE,
        body=NewReceipt,
        answer=AgentReceipt,
        status=201,
        change=_take_receipt,
    ),
    Operation(
        method=Method.GET,
        path="/agents/{id}/receipts",
        name="list_agent_receipts",
        tag="agents",
        summary="List what an agent handed over.",
        permission=Permission.AGENTS_READ,
        query=PageQuery,
        answer=Page[AgentReceipt],
        read=_receipts,
    ),
    Operation(
        method=Method.GET,
        path="/agents/{id}/entries",
        name="list_agent_entries",
        tag="agents",
        summary="List what moved an agent's balance and commission.",
        permission=Permission.AGENTS_READ,
        query=PageQuery,
        answer=Page[AgentLedgerEntry],
        read=_entries,
    ),
    Operation(
        method=Method.POST,
        path="/agents/{id}/appliances",
        name="assign_agent_appliance",
        tag="agents",
        summary="Let an agent sell an appliance at a price.",
        permission=Permission.AGENTS_WRITE,
        body=NewAgentAppliance,
        answer=AgentAppliance,
        status=201,
        change=_assign,
    ),
    Operation(
        method=Method.DELETE,
        path="/agents/{id}/appliances/{appliance_id}",
        name="take_agent_appliance_back",
        tag="agents",
        summary="Let an agent sell an appliance no more; what they have sold stays sold.",
        permission=Permission.AGENTS_WRITE,
        status=204,
        change=_take_appliance_back,
    ),
    Operation(
        method=Method.GET,
        path="/agents/{id}/appliances",
        name="list_agent_appliances",
        tag="agents",
        summary="List what an agent may sell.",
        permission=Permission.AGENTS_READ,
        query=PageQuery,
        answer=Page[AgentAppliance],
        read=_appliances,
    ),
)
