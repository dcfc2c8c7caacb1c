"""Hosts made worse on purpose: in the two ways that payment systems usually are, and one idle one.

They share everything with the real host but one decision each.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

import sqlalchemy as sa

from mpm_core import Decision
from mpm_host.database import tables as t
from mpm_host.host import Host
from mpm_host.orders.order_rules import OrderStatus, Step
from mpm_host.orders.order_store import OrderRecord
from mpm_host.payments.booking import Accept, Command, Outcome
from mpm_host.services import Services

__all__ = ["answer_before_commit", "ask_again_after_a_crash", "leave_every_order_to_a_person"]

_LATER_SECONDS = 5.0
_IN_HAND = (OrderStatus.SENT, OrderStatus.UNKNOWN)


def ask_again_after_a_crash(_services: Services, host: Host) -> None:
    """Queue again whatever was in hand: surely the manufacturer was not asked yet."""
    o = t.orders.c
    again = (
        sa.update(t.orders)
        .where(o.status.in_(_IN_HAND))
        .values(
            status=OrderStatus.QUEUED, fence=o.fence + 1, lease_until=None, next_at=host.clock()
        )
    )
    with host.engines.write.begin() as connection:
        connection.execute(again)


def answer_before_commit(services: Services, _host: Host) -> None:
    """Say *accepted* at once and book in a moment."""
    writer = services.desk._writer
    submit = writer.submit

    def submit_later(item: Command) -> Future[Outcome]:
        if not isinstance(item, Accept):
            return submit(item)
        later = threading.Timer(_LATER_SECONDS, submit, [item])
        later.daemon = True
        later.start()
        future: Future[Outcome] = Future()
        future.set_result(Outcome(decision=Decision.ACCEPTED, reply=item.reply))
        return future

    writer.submit = submit_later  # type: ignore[method-assign]  # the point


def leave_every_order_to_a_person(services: Services, _host: Host) -> None:
    """Ask no manufacturer anything: the safest way never to mint twice."""
    orders = services.orders

    def park(order: OrderRecord) -> None:
        orders._answers.write(order, Step(status=OrderStatus.PARKED, facts=order.facts))

    orders._attempt = park  # type: ignore[method-assign]  # the point
