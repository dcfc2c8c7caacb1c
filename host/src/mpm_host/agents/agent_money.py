"""Agents' cash in the database: what they took, and what they handed over.

Every movement is an entry that is never changed; the agent's row keeps the two sums. Callers have
taken the agent with `lock_agent` before anything else of the same transaction.
"""

from __future__ import annotations

from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.agents.agent_rules import EntryKind, Movement, collect, hand_over
from mpm_host.agents.agent_store import lock_agent
from mpm_host.agents.agent_values import StoredAgent
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.agent_tables import agent_entries, agent_receipts, agents
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.registration.inputs import check_amount_given

__all__ = ["Receipt", "Source", "book_cash", "take_receipt", "write_movements"]


@attrs.frozen(kw_only=True)
class Source:
    """What an entry comes of: exactly one."""

    plan_id: str | None = None
    payment_id: str | None = None
    agent_receipt_id: str | None = None


@attrs.frozen(kw_only=True)
class Receipt:
    """Cash that an agent handed over, in minor units.

    Attributes:
        commission_paid: cash the agent kept, as their commission.
        taken_by: who received it.
    """

    id: str
    amount: int
    commission_paid: int
    balance_before: int
    balance_after: int
    currency: str
    taken_by: str
    created_at: datetime


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


def take_receipt(
    connection: Connection, company: CompanyRecord, agent_id: str, amount: Money, actor: Actor
) -> Receipt:
    """Book cash that an agent hands over, in the caller's transaction; audited.

    The commission earned so far is paid out of the cash the agent keeps. Disabled agents hand over
    like any other.

    Raises:
        ServiceRefused: `unknown_agent`, `amount_invalid`, `nothing_due`, `receipt_above_due`.
    """
    minor = check_amount_given(amount, company.company.currency, "amount")
    agent = lock_agent(connection, company, agent_id)
    movements = hand_over(agent.account, minor)
    account = agent.account.after(*movements)
    receipt = Receipt(
        id=new_identifier(),
        amount=minor,
        commission_paid=agent.account.commission,
        balance_before=agent.account.balance,
        balance_after=account.balance,
        currency=account.currency,
        taken_by=actor.name,
        created_at=actor.at,
    )
    owned = {"company_id": company.id, "agent_id": agent.id}
    connection.execute(sa.insert(agent_receipts).values(**attrs.asdict(receipt), **owned))
    source = Source(agent_receipt_id=receipt.id)
    write_movements(connection, agent, movements, source, actor)
    _audit_receipt(connection, agent, receipt, actor)
    return receipt


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


def _audit_receipt(
    connection: Connection, agent: StoredAgent, receipt: Receipt, actor: Actor
) -> None:
    def written(minor: int) -> str:
        return str(Money(minor, receipt.currency))

    write_audit(
        connection,
        actor,
        company_id=agent.company_id,
        action="agent.handed_over",
        subject=agent.id,
        before={"balance": written(receipt.balance_before)},
        after={
            "receipt_id": receipt.id,
            "amount": written(receipt.amount),
            "commission_paid": written(receipt.commission_paid),
            "balance": written(receipt.balance_after),
        },
    )
