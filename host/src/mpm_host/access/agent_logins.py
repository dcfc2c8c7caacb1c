"""Logins of agents: which user or API key of role `agent` stands for which agent.

A login of that role is bound to one agent when it is made, for good; no other role has an agent.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.access.roles import Role
from mpm_host.agents.agent_refusals import AgentCode
from mpm_host.database.agent_tables import agent_logins, agents
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import ServiceRefused

__all__ = ["agent_behind", "bind_login", "check_login_agent", "require_same_kind"]

_L, _A = agent_logins.c, agents.c


def check_login_agent(
    connection: Connection, company_id: str, role: Role, agent_id: str | None
) -> None:
    """Refuse a login of role `agent` without an agent of the company, and an agent for others.

    Raises:
        ServiceRefused: `unknown_agent`, `agent_required`, `agent_forbidden`.
    """
    if agent_id is not None:
        query = sa.select(_A.id).where(_A.company_id == company_id, _A.id == agent_id)
        if connection.execute(query).first() is None:
            raise ServiceRefused(
                AgentCode.UNKNOWN_AGENT, f"The company has no agent with id {agent_id[:64]!r}."
            )
    if role is Role.AGENT and agent_id is None:
        raise ServiceRefused(
            AgentCode.AGENT_REQUIRED, "Role agent acts for one agent; give that agent's id."
        )
    if role is not Role.AGENT and agent_id is not None:
        raise ServiceRefused(
            AgentCode.AGENT_FORBIDDEN,
            f"Only role agent has an agent, not {role.value}; leave agent_id out.",
        )


def require_same_kind(before: Role, after: Role) -> None:
    """Refuse to make an agent of somebody else, or somebody else of an agent.

    Raises:
        ServiceRefused: `agent_required`, `agent_forbidden`.
    """
    if before is after or Role.AGENT not in {before, after}:
        return
    code = AgentCode.AGENT_REQUIRED if after is Role.AGENT else AgentCode.AGENT_FORBIDDEN
    raise ServiceRefused(
        code, "Nobody becomes an agent later, nor an agent something else; create another user."
    )


def bind_login(  # noqa: PLR0913 - one column each
    connection: Connection,
    company_id: str,
    agent_id: str | None,
    now: datetime,
    *,
    user_id: str | None = None,
    api_key_id: str | None = None,
) -> None:
    """Let a new login act for an agent, for good; nothing without an agent."""
    if agent_id is None:
        return
    connection.execute(
        sa.insert(agent_logins).values(
            id=new_identifier(),
            company_id=company_id,
            agent_id=agent_id,
            user_id=user_id,
            api_key_id=api_key_id,
            created_at=now,
        )
    )


def agent_behind(
    connection: Connection, *, user_id: str | None = None, api_key_id: str | None = None
) -> str | None:
    """Return which agent a login acts for; `None` if there is none, or the agent is disabled."""
    login = _L.user_id == user_id if user_id is not None else _L.api_key_id == api_key_id
    query = sa.select(_A.id).join(agent_logins, _L.agent_id == _A.id).where(login, _A.enabled)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found
