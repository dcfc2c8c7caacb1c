"""The order worker: turns orders into grants, one order of a device at a time.

Each step is three moves: commit what is about to happen, ask the manufacturer outside any
transaction, commit what came of it. A crash between any two moves leaves a row from which the next
worker goes on without minting twice.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Collection, Iterator
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import ChargeKind, MpmError, NotSent
from mpm_host.backoff import spread
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.outages import is_passing
from mpm_host.directory import InstanceRecord
from mpm_host.orders.order_answers import AnswerTaker
from mpm_host.orders.order_asking import Answer, Asking, Manufacturers, as_harmless
from mpm_host.orders.order_rules import (
    OrderStatus,
    Step,
    after_attempt,
    after_find,
    after_look,
    lost_attempt,
    operation_missing,
)
from mpm_host.orders.order_steps import TELL_AFTER, Attempted, StepWriter
from mpm_host.orders.order_store import (
    OrderRecord,
    StateMovedError,
    begin_attempt,
    is_in_hand,
    load_order,
    orders_before,
    postpone,
    rest,
)
from mpm_host.orders.switch_rows import keep_switch
from mpm_host.payments.payment_locks import lock_payment
from mpm_host.payments.payment_messages import tell_delay
from mpm_host.resources import Resources

__all__ = ["OrderWorker"]

_WAIT_FOR_PLUGIN = timedelta(minutes=10)
# Only a safety net, for the end of the order before it wakes an order. One for each that comes
# first, or the looks of many that wait behind one device would leave no time for the others.
_WAIT_FOR_TURN = timedelta(minutes=1)
_MOST_WAITED_FOR = 10
_NOT_ITS_TURN = "Another order of the device comes first."


class OrderWorker:
    """Works on one order at a time; safe to use from several threads and processes.

    Args:
        resources: of the installation.
        wake: called after a commit that left work to hand over at once.
        tell_after: how long after it was made a late order's customer is told so.
        pause: waits some seconds for a database that is gone.
        note_step: counts a step that was written.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        wake: Callable[[], None],
        tell_after: timedelta = TELL_AFTER,
        pause: Callable[[float], None] = time.sleep,
        note_step: Callable[[OrderRecord, Step], None] = lambda _order, _step: None,
    ) -> None:
        self._resources = resources
        self._asked_about: set[str] = set()
        self._manufacturers = Manufacturers(resources)
        self._writer = StepWriter(vault=resources.vault, tell_after=tell_after)
        self._answers = AnswerTaker(
            engines=resources.engines,
            clock=resources.clock,
            writer=self._writer,
            wake=wake,
            pause=pause,
            note_step=note_step,
            draw=resources.draw,
        )

    def work_on(self, order_id: str) -> None:
        """Take an order one step further; calling it again, or too early, changes nothing."""
        order = self._load(order_id)
        if order is None:
            return
        if order.due_at is not None and order.due_at > self._resources.clock():
            self._rest(order)
            return
        match order.status:
            case OrderStatus.QUEUED:
                self._attempt(order)
            case OrderStatus.SENT:
                self._recover(order)
            case OrderStatus.UNKNOWN:
                self._look(order)
            case _:
                return

    def look(self, order_id: str) -> None:
        """Look after an unknown order now, because somebody is interested in it."""
        order = self._load(order_id)
        if order is not None and order.status is OrderStatus.UNKNOWN:
            self._look(order)

    def _load(self, order_id: str) -> OrderRecord | None:
        with self._resources.engines.read.connect() as connection:
            return load_order(connection, order_id, self._resources.clock())

    # --- a queued order ------------------------------------------------------

    def _attempt(self, order: OrderRecord) -> None:
        instance = self._resources.directory().instances.get(order.instance_id)
        facts = instance.facts if instance else None
        if instance is None or facts is None or not instance.finishes_work:
            self._postpone(order, _WAIT_FOR_PLUGIN, _not_enabled(instance))
        elif order.charge.kind not in facts.operations:
            missing = operation_missing(instance.name, order.charge.kind, order.facts)
            self._answers.write(order, missing)
        else:
            blocking = {kind for kind, each in facts.operations.items() if each.blocks_device}
            self._attempt_with(order, instance, blocking)

    def _attempt_with(
        self, order: OrderRecord, instance: InstanceRecord, blocking: Collection[ChargeKind]
    ) -> None:
        try:
            asking = self._manufacturers.prepare(order, instance)
        except MpmError as error:
            step = after_attempt(as_harmless(error), order.facts, draw=self._resources.draw)
            self._answers.write(order, step, unbegun=_unbegun(error, instance))
            return
        crash_point(CrashPoint.ORDER_PREPARED)
        begun = self._begin(order, blocking, asking)
        if begun is None:
            return
        with self._in_hand(begun.id):
            crash_point(CrashPoint.ATTEMPT_COMMITTED)
            answer = self._ask(asking, begun)
            crash_point(CrashPoint.VENDOR_ANSWERED)
            self._answers.take(begun, answer)

    def _ask(self, asking: Asking, begun: OrderRecord) -> Answer:
        """Ask for the grant, unless this machine slept so long that the order is others' by now."""
        try:
            with self._resources.engines.read.connect() as connection:
                is_ours = is_in_hand(connection, begun, self._resources.clock())
        except sa.exc.SQLAlchemyError as error:
            if not is_passing(error):
                raise
            return NotSent("The database was gone before anybody was asked; nothing was sent.")
        if not is_ours:
            return NotSent("The worker slept past its lease before it asked; nothing was sent.")
        return asking.ask(begun, functools.partial(self._answers.hear_late, begun))

    @contextlib.contextmanager
    def _in_hand(self, order_id: str) -> Iterator[None]:
        """Keep an order's lease while this process asks, however the clock jumps meanwhile."""
        self._asked_about.add(order_id)
        try:
            yield
        finally:
            self._asked_about.discard(order_id)

    def _begin(
        self, order: OrderRecord, blocking: Collection[ChargeKind], asking: Asking
    ) -> OrderRecord | None:
        """Commit the attempt before anybody is asked; `None` when it is not this order's turn."""
        now = self._resources.clock()
        try:
            with self._resources.engines.write.begin() as connection:
                if before := orders_before(connection, order, blocking=blocking):
                    # in the same transaction, so that the other order's end wakes this one after it
                    wait = min(before, _MOST_WAITED_FOR) * _WAIT_FOR_TURN
                    self._put_off(connection, order, wait, _NOT_ITS_TURN)
                    return None
                if asking.switches:
                    keep_switch(connection, order.company_id, order.device_id, now)
                return begin_attempt(
                    connection,
                    order,
                    asking.prepared,
                    prepared_from=asking.prepared_from,
                    plugin=asking.plugin,
                    now=now,
                    lease=asking.lease,
                )
        except StateMovedError:
            self._postpone(order, timedelta(0), "The device's state moved; preparing again.")
            return None

    # --- an order whose worker never came back -------------------------------

    def _recover(self, order: OrderRecord) -> None:
        """Turn an attempt nobody finished into *unknown*, once its lease is over."""
        if order.lease_until is not None and order.lease_until > self._resources.clock():
            return
        if order.id in self._asked_about:
            return  # it lives here, and asking ends by a deadline that no clock moves
        lost = after_attempt(lost_attempt(), order.facts, draw=self._resources.draw)
        self._answers.write(order, lost)

    # --- an order in doubt ---------------------------------------------------

    def _look(self, order: OrderRecord) -> None:
        instance = self._resources.directory().instances.get(order.instance_id)
        if instance is None or instance.facts is None or not instance.finishes_work:
            self._postpone(order, _WAIT_FOR_PLUGIN, _not_enabled(instance))
            return
        step = after_look(instance.facts.operations.get(order.charge.kind), order.facts)
        if step is None:
            answer = self._manufacturers.find(order, instance)
            step = after_find(answer, order.facts, draw=self._resources.draw)
        crash_point(CrashPoint.LOOK_DECIDED)
        self._answers.take_found(order, step)

    # --- an order that waits -------------------------------------------------

    def _postpone(self, order: OrderRecord, wait: timedelta, detail: str) -> None:
        """Leave an order for later; no attempt is made of it."""
        with self._resources.engines.write.begin() as connection:
            self._put_off(connection, order, wait, detail)
        self._tell_if_late(order)

    def _put_off(
        self, connection: Connection, order: OrderRecord, wait: timedelta, detail: str
    ) -> None:
        now = self._resources.clock()
        until = now + spread(wait, self._resources.draw)
        next_at = self._writer.next_at(order, until, now)
        postpone(connection, order, until, detail, next_at=next_at)

    def _rest(self, order: OrderRecord) -> None:
        """Put an order that was handed over before its time back to where it waits."""
        self._tell_if_late(order)
        wait_until = self._writer.next_at(order, order.due_at, self._resources.clock())
        if order.next_at == wait_until:
            return
        with self._resources.engines.write.begin() as connection:
            rest(connection, order, wait_until)

    def _tell_if_late(self, order: OrderRecord) -> None:
        """Tell the customer of an open order that it takes long, once that is so."""
        now = self._resources.clock()
        if now < self._writer.tell_at(order) or order.reversing:
            return
        with self._resources.engines.write.begin() as connection:
            payment = lock_payment(connection, order.payment_id)
            current = load_order(connection, order.id, now)
            is_as_it_was = current is not None and current.fence == order.fence
            if is_as_it_was and not payment.reversing:
                tell_delay(connection, self._resources.vault, payment, now)


def _not_enabled(instance: InstanceRecord | None) -> str:
    if instance is None:
        return "The manufacturer's plugin instance is not known to this process yet."
    why = instance.problem or f"it is {instance.state}"
    return f"Plugin instance {instance.name} cannot work: {why}; enable or mend it."


def _unbegun(error: MpmError, instance: InstanceRecord) -> Attempted:
    whose = error.attribution
    plugin = f"{whose.plugin} {whose.version}" if whose else instance.plugin
    return Attempted(plugin=plugin)
