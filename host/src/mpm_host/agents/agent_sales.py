"""What agents do in the field: registering customers of their mini-grid and selling to them.

The rules of registration and sales stay where they are; here stands what an agent may not do of
them. Every function takes the agent's row first (see `agent_store`), then whatever the rule it
wraps takes, and leaves the transaction to the caller: a refusal takes everything back.
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.agents.agent_appliances import find_price
from mpm_host.agents.agent_money import Source, book_cash
from mpm_host.agents.agent_refusals import AgentCode
from mpm_host.agents.agent_reversals import book_reversals
from mpm_host.agents.agent_rules import EntryKind
from mpm_host.agents.agent_store import lock_agent
from mpm_host.agents.agent_territory import require_new_customer, require_own_customer
from mpm_host.agents.agent_values import StoredAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration_values import (
    ExistingCustomer,
    Registered,
    RegistrationRequest,
)
from mpm_host.registration.sales import SaleRequest, Sold, sell

__all__ = [
    "check_agents_registration",
    "lock_working_agent",
    "sell_as_agent",
    "with_agents_terms",
]


def lock_working_agent(
    connection: Connection, company: CompanyRecord, agent_id: str, actor: Actor
) -> StoredAgent:
    """Take an agent who is about to act, with what reversals took from them booked.

    Raises:
        ServiceRefused: `unknown_agent`, `agent_disabled`.
    """
    agent = lock_agent(connection, company, agent_id)
    if not agent.enabled:
        raise ServiceRefused(
            AgentCode.AGENT_DISABLED,
            f"Agent {agent.name!r} is disabled; enable them first, or act without an agent.",
        )
    return book_reversals(connection, agent, actor)


def sell_as_agent(
    connection: Connection,
    company: CompanyRecord,
    agent_id: str,
    request: SaleRequest,
    actor: Actor,
) -> Sold:
    """Sell an appliance that the agent was given, at the agent's price, to an own customer.

    The down payment is cash in the agent's hands: it counts against the risk balance and earns
    commission; one that the payer's phone is asked for does neither. What the customer pays later
    earns its own when an agent takes it.

    Raises:
        ServiceRefused: `unknown_agent`, `agent_disabled`, `outside_mini_grid`,
            `appliance_not_assigned`, `cost_differs`, `agent_limit`, and whatever `sell` refuses.
    """
    agent = lock_working_agent(connection, company, agent_id, actor)
    require_own_customer(connection, agent, request.customer_id)
    _require_price(connection, agent, request.appliance_id)
    terms = _with_price(connection, agent, request.appliance_id, request.terms)
    sold = sell(connection, company, attrs.evolve(request, terms=terms), actor.at)
    is_cash = not request.terms.asks_down_payment
    _book_sale(connection, agent, sold.plan_id, actor, is_cash=is_cash)
    return sold


def with_agents_terms(
    connection: Connection, agent: StoredAgent, request: RegistrationRequest
) -> RegistrationRequest:
    """Fill in the agent's price in the sale of a registration, where it has one without a cost."""
    if request.sale is None or request.device.appliance_id is None:
        return request
    sale = _with_price(connection, agent, request.device.appliance_id, request.sale)
    return attrs.evolve(request, sale=sale)


def _with_price(
    connection: Connection, agent: StoredAgent, appliance_id: str, terms: PlanTerms
) -> PlanTerms:
    """Fill in the agent's price as cost where it was left out; energy as a service has none."""
    if terms.cost is not None or terms.price_per_day is not None:
        return terms
    price = find_price(connection, agent.company_id, agent.id, appliance_id)
    return terms if price is None else attrs.evolve(terms, cost=_money(agent, price))


def check_agents_registration(
    connection: Connection,
    agent: StoredAgent,
    request: RegistrationRequest,
    made: Registered,
    actor: Actor,
) -> None:
    """Refuse a registration just written that the agent may not make, and book its sale's cash.

    Called for new ones only: a repeated request was checked, and its cash booked, the first time.

    Raises:
        ServiceRefused: `outside_mini_grid`, `phone_taken`, `appliance_not_assigned`,
            `cost_differs`, `agent_limit`.
    """
    _require_own_village(connection, agent, made.device_id)
    if isinstance(request.customer, ExistingCustomer):
        require_own_customer(connection, agent, made.customer_id)
    else:
        require_new_customer(connection, agent, made.customer_id)
    if made.plan_id is not None:
        _book_sale(connection, agent, made.plan_id, actor, is_cash=True)


def _require_own_village(connection: Connection, agent: StoredAgent, device_id: str) -> None:
    d, v = t.devices.c, t.villages.c
    query = (
        sa.select(v.mini_grid_id)
        .join(t.devices, d.village_id == v.id)
        .where(d.company_id == agent.company_id, d.id == device_id)
    )
    if connection.execute(query).scalar_one() != agent.mini_grid_id:
        raise ServiceRefused(
            AgentCode.OUTSIDE_MINI_GRID,
            "The village belongs to another mini-grid than the agent's; name one of their own.",
        )


def _book_sale(
    connection: Connection, agent: StoredAgent, plan_id: str, actor: Actor, *, is_cash: bool
) -> None:
    """Check a plan just written against the agent's price, and book its down payment if in cash."""
    p = t.plans.c
    plan = connection.execute(
        sa.select(p.appliance_id, p.cost, p.down_payment, p.price_per_day).where(
            p.company_id == agent.company_id, p.id == plan_id
        )
    ).one()
    price = _require_price(connection, agent, plan.appliance_id)
    if plan.price_per_day is None and plan.cost != price:
        raise ServiceRefused(
            AgentCode.COST_DIFFERS,
            f"The agent sells this appliance for {_money(agent, price)}, not "
            f"{_money(agent, plan.cost)}; leave the cost out.",
        )
    if plan.down_payment and is_cash:
        source = Source(plan_id=plan_id)
        book_cash(connection, agent, plan.down_payment, EntryKind.DOWN_PAYMENT, source, actor)


def _require_price(connection: Connection, agent: StoredAgent, appliance_id: str) -> int:
    price = find_price(connection, agent.company_id, agent.id, appliance_id)
    if price is None:
        raise ServiceRefused(
            AgentCode.APPLIANCE_NOT_ASSIGNED,
            f"Agent {agent.name!r} may not sell appliance {appliance_id[:64]!r}; give it to them "
            "with a price first.",
        )
    return price


def _money(agent: StoredAgent, minor: int) -> Money:
    return Money(minor, agent.account.currency)
