"""The order worker: turns orders into grants, one order of a device at a time.

Each step is three moves: commit what is about to happen, ask the manufacturer outside any
transaction, commit what came of it. A crash between any two moves leaves a row from which the next
worker goes on without minting twice.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from datetime import timedelta

import attrs
import sqlalchemy as sa
import structlog

from mpm_core import (
    ContractViolation,
    Device,
    Grant,
    MpmError,
    NotFound,
    NothingHappened,
    NotSent,
    Operation,
    OutcomeUnknown,
    Pending,
    Prepared,
    Refused,
)
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance
from mpm_host.clock import Clock
from mpm_host.database.engines import Engines
from mpm_host.directory import Directory, InstanceRecord
from mpm_host.encryption import Vault
from mpm_host.order_evidence import keep_evidence
from mpm_host.order_rules import (
    OrderStatus,
    Step,
    after_attempt,
    after_find,
    after_look,
    lost_attempt,
    operation_missing,
)
from mpm_host.order_steps import TELL_AFTER, Attempted, StepWriter, has_token
from mpm_host.order_store import (
    OrderRecord,
    StateMovedError,
    begin_attempt,
    has_turn,
    load_order,
    postpone,
    rest,
)
from mpm_host.payment_locks import lock_payment
from mpm_host.payment_messages import tell_delay
from mpm_host.quotes import load_device
from mpm_host.switching import as_time_grant, keep_switch

__all__ = ["OrderWorker"]

_LOG = structlog.get_logger(__name__)
_WAIT_FOR_PLUGIN = timedelta(minutes=10)
_WAIT_FOR_TURN = timedelta(minutes=1)  # only a safety net: the end of the other order wakes this
_LEASE_MARGIN = timedelta(seconds=60)
_NO_INPUTS = Prepared()
_Answer = Grant | Pending | MpmError
_DatabaseGone = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
_WAITS_FOR_DATABASE = (0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 10.0)  # seconds; less than a lease's margin


@attrs.frozen(kw_only=True)
class _Asking:
    """All that is needed to ask the manufacturer."""

    plugins: CompanyPlugins
    loaded: LoadedInstance
    device: Device
    state_version: int
    prepared: Prepared

    @property
    def plugin(self) -> str:
        """Its name and version, as attempts keep them."""
        return f"{self.loaded.plugin.name} {self.loaded.plugin.version}"


class OrderWorker:
    """Works on one order at a time; safe to use from several threads and processes.

    Args:
        engines: of the database.
        vault: encrypts tokens and messages.
        clock: decides what is due.
        directory: returns companies and instances as they are now.
        plugins_of: one company's loaded plugins.
        wake: called after a commit that left work to hand over at once.
        tell_after: how long after it was made a late order's customer is told so.
        pause: waits some seconds for a database that is gone.
    """

    def __init__(  # noqa: PLR0913 - what it works with, all by name
        self,
        *,
        engines: Engines,
        vault: Vault,
        clock: Clock,
        directory: Callable[[], Directory],
        plugins_of: Callable[[str], CompanyPlugins],
        wake: Callable[[], None],
        tell_after: timedelta = TELL_AFTER,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engines = engines
        self._vault = vault
        self._clock = clock
        self._directory = directory
        self._plugins_of = plugins_of
        self._wake = wake
        self._tell_after = tell_after
        self._pause = pause
        self._writer = StepWriter(vault=vault, tell_after=tell_after)

    def work_on(self, order_id: str) -> None:
        """Take an order one step further; calling it again, or too early, changes nothing."""
        order = self._load(order_id)
        if order is None:
            return
        if order.due_at is not None and order.due_at > self._clock():
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
        with self._engines.read.connect() as connection:
            return load_order(connection, order_id, self._clock())

    # --- a queued order ------------------------------------------------------

    def _attempt(self, order: OrderRecord) -> None:
        instance = self._directory().instances.get(order.instance_id)
        facts = instance.facts if instance else None
        if instance is None or facts is None or not instance.finishes_work:
            self._postpone(order, _WAIT_FOR_PLUGIN, _not_enabled(instance))
        elif order.charge.kind not in facts.operations:
            self._write(order, operation_missing(instance.name, order.charge.kind, order.facts))
        else:
            self._attempt_with(order, instance, facts.operations[order.charge.kind])

    def _attempt_with(
        self, order: OrderRecord, instance: InstanceRecord, operation: Operation
    ) -> None:
        try:
            asking = self._prepare(order, instance)
        except MpmError as error:
            step = after_attempt(_as_harmless(error), order.facts)
            self._write(order, step, unbegun=_unbegun(error, instance))
            return
        begun = self._begin(order, operation, asking)
        if begun is None:
            return
        self._settle(begun, self._ask(asking, begun))

    def _prepare(self, order: OrderRecord, instance: InstanceRecord) -> _Asking:
        """Let the plugin decide what must not be decided twice; a later try keeps the first."""
        plugins = self._plugins_of(order.company_id)
        loaded = plugins.instance(instance.name)
        with self._engines.read.connect() as connection:
            device, version = load_device(
                connection, order.device_id, self._vault, loaded.manifest.details_class
            )
        asking = _Asking(
            plugins=plugins,
            loaded=loaded,
            device=device,
            state_version=version,
            prepared=_NO_INPUTS if order.prepared is None else Prepared(inputs=order.prepared),
        )
        if order.prepared is not None or not plugins.has_hook(loaded.name, "mpm_prepare_order"):
            return asking
        prepared = plugins.prepare_order(
            loaded.name,
            device,
            order.charge,
            order.as_order(order.attempts + 1, {}),
            correlation_id=order.payment_id,
        )
        return attrs.evolve(asking, prepared=prepared)

    def _begin(
        self, order: OrderRecord, operation: Operation, asking: _Asking
    ) -> OrderRecord | None:
        """Commit the attempt before anybody is asked; `None` when it is not this order's turn."""
        now = self._clock()
        try:
            with self._engines.write.begin() as connection:
                if not has_turn(connection, order, blocks_device=operation.blocks_device):
                    later = now + _WAIT_FOR_TURN
                    postpone(connection, order, later, "Another order of the device comes first.")
                    return None
                if asking.loaded.manifest.switches:
                    keep_switch(connection, order.company_id, order.device_id, now)
                return begin_attempt(
                    connection,
                    order,
                    asking.prepared,
                    state_version=asking.state_version,
                    plugin=asking.plugin,
                    now=now,
                    lease=_lease(asking.loaded),
                )
        except StateMovedError:
            self._postpone(order, timedelta(0), "The device's state moved; preparing again.")
            return None

    def _ask(self, asking: _Asking, order: OrderRecord) -> _Answer:
        prepared, device = asking.prepared, asking.device
        if prepared.state is not None:
            device = attrs.evolve(device, state=dict(prepared.state))
        named = order.as_order(order.attempts, prepared.inputs)
        on_late = functools.partial(self._hear_late, order)
        name, correlation_id = asking.loaded.name, order.payment_id
        try:
            if asking.loaded.manifest.switches:
                grant = asking.plugins.switch_device(
                    name, device, named, on=True, correlation_id=correlation_id, on_late=on_late
                )
                return as_time_grant(grant, order.charge)
            return asking.plugins.generate_token(
                name, device, order.charge, named, correlation_id=correlation_id, on_late=on_late
            )
        except MpmError as error:
            return error

    # --- an answer in hand ---------------------------------------------------

    def _settle(self, order: OrderRecord, answer: _Answer) -> None:
        """Write an answer, waiting for a database that is gone: nobody else has it."""
        for seconds in _WAITS_FOR_DATABASE:
            try:
                self._take_answer(order, answer)
            except _DatabaseGone as error:
                _LOG.warning("answer_waits", order=order.id, error=type(error).__name__)
                self._pause(seconds)
            else:
                return
        self._take_answer(order, answer)

    def _take_answer(self, order: OrderRecord, answer: _Answer) -> None:
        step = after_attempt(answer, order.facts)
        evidence = answer.evidence if isinstance(answer, OutcomeUnknown) else None
        if not self._write(order, step, evidence=evidence):
            self._take_late(order, answer)

    def _hear_late(self, order: OrderRecord, answer: object) -> None:
        """Take an answer that came after the deadline, in the plugin's thread."""
        if isinstance(answer, Grant):
            answer = as_time_grant(answer, order.charge)
        _LOG.warning("late_answer", order=order.id, correlation_id=order.payment_id)
        try:
            self._take_late(order, answer)
        except _DatabaseGone as error:
            _LOG.error("late_answer_lost", order=order.id, error=type(error).__name__)

    def _take_late(self, order: OrderRecord, answer: object) -> None:
        """Let an answer end the doubt about its own attempt; else it is evidence.

        Args:
            order: as it was when the attempt began; by now somebody may have decided it.
            answer: what was heard of the attempt.
        """
        current = self._load(order.id)
        if (
            current is not None
            and current.attempts == order.attempts
            and isinstance(answer, Grant | Refused | NothingHappened)
            and _ends_doubt(answer, current)
            and self._write(current, after_attempt(answer, current.facts))
        ):
            return
        evidence = answer.evidence if isinstance(answer, OutcomeUnknown) else answer
        if evidence is not None and not isinstance(evidence, MpmError | Pending):
            self._keep_evidence(order, evidence)

    def _keep_evidence(self, order: OrderRecord, evidence: object) -> None:
        with self._engines.write.begin() as connection:
            lock_payment(connection, order.payment_id)
            codes = evidence.codes if isinstance(evidence, Grant) else None
            if codes is not None and has_token(connection, self._vault, order, codes):
                return  # it was stored: only the word of its COMMIT was lost
            keep_evidence(connection, self._vault, order, evidence, self._clock())

    # --- an order whose worker never came back -------------------------------

    def _recover(self, order: OrderRecord) -> None:
        """Turn an attempt nobody finished into *unknown*, once its lease is over."""
        if order.lease_until is not None and order.lease_until > self._clock():
            return
        self._write(order, after_attempt(lost_attempt(), order.facts))

    # --- an order in doubt ---------------------------------------------------

    def _look(self, order: OrderRecord) -> None:
        instance = self._directory().instances.get(order.instance_id)
        if instance is None or instance.facts is None or not instance.finishes_work:
            self._postpone(order, _WAIT_FOR_PLUGIN, _not_enabled(instance))
            return
        step = after_look(instance.facts.operations.get(order.charge.kind), order.facts)
        self._write(order, step or self._find(order, instance))

    def _find(self, order: OrderRecord, instance: InstanceRecord) -> Step:
        plugins = self._plugins_of(order.company_id)
        try:
            loaded = plugins.instance(instance.name)
            with self._engines.read.connect() as connection:
                device, _ = load_device(
                    connection, order.device_id, self._vault, loaded.manifest.details_class
                )
            found: Grant | NotFound | Pending | MpmError = plugins.find_token(
                instance.name,
                device,
                order.charge,
                order.as_order(order.attempts, order.prepared or {}),
                correlation_id=order.payment_id,
            )
        except MpmError as error:
            found = error
        return after_find(found, order.facts)

    # --- writing -------------------------------------------------------------

    def _write(
        self,
        order: OrderRecord,
        step: Step,
        *,
        unbegun: Attempted | None = None,
        evidence: object | None = None,
    ) -> bool:
        with self._engines.write.begin() as connection:
            written = self._writer.write(
                connection, order, step, self._clock(), unbegun=unbegun, evidence=evidence
            )
        _LOG.info(
            "order_step",
            order=order.id,
            status=step.status.value,
            reason=str(step.reason),
            written=written,
            correlation_id=order.payment_id,
        )
        if written:
            self._wake()
        return written

    def _postpone(self, order: OrderRecord, wait: timedelta, detail: str) -> None:
        with self._engines.write.begin() as connection:
            postpone(connection, order, self._clock() + wait, detail)
        self._tell_if_late(order)

    def _rest(self, order: OrderRecord) -> None:
        """Put an order that was handed over before its time back to where it waits."""
        self._tell_if_late(order)
        wait_until = self._writer.next_at(order, order.due_at, self._clock())
        if order.next_at == wait_until:
            return
        with self._engines.write.begin() as connection:
            rest(connection, order, wait_until)

    def _tell_if_late(self, order: OrderRecord) -> None:
        """Tell the customer of an open order that it takes long, once that is so."""
        now = self._clock()
        if now < order.created_at + self._tell_after or order.reversing:
            return
        with self._engines.write.begin() as connection:
            payment = lock_payment(connection, order.payment_id)
            current = load_order(connection, order.id, now)
            if current is not None and current.fence == order.fence:
                tell_delay(connection, self._vault, payment, now)


def _lease(loaded: LoadedInstance) -> timedelta:
    """Return how long a worker may be silent: it waits for a free thread, then for the answer."""
    return 2 * timedelta(seconds=loaded.manifest.deadline) + _LEASE_MARGIN


def _ends_doubt(answer: Grant | MpmError, current: OrderRecord) -> bool:
    """Tell whether a late answer decides an order that nobody else decided meanwhile.

    A grant is one wherever the order stands; that nothing happened is news only while that is
    unknown.
    """
    in_doubt = current.status in {OrderStatus.UNKNOWN, OrderStatus.PARKED}
    return in_doubt or isinstance(answer, Grant)


def _not_enabled(instance: InstanceRecord | None) -> str:
    if instance is None:
        return "The manufacturer's plugin instance is not known to this process yet."
    why = instance.problem or f"it is {instance.state}"
    return f"Plugin instance {instance.name} cannot work: {why}; enable or mend it."


def _unbegun(error: MpmError, instance: InstanceRecord) -> Attempted:
    whose = error.attribution
    plugin = f"{whose.plugin} {whose.version}" if whose else instance.plugin
    return Attempted(plugin=plugin)


def _as_harmless(error: MpmError) -> MpmError:
    """Preparing never mints, so whatever went wrong there, nothing has happened yet."""
    if isinstance(error, Refused | NothingHappened | ContractViolation):
        return error
    return NotSent(str(error))
