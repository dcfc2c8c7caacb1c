"""What a plugin sees of a device, and what it answers about one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

__all__ = ["Device", "DeviceKind", "DeviceMapping", "DeviceReading"]


class DeviceKind(StrEnum):
    """The kinds of device that can be paid for."""

    METER = "meter"
    SHS = "shs"
    E_BIKE = "e_bike"


class DeviceMapping(StrEnum):
    """Whether the manufacturer knows a device's serial."""

    UNKNOWN = "unknown"  # not asked yet
    MAPPED = "mapped"
    NOT_MAPPED = "not_mapped"
    UNSUPPORTED = "unsupported"  # the manufacturer has no look-up
    UNREACHABLE = "unreachable"  # asked, but it did not answer


@attrs.frozen(kw_only=True)
class Device:
    """One device as its manufacturer's plugin sees it.

    Attributes:
        kind: meter, SHS or e-bike.
        serial: as printed on the device, byte for byte, leading zeros kept.
        details: an instance of the class the manifest names, given at registration (secrets in it
            are `Secret`), or `None` when the manifest names none.
        state: small texts only `mpm_prepare_order` may replace, such as a counter.
    """

    kind: DeviceKind
    serial: str
    details: object | None = None
    state: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class DeviceReading:
    """What the manufacturer reports of a device: small facts, for people to look at."""

    at: datetime
    facts: Mapping[str, str]
