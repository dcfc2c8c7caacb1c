"""Who switches devices: announce the call, ask the manufacturer, write what is known then.

What the worker does is always the same: compare what should be with what is.
"""

from __future__ import annotations

import functools
from datetime import timedelta

import attrs
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Row

from mpm_core import Device, MpmError, NotSent, Order
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance
from mpm_host.backoff import Backoff, asked_by
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.orders.order_asking import lease_of
from mpm_host.orders.switch_rows import (
    SwitchCall,
    announce_call,
    doubt_call,
    end_call,
    is_in_hand,
)
from mpm_host.payments.quotes import load_device
from mpm_host.poison_work import is_database_fault
from mpm_host.resources import Resources

__all__ = ["Switcher"]

_LOG = structlog.get_logger(__name__)
_BACKOFF = Backoff(first=timedelta(seconds=30), longest=timedelta(hours=1))


@attrs.frozen(kw_only=True)
class _Asking:
    """All that is needed to ask the manufacturer to switch one device."""

    plugins: CompanyPlugins
    loaded: LoadedInstance
    device: Device


@attrs.frozen
class Switcher:
    """Brings one device at a time to the state it should have.

    Args:
        resources: of the installation.
    """

    _resources: Resources

    def work_on(self, switch_id: str) -> None:
        """Switch a device if it is not as it should be; repeating it is harmless."""
        s = t.switches.c
        query = (
            sa.select(s.company_id, s.device_id, t.devices.c.instance_id)
            .join(t.devices, t.devices.c.id == s.device_id)
            .where(s.id == switch_id)
        )
        with self._resources.engines.read.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return
        asking = self._asking(row)
        call = self._announce(switch_id, asking)
        if call is None or isinstance(asking, MpmError):
            return
        crash_point(CrashPoint.SWITCH_ANNOUNCED)
        error = self._switch(asking, call)
        if error is None:
            crash_point(CrashPoint.SWITCH_DONE)
        with self._resources.engines.write.begin() as connection:
            self._end(connection, call, error)

    def _announce(self, switch_id: str, asking: _Asking | MpmError) -> SwitchCall | None:
        """Commit that the vendor is about to be asked, or, in one, that it cannot be."""
        lease = timedelta(0) if isinstance(asking, MpmError) else lease_of(asking.loaded.manifest)
        with self._resources.engines.write.begin() as connection:
            call = announce_call(connection, switch_id, self._resources.clock(), lease)
            if call is not None and isinstance(asking, MpmError):
                self._end(connection, call, asking)
        return call

    def _asking(self, row: Row[str, str, str]) -> _Asking | MpmError:
        instance = self._resources.directory().instances.get(row.instance_id)
        if instance is None:
            return NotSent("The manufacturer's plugin instance is not known to this process yet.")
        plugins = self._resources.plugins_of(row.company_id)
        try:
            loaded = plugins.instance(instance.name)
        except MpmError as error:
            return error
        with self._resources.engines.read.connect() as connection:
            device, _ = load_device(
                connection, row.device_id, self._resources.vault, loaded.manifest.details_class
            )
        return _Asking(plugins=plugins, loaded=loaded, device=device)

    def _switch(self, asking: _Asking, call: SwitchCall) -> MpmError | None:
        now = self._resources.clock()
        with self._resources.engines.read.connect() as connection:
            if not is_in_hand(connection, call, now):
                return NotSent("The worker slept past its lease before it asked; nothing was sent.")
        try:
            asking.plugins.switch_device(
                asking.loaded.name,
                asking.device,
                Order(key=call.switch_id, attempt=call.failures + 1, created_at=now),
                on=call.on,
                correlation_id=call.switch_id,
                on_late=functools.partial(self._hear_late, call),
            )
        except MpmError as error:
            return error
        return None

    def _hear_late(self, call: SwitchCall, _answer: object) -> None:
        """Have a device looked at again whose call ended long after it was given up."""
        _LOG.warning("late_switch", switch=call.switch_id)
        try:
            with self._resources.engines.write.begin() as connection:
                doubt_call(connection, call, self._resources.clock())
        except Exception as error:
            if not is_database_fault(error):
                raise
            _LOG.error("late_switch_lost", switch=call.switch_id, error=type(error).__name__)

    def _end(self, connection: Connection, call: SwitchCall, error: MpmError | None) -> None:
        wait = None
        if error is not None:
            asked = asked_by(error)
            wait = _BACKOFF.wait(call.failures + 1, self._resources.draw, asked=asked)
        end_call(connection, call, self._resources.clock(), ask_again_in=wait)
