"""Reversing a payment on a person's or the telecom's word.

What has not begun is cancelled. What a manufacturer may be working on is waited for: the payment is
only marked, and the end of its last order books the reversal.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.actions.action_basics import Action, ActionOn
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.actions.proposals import close_proposals
from mpm_host.database import tables as t
from mpm_host.orders.order_changes import cancel, park
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.orders.order_steps import wake_next
from mpm_host.payments.payment_progress import refresh_payment
from mpm_host.payments.reversals import book_reversal_if_due
from mpm_host.refusals import ServiceRefused

__all__ = ["reverse"]

_REVERSED = "reversed"


def reverse(on: ActionOn) -> bool:
    """Take a booked payment back.

    Returns:
        Whether anything was done; a repeat changes nothing.

    Raises:
        ServiceRefused: its money was never booked.
    """
    payment, now = on.payment, on.actor.at
    if payment.status is PaymentStatus.REVERSED or payment.reversing_at is not None:
        return False
    if not payment.status.is_booked:
        raise ServiceRefused(
            ActionCode.PAYMENT_NOT_BOOKED,
            f"Payment {payment.id} is {payment.status}; there is nothing to take back.",
        )
    if payment.amount is None:
        raise ServiceRefused(
            ActionCode.PAYMENT_NOT_BOOKED,
            f"Payment {payment.id} moved no money; there is nothing to take back.",
        )
    orders = on.take_orders()
    for order in orders:
        if order.status is OrderStatus.QUEUED and order.facts.doubt:
            park(on.connection, order, _REVERSED)
        elif order.status is OrderStatus.QUEUED:
            cancel(on.connection, order, _REVERSED, now)
    close_proposals(on.connection, payment.id, on.actor)
    _mark(on)
    if orders:
        refresh_payment(on.connection, payment.id, now)
    booked = book_reversal_if_due(on.connection, payment.id, now)
    for device_id in sorted({order.device_id for order in orders}):
        wake_next(on.connection, device_id, now)
    on.note(Action.REVERSE, {"status": "reversed" if booked else "reversing"})
    return True


def _mark(on: ActionOn) -> None:
    p = t.payments.c
    connection, payment = on.connection, on.payment
    connection.execute(
        sa.update(t.payments).where(p.id == payment.id).values(reversing_at=on.actor.at)
    )
