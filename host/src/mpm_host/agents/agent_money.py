"""Agents' cash in the database: every movement, and the two sums of them.

Every movement is an entry that is never changed; the agent's row keeps the two sums. Callers have
taken the agent with `lock_agent` before anything else of the same transaction.
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.agents.agent_rules import EntryKind, Movement, collect
from mpm_host.agents.agent_values import StoredAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database.agent_tables import agent_entries, agents
from mpm_host.identifiers import new_identifier

__all__ = ["Source", "book_cash", "write_movements"]


@attrs.frozen(kw_only=True)
class Source:
    """What an entry comes of: exactly one."""

    plan_id: str | None = None
    payment_id: str | None = None
    agent_receipt_id: str | None = None


def book_cash(  # noqa: PLR0913, PLR0917 - who takes how much, for what, by whom
    connection: Connection,
    agent: StoredAgent,
    amount: int,
    kind: EntryKind,
    source: Source,
    actor: Actor,
) -> StoredAgent:
    """Book cash that a locked agent takes, with its commission, and return the agent after it.

    Args:
        connection: of the transaction that books what the cash is for.
        agent: locked.
        amount: minor units.
        kind: `payment` or `down_payment`.
        source: the payment or the plan.
        actor: who acts; the agent, or somebody for them.

    Raises:
        ServiceRefused: `amount_invalid`, `agent_limit`.
    """
    movement = collect(agent.account, amount, kind)
    return write_movements(connection, agent, (movement,), source, actor)


def write_movements(
    connection: Connection,
    agent: StoredAgent,
    movements: tuple[Movement, ...],
    source: Source,
    actor: Actor,
) -> StoredAgent:
    """Write entries of a locked agent, keep the sums, and return the agent after them."""
    for movement in movements:
        agent = attrs.evolve(agent, account=agent.account.after(movement))
        connection.execute(
            sa.insert(agent_entries).values(
                id=new_identifier(),
                company_id=agent.company_id,
                agent_id=agent.id,
                kind=movement.kind.value,
                amount=movement.amount,
                commission=movement.commission,
                balance_after=agent.account.balance,
                commission_after=agent.account.commission,
                currency=agent.account.currency,
                actor=actor.name,
                at=actor.at,
                **attrs.asdict(source),
            )
        )
    connection.execute(
        sa.update(agents)
        .where(agents.c.company_id == agent.company_id, agents.c.id == agent.id)
        .values(balance=agent.account.balance, commission=agent.account.commission)
    )
    return agent
