"""Receipts: cash that agents hand over to the company, and the commission they keep with it."""

from __future__ import annotations

from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.agents.agent_money import Source, write_movements
from mpm_host.agents.agent_reversals import book_reversals
from mpm_host.agents.agent_rules import hand_over
from mpm_host.agents.agent_store import lock_agent
from mpm_host.agents.agent_values import StoredAgent
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.agent_tables import agent_receipts
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.registration.inputs import check_amount_given

__all__ = ["Receipt", "take_receipt"]


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
    agent = book_reversals(connection, lock_agent(connection, company, agent_id), actor)
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
