"""Sales of agents that are taken back: the agent gives the down payment back to the customer.

It is cash in the agent's hands, so it leaves their account with what it earned, and the ledger says
that it is not ours any more. Cash that was handed over is not theirs to give: then the company
gives it back itself, or keeps it, and whoever deletes the sale says so.
"""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import Money
from mpm_host.agents.agent_money import Source, write_movements
from mpm_host.agents.agent_reversals import book_reversals
from mpm_host.agents.agent_rules import EntryKind, Movement
from mpm_host.agents.agent_store import lock_agent
from mpm_host.agents.agent_values import StoredAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.database.agent_tables import agent_entries
from mpm_host.directory import CompanyRecord
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.down_payment_entries import down_payment_entries
from mpm_host.registration.sale_changes import delete_sale

__all__ = ["delete_sale_of_anybody"]


@attrs.frozen(kw_only=True)
class _Taken:
    """The down payment that an agent took for a sale."""

    agent: StoredAgent
    amount: int
    commission: int


def delete_sale_of_anybody(
    connection: Connection,
    company: CompanyRecord,
    plan_id: str,
    actor: Actor,
    *,
    keep_down_payment: bool,
) -> dict[str, object]:
    """Take a sale back, in the caller's transaction; returns what changed for the audit trail.

    Args:
        connection: of the transaction; the agent is locked first, then the customer.
        company: whose sale it is.
        plan_id: the sale.
        actor: who takes it back, and when.
        keep_down_payment: leave what an agent took as it is: in their hands, or the company's.

    Raises:
        ServiceRefused: `unknown_sale`, `sale_deleted`, `payment_open`, `down_payment_handed_over`.
    """
    taken = None if keep_down_payment else _find_taken(connection, company, plan_id, actor)
    changed = delete_sale(connection, company, plan_id, actor.at)
    if taken is None:
        return changed
    _give_back(connection, taken, plan_id, actor)
    given = str(Money(taken.amount, taken.agent.account.currency))
    return changed | {"down_payment": [given, f"given back by agent {taken.agent.id}"]}


def _find_taken(
    connection: Connection, company: CompanyRecord, plan_id: str, actor: Actor
) -> _Taken | None:
    """Lock the agent who holds the down payment of a sale that stands, if one does."""
    e, p = agent_entries.c, t.plans.c
    query = (
        sa.select(e.agent_id, e.amount, e.commission)
        .join(t.plans, p.id == e.plan_id)
        .where(
            e.company_id == company.id,
            e.plan_id == plan_id,
            e.kind == EntryKind.DOWN_PAYMENT.value,
            p.deleted_at.is_(None),
        )
    )
    found = connection.execute(query).first()
    if found is None:
        return None
    agent = lock_agent(connection, company, found.agent_id)
    agent = book_reversals(connection, agent, actor)
    if agent.account.balance < found.amount:
        raise _handed_over(agent, found)
    return _Taken(agent=agent, amount=found.amount, commission=found.commission)


def _handed_over(agent: StoredAgent, found: Row[*tuple[Any, ...]]) -> ServiceRefused:
    account = agent.account
    return ServiceRefused(
        RefusalCode.DOWN_PAYMENT_HANDED_OVER,
        f"Agent {agent.name!r} took a down payment of {account.written(found.amount)} for the sale "
        f"but holds only {account.written(account.balance)}: it was handed over. Let the company "
        "give it back, and delete the sale with keep_down_payment=true.",
    )


def _give_back(connection: Connection, taken: _Taken, plan_id: str, actor: Actor) -> None:
    movement = Movement(kind=EntryKind.REVERSAL, amount=-taken.amount, commission=-taken.commission)
    source = Source(plan_id=plan_id)
    write_movements(connection, taken.agent, (movement,), source, actor)
    row = _find_paid_row(connection, plan_id)
    given_back = down_payment_entries(row, str(row["id"]), -taken.amount, actor.at)
    connection.execute(sa.insert(t.entries), list(given_back))
    r = t.plan_rows.c
    remaining = r.remaining + taken.amount
    connection.execute(sa.update(t.plan_rows).where(r.id == row["id"]).values(remaining=remaining))


def _find_paid_row(connection: Connection, plan_id: str) -> dict[str, object]:
    r, p = t.plan_rows.c, t.plans.c
    query = (
        sa.select(r.id, p.company_id, p.customer_id, p.currency)
        .join(t.plans, p.id == r.plan_id)
        .where(r.plan_id == plan_id, r.is_down_payment)
    )
    return {**connection.execute(query).mappings().one()}
