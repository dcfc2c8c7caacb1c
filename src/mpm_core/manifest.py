"""The manifest: what a plugin declares about itself, as data.

The host trusts it for every decision about money (is a repeat safe? what does an unseen token do?),
so what is declared must be true.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from typing import TypeVar

import attrs

from mpm_core.devices import DeviceKind
from mpm_core.orders import ChargeKind

__all__ = [
    "Manifest",
    "Operation",
    "OrphanEffect",
    "PluginKind",
    "Recovery",
    "ResultCode",
]

_Item = TypeVar("_Item")


class PluginKind(StrEnum):
    """What a plugin is for."""

    MANUFACTURER = "manufacturer"
    TELECOM = "telecom"
    MESSENGER = "messenger"


class Recovery(StrEnum):
    """How to learn, or safely repeat, an operation whose answer was lost."""

    DETERMINISTIC = "deterministic"  # computed from stored inputs: repeating gives the same token
    KEYED = "keyed"  # the vendor honours our key: repeating gives the same answer
    LOOKUP = "lookup"  # the vendor can be asked: `mpm_find_token`
    DESIRED_STATE = "desired_state"  # an absolute target: repeating changes nothing
    NONE = "none"  # nothing can be known: parked for a person

    @property
    def repeat_is_safe(self) -> bool:
        """Tell whether the same order may simply be sent again."""
        return self in {Recovery.DETERMINISTIC, Recovery.KEYED, Recovery.DESIRED_STATE}


class OrphanEffect(StrEnum):
    """What a token does that was minted but never seen by us."""

    HARMLESS = "harmless"
    CHARGES_VENDOR_BALANCE = "charges_vendor_balance"
    CREDITS_DEVICE = "credits_device"


@attrs.frozen(kw_only=True)
class Operation:
    """One operation of a manufacturer.

    Attributes:
        recovery: how an unknown outcome is resolved.
        orphan_effect: what an unseen grant does.
        blocks_device: an unfinished order of this kind holds back the device's next one (counters
            and absolute targets need it).
    """

    recovery: Recovery
    orphan_effect: OrphanEffect
    blocks_device: bool = False


@attrs.frozen(kw_only=True)
class ResultCode:
    """One documented answer of the vendor or telecom.

    Attributes:
        code: as on the wire.
        meaning: for us: `accepted`, `refused`, `throttled`, `misconfigured` or `unknown`.
        text: the other side's words.
        source: where the fact comes from.
        seen_on: when it was checked.
    """

    code: str
    meaning: str
    text: str
    source: str
    seen_on: date


# What cannot be converted stays as it is: `manifest_problems` says at load what to write instead.


def _as_kinds(values: Iterable[DeviceKind]) -> frozenset[DeviceKind]:
    return _as_set(values)


def _as_texts(values: Iterable[str]) -> frozenset[str]:
    return _as_set(values)


def _as_set(values: Iterable[_Item]) -> frozenset[_Item]:
    if isinstance(values, str):  # or it would become its letters
        return values  # type: ignore[return-value]  # see above
    try:
        return frozenset(values)
    except TypeError:
        return values  # type: ignore[return-value]  # see above


def _as_pattern(value: str | re.Pattern[str]) -> re.Pattern[str]:
    if not isinstance(value, str):
        return value
    try:
        return re.compile(value, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return value  # type: ignore[return-value]  # see above


@attrs.frozen(kw_only=True)
class Manifest:
    """Everything the host must know of a plugin without calling it.

    Attributes:
        kind: manufacturer, telecom or messenger.
        title: the name people know: `Calin (v1 token API)`.
        settings_class: an attrs class made with `setting()` fields.
        device_kinds: kinds of device a manufacturer serves.
        operations: charges it takes; what is absent is never called.
        energy_step: watt-hours of the smallest step the vendor sells; energy is rounded down to it.
        switches: its devices cannot count time themselves: time and unlock are sold by switching on
            with `mpm_switch_device`; the host keeps *paid until* and switches off when it passes.
        supports_lookup: `mpm_register_device` asks the vendor; else devices are `unsupported`.
        supports_find: `mpm_find_token` is implemented.
        callback_paths: paths a telecom may call below the callback key.
        currencies: ISO codes served; empty means any.
        payment_step: the smallest amount step a telecom can send, in minor units per currency, such
            as `{"TZS": 100}` (whole shillings); absent means one minor unit.
        minimum_amount: in major units as text; the instance's `minimum_amount` replaces it.
        maximum_amount: the same, upper limit.
        serial_pattern: what a serial must match, whole, byte for byte.
        token_pattern: what every code of the manufacturer matches, whole, if its form is known; any
            other is no token, whether a plugin brings it or a person.
        example_serial: one that fits the pattern, for the demo, the sandbox and the contract kit.
        details_class: an attrs class of what registration must ask besides the serial.
        example_details: what registration would be told of the device of `example_serial`, as plain
            JSON values; the simulator's devices have the same.
        url_settings: names of the settings that hold the URLs it calls; only their hosts may be
            called.
        deadline: seconds a vendor call may take in all, 120 at most.
        concurrency: vendor calls of one instance at the same time, 200 at most.
        result_codes: the documented answers, for people and for the contract kit.
    """

    kind: PluginKind
    title: str
    settings_class: type
    device_kinds: frozenset[DeviceKind] = attrs.field(factory=frozenset, converter=_as_kinds)
    operations: Mapping[ChargeKind, Operation] = attrs.field(factory=dict)
    energy_step: int | None = None
    switches: bool = False
    supports_lookup: bool = False
    supports_find: bool = False
    callback_paths: tuple[str, ...] = ()
    currencies: frozenset[str] = attrs.field(factory=frozenset, converter=_as_texts)
    payment_step: Mapping[str, int] = attrs.field(factory=dict)
    minimum_amount: str | None = None
    maximum_amount: str | None = None
    serial_pattern: re.Pattern[str] = attrs.field(default=r"[!-~]{1,64}", converter=_as_pattern)
    token_pattern: re.Pattern[str] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_as_pattern)
    )
    example_serial: str = ""
    details_class: type | None = None
    example_details: Mapping[str, object] = attrs.field(factory=dict)
    url_settings: tuple[str, ...] = ()
    deadline: float = 35.0
    concurrency: int = 8
    result_codes: tuple[ResultCode, ...] = ()

    def __attrs_post_init__(self) -> None:
        if self.kind is PluginKind.MANUFACTURER and not self.device_kinds:
            raise ValueError(f"{self.title}: a manufacturer names the device kinds it serves.")
        if not isinstance(self.operations, Mapping):
            return
        if ChargeKind.ENERGY in self.operations and not self.energy_step:
            raise ValueError(
                f"{self.title}: energy needs `energy_step`, the watt-hours of one step."
            )
        if self.switches and not set(self.operations) <= {ChargeKind.TIME, ChargeKind.UNLOCK}:
            raise ValueError(
                f"{self.title}: switching sells time and unlocks only; remove the other operations."
            )
        for name, operation in self.operations.items():
            recovery = getattr(operation, "recovery", None)  # a wrong one is told at load
            if recovery is Recovery.LOOKUP and not self.supports_find:
                raise ValueError(
                    f"{self.title}: {name} declares lookup, so set supports_find=True."
                )
