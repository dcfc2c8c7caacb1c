"""On whose behalf a request is made, and whose customers it may see."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.access.roles import Permission, Role
from mpm_host.agents.agent_refusals import AgentCode
from mpm_host.agents.agent_territory import customers_of_agent, payments_of_agent
from mpm_host.refusals import ServiceRefused
from mpm_host.web.api.operation import Call

__all__ = [
    "acting_agent",
    "only_own_agent",
    "own_payments",
    "require_visible",
    "within_reach",
]


def acting_agent(call: Call, named: str | None) -> str | None:
    """Return for which agent somebody acts; `None` for the company itself.

    Logins of role agent act for their own agent, named or not; owners and admins for whom they
    name.

    Raises:
        ServiceRefused: `unknown_agent` when an agent names another; `forbidden`.
    """
    own = only_own_agent(call)
    if own is not None:
        require_visible(call, named or own)
        return own
    if named is not None:
        call.principal.require(Permission.AGENTS_WRITE)
    return named


def only_own_agent(call: Call) -> str | None:
    """Return the only agent who asks may see; `None` when they may see all.

    Raises:
        ServiceRefused: `unknown_agent` for a login of role agent that has none.
    """
    if call.principal.role is not Role.AGENT:
        return None
    if call.principal.agent_id is None:  # nobody authenticates so; never see everything instead
        raise ServiceRefused(AgentCode.UNKNOWN_AGENT, "This login belongs to no agent.")
    return call.principal.agent_id


def require_visible(call: Call, agent_id: str) -> None:
    """Let agents see nobody but themselves.

    Raises:
        ServiceRefused: `unknown_agent`.
    """
    if only_own_agent(call) not in {None, agent_id}:
        raise ServiceRefused(
            AgentCode.UNKNOWN_AGENT, f"The company has no agent with id {agent_id[:64]!r}."
        )


def within_reach(
    call: Call, customer_id: sa.ColumnElement[str] | sa.ColumnElement[str | None]
) -> sa.ColumnElement[bool]:
    """Return the condition that rows belong to customers whom the asker may see.

    Agents see those of their mini-grid, so a device or sale of nobody or of others is not there.
    """
    agent_id = only_own_agent(call)
    if agent_id is None:
        return sa.true()
    return customer_id.in_(customers_of_agent(call.company.id, agent_id))


def own_payments(call: Call) -> sa.CompoundSelect[str] | None:
    """Return a query of the ids of the only payments that the asker may see; `None`: all."""
    agent_id = only_own_agent(call)
    return None if agent_id is None else payments_of_agent(call.company.id, agent_id)
