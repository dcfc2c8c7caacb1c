"""Device look-up: asks each registered device's manufacturer whether it knows the serial.

Background work after registration; the device can be paid meanwhile.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceMapping, MpmError
from mpm_host.backoff import Backoff, asked_by
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.payments.quotes import load_device
from mpm_host.poison_work import AFRESH
from mpm_host.resources import Resources

__all__ = ["DeviceLookup", "ask_again"]

_BACKOFF = Backoff(first=timedelta(minutes=1), longest=timedelta(hours=6))


def ask_again(connection: Connection, device_id: str, now: datetime) -> None:
    """Let a device's manufacturer be asked anew; what it said before counts until it answers."""
    connection.execute(
        sa.update(t.devices)
        .where(t.devices.c.id == device_id)
        .values(next_at=now, failures=0, **AFRESH)
    )


@attrs.frozen
class _Heard:
    """What a manufacturer said, and for how long it wants to be left alone if it was too busy."""

    mapping: DeviceMapping
    asked: timedelta | None = None


@attrs.frozen
class DeviceLookup:
    """Looks one device up at a time; safe to use from several threads and processes.

    Args:
        resources: of the installation.
    """

    _resources: Resources

    def work_on(self, device_id: str) -> None:
        """Ask about a device that is still due; repeating it is harmless."""
        d = t.devices.c
        query = sa.select(d.company_id, d.instance_id, d.failures).where(
            d.id == device_id, d.next_at.is_not(None)
        )
        with self._resources.engines.read.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return
        heard = self._ask(device_id, row.company_id, row.instance_id)
        crash_point(CrashPoint.LOOK_UP_ANSWERED)
        self._write(device_id, heard, row.failures)

    def _write(self, device_id: str, heard: _Heard, failures: int) -> None:
        """Write what the manufacturer said; where it said nothing, it is asked again."""
        failures = failures + 1 if heard.mapping is DeviceMapping.UNREACHABLE else 0
        wait = _BACKOFF.wait(failures, self._resources.draw, asked=heard.asked)
        with self._resources.engines.write.begin() as connection:
            connection.execute(
                sa.update(t.devices)
                .where(t.devices.c.id == device_id)
                .values(
                    mapping=heard.mapping.value,
                    failures=failures,
                    next_at=self._resources.clock() + wait if failures else None,
                    **AFRESH,
                )
            )

    def _ask(self, device_id: str, company_id: str, instance_id: str) -> _Heard:
        instance = self._resources.directory().instances.get(instance_id)
        if instance is None or not instance.finishes_work:  # or not known to this process yet
            return _Heard(DeviceMapping.UNREACHABLE)
        plugins = self._resources.plugins_of(company_id)
        try:
            manifest = plugins.instance(instance.name).manifest
            if not manifest.supports_lookup:
                return _Heard(DeviceMapping.UNSUPPORTED)
            with self._resources.engines.read.connect() as connection:
                device, _ = load_device(
                    connection, device_id, self._resources.vault, manifest.details_class
                )
            mapping = plugins.register_device(instance.name, device, correlation_id=device_id)
        except MpmError as error:  # logged by the dispatch
            return _Heard(DeviceMapping.UNREACHABLE, asked_by(error))
        return _Heard(mapping)
