"""Units of what is sold: energy as integer watt-hours, time as integer days."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum

__all__ = ["WATT_HOURS_PER_KWH", "Unit", "format_kwh", "parse_kwh"]

WATT_HOURS_PER_KWH = 1000
_PLAIN_KWH = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)


class Unit(StrEnum):
    """The unit a charge or a grant is counted in."""

    WATT_HOUR = "Wh"
    DAY = "day"


def format_kwh(watt_hours: int) -> str:
    """Write watt-hours as kWh without trailing zeros: 7600 → `7.6`, 10000 → `10`."""
    whole, rest = divmod(abs(watt_hours), WATT_HOURS_PER_KWH)
    sign = "-" if watt_hours < 0 else ""
    return f"{sign}{whole}.{rest:03d}".rstrip("0") if rest else f"{sign}{whole}"


def parse_kwh(text: str) -> int:
    """Read kWh such as `7.6` as whole watt-hours.

    Raises:
        ValueError: not a plain decimal, or finer than one watt-hour.
    """
    if not _PLAIN_KWH.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not an energy in kWh; write digits such as 7.6.")
    watt_hours = Decimal(text) * WATT_HOURS_PER_KWH
    if watt_hours != watt_hours.to_integral_value():
        raise ValueError(f"{text!r} kWh is finer than one watt-hour.")
    return int(watt_hours)
