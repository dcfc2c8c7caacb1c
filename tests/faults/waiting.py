"""Waiting for work to end, with time that a test moves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes, tellings
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.scene import Scene

__all__ = ["STEP", "open_orders", "wait_until_nothing_is_open"]

_ENDED = (OrderStatus.ISSUED, OrderStatus.REFUSED, OrderStatus.CANCELLED, OrderStatus.PARKED)
STEP = timedelta(seconds=30)  # of time; shorter than any lease


def open_orders(scene: Scene) -> Counter[str]:
    """Count the orders by their status."""
    query = sa.select(t.orders.c.status, sa.func.count()).group_by(t.orders.c.status)
    with scene.opened.engines.read.connect() as connection:
        return Counter({row[0]: row[1] for row in connection.execute(query)})


def _let_a_step_pass(scene: Scene) -> None:
    scene.clock.move(STEP)


def wait_until_nothing_is_open(
    scene: Scene, *, seconds: float, let_time_pass: Callable[[Scene], object] = _let_a_step_pass
) -> datetime:
    """Wait until every piece of work has ended or waits for a person; time flies.

    What was handed to a worker a moment ago is due again only after a while: that nothing is due
    does not say that nothing is under way. So each kind is asked for what is not as it should be.

    Args:
        scene: with a host that lives.
        seconds: how long to wait, really, for less to be open: at a night's size there is much.
        let_time_pass: lets some go by, or not if it must not yet.

    Returns:
        The moment of which that was true; what runs out later is no concern of its.

    Raises:
        TimeoutError: something is still open.
    """
    least, until = None, 0.0
    while True:
        now = scene.clock()
        rest = _open_work(scene, now)
        if not rest:
            return now
        if least is None or sum(rest.values()) < least:
            least, until = sum(rest.values()), time.monotonic() + seconds
        if time.monotonic() > until:
            raise TimeoutError(f"Still open: {rest}.")
        let_time_pass(scene)
        time.sleep(0.1)


def _open_work(scene: Scene, now: datetime) -> dict[str, int]:
    """Count what has not ended, by kind; orders by their status."""
    orders = {status: n for status, n in open_orders(scene).items() if status not in _ENDED}
    with scene.opened.engines.read.connect() as connection:
        counts = {
            kind: connection.execute(sa.select(sa.func.count()).where(is_open)).scalar_one()
            for kind, is_open in _is_open(now).items()
        }
    return {**orders, **{kind: count for kind, count in counts.items() if count}}


def _is_open(now: datetime) -> Mapping[str, sa.ColumnElement[bool]]:
    s, push = t.switches.c, pushes.c
    ran_out = sa.and_(s.is_on, sa.not_(s.unlocked), s.paid_until <= now)
    return {
        "messages": t.messages.c.status == "queued",
        "switches": sa.and_(s.paid_until.is_not(None), sa.or_(s.is_on.is_(None), ran_out)),
        "tellings": tellings.c.next_at.is_not(None),
        # one without a next look waits for a person
        "pushes": sa.and_(push.finished_at.is_(None), push.next_at.is_not(None)),
    }
