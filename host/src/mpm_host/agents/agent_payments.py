"""Cash that agents take for devices and sales: the cash desk's payment, and the agent's entry."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from mpm_host.agents.agent_money import Source, book_cash
from mpm_host.agents.agent_rules import EntryKind, collect
from mpm_host.agents.agent_sales import lock_working_agent
from mpm_host.agents.agent_territory import require_own_customer
from mpm_host.companies.audit_trail import Actor
from mpm_host.directory import CompanyRecord
from mpm_host.payments.cash_desk import CashDesk, CashPayment
from mpm_host.payments.payment_records import PaymentRecord

__all__ = ["take_cash_as_agent"]


def take_cash_as_agent(  # noqa: PLR0913, PLR0917 - where, whose, who, what, by whom
    connection: Connection,
    desk: CashDesk,
    company: CompanyRecord,
    agent_id: str,
    cash: CashPayment,
    actor: Actor,
) -> PaymentRecord:
    """Book a payment and, in the same transaction, that the agent holds its cash (T-72).

    The agent is locked before the payment and the customer, so two payments at once cannot pass the
    limit together.

    Raises:
        ServiceRefused: `unknown_agent`, `agent_disabled`, `amount_invalid` (E-70), `agent_limit`
            (T-73), `outside_mini_grid`, and whatever the cash desk refuses.
        PlanChangeRefused: the same, by the rules of a plan.
        AccountMovedError: the device changed its owner meanwhile; try again.
    """
    agent = lock_working_agent(connection, company, agent_id, actor)
    collect(agent.account, cash.amount.minor, EntryKind.PAYMENT)  # refuse before anything else
    payment = desk.take(connection, company, cash, actor)
    require_own_customer(connection, agent, payment.customer_id or "")
    source = Source(payment_id=payment.id)
    book_cash(connection, agent, cash.amount.minor, EntryKind.PAYMENT, source, actor)
    return payment
