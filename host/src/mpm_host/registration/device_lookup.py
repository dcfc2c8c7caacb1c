"""Device look-up: asks each registered device's manufacturer whether it knows the serial.

Background work after registration; the device can be paid meanwhile.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceMapping, MpmError
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.payments.quotes import load_device
from mpm_host.resources import Resources

__all__ = ["DeviceLookup", "ask_again"]

_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(hours=6)
_MOST_DOUBLINGS = 16


def ask_again(connection: Connection, device_id: str, now: datetime) -> None:
    """Let a device's manufacturer be asked anew; what it said before counts until it answers."""
    connection.execute(
        sa.update(t.devices).where(t.devices.c.id == device_id).values(next_at=now, failures=0)
    )


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
        mapping = self._ask(device_id, row.company_id, row.instance_id)
        crash_point(CrashPoint.LOOK_UP_ANSWERED)
        failures = row.failures + 1 if mapping is DeviceMapping.UNREACHABLE else 0
        wait = _FIRST_WAIT * 2 ** min(failures, _MOST_DOUBLINGS)
        with self._resources.engines.write.begin() as connection:
            connection.execute(
                sa.update(t.devices)
                .where(d.id == device_id)
                .values(
                    mapping=mapping.value,
                    failures=failures,
                    next_at=self._resources.clock() + min(wait, _LONGEST_WAIT)
                    if failures
                    else None,
                )
            )

    def _ask(self, device_id: str, company_id: str, instance_id: str) -> DeviceMapping:
        instance = self._resources.directory().instances[instance_id]
        if not instance.finishes_work:
            return DeviceMapping.UNREACHABLE
        plugins = self._resources.plugins_of(company_id)
        try:
            manifest = plugins.instance(instance.name).manifest
            if not manifest.supports_lookup:
                return DeviceMapping.UNSUPPORTED
            with self._resources.engines.read.connect() as connection:
                device, _ = load_device(
                    connection, device_id, self._resources.vault, manifest.details_class
                )
            return plugins.register_device(instance.name, device, correlation_id=device_id)
        except MpmError:
            return DeviceMapping.UNREACHABLE  # logged by the dispatch
