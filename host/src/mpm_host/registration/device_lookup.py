"""Device look-up: asks each registered device's manufacturer whether it knows the serial.

Background work after registration; the device can be paid meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceMapping, MpmError
from mpm_core.company_plugins import CompanyPlugins
from mpm_host.clock import Clock
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.database.engines import Engines
from mpm_host.directory import Directory
from mpm_host.encryption import Vault
from mpm_host.payments.quotes import load_device

__all__ = ["DeviceLookup", "ask_again"]

_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(hours=6)
_MOST_DOUBLINGS = 16


def ask_again(connection: Connection, device_id: str, now: datetime) -> None:
    """Let a device's manufacturer be asked anew; what it said before counts until it answers."""
    connection.execute(
        sa.update(t.devices).where(t.devices.c.id == device_id).values(next_at=now, failures=0)
    )


class DeviceLookup:
    """Looks one device up at a time; safe to use from several threads and processes.

    Args:
        engines: of the database.
        vault: decrypts devices' details.
        clock: decides when to ask again.
        directory: returns companies and instances as they are now.
        plugins_of: one company's loaded plugins.
    """

    def __init__(
        self,
        *,
        engines: Engines,
        vault: Vault,
        clock: Clock,
        directory: Callable[[], Directory],
        plugins_of: Callable[[str], CompanyPlugins],
    ) -> None:
        self._engines = engines
        self._vault = vault
        self._clock = clock
        self._directory = directory
        self._plugins_of = plugins_of

    def work_on(self, device_id: str) -> None:
        """Ask about a device that is still due; repeating it is harmless."""
        d = t.devices.c
        query = sa.select(d.company_id, d.instance_id, d.failures).where(
            d.id == device_id, d.next_at.is_not(None)
        )
        with self._engines.read.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return
        mapping = self._ask(device_id, row.company_id, row.instance_id)
        crash_point(CrashPoint.LOOK_UP_ANSWERED)
        failures = row.failures + 1 if mapping is DeviceMapping.UNREACHABLE else 0
        wait = _FIRST_WAIT * 2 ** min(failures, _MOST_DOUBLINGS)
        with self._engines.write.begin() as connection:
            connection.execute(
                sa.update(t.devices)
                .where(d.id == device_id)
                .values(
                    mapping=mapping.value,
                    failures=failures,
                    next_at=self._clock() + min(wait, _LONGEST_WAIT) if failures else None,
                )
            )

    def _ask(self, device_id: str, company_id: str, instance_id: str) -> DeviceMapping:
        instance = self._directory().instances[instance_id]
        if not instance.finishes_work:
            return DeviceMapping.UNREACHABLE
        plugins = self._plugins_of(company_id)
        try:
            manifest = plugins.instance(instance.name).manifest
            if not manifest.supports_lookup:
                return DeviceMapping.UNSUPPORTED
            with self._engines.read.connect() as connection:
                device, _ = load_device(connection, device_id, self._vault, manifest.details_class)
            return plugins.register_device(instance.name, device, correlation_id=device_id)
        except MpmError:
            return DeviceMapping.UNREACHABLE  # logged by the dispatch
