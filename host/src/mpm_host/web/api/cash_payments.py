"""`/cash-payments`: money that staff take by hand."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_host.access.roles import Permission
from mpm_host.agents.agent_payments import take_cash_as_agent
from mpm_host.payments.cash_desk import CashPayment
from mpm_host.web.api.acting_agents import acting_agent
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.payments import Payment, shown_payment
from mpm_host.web.api.values import Body, CashAmount, Id

__all__ = ["OPERATIONS"]


class NewCashPayment(Body, frozen=True, kw_only=True):
    """What was taken, for a device (`serial`) or for one sale (`sale_id`): exactly one of them.

    With `agent_id` (for role agent themselves) the agent holds the cash.
    """

    amount: CashAmount
    serial: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    sale_id: Id | None = None
    agent_id: Id | None = None


def _take(call: Call, connection: Connection) -> Payment:
    given = call.body_as(NewCashPayment)
    cash = CashPayment(
        amount=call.money(given.amount, "amount"), serial=given.serial, sale_id=given.sale_id
    )
    desk, agent_id = call.context.services.cash, acting_agent(call, given.agent_id)
    if agent_id is None:
        payment = desk.take(connection, call.company, cash, call.actor)
    else:
        payment = take_cash_as_agent(connection, desk, call.company, agent_id, cash, call.actor)
    return shown_payment(call, connection, payment.id)


def _wake(call: Call) -> None:
    call.context.services.wake()


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/cash-payments",
        name="take_cash_payment",
        tag="payments",
        summary="Book money that was taken by hand.",
        details="With a `serial` it does what a telecom's payment for the device would: debts "
        "first, the rest becomes a token. With a `sale_id` it pays that sale alone, at least its "
        "next instalment. What cannot be sold is refused, and nothing is booked. Send an "
        "`Idempotency-Key`: without one, a repeated request is another payment.",
        permission=Permission.PAYMENTS_TAKE,
        body=NewCashPayment,
        answer=Payment,
        status=201,
        change=_take,
        after=_wake,
    ),
)
