"""Switched devices (e-bikes): they cannot count time, so the host keeps *paid until* for them.

A row says what is paid and what is known. Its `fence` moves with whatever changes either: an order
that begins, a grant, a doubt, a new owner, a call to the vendor that is announced or has ended. A
call speaks for its device only if nothing of that came between its announcement and its answer;
else it may have reached the vendor before or after the other, so nobody knows whether the device is
on. Then it is asked again: being on or off is a state, so asking for it again is harmless.

The switcher's calls about one device never overlap: a call has a lease, and until that is over no
other is begun. Orders heed no lease, for their customers wait, and the switcher waits for no order.
Neither needs to: an order that begins makes a call that is out know nothing, and if its grant comes
while the device is not known to be on (the switcher said *off* meanwhile, or is at it), the
switcher says *on* once more, after both. An order whose answer nobody knows leaves the device in
doubt, and the switcher looks later.

Known limits: leases follow the machine's clock, as orders' do, so a clock that jumps ends them
early or late. What a vendor does so long after it was asked that the next call has ended, and
nobody is left to hear of it, is not noticed before the next look.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import Charge, ChargeKind
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.poison_work import AFRESH

__all__ = [
    "SwitchCall",
    "announce_call",
    "doubt_call",
    "doubt_switch",
    "end_call",
    "end_switches",
    "extend_switch",
    "is_in_hand",
    "keep_switch",
]

_S = t.switches.c
_DOUBT_WAIT = timedelta(minutes=10)  # by then an order in doubt was mostly tried again
_SWITCHED = frozenset({ChargeKind.TIME, ChargeKind.UNLOCK})


@attrs.frozen(kw_only=True)
class SwitchCall:
    """One call to switch a device, as it was announced.

    Attributes:
        switch_id: the row of its device.
        on: what the device is to be.
        fence: of the row since the announcement.
        failures: of the vendor in a row, before this call.
        lease_until: no other call is begun before.
    """

    switch_id: str
    on: bool
    fence: int
    failures: int
    lease_until: datetime


def keep_switch(connection: Connection, company_id: str, device_id: str, now: datetime) -> None:
    """Begin to keep a device's *paid until*, unless that is done; the device is taken.

    An order is about to switch the device, so a call that is out knows nothing any more.
    """
    raised = sa.update(t.switches).where(_S.device_id == device_id).values(fence=_S.fence + 1)
    if connection.execute(raised).rowcount == 0:
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
    row = connection.execute(
        sa.select(_S.paid_until, _S.unlocked, _S.is_on)
        .where(_S.device_id == device_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return
    unlocked = row.unlocked or charge.kind is ChargeKind.UNLOCK
    paid_until = max(now, row.paid_until or now) + timedelta(days=charge.quantity or 0)
    values: dict[str, object] = {
        "paid_until": paid_until, "unlocked": unlocked, "failures": 0, "fence": _S.fence + 1,
        **AFRESH,
    }  # fmt: skip
    if row.is_on:
        values["next_at"] = None if unlocked else paid_until
    else:  # the switcher's *off* may have reached the vendor after our *on*: say it once more
        values |= {"is_on": None, "next_at": now}
    connection.execute(sa.update(t.switches).where(_S.device_id == device_id).values(values))


def end_switches(connection: Connection, device_ids: Sequence[str], now: datetime) -> None:
    """Forget what switched devices' owners, or earlier sales, had bought; they are off from now on.

    Whoever has such a device next begins with nothing: only what is granted from now on counts.
    """
    connection.execute(
        sa.update(t.switches)
        .where(_S.device_id.in_(device_ids))
        .values(
            paid_until=None, unlocked=False, counted_after=new_identifier(), next_at=now,
            fence=_S.fence + 1, **AFRESH,
        )
    )  # fmt: skip


def doubt_switch(connection: Connection, device_id: str, charge: Charge, now: datetime) -> None:
    """Note that nobody knows whether a device is on: an order to switch it has no certain answer.

    An order that ends in doubt may have switched its device on, and then nothing else would ever
    switch it off. So the switcher looks after a while, and makes it what is paid.
    """
    if charge.kind in _SWITCHED:
        connection.execute(
            sa.update(t.switches)
            .where(_S.device_id == device_id)
            .values(is_on=None, next_at=now + _DOUBT_WAIT, fence=_S.fence + 1, **AFRESH)
        )


def announce_call(
    connection: Connection, switch_id: str, now: datetime, lease: timedelta
) -> SwitchCall | None:
    """Say that a device is about to be switched; from then on nobody knows whether it is on.

    Args:
        connection: of a transaction that is committed before the vendor is asked.
        switch_id: the row of the device.
        now: when.
        lease: how long the caller may be silent; zero if it cannot ask the vendor at all.

    Returns:
        The call, or `None` if none is to be made: the device is as it should be, or another call is
        out, whose lease is waited for.
    """
    row = _lock(connection, switch_id)
    on = _should_be_on(row, now)
    if row.lease_until is not None and row.lease_until > now:
        _change(connection, switch_id, next_at=row.lease_until)
        return None
    if on == row.is_on:
        _change(connection, switch_id, failures=0, next_at=_runs_out(row, on=on), **AFRESH)
        return None
    call = SwitchCall(
        switch_id=switch_id,
        on=on,
        fence=row.fence + 1,
        failures=row.failures,
        lease_until=now + lease,
    )
    _change(
        connection,
        switch_id,
        is_on=None,
        fence=call.fence,
        lease_until=call.lease_until,
        next_at=call.lease_until,
    )
    return call


def is_in_hand(connection: Connection, call: SwitchCall, now: datetime) -> bool:
    """Tell whether an announced call is still to be made: its machine may have slept meanwhile."""
    query = sa.select(_S.id).where(_S.id == call.switch_id, _S.fence == call.fence)
    return now < call.lease_until and connection.execute(query).first() is not None


def end_call(
    connection: Connection, call: SwitchCall, now: datetime, *, ask_again_in: timedelta | None
) -> None:
    """Write what is known after a call, and when to look again.

    That what should be changed meanwhile is heeded at once, for the row is read again: a payment
    that came while its device was being switched off has it switched on.

    Args:
        connection: of the caller's transaction.
        call: as it was announced.
        now: when.
        ask_again_in: how long the vendor is left alone, because it may not have done what it was
            asked; `None`: it did.
    """
    row = _lock(connection, call.switch_id)
    should_be_on = _should_be_on(row, now)
    is_own, is_done = row.fence == call.fence, ask_again_in is None
    is_on = call.on if is_own and is_done else None
    if is_on == should_be_on:
        next_at = _runs_out(row, on=should_be_on)
    else:
        next_at = now + (ask_again_in or timedelta(0))
        if _looks_later(row, call) and not should_be_on:
            next_at = max(next_at, row.next_at)
    _change(
        connection,
        call.switch_id,
        is_on=is_on,
        fence=row.fence + 1,  # a worker that came back late makes the one that took over ask again
        failures=0 if is_done else call.failures + 1,
        # that worker ends no lease but its own
        lease_until=None if row.lease_until == call.lease_until else row.lease_until,
        next_at=next_at,
        **AFRESH,
    )


def doubt_call(connection: Connection, call: SwitchCall, now: datetime) -> None:
    """Note that a call went on after it was given up: it may have undone what came after it."""
    _change(connection, call.switch_id, is_on=None, fence=_S.fence + 1, next_at=now, **AFRESH)


def _lock(connection: Connection, switch_id: str) -> Row[Any]:
    query = sa.select(t.switches).where(_S.id == switch_id).with_for_update()
    return connection.execute(query).one()


def _change(connection: Connection, switch_id: str, **values: object) -> None:
    connection.execute(sa.update(t.switches).where(_S.id == switch_id).values(**values))


def _should_be_on(row: Row[Any], now: datetime) -> bool:
    return bool(row.unlocked) or (row.paid_until is not None and row.paid_until > now)


def _looks_later(row: Row[Any], call: SwitchCall) -> bool:
    """Tell whether somebody in doubt wants a device looked at some time after a call's lease."""
    return row.next_at is not None and row.next_at > call.lease_until


def _runs_out(row: Row[Any], *, on: bool) -> datetime | None:
    """Return when a device that is as it should be must be looked at again."""
    return row.paid_until if on and not row.unlocked else None
