"""Core values to the vendor's fields and back. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import attrs

from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Device,
    Grant,
    NotSupported,
    Order,
    Refused,
    Secret,
    hide_secrets,
)

__all__ = [
    "TARGET",
    "UNLOCKED",
    "Credit",
    "credit_target",
    "read_credit",
    "read_grant",
    "read_refusal",
    "sale_fields",
]

UNLOCKED = "UNLOCKED"
TARGET = "credit_until_dt"
_KEYCODE = re.compile(r"\*?[0-9]{2,}(?:[ -][0-9]{2,}){2,}#?", re.ASCII)
_LONGEST_MESSAGE = 200


@attrs.frozen(kw_only=True)
class Credit:
    """What the vendor keeps of a unit.

    Attributes:
        until: when its credit ends or ended, aware; `None` if it never had any, or is unlocked.
        unlocked: it works for good.
    """

    until: datetime | None = None
    unlocked: bool = False


def credit_target(charge: Charge, credit: Credit, now: datetime) -> str:
    """Return the end of credit that an order asks for, as the vendor writes it.

    Days are added to the credit that is left, so that paying early loses nothing.

    Raises:
        NotSupported, ContractViolation: the charge is not one the vendor takes.
        Refused: the unit is unlocked, or its credit would end beyond the calendar: nothing to sell.
    """
    days = _days(charge)
    if credit.unlocked:
        raise Refused("The unit is unlocked for good, so no days can be added.", "unlocked")
    start = now if credit.until is None else max(now, credit.until)
    try:
        return _whole_second(start + timedelta(days=days)).isoformat()
    except OverflowError:
        raise Refused(
            f"With {days} more days the unit's credit would end after the year 9999.", "too_far"
        ) from None


def sale_fields(device: Device, charge: Charge, order: Order) -> dict[str, object]:
    """Return the body of a sale: the wanted end of credit, never an increment.

    Raises:
        NotSupported, ContractViolation: the charge is not one the vendor takes.
    """
    if charge.kind is ChargeKind.UNLOCK:
        target = UNLOCKED
    else:
        _days(charge)
        target = order.prepared[TARGET]
    return {"unit_number": device.serial, "state": {"desired": {TARGET: target}}}


def read_grant(body: object, charge: Charge) -> Grant | None:
    """Return what a successful answer grants, or `None` if it holds no good keycode."""
    keycode = _inside(body, "_embedded", "latest_keycode", "keycode")
    if not isinstance(keycode, str) or not _KEYCODE.fullmatch(keycode) or _inside(body, "context"):
        return None
    serial = _inside(body, "unit_number")
    return Grant(
        codes=(Secret(keycode),),
        quantity=charge.quantity,
        unit=charge.unit,
        device_serial=serial if isinstance(serial, str) else None,
    )


def read_refusal(body: object, *secrets: Secret) -> Refused | None:
    """Return the vendor's documented no, without our secrets; `None` if it is anything else."""
    reason = _inside(body, "context", "reason")
    if not isinstance(reason, str) or not reason or _inside(body, "_embedded") is not None:
        return None
    words = hide_secrets(reason, *secrets)[:_LONGEST_MESSAGE]
    return Refused(words, words)


def read_credit(body: object) -> Credit | None:
    """Return the credit of a unit, or `None` if the answer does not tell it."""
    desired = _inside(body, "state", "desired")
    if not isinstance(desired, Mapping) or TARGET not in desired:
        return None
    target = desired[TARGET]
    if target == UNLOCKED or target is None:
        return Credit(unlocked=target == UNLOCKED)
    try:
        until = datetime.fromisoformat(target)
    except (TypeError, ValueError):
        return None
    return Credit(until=until) if until.tzinfo else None


def _inside(body: object, *names: str) -> object:
    for name in names:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def _whole_second(moment: datetime) -> datetime:
    """Round up: the vendor's samples show no fractions, and nobody shall lose one."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def _days(charge: Charge) -> int:
    if charge.kind is not ChargeKind.TIME:
        raise NotSupported(f"The vendor sells days and unlocks only, not {charge.kind}.")
    if not charge.quantity or charge.quantity < 0:
        raise ContractViolation(
            f"The vendor sells whole days, one or more, so {charge.quantity} days cannot be "
            "asked for."
        )
    return charge.quantity
