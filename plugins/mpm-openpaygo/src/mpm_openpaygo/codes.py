"""Which codes an order needs, decided once and written down: OpenPAYGO's counting rules. Pure.

The count only grows: a code that adds time takes the next even count, every other code the next odd
one. A code of the standard length carries at most 995 units, so a long time takes several codes.
Equal counts and values give equal codes: what is stored here makes the order repeatable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

import attrs

from mpm_core import Charge, ChargeKind, ContractViolation, NotSupported, Refused, Unit
from mpm_openpaygo.settings import LARGEST_COUNT, OpenPaygoDevice

__all__ = [
    "LARGEST_VALUE",
    "Code",
    "Command",
    "codes_for",
    "newest_count",
    "read_codes",
    "write_codes",
]

LARGEST_VALUE = 995  # 998 and 999 are commands, 996 and 997 are reserved

_CODES = "codes"
_COUNT = "count"
_WRITTEN = re.compile(r"(add_time|set_time|disable_payg|counter_sync):([0-9]{1,5}):([0-9]{1,3})?")


class Command(StrEnum):
    """What a code tells the device."""

    ADD_TIME = "add_time"
    SET_TIME = "set_time"
    DISABLE_PAYG = "disable_payg"  # unlocks it for ever
    COUNTER_SYNC = "counter_sync"


@attrs.frozen(kw_only=True)
class Code:
    """One code, before it is made.

    Attributes:
        command: what it tells the device.
        count: its own place in the device's counting.
        value: units to add or set; `None` for the other commands.
    """

    command: Command
    count: int
    value: int | None = None


def newest_count(details: OpenPaygoDevice, state: Mapping[str, str]) -> int:
    """Return the count of the newest code made for a device, here or before.

    Raises:
        ContractViolation: the state is not what this plugin wrote.
    """
    text = state.get(_COUNT, str(details.starting_count))
    if not (text.isascii() and text.isdecimal()):
        raise ContractViolation(f"The device's state holds the count {text[:20]!r}, not a number.")
    return max(int(text), details.starting_count)


def codes_for(
    charge: Charge, details: OpenPaygoDevice, newest: int, most_codes: int
) -> tuple[Code, ...]:
    """Return the codes a charge needs, in the order to enter them.

    Clearing first brings the counters of device and server together, for a device whose customer
    left many codes unused takes no other code any more.

    Args:
        charge: time, unlock or clear.
        details: of the device.
        newest: count of the newest code made for it.
        most_codes: the company's limit for one payment.

    Raises:
        NotSupported: another kind of charge.
        ContractViolation: not a whole, positive number of days.
        Refused: it needs more codes than the company allows, or the device's count is used up.
    """
    if charge.kind is ChargeKind.UNLOCK:
        wanted: tuple[tuple[Command, int | None], ...] = ((Command.DISABLE_PAYG, None),)
    elif charge.kind is ChargeKind.CLEAR:
        wanted = ((Command.COUNTER_SYNC, None), (Command.SET_TIME, 0))
    else:
        units = _units(charge, details)
        _check_length(units, details, most_codes)
        wanted = tuple((Command.ADD_TIME, value) for value in _split(units))
    return _counted(wanted, newest)


def _units(charge: Charge, details: OpenPaygoDevice) -> int:
    if charge.kind is not ChargeKind.TIME or charge.unit is not Unit.DAY:
        raise NotSupported(f"An OpenPAYGO code holds days or unlocks, not {charge.kind}.")
    if charge.quantity is None or charge.quantity < 1:
        raise ContractViolation(
            f"An OpenPAYGO code holds one day or more, not {charge.quantity}; whoever computed the "
            "charge must not send an order worth less than a day."
        )
    return charge.quantity * details.value_divider


def _check_length(units: int, details: OpenPaygoDevice, most_codes: int) -> None:
    if units > most_codes * LARGEST_VALUE:
        days = most_codes * LARGEST_VALUE // details.value_divider
        raise Refused(
            f"{units // details.value_divider} days need more than {most_codes} codes; at most "
            f"{days} days can be sold at once to this device, unless most_codes is raised."
        )


def _split(units: int) -> tuple[int, ...]:
    full, rest = divmod(units, LARGEST_VALUE)
    return (LARGEST_VALUE,) * full + ((rest,) if rest else ())


def _counted(wanted: tuple[tuple[Command, int | None], ...], newest: int) -> tuple[Code, ...]:
    codes = []
    for command, value in wanted:
        newest = _next_count(newest, command)
        codes.append(Code(command=command, count=newest, value=value))
    if newest > LARGEST_COUNT:
        raise Refused(
            f"The device's count would pass {LARGEST_COUNT}; it needs a new key and starting count."
        )
    return tuple(codes)


def _next_count(count: int, command: Command) -> int:
    wants_even = command is Command.ADD_TIME
    return count + 1 if (count % 2 == 1) is wants_even else count + 2


def write_codes(codes: tuple[Code, ...]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return what must be stored before: the order's inputs and the device's new state."""
    written = " ".join(
        f"{code.command}:{code.count}:{'' if code.value is None else code.value}" for code in codes
    )
    return {_CODES: written}, {_COUNT: str(codes[-1].count)}


def read_codes(inputs: Mapping[str, str]) -> tuple[Code, ...]:
    """Read back what `write_codes` stored with the order.

    Raises:
        ContractViolation: nothing was stored, or something else.
    """
    written = [_WRITTEN.fullmatch(part) for part in inputs.get(_CODES, "").split(" ")]
    codes = tuple(
        Code(
            command=Command(match[1]),
            count=int(match[2]),
            value=None if match[3] is None else int(match[3]),
        )
        for match in written
        if match
    )
    if not codes or len(codes) != len(written):
        raise ContractViolation(
            "The order was not prepared: its codes must be stored before they are made, by "
            "mpm_prepare_order."
        )
    return codes
