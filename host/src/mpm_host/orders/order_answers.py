"""Answers in hand: written by whoever asked, even if it takes a while, or kept as evidence.

An answer may come when the database is gone, when another worker has taken the order over, or long
after everybody gave up. It still ends the doubt about its own attempt, if nothing else has.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import sqlalchemy as sa
import structlog

from mpm_core import Grant, MpmError, NothingHappened, OutcomeUnknown, Pending, Refused
from mpm_host.backoff import Draw, draw_any
from mpm_host.clock import Clock
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.engines import Engines
from mpm_host.database.outages import is_passing
from mpm_host.orders.order_asking import Answer, as_time_grant
from mpm_host.orders.order_evidence import keep_evidence
from mpm_host.orders.order_rules import OrderStatus, Step, after_attempt
from mpm_host.orders.order_steps import Attempted, StepWriter, has_token
from mpm_host.orders.order_store import OrderRecord, load_order
from mpm_host.payments.payment_locks import lock_payment

__all__ = ["AnswerTaker"]

_LOG = structlog.get_logger(__name__)
_NOT_KNOWN = {OrderStatus.SENT, OrderStatus.UNKNOWN, OrderStatus.PARKED}
_TRIES = 5  # of a late answer, while others change the order
_WAITS_FOR_DATABASE = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 10.0)  # seconds; less than a lease's margin


class AnswerTaker:
    """Writes what manufacturers answered.

    Args:
        engines: of the database.
        clock: tells when.
        writer: writes steps.
        wake: called after a commit that left work to hand over at once.
        pause: waits some seconds for a database that is gone.
        note_step: counts a step that was written.
        draw: chance, which makes every wait a little longer.
    """

    def __init__(  # noqa: PLR0913 - what it works with, all by name
        self,
        *,
        engines: Engines,
        clock: Clock,
        writer: StepWriter,
        wake: Callable[[], None],
        pause: Callable[[float], None] = time.sleep,
        note_step: Callable[[OrderRecord, Step], None] = lambda _order, _step: None,
        draw: Draw = draw_any,
    ) -> None:
        self._draw = draw
        self._note_step = note_step
        self._engines = engines
        self._clock = clock
        self._writer = writer
        self._wake = wake
        self._pause = pause

    def take(self, order: OrderRecord, answer: Answer) -> None:
        """Write an answer, waiting for a database that is gone: nobody else has it."""
        self._keep_trying(order, lambda: self._take(order, answer))

    def hear_late(self, order: OrderRecord, answer: object) -> None:
        """Take an answer that came after the deadline, in the plugin's thread.

        It waits for a database that is gone like any other: it may be the only word of a token.
        """
        heard = as_time_grant(answer, order.charge) if isinstance(answer, Grant) else answer
        _LOG.warning("late_answer", order=order.id, correlation_id=order.payment_id)
        try:
            self._keep_trying(order, lambda: self._take_late(order, heard))
        except sa.exc.SQLAlchemyError as error:
            if not is_passing(error):
                raise
            _LOG.error("late_answer_lost", order=order.id, error=type(error).__name__)

    def take_found(self, order: OrderRecord, step: Step) -> None:
        """Write what asking after an earlier attempt came to.

        A person may have decided meanwhile that nothing was minted; a token that was found all the
        same ends that, before another is minted.
        """
        if not self.write(order, step) and step.grant is not None:
            self._take_late(order, step.grant)

    def write(
        self,
        order: OrderRecord,
        step: Step,
        *,
        unbegun: Attempted | None = None,
        evidence: object | None = None,
    ) -> bool:
        """Write a step in a transaction of its own; tell whether the order was still ours."""
        with self._engines.write.begin() as connection:
            written = self._writer.write(
                connection, order, step, self._clock(), unbegun=unbegun, evidence=evidence
            )
            crash_point(CrashPoint.STEP_WRITTEN)
        crash_point(CrashPoint.STEP_COMMITTED)
        _LOG.info(
            "order_step",
            order=order.id,
            status=step.status.value,
            reason=str(step.reason),
            written=written,
            correlation_id=order.payment_id,
        )
        if written:
            self._note_step(order, step)
            self._wake()
        return written

    def _keep_trying(self, order: OrderRecord, write: Callable[[], None]) -> None:
        """Write an answer, waiting for a database that is gone, though not for ever."""
        for seconds in _WAITS_FOR_DATABASE:
            try:
                write()
            except sa.exc.SQLAlchemyError as error:
                if not is_passing(error):
                    raise
                _LOG.warning("answer_waits", order=order.id, error=type(error).__name__)
                self._pause(seconds)
            else:
                return
        write()

    def _take(self, order: OrderRecord, answer: Answer) -> None:
        step = after_attempt(answer, order.facts, draw=self._draw)
        evidence = answer.evidence if isinstance(answer, OutcomeUnknown) else None
        if not self.write(order, step, evidence=evidence):
            self._take_late(order, answer)

    def _take_late(self, order: OrderRecord, answer: object) -> None:
        """Let an answer end the doubt about its own attempt; else it is evidence.

        Args:
            order: as it was when the attempt began; by now somebody may have decided it.
            answer: what was heard of the attempt.
        """
        if isinstance(answer, Grant | Refused | NothingHappened) and self._decide(order, answer):
            return
        evidence = answer.evidence if isinstance(answer, OutcomeUnknown) else answer
        if evidence is not None and not isinstance(evidence, MpmError | Pending):
            self._keep_evidence(order, evidence)

    def _decide(self, order: OrderRecord, answer: Grant | MpmError) -> bool:
        """Write what a late answer decides, if it does; tell whether it did.

        Somebody may change the order between the look at it and the write, such as the worker that
        gave up at this very moment: then it is looked at again.
        """
        tried = None
        for _ in range(_TRIES):
            with self._engines.read.connect() as connection:
                current = load_order(connection, order.id, self._clock())
            if current is None or current.fence == tried or not _is_news(answer, order, current):
                return False
            step = after_attempt(answer, current.facts, draw=self._draw)
            if self.write(attrs.evolve(current, attempts=order.attempts), step):
                return True
            tried = current.fence
        return False

    def _keep_evidence(self, order: OrderRecord, evidence: object) -> None:
        vault = self._writer.vault
        with self._engines.write.begin() as connection:
            lock_payment(connection, order.payment_id)
            codes = evidence.codes if isinstance(evidence, Grant) else None
            if codes is not None and has_token(connection, vault, order, codes):
                return  # it was stored: only the word of its COMMIT was lost
            keep_evidence(connection, vault, order, evidence, self._clock())


def _is_news(answer: Grant | MpmError, order: OrderRecord, current: OrderRecord) -> bool:
    """Tell whether an answer about an attempt decides the order as it stands now.

    A grant of its last attempt does wherever the order stands, and one of an earlier attempt if
    every try since surely did nothing; that nothing happened is news only while that is not known.

    Args:
        answer: what was heard of the attempt.
        order: as it was when the attempt began.
        current: the same now.
    """
    if current.attempts != order.attempts:
        nothing_since = current.status is OrderStatus.QUEUED and not current.facts.doubt
        return isinstance(answer, Grant) and nothing_since
    return isinstance(answer, Grant) or current.status in _NOT_KNOWN
