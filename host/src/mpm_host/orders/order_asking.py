"""Asking the manufacturer about an order: prepare, make it real, find what became of it.

Nothing here writes; between the calls the worker commits what must be durable.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs

from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Device,
    Grant,
    Manifest,
    MpmError,
    NotFound,
    NothingHappened,
    NotSent,
    OutcomeUnknown,
    Pending,
    Prepared,
    Recovery,
    Refused,
)
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance
from mpm_host.directory import InstanceRecord
from mpm_host.orders.order_store import OrderRecord, last_sent_at
from mpm_host.payments.quotes import load_device
from mpm_host.resources import Resources

__all__ = ["Answer", "Asking", "Manufacturers", "as_harmless", "as_time_grant", "lease_of"]

Answer = Grant | Pending | MpmError
_LEASE_MARGIN = timedelta(seconds=60)
_NO_INPUTS = Prepared()


@attrs.frozen(kw_only=True)
class Asking:
    """All that is needed to ask the manufacturer for one order's grant."""

    plugins: CompanyPlugins
    loaded: LoadedInstance
    device: Device
    state_version: int
    prepared: Prepared = _NO_INPUTS
    prepared_from: int | None = None  # the version the plugin has just decided from, if it has

    @property
    def plugin(self) -> str:
        """Its name and version, as attempts keep them."""
        return f"{self.loaded.plugin.name} {self.loaded.plugin.version}"

    @property
    def switches(self) -> bool:
        """Tell whether its devices cannot count time themselves."""
        return self.loaded.manifest.switches

    @property
    def lease(self) -> timedelta:
        """How long its worker may be silent."""
        return lease_of(self.loaded.manifest)

    def ask(self, order: OrderRecord, on_late: Callable[[object], None]) -> Answer:
        """Ask for the grant of an order whose attempt is committed.

        Args:
            order: as it was begun.
            on_late: hears an answer that comes after the deadline, in the plugin's thread.
        """
        named = order.as_order(order.attempts, self.prepared.inputs)
        name, correlation_id = self.loaded.name, order.payment_id
        device = self.device
        if self.prepared.state is not None:
            device = attrs.evolve(device, state=dict(self.prepared.state))
        try:
            if self.switches:
                grant = self.plugins.switch_device(
                    name, device, named, on=True, correlation_id=correlation_id, on_late=on_late
                )
                return as_time_grant(grant, order.charge)
            answer = self.plugins.generate_token(
                name, device, order.charge, named, correlation_id=correlation_id, on_late=on_late
            )
        except MpmError as error:
            return error
        if isinstance(answer, Pending) and not self.plugins.has_hook(name, "mpm_find_token"):
            return OutcomeUnknown("The vendor works on it, and its plugin cannot ask after it.")
        return answer


@attrs.frozen
class Manufacturers:
    """The loaded plugins of all companies, to be asked about orders.

    Args:
        resources: of the installation.
    """

    _resources: Resources

    def prepare(self, order: OrderRecord, instance: InstanceRecord) -> Asking:
        """Let the plugin decide what must not be decided twice; a later try keeps the first.

        A target is decided anew while surely nothing came of the order: one from before a long wait
        would give the customer less than was paid for.

        Raises:
            MpmError: what went wrong; see `as_harmless`.
        """
        asking = self._asking(order, instance)
        plugins, name = asking.plugins, asking.loaded.name
        if order.prepared is not None and not _begins_anew(order, asking):
            return attrs.evolve(asking, prepared=Prepared(inputs=order.prepared))
        if not plugins.has_hook(name, "mpm_prepare_order"):
            return asking
        named = order.as_order(order.attempts + 1, {})
        prepared = plugins.prepare_order(
            name, asking.device, order.charge, named, correlation_id=order.payment_id
        )
        return attrs.evolve(asking, prepared=prepared, prepared_from=asking.state_version)

    def find(
        self, order: OrderRecord, instance: InstanceRecord
    ) -> Grant | NotFound | Pending | MpmError:
        """Ask what became of an earlier attempt."""
        with self._resources.engines.read.connect() as connection:
            sent_at = last_sent_at(connection, order.id)
        named = order.as_order(order.attempts, order.prepared or {}, sent_at=sent_at)
        try:
            asking = self._asking(order, instance)
            return asking.plugins.find_token(
                instance.name,
                asking.device,
                order.charge,
                named,
                correlation_id=order.payment_id,
            )
        except MpmError as error:
            return error

    def _asking(self, order: OrderRecord, instance: InstanceRecord) -> Asking:
        plugins = self._resources.plugins_of(order.company_id)
        loaded = plugins.instance(instance.name)
        with self._resources.engines.read.connect() as connection:
            device, version = load_device(
                connection, order.device_id, self._resources.vault, loaded.manifest.details_class
            )
        return Asking(plugins=plugins, loaded=loaded, device=device, state_version=version)


def _begins_anew(order: OrderRecord, asking: Asking) -> bool:
    operation = asking.loaded.manifest.operations.get(order.charge.kind)
    is_target = operation is not None and operation.recovery is Recovery.DESIRED_STATE
    return is_target and not order.facts.doubt


def as_harmless(error: MpmError) -> MpmError:
    """Preparing never mints, so whatever went wrong there, nothing has happened yet."""
    if isinstance(error, Refused | NothingHappened | ContractViolation):
        return error
    return NotSent(str(error))


def as_time_grant(grant: Grant, charge: Charge) -> Grant:
    """Say what being switched on means: the time that was paid, which the host counts."""
    if grant.codes or grant.quantity is not None or charge.kind is not ChargeKind.TIME:
        return grant
    return attrs.evolve(grant, quantity=charge.quantity, unit=charge.unit)


def lease_of(manifest: Manifest) -> timedelta:
    """Return how long a worker may be silent: it waits for a free thread, then for the answer."""
    return 2 * timedelta(seconds=manifest.deadline) + _LEASE_MARGIN
