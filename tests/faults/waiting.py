"""Waiting for work to end, with time that a test moves."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.scene import Scene

__all__ = ["open_orders", "wait_until_nothing_is_open"]

_ENDED = (OrderStatus.ISSUED, OrderStatus.REFUSED, OrderStatus.CANCELLED, OrderStatus.PARKED)
_STEP = timedelta(seconds=30)


def open_orders(scene: Scene) -> Counter[str]:
    """Count the orders by their status."""
    query = sa.select(t.orders.c.status, sa.func.count()).group_by(t.orders.c.status)
    with scene.opened.engines.read.connect() as connection:
        return Counter({row[0]: row[1] for row in connection.execute(query)})


def wait_until_nothing_is_open(scene: Scene, *, seconds: float) -> None:
    """Wait until every order has ended or is parked, every message is out; time flies.

    Raises:
        TimeoutError: something is still open.
    """
    until = time.monotonic() + seconds
    while True:
        statuses = open_orders(scene)
        rest = {status: count for status, count in statuses.items() if status not in _ENDED}
        queued, switches = _queued_messages(scene), _moving_switches(scene)
        if not rest and not queued and not switches:
            return
        if time.monotonic() > until:
            raise TimeoutError(
                f"Orders {rest}, {queued} messages and {switches} switches are still open."
            )
        scene.clock.move(_STEP)
        time.sleep(0.1)


def _queued_messages(scene: Scene) -> int:
    query = sa.select(sa.func.count()).where(t.messages.c.status == "queued")
    with scene.opened.engines.read.connect() as connection:
        count: int = connection.execute(query).scalar_one()
        return count


def _moving_switches(scene: Scene) -> int:
    """Count the devices that are not, or may not be, as they should be."""
    s = t.switches.c
    ran_out = sa.and_(s.is_on, sa.not_(s.unlocked), s.paid_until <= scene.clock())
    query = sa.select(sa.func.count()).where(
        s.paid_until.is_not(None), sa.or_(s.is_on.is_(None), ran_out)
    )
    with scene.opened.engines.read.connect() as connection:
        count: int = connection.execute(query).scalar_one()
        return count
