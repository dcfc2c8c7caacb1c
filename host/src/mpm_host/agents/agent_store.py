"""Agents of a company: creating, changing, finding, locking.

An agent's row is the first lock of whatever moves their cash: agent → payment → customer → device →
order. Two sales of one agent wait for each other, so they cannot pass the limit together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import Money
from mpm_host.agents.agent_refusals import AgentCode
from mpm_host.agents.agent_rules import AgentAccount, CommissionRate
from mpm_host.agents.agent_values import AgentChange, NewAgent, StoredAgent
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database import tables as t
from mpm_host.database.agent_tables import agents
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import check_amount_given, read_name, read_phone

__all__ = ["change_agent", "create_agent", "find_agent", "list_agents", "lock_agent"]

_A = agents.c


def create_agent(
    connection: Connection, company: CompanyRecord, new: NewAgent, actor: Actor
) -> StoredAgent:
    """Create an agent, who holds nothing and may sell nothing yet; audited.

    Raises:
        ServiceRefused: `name_invalid`, `phone_invalid`, `phone_taken`, `unknown_mini_grid`,
            `commission_rate_invalid`, `amount_invalid`.
    """
    currency = company.company.currency
    _require_mini_grid(connection, company, new.mini_grid_id)
    agent = StoredAgent(
        id=new_identifier(),
        company_id=company.id,
        mini_grid_id=new.mini_grid_id,
        name=read_name(new.name, "name"),
        phone=read_phone(new.phone, company.company.country).e164,
        enabled=True,
        account=AgentAccount(
            currency=currency,
            rate=CommissionRate.parse(new.commission_rate),
            risk_balance=check_amount_given(new.risk_balance, currency, "risk balance"),
        ),
        created_at=actor.at,
    )
    _insert(connection, agent)
    _audit(connection, actor, "agent.created", agent, before={}, after=_shown(agent))
    return agent


def change_agent(
    connection: Connection,
    company: CompanyRecord,
    agent_id: str,
    change: AgentChange,
    actor: Actor,
) -> StoredAgent:
    """Change an agent; audited. A disabled one can do nothing, but still hands over.

    Raises:
        ServiceRefused: `unknown_agent`, `name_invalid`, `commission_rate_invalid`,
            `amount_invalid`.
    """
    before = lock_agent(connection, company, agent_id)
    after = _changed(before, change)
    if after == before:
        return before
    connection.execute(
        sa.update(agents)
        .where(_A.company_id == company.id, _A.id == agent_id)
        .values(
            name=after.name,
            commission_rate=after.rate.text,
            risk_balance=after.account.risk_balance,
            enabled=after.enabled,
        )
    )
    _audit(connection, actor, "agent.changed", after, before=_shown(before), after=_shown(after))
    return after


def find_agent(connection: Connection, company: CompanyRecord, agent_id: str) -> StoredAgent:
    """Return a company's agent.

    Raises:
        ServiceRefused: `unknown_agent`.
    """
    return _find(connection, company, agent_id, lock=False)


def lock_agent(connection: Connection, company: CompanyRecord, agent_id: str) -> StoredAgent:
    """Take a company's agent: before any payment, customer, device or order.

    Raises:
        ServiceRefused: `unknown_agent`.
    """
    return _find(connection, company, agent_id, lock=True)


def list_agents(
    connection: Connection,
    company: CompanyRecord,
    *,
    limit: int,
    after: str | None = None,
    only: str | None = None,
) -> Sequence[StoredAgent]:
    """Return a company's agents, newest first, those before `after`; or `only` one of them."""
    query = sa.select(agents).where(_A.company_id == company.id).order_by(_A.id.desc())
    if only is not None:
        query = query.where(_A.id == only)
    if after is not None:
        query = query.where(_A.id < after)
    return [_stored(row) for row in connection.execute(query.limit(limit)).mappings()]


def _find(
    connection: Connection, company: CompanyRecord, agent_id: str, *, lock: bool
) -> StoredAgent:
    query = sa.select(agents).where(_A.company_id == company.id, _A.id == agent_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        raise ServiceRefused(
            AgentCode.UNKNOWN_AGENT, f"The company has no agent with id {agent_id[:64]!r}."
        )
    return _stored(row)


def _stored(row: RowMapping) -> StoredAgent:
    return StoredAgent(
        id=row["id"],
        company_id=row["company_id"],
        mini_grid_id=row["mini_grid_id"],
        name=row["name"],
        phone=row["phone"],
        enabled=row["enabled"],
        account=AgentAccount(
            currency=row["currency"],
            rate=CommissionRate(text=row["commission_rate"]),
            risk_balance=row["risk_balance"],
            balance=row["balance"],
            commission=row["commission"],
        ),
        created_at=row["created_at"],
    )


def _insert(connection: Connection, agent: StoredAgent) -> None:
    values = {
        "id": agent.id,
        "company_id": agent.company_id,
        "mini_grid_id": agent.mini_grid_id,
        "name": agent.name,
        "phone": agent.phone,
        "commission_rate": agent.rate.text,
        "risk_balance": agent.account.risk_balance,
        "currency": agent.account.currency,
        "enabled": agent.enabled,
        "created_at": agent.created_at,
    }
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(agents).values(**values))
    except sa.exc.IntegrityError:
        raise ServiceRefused(
            AgentCode.PHONE_TAKEN,
            "The company has an agent with this phone already; change that one instead.",
        ) from None


def _changed(before: StoredAgent, change: AgentChange) -> StoredAgent:
    account = before.account
    if change.commission_rate is not None:
        account = attrs.evolve(account, rate=CommissionRate.parse(change.commission_rate))
    if change.risk_balance is not None:
        limit = check_amount_given(change.risk_balance, account.currency, "risk balance")
        account = attrs.evolve(account, risk_balance=limit)
    return attrs.evolve(
        before,
        name=before.name if change.name is None else read_name(change.name, "name"),
        enabled=before.enabled if change.enabled is None else change.enabled,
        account=account,
    )


def _require_mini_grid(connection: Connection, company: CompanyRecord, mini_grid_id: str) -> None:
    g = t.mini_grids.c
    query = sa.select(g.id).where(g.company_id == company.id, g.id == mini_grid_id)
    if connection.execute(query).first() is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_MINI_GRID,
            f"The company has no mini-grid with id {mini_grid_id[:64]!r}; create it first.",
        )


def _shown(agent: StoredAgent) -> dict[str, object]:
    account = agent.account
    return {
        "name": agent.name,
        "mini_grid_id": agent.mini_grid_id,
        "commission_rate": agent.rate.text,
        "risk_balance": str(Money(account.risk_balance, account.currency)),
        "enabled": agent.enabled,
    }


def _audit(  # noqa: PLR0913 - one column each
    connection: Connection,
    actor: Actor,
    action: str,
    agent: StoredAgent,
    *,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    write_audit(
        connection,
        actor,
        company_id=agent.company_id,
        action=action,
        subject=agent.id,
        before=before,
        after=after,
    )
