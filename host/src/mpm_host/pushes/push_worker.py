"""The push worker: prompts the payer's phone once, then asks until the telecom says what became.

Each step is three moves, as of orders: commit what is about to happen, ask the telecom outside any
transaction, commit what came of it. *Paid* is booked as every payment is, under the push's key; the
payer has been charged, so it is booked also with another amount, or after a final no: as nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta

import attrs
import structlog

from mpm_core import Decision, MpmError, ProcessRequest, ProviderState, PushReceipt
from mpm_host.backoff import spread
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.directory import InstanceRecord
from mpm_host.payments.booking_commands import Accept, Command, Outcome
from mpm_host.pushes.push_rules import (
    PushStatus,
    PushStep,
    after_prompt,
    after_query,
    after_unbookable,
)
from mpm_host.pushes.push_store import (
    PushRecord,
    announce,
    is_in_hand,
    keep_details,
    load_push,
    postpone_push,
    write_step,
)
from mpm_host.resources import Resources

__all__ = ["PushWorker"]

_LOG = structlog.get_logger(__name__)
_WAIT_FOR_PLUGIN = timedelta(minutes=10)
_LEASE_MARGIN = timedelta(seconds=30)
_STALE = timedelta(minutes=10)  # a prompt that comes later surprises the payer
_BOOKING_SECONDS = 30.0


class PushWorker:
    """Works on one push at a time; safe to use from several threads and processes.

    Args:
        resources: of the installation.
        submit: gives the desk's writer a command.
        wake: called after a booking that left work for the workers.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        submit: Callable[[Command], Future[Outcome]],
        wake: Callable[[], None],
    ) -> None:
        self._resources = resources
        self._submit = submit
        self._wake = wake

    def work_on(self, push_id: str) -> None:
        """Take a push one step further; calling it again, or too early, is harmless."""
        with self._resources.engines.read.connect() as connection:
            record = load_push(connection, push_id, self._resources.clock())
        if record is None:
            return
        instance = self._resources.directory().instances.get(record.instance_id)
        works = instance is not None and instance.finishes_work
        if record.sent_at is None:
            self._begin(record, instance if works else None)
        elif instance is not None and works:
            self._look(record, instance)
        else:
            with self._resources.engines.write.begin() as connection:
                wait = spread(_WAIT_FOR_PLUGIN, self._resources.draw)
                postpone_push(connection, record, self._resources.clock() + wait)

    # --- prompting --------------------------------------------------------------------------------

    def _begin(self, record: PushRecord, instance: InstanceRecord | None) -> None:
        if instance is None:
            self._write(record, _unsent("The telecom's plugin cannot work; nothing was sent."))
        elif self._resources.clock() - record.created_at > _STALE:
            self._write(record, _unsent("It could not be sent in time; nothing was sent."))
        else:
            self._prompt(record, instance)

    def _prompt(self, record: PushRecord, instance: InstanceRecord) -> None:
        plugins = self._resources.plugins_of(record.company_id)
        deadline = timedelta(seconds=plugins.instance(instance.name).manifest.deadline)
        with self._resources.engines.write.begin() as connection:
            begun = announce(connection, record, self._resources.clock(), deadline + _LEASE_MARGIN)
        if begun is None:
            return
        crash_point(CrashPoint.PUSH_ANNOUNCED)
        with self._resources.engines.read.connect() as connection:
            is_ours = is_in_hand(connection, begun, self._resources.clock())
        if not is_ours:
            self._write(begun, _unsent("The worker slept before it sent it; nothing was sent."))
            return
        answer: PushReceipt | MpmError
        try:
            answer = plugins.push_payment(
                instance.name, begun.push, correlation_id=begun.payment_id
            )
        except MpmError as error:
            answer = error
        crash_point(CrashPoint.PUSH_PROMPTED)
        details: Mapping[str, str] = answer.details if isinstance(answer, PushReceipt) else {}
        step = after_prompt(answer, draw=self._resources.draw)
        if not self._write(begun, step, details=details) and details:
            with self._resources.engines.write.begin() as connection:
                keep_details(connection, begun.id, details)

    # --- asking -----------------------------------------------------------------------------------

    def _look(self, record: PushRecord, instance: InstanceRecord) -> None:
        plugins = self._resources.plugins_of(record.company_id)
        answer: ProviderState | MpmError
        try:
            answer = plugins.query_payment(
                instance.name, record.push, correlation_id=record.payment_id
            )
        except MpmError as error:
            answer = error
        crash_point(CrashPoint.PUSH_QUERIED)
        step = after_query(answer, record.facts, draw=self._resources.draw)
        details: Mapping[str, str] = {}
        if isinstance(answer, ProviderState):
            details = answer.details
            if step.to_book:
                step = self._book(record, instance, answer, step)
        self._write(record, step, details=details)

    def _book(
        self, record: PushRecord, instance: InstanceRecord, state: ProviderState, step: PushStep
    ) -> PushStep:
        """Book what was paid, before the push says so; asked again, it is the same payment."""
        push = record.push
        command = Accept(
            instance=instance,
            request=ProcessRequest(
                reference=push.key,
                serial=push.serial,
                amount=state.amount,  # where it does not say, the payment does
                payer=push.payer,
                receipt=state.receipt,
            ),
            reply=None,
        )
        outcome = self._submit(command).result(timeout=_BOOKING_SECONDS)
        crash_point(CrashPoint.PUSH_BOOKED)
        if outcome.has_work:
            self._wake()
        differs = state.amount is not None and state.amount != push.amount
        amounts = f"{state.amount} instead of {push.amount}"
        if outcome.decision is Decision.ACCEPTED:
            detail = f"The telecom says that {amounts} was paid; see the payment."
            return attrs.evolve(step, detail=detail) if differs else step
        why = amounts if differs else f"not booked: {outcome.message}"
        return after_unbookable(record.facts, why)

    # --- writing ----------------------------------------------------------------------------------

    def _write(
        self, record: PushRecord, step: PushStep, *, details: Mapping[str, str] | None = None
    ) -> bool:
        with self._resources.engines.write.begin() as connection:
            written = write_step(connection, record, step, self._resources.clock(), details=details)
        crash_point(CrashPoint.PUSH_NOTED)
        _LOG.info(
            "push_step",
            push=record.id,
            status=step.status.value,
            written=written,
            correlation_id=record.payment_id,
        )
        return written


def _unsent(why: str) -> PushStep:
    return PushStep(status=PushStatus.FAILED, detail=why)
