"""Whom agents serve, and what they see of it.

They serve the customers of their own mini-grid and nobody else's (T-74). Of payments they see their
own: those whose cash they took, and those that they asked a payer's phone for.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.agents.agent_refusals import AgentCode
from mpm_host.agents.agent_values import StoredAgent
from mpm_host.database import tables as t
from mpm_host.database.agent_tables import agent_entries, agents
from mpm_host.database.outbox_tables import pushes
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = [
    "customers_of_agent",
    "payments_of_agent",
    "require_new_customer",
    "require_own_customer",
    "require_own_device",
    "require_own_sale",
]


def customers_of_agent(company_id: str, agent_id: str) -> sa.Select[str]:
    """Return a query of the ids of the customers who live in an agent's mini-grid."""
    c, v, a = t.customers.c, t.villages.c, agents.c
    return (
        sa.select(c.id)
        .join(t.villages, v.id == c.village_id)
        .join(agents, a.mini_grid_id == v.mini_grid_id)
        .where(c.company_id == company_id, a.company_id == company_id, a.id == agent_id)
    )


def payments_of_agent(company_id: str, agent_id: str) -> sa.CompoundSelect[str]:
    """Return a query of the ids of an agent's own payments."""
    e, u = agent_entries.c, pushes.c
    taken = sa.select(e.payment_id).where(
        e.company_id == company_id, e.agent_id == agent_id, e.payment_id.is_not(None)
    )
    asked = sa.select(u.payment_id).where(u.company_id == company_id, u.agent_id == agent_id)
    return sa.union(taken, asked)


def require_own_device(connection: Connection, agent: StoredAgent, serial: str) -> None:
    """Refuse to serve a device of another mini-grid's customer; one nobody owns is left alone.

    Raises:
        ServiceRefused: `outside_mini_grid`.
    """
    d = t.devices.c
    owner = sa.select(d.customer_id).where(d.company_id == agent.company_id, d.serial == serial)
    _require_own_or_nobody(connection, agent, owner)


def require_own_sale(connection: Connection, agent: StoredAgent, sale_id: str) -> None:
    """Refuse to serve another mini-grid's customer by a sale; an unknown one is left alone.

    Raises:
        ServiceRefused: `outside_mini_grid`.
    """
    p = t.plans.c
    buyer = sa.select(p.customer_id).where(p.company_id == agent.company_id, p.id == sale_id)
    _require_own_or_nobody(connection, agent, buyer)


def _require_own_or_nobody(
    connection: Connection, agent: StoredAgent, customer: sa.Select[str | None]
) -> None:
    """Check the customer that a query finds; where there is none, others refuse or nobody need."""
    customer_id = connection.execute(customer).scalar_one_or_none()
    if customer_id is not None:
        require_own_customer(connection, agent, customer_id)


def require_own_customer(connection: Connection, agent: StoredAgent, customer_id: str) -> None:
    """Refuse to serve a customer of another mini-grid.

    Raises:
        ServiceRefused: `unknown_customer`, `outside_mini_grid`.
    """
    c, v = t.customers.c, t.villages.c
    query = (
        sa.select(v.mini_grid_id)
        .join(t.villages, v.id == c.village_id)
        .where(c.company_id == agent.company_id, c.id == customer_id)
    )
    mini_grid_id = connection.execute(query).scalar_one_or_none()
    if mini_grid_id is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_CUSTOMER,
            f"The company has no customer with id {customer_id[:64]!r}.",
        )
    if mini_grid_id != agent.mini_grid_id:
        raise ServiceRefused(
            AgentCode.OUTSIDE_MINI_GRID,
            "The customer lives in another mini-grid than the agent's; the agent of that one "
            "serves them.",
        )


def require_new_customer(connection: Connection, agent: StoredAgent, customer_id: str) -> None:
    """Refuse a customer just written whose village or phone an agent may not register.

    Called inside the transaction that wrote the row: the refusal takes it back.

    Raises:
        ServiceRefused: `outside_mini_grid`; `phone_taken` when somebody else has that number.
    """
    require_own_customer(connection, agent, customer_id)
    c = t.customers.c
    phone = sa.select(c.phone).where(c.company_id == agent.company_id, c.id == customer_id)
    twin = sa.select(c.id).where(
        c.company_id == agent.company_id,
        c.phone == phone.scalar_subquery(),
        c.deleted_at.is_(None),
        c.id != customer_id,
        c.deleted_at.is_(None),
    )
    if connection.execute(twin.limit(1)).first() is not None:
        raise ServiceRefused(
            AgentCode.PHONE_TAKEN,
            "The company has a customer with this phone already; serve that one, or write the "
            "person's own number.",
        )
