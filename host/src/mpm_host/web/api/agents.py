"""`/agents`: who sells for the company, and the cash they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_host.access.roles import Permission
from mpm_host.agents.agent_reversals import as_of_now
from mpm_host.agents.agent_store import change_agent, create_agent, find_agent, list_agents
from mpm_host.agents.agent_values import AgentChange, NewAgent, StoredAgent
from mpm_host.payments.payment_views import masked
from mpm_host.web.api.acting_agents import only_own_agent, require_visible
from mpm_host.web.api.customers import Phone
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import (
    UNSET,
    Amount,
    Body,
    Id,
    Name,
    Page,
    PageQuery,
    UnsetType,
    View,
)

__all__ = ["OPERATIONS"]

_Rate = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,4}(\.[0-9]{1,8})?\Z",
        max_length=13,
        description="Decimal text from 0 to 1: the part of the cash they take that they earn.",
        examples=["0.10"],
    ),
]


class NewAgentBody(Body, frozen=True, kw_only=True):
    """Somebody to sell in a mini-grid; `risk_balance` is the most company cash they may hold."""

    name: Name
    phone: Phone
    mini_grid_id: Id
    commission_rate: _Rate
    risk_balance: Amount


class AgentPatch(Body, frozen=True, kw_only=True):
    """What to change; a rate counts for what is taken from now on, disabled is out at once."""

    name: Name | UnsetType = UNSET
    commission_rate: _Rate | UnsetType = UNSET
    risk_balance: Amount | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Agent(View, frozen=True, kw_only=True):
    """An agent.

    `balance` is company cash in their hands, `commission` what they earned and were not paid yet,
    `due` what they have to hand over: the balance without the commission they keep.
    """

    id: str
    name: str
    phone: str
    mini_grid_id: str
    commission_rate: str
    risk_balance: str
    balance: str
    commission: str
    due: str
    currency: str
    enabled: bool
    created_at: datetime


def _create(call: Call, connection: Connection) -> Agent:
    given = call.body_as(NewAgentBody)
    new = NewAgent(
        name=given.name,
        phone=given.phone,
        mini_grid_id=given.mini_grid_id,
        commission_rate=given.commission_rate,
        risk_balance=call.money(given.risk_balance, "risk balance"),
    )
    return _view(call, create_agent(connection, call.company, new, call.actor))


def _change(call: Call, connection: Connection) -> Agent:
    given = call.body_as(AgentPatch)
    limit = given.risk_balance
    change = AgentChange(
        name=None if isinstance(given.name, UnsetType) else given.name,
        commission_rate=None
        if isinstance(given.commission_rate, UnsetType)
        else given.commission_rate,
        risk_balance=None if isinstance(limit, UnsetType) else call.money(limit, "risk balance"),
        enabled=None if isinstance(given.enabled, UnsetType) else given.enabled,
    )
    changed = change_agent(connection, call.company, call.path["id"], change, call.actor)
    return _now(call, connection, changed)


def _show(call: Call, connection: Connection) -> Agent:
    require_visible(call, call.path["id"])
    return _now(call, connection, find_agent(connection, call.company, call.path["id"]))


def _list(call: Call, connection: Connection) -> Page[Agent]:
    paging = call.query_as(PageQuery)
    found = list_agents(
        connection,
        call.company,
        limit=paging.limit + 1,
        after=paging.cursor,
        only=only_own_agent(call),
    )
    return page_of(
        list(as_of_now(connection, found)),
        paging.limit,
        lambda agent: _view(call, agent),
        lambda agent: agent.id,
    )


def _now(call: Call, connection: Connection, agent: StoredAgent) -> Agent:
    return _view(call, as_of_now(connection, [agent])[0])


def _view(call: Call, agent: StoredAgent) -> Agent:
    account = agent.account
    return Agent(
        id=agent.id,
        name=agent.name,
        phone=masked(agent.phone) or "",
        mini_grid_id=agent.mini_grid_id,
        commission_rate=agent.rate.text,
        risk_balance=call.written(account.risk_balance),
        balance=call.written(account.balance),
        commission=call.written(account.commission),
        due=call.written(account.due),
        currency=account.currency,
        enabled=agent.enabled,
        created_at=agent.created_at,
    )


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/agents",
        name="create_agent",
        tag="agents",
        summary="Create an agent.",
        details="Let them log in with `POST /users` or `POST /api-keys`, role `agent`.",
        permission=Permission.AGENTS_WRITE,
        body=NewAgentBody,
        answer=Agent,
        status=201,
        change=_create,
    ),
    Operation(
        method=Method.GET,
        path="/agents",
        name="list_agents",
        tag="agents",
        summary="List the agents; an agent sees only themselves.",
        permission=Permission.AGENTS_READ,
        query=PageQuery,
        answer=Page[Agent],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/agents/{id}",
        name="show_agent",
        tag="agents",
        summary="Show an agent with balance, commission and what is due.",
        permission=Permission.AGENTS_READ,
        answer=Agent,
        read=_show,
    ),
    Operation(
        method=Method.PATCH,
        path="/agents/{id}",
        name="change_agent",
        tag="agents",
        summary="Change an agent's name, commission rate or limit, or disable them.",
        permission=Permission.AGENTS_WRITE,
        body=AgentPatch,
        answer=Agent,
        change=_change,
    ),
)
