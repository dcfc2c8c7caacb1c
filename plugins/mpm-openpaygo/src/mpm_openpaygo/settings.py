"""What the OpenPAYGO plugin must be told: a little of the company, more of every device."""

from __future__ import annotations

import attrs

from mpm_core import Secret, setting

__all__ = ["LARGEST_COUNT", "OpenPaygoDevice", "OpenPaygoSettings"]

LARGEST_COUNT = 65_535
"""A bound of ours: a code takes as many hashes as its count says, half a second at this one."""


@attrs.frozen(kw_only=True)
class OpenPaygoSettings:
    """What the company decides; nothing is called, so there is no address and no credential."""

    most_codes: int = setting(
        help="Codes a customer may have to type for one payment; what needs more is refused.",
        default=3,
        minimum=1,
        maximum=10,
    )


@attrs.frozen(kw_only=True)
class OpenPaygoDevice:
    """What registration asks of a device: the hardware maker's list says it of each one."""

    secret_key: Secret = setting(
        help="Key of the device: 32 hexadecimal characters.", pattern=r"[0-9A-Fa-f]{32}"
    )
    starting_code: Secret | None = setting(
        help="Starting code of the device, up to 9 digits; derived from its key if not given.",
        default=None,
        pattern=r"(?!0+$)[0-9]{1,9}",
    )
    starting_count: int = setting(
        help="Count of the newest code made for the device before it came here; 1 for a new one.",
        default=1,
        minimum=1,
        maximum=LARGEST_COUNT,
    )
    value_divider: int = setting(
        help="Units of the device per day: 1 if it counts days, 24 if it counts hours.",
        default=1,
        minimum=1,
        maximum=995,
    )
    restricted_digit_set: bool = setting(
        help="The keypad has the digits 1 to 4 only, so codes are longer.", default=False
    )
