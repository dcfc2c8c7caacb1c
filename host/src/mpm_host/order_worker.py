"""The order worker: turns orders into grants, one order of a device at a time.

Each step is three moves: commit what is about to happen, ask the manufacturer outside any
transaction, commit what came of it. A crash between any two moves leaves a row from which the next
worker goes on without minting twice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta

import structlog

from mpm_core import (
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
from mpm_host.order_rules import (
    OrderStatus,
    Step,
    after_attempt,
    after_find,
    after_look,
    lost_attempt,
    operation_missing,
)
from mpm_host.order_steps import write_step
from mpm_host.order_store import OrderRecord, OrderStore, StateMovedError
from mpm_host.quotes import load_device

__all__ = ["OrderWorker"]

_LOG = structlog.get_logger(__name__)
_WAIT_FOR_PLUGIN = timedelta(minutes=10)
_WAIT_FOR_TURN = timedelta(seconds=2)
_LEASE_MARGIN = timedelta(seconds=60)
_NO_INPUTS = Prepared()


class OrderWorker:
    """Works on one order at a time; safe to use from several threads and processes.

    Args:
        engines: of the database.
        vault: encrypts tokens and messages.
        clock: decides what is due.
        directory: returns companies and instances as they are now.
        plugins_of: one company's loaded plugins.
        wake: called after a commit that left work to hand over at once.
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
    ) -> None:
        self._engines = engines
        self._vault = vault
        self._clock = clock
        self._directory = directory
        self._plugins_of = plugins_of
        self._wake = wake
        self._store = OrderStore(vault)

    def work_on(self, order_id: str) -> None:
        """Take an order one step further; calling it again, or too early, changes nothing."""
        with self._engines.read.connect() as connection:
            order = self._store.load(connection, order_id)
        if order is None:
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

    # --- a queued order ------------------------------------------------------

    def _attempt(self, order: OrderRecord) -> None:
        instance = self._directory().instances[order.instance_id]
        facts = instance.facts
        if facts is not None and order.charge.kind not in facts.operations:
            self._write(order, operation_missing(instance.name, order.charge.kind, order.facts))
        elif not instance.finishes_work or facts is None:
            self._postpone(order, _WAIT_FOR_PLUGIN, _not_enabled(instance))
        else:
            self._attempt_with(order, instance, facts.operations[order.charge.kind])

    def _attempt_with(
        self, order: OrderRecord, instance: InstanceRecord, operation: Operation
    ) -> None:
        plugins = self._plugins_of(order.company_id)
        try:
            loaded = plugins.instance(instance.name)
            prepared, state_version = self._prepare(plugins, loaded, order)
        except MpmError as error:
            self._write(order, after_attempt(_as_harmless(error), order.facts))
            return
        begun = self._begin(order, operation, loaded, prepared, state_version)
        if begun is None:
            return
        self._write_in_turn(begun, self._ask(plugins, instance.name, begun))

    def _prepare(
        self, plugins: CompanyPlugins, loaded: LoadedInstance, order: OrderRecord
    ) -> tuple[Prepared, int]:
        """Let the plugin decide what must not be decided twice; a later try keeps the first."""
        with self._engines.read.connect() as connection:
            device, version = load_device(
                connection, order.device_id, self._vault, loaded.manifest.details_class
            )
        if order.prepared is not None:
            return Prepared(inputs=order.prepared), version
        if not plugins.has_hook(loaded.name, "mpm_prepare_order"):
            return _NO_INPUTS, version
        prepared = plugins.prepare_order(
            loaded.name,
            device,
            order.charge,
            order.as_order(order.attempts + 1, {}),
            correlation_id=order.payment_id,
        )
        return prepared, version

    def _begin(
        self,
        order: OrderRecord,
        operation: Operation,
        loaded: LoadedInstance,
        prepared: Prepared,
        state_version: int,
    ) -> OrderRecord | None:
        """Commit the attempt before anybody is asked; `None` when it is not this order's turn."""
        now = self._clock()
        try:
            with self._engines.write.begin() as connection:
                blocks = operation.blocks_device
                if not self._store.has_turn(connection, order, blocks_device=blocks):
                    self._store.postpone(
                        connection, order, now + _WAIT_FOR_TURN, "Another order comes first."
                    )
                    return None
                return self._store.begin_attempt(
                    connection,
                    order,
                    prepared,
                    state_version=state_version,
                    plugin=f"{loaded.plugin.name} {loaded.plugin.version}",
                    now=now,
                    lease=timedelta(seconds=loaded.manifest.deadline) + _LEASE_MARGIN,
                )
        except StateMovedError:
            self._postpone(order, timedelta(0), "The device's state moved; preparing again.")
            return None

    def _ask(
        self, plugins: CompanyPlugins, instance: str, order: OrderRecord
    ) -> Grant | Pending | MpmError:
        loaded = plugins.instance(instance)
        with self._engines.read.connect() as connection:
            device, _ = load_device(
                connection, order.device_id, self._vault, loaded.manifest.details_class
            )
        try:
            return plugins.generate_token(
                instance,
                device,
                order.charge,
                order.as_order(order.attempts, order.prepared or {}),
                correlation_id=order.payment_id,
                on_late=functools.partial(self._hear_late, order),
            )
        except MpmError as error:
            return error

    def _write_in_turn(self, order: OrderRecord, answer: Grant | Pending | MpmError) -> None:
        if not self._write(order, after_attempt(answer, order.facts)) and isinstance(answer, Grant):
            self._keep_evidence(order, answer)

    def _hear_late(self, order: OrderRecord, answer: object) -> None:
        """Take an answer that came after the deadline: it still ends the doubt."""
        if not isinstance(answer, Grant):
            return  # an error tells nothing that *unknown* does not say
        _LOG.warning("late_grant", order=order.id, correlation_id=order.payment_id)
        with self._engines.read.connect() as connection:
            current = self._store.load(connection, order.id)
        same_attempt = current is not None and current.attempts == order.attempts
        if (
            current is not None
            and same_attempt
            and self._write(current, after_attempt(answer, current.facts))
        ):
            return
        self._keep_evidence(order, answer)

    def _keep_evidence(self, order: OrderRecord, grant: Grant) -> None:
        with self._engines.write.begin() as connection:
            self._store.keep_evidence(connection, order, grant, self._clock())

    # --- an order whose worker never came back -------------------------------

    def _recover(self, order: OrderRecord) -> None:
        """Turn an attempt nobody finished into *unknown*, once its lease is over."""
        if order.lease_until is not None and order.lease_until > self._clock():
            return
        self._write(order, after_attempt(lost_attempt(), order.facts))

    # --- an order in doubt ---------------------------------------------------

    def look(self, order_id: str) -> None:
        """Look after an unknown order now, because somebody is interested in it."""
        with self._engines.read.connect() as connection:
            order = self._store.load(connection, order_id)
        if order is not None and order.status is OrderStatus.UNKNOWN:
            self._look(order)

    def _look(self, order: OrderRecord) -> None:
        instance = self._directory().instances[order.instance_id]
        if instance.facts is None or not instance.finishes_work:
            self._postpone(order, _WAIT_FOR_PLUGIN, _not_enabled(instance))
            return
        step = after_look(instance.facts.operations[order.charge.kind], order.facts)
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

    def _write(self, order: OrderRecord, step: Step) -> bool:
        with self._engines.write.begin() as connection:
            written = write_step(connection, self._vault, order, step, self._clock())
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
            self._store.postpone(connection, order, self._clock() + wait, detail)


def _not_enabled(instance: InstanceRecord) -> str:
    why = instance.problem or f"it is {instance.state}"
    return f"Plugin instance {instance.name} cannot work: {why}; enable or mend it."


def _as_harmless(error: MpmError) -> MpmError:
    """Preparing never mints, so whatever went wrong there, nothing has happened yet."""
    if isinstance(error, Refused | NothingHappened):
        return error
    if isinstance(error, OutcomeUnknown):
        return NotSent(str(error))
    return error
