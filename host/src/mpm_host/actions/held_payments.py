"""What a person can do about a held payment: surely no token, and its value still reserved."""

from __future__ import annotations

from mpm_core import Money, PaymentStatus
from mpm_core.allocation.accounts import Line, LineKind
from mpm_host.actions.action_basics import Action, ActionOn
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.encryption import Vault
from mpm_host.messages.texts import receipt_text
from mpm_host.orders.order_changes import cancel, follow
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.orders.order_store import OrderPurpose, OrderRecord
from mpm_host.payments.ledger import SOURCES, LedgerAccount
from mpm_host.payments.ledger_entries import BookedLine, net_lines, write_journal
from mpm_host.payments.payment_locks import lock_payment
from mpm_host.payments.payment_messages import queue_message
from mpm_host.payments.payment_progress import refresh_payment
from mpm_host.payments.reversals import SOLD, was_delivered

__all__ = ["release", "retry"]

_ON_ITS_WAY = frozenset({PaymentStatus.TOKEN_PENDING, PaymentStatus.UNKNOWN, PaymentStatus.SETTLED})
RELEASED = "released"


def retry(on: ActionOn) -> bool:
    """Mint again from the reserved value.

    Returns:
        Whether anything was done; a repeat after it was done changes nothing.

    Raises:
        ServiceRefused: the payment is not held.
    """
    if on.payment.status in _ON_ITS_WAY and on.was_last(Action.RETRY):
        return False
    on.refuse_unless(PaymentStatus.HELD, ActionCode.PAYMENT_NOT_HELD, wanted="tried again")
    for order in on.orders_in(OrderStatus.REFUSED):
        follow(on.connection, order, order.purpose or OrderPurpose.RETRY, on.actor.at)
    progress = refresh_payment(on.connection, on.payment.id, on.actor.at)
    on.note(Action.RETRY, {"status": progress.status.value})
    return True


def release(on: ActionOn, vault: Vault) -> bool:
    """Give up the token: the reserved value becomes the customer's credit.

    Instalments stay paid.

    Returns:
        Whether anything was done.

    Raises:
        ServiceRefused: the payment is not held.
    """
    if on.payment.status is not PaymentStatus.HELD and on.was_last(Action.RELEASE):
        return False
    on.refuse_unless(PaymentStatus.HELD, ActionCode.PAYMENT_NOT_HELD, wanted="released")
    released = []
    for order in on.orders_in(OrderStatus.REFUSED):
        released += _value_of(on, order)
        cancel(on.connection, order, RELEASED, on.actor.at)
    entries = [
        entry
        for line in released
        for entry in (
            line.entry(-line.amount),
            line.entry(line.amount, account=LedgerAccount.CREDIT, refers_to=""),
        )
    ]
    write_journal(on.connection, on.payment.id, entries, on.actor.at)
    progress = refresh_payment(on.connection, on.payment.id, on.actor.at)
    _tell(on, vault)
    credit = str(Money(sum(line.amount for line in released), on.payment.currency))
    on.note(Action.RELEASE, {"status": progress.status.value, "credit": credit})
    return True


def _value_of(on: ActionOn, order: OrderRecord) -> list[BookedLine]:
    """Return the lines that paid for what an order would have brought.

    What was delivered once already stays sold: a second grant had no price.
    """
    is_own_sale = order.device_id == on.payment.device_id
    if not is_own_sale or was_delivered(on.connection, on.payment.id):
        return []
    return [line for line in net_lines(on.connection, on.payment.id) if line.account in SOLD]


def _tell(on: ActionOn, vault: Vault) -> None:
    """Tell the customer what the payment was for in the end."""
    payment = lock_payment(on.connection, on.payment.id)
    if not payment.paid.minor:
        return  # no money moved, so nothing was paid for
    lines = [
        Line(kind=LineKind(line.account), amount=line.amount, refers_to=line.refers_to)
        for line in net_lines(on.connection, on.payment.id)
        if line.account not in SOURCES
    ]
    left = sum(line.amount for line in lines if line.kind is LineKind.CREDIT)
    currency = on.payment.currency
    text = receipt_text(
        payment.paid, lines, credit=Money(max(0, left), currency), debt=Money(0, currency)
    )
    key = f"{payment.id}:released"
    queue_message(on.connection, vault, payment, text, key=key, now=on.actor.at)
