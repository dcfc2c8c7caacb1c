"""Switched devices (e-bikes): they cannot count time, so the host keeps *paid until* for them.

A payment switches the device on and moves *paid until*; when that passes, the device is switched
off. Being on or off is a state, so asking for it again is harmless, and what the worker does is
always the same: compare what should be with what is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import Charge, ChargeKind, Grant, MpmError, NotSent, Order
from mpm_host.backoff import Backoff, asked_by
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.payments.quotes import load_device
from mpm_host.poison_work import AFRESH
from mpm_host.resources import Resources

__all__ = [
    "Switcher",
    "as_time_grant",
    "doubt_switch",
    "end_switches",
    "extend_switch",
    "keep_switch",
]

_BACKOFF = Backoff(first=timedelta(seconds=30), longest=timedelta(hours=1))
_DOUBT_WAIT = timedelta(minutes=10)  # by then an order in doubt was mostly tried again
_SWITCHED = frozenset({ChargeKind.TIME, ChargeKind.UNLOCK})


def as_time_grant(grant: Grant, charge: Charge) -> Grant:
    """Say what being switched on means: the time that was paid, which the host counts."""
    if grant.codes or grant.quantity is not None or charge.kind is not ChargeKind.TIME:
        return grant
    return attrs.evolve(grant, quantity=charge.quantity, unit=charge.unit)


def keep_switch(connection: Connection, company_id: str, device_id: str, now: datetime) -> None:
    """Begin to keep a device's *paid until*, unless that is done; the device is taken."""
    s = t.switches.c
    if connection.execute(sa.select(s.id).where(s.device_id == device_id)).first() is None:
        connection.execute(
            sa.insert(t.switches).values(
                id=new_identifier(), company_id=company_id, device_id=device_id, created_at=now
            )
        )


def extend_switch(connection: Connection, device_id: str, charge: Charge, now: datetime) -> None:
    """Move a switched device's *paid until* by what was granted; others are left alone.

    Days count from what is paid already, or from now when that has passed.
    """
    if charge.kind not in _SWITCHED:
        return
    s = t.switches.c
    row = connection.execute(
        sa.select(s.paid_until, s.unlocked, s.is_on)
        .where(s.device_id == device_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return
    unlocked = row.unlocked or charge.kind is ChargeKind.UNLOCK
    paid_until = max(now, row.paid_until or now) + timedelta(days=charge.quantity or 0)
    values: dict[str, object] = {
        "paid_until": paid_until, "unlocked": unlocked, "failures": 0, **AFRESH
    }  # fmt: skip
    if row.is_on:
        values["next_at"] = None if unlocked else paid_until
    else:  # the switcher's *off* may have reached the vendor after our *on*: say it once more
        values |= {"is_on": None, "next_at": now}
    connection.execute(sa.update(t.switches).where(s.device_id == device_id).values(values))


def end_switches(connection: Connection, device_ids: Sequence[str], now: datetime) -> None:
    """Forget what switched devices' owners, or earlier sales, had bought; they are off from now on.

    Whoever has such a device next begins with nothing: only what is granted from now on counts.
    """
    connection.execute(
        sa.update(t.switches)
        .where(t.switches.c.device_id.in_(device_ids))
        .values(
            paid_until=None, unlocked=False, counted_after=new_identifier(), next_at=now, **AFRESH
        )
    )


def doubt_switch(connection: Connection, device_id: str, charge: Charge, now: datetime) -> None:
    """Note that nobody knows whether a device is on: an order to switch it has no certain answer.

    An order that ends in doubt may have switched its device on, and then nothing else would ever
    switch it off. So the switcher looks after a while, and makes it what is paid.
    """
    if charge.kind in _SWITCHED:
        connection.execute(
            sa.update(t.switches)
            .where(t.switches.c.device_id == device_id)
            .values(is_on=None, next_at=now + _DOUBT_WAIT, **AFRESH)
        )


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
            sa.select(t.switches, t.devices.c.instance_id)
            .join(t.devices, t.devices.c.id == s.device_id)
            .where(s.id == switch_id)
        )
        with self._resources.engines.read.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return
        wanted = _should_be_on(row, self._resources.clock())
        if wanted == row.is_on:
            self._write(switch_id, is_on=wanted, failures=0)
            return
        # until the vendor has answered
        self._write(switch_id, is_on=None, failures=row.failures, heard=False)
        crash_point(CrashPoint.SWITCH_ANNOUNCED)
        try:
            self._switch(row, on=wanted)
        except MpmError as error:
            failures = row.failures + 1
            self._write(switch_id, is_on=None, failures=failures, asked=asked_by(error))
        else:
            crash_point(CrashPoint.SWITCH_DONE)
            self._write(switch_id, is_on=wanted, failures=0)

    def _switch(self, row: Row[tuple[object, ...]], *, on: bool) -> None:
        instance = self._resources.directory().instances.get(row.instance_id)
        if instance is None:
            raise NotSent("The manufacturer's plugin instance is not known to this process yet.")
        plugins = self._resources.plugins_of(row.company_id)
        manifest = plugins.instance(instance.name).manifest
        with self._resources.engines.read.connect() as connection:
            device, _ = load_device(
                connection, row.device_id, self._resources.vault, manifest.details_class
            )
        order = Order(key=row.id, attempt=row.failures + 1, created_at=self._resources.clock())
        plugins.switch_device(instance.name, device, order, on=on, correlation_id=row.id)

    def _write(
        self,
        switch_id: str,
        *,
        is_on: bool | None,
        failures: int,
        asked: timedelta | None = None,
        heard: bool = True,
    ) -> None:
        """Write what is (`None`: nobody knows), and look again when that is not what should be.

        A payment may have come while the device was being switched off: what should be is read
        again under the row's lock, so the device is switched on again at once.

        Args:
            switch_id: which.
            is_on: what is known now.
            failures: of the vendor, in a row.
            asked: for how long the vendor wants to be left alone.
            heard: the work ended as it should; what failed of our own before does not count.
        """
        s, now = t.switches.c, self._resources.clock()
        with self._resources.engines.write.begin() as connection:
            row = connection.execute(
                sa.select(t.switches).where(s.id == switch_id).with_for_update()
            ).one()
            wanted = _should_be_on(row, now)
            next_at = row.paid_until if wanted and not row.unlocked else None
            if is_on is None:
                next_at = now + _BACKOFF.wait(failures, self._resources.draw, asked=asked)
            elif wanted != is_on:
                next_at = now
            connection.execute(
                sa.update(t.switches)
                .where(s.id == switch_id)
                .values(
                    is_on=is_on,
                    failures=failures,
                    next_at=next_at,
                    **(AFRESH if heard else {}),
                )
            )


def _should_be_on(row: Row[tuple[object, ...]], now: datetime) -> bool:
    return bool(row.unlocked) or (row.paid_until is not None and row.paid_until > now)
