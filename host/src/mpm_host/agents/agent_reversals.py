"""Payments of agents that were taken back: the cash and what it earned leave their account again.

Whoever reverses a payment holds it and its customer, so the agent, who comes first in the order of
locks, cannot be taken then. The counter-entries are written when the agent is next locked; until
then readers add them up. Few payments are ever reversed, and they are found by their status.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import PaymentStatus
from mpm_host.agents.agent_money import Source, write_movements
from mpm_host.agents.agent_rules import EntryKind, Movement
from mpm_host.agents.agent_values import StoredAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.database.agent_tables import agent_entries

__all__ = ["as_of_now", "book_reversals"]


@attrs.frozen(kw_only=True)
class _Reversal:
    payment_id: str
    movement: Movement


def book_reversals(connection: Connection, agent: StoredAgent, actor: Actor) -> StoredAgent:
    """Write what reversals took from a locked agent; returns the agent after it.

    Args:
        connection: of the transaction that has locked the agent.
        agent: locked.
        actor: who happens to act; who reversed the payment stands with the payment.
    """
    for found in _unbooked(connection, agent.company_id, [agent.id]).get(agent.id, []):
        source = Source(payment_id=found.payment_id)
        agent = write_movements(connection, agent, (found.movement,), source, actor)
    return agent


def as_of_now(connection: Connection, agents: Sequence[StoredAgent]) -> Sequence[StoredAgent]:
    """Return agents of one company with what reversals took from them, booked or not."""
    if not agents:
        return agents
    found = _unbooked(connection, agents[0].company_id, [agent.id for agent in agents])
    return [
        attrs.evolve(
            agent,
            account=agent.account.after(*(each.movement for each in found.get(agent.id, []))),
        )
        for agent in agents
    ]


def _unbooked(
    connection: Connection, company_id: str, agent_ids: Sequence[str]
) -> Mapping[str, Sequence[_Reversal]]:
    e, p, other = agent_entries.c, t.payments.c, agent_entries.alias("other")
    booked = sa.exists().where(
        other.c.payment_id == e.payment_id, other.c.kind == EntryKind.REVERSAL.value
    )
    query = (
        sa.select(e.agent_id, e.payment_id, e.amount, e.commission)
        .join(t.payments, p.id == e.payment_id)
        .where(
            p.company_id == company_id,
            p.status == PaymentStatus.REVERSED.value,
            e.kind == EntryKind.PAYMENT.value,
            e.agent_id.in_(agent_ids),
            sa.not_(booked),
        )
        .order_by(e.id)
    )
    found: dict[str, list[_Reversal]] = defaultdict(list)
    for row in connection.execute(query):
        movement = Movement(kind=EntryKind.REVERSAL, amount=-row.amount, commission=-row.commission)
        found[row.agent_id].append(_Reversal(payment_id=row.payment_id, movement=movement))
    return found
