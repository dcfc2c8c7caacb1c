"""The OpenPAYGO plugin: hooks only. Nothing is called: codes are computed here.

The count of every code is stored with the order and the device before the code is made, so an
order whose answer was lost is simply made again and gives the same codes.
"""

from __future__ import annotations

from typing import ClassVar

from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Device,
    DeviceKind,
    Grant,
    Health,
    Manifest,
    Misconfigured,
    Operation,
    Order,
    OrphanEffect,
    PluginKind,
    PluginRuntime,
    Prepared,
    Recovery,
    Simulator,
    hookimpl,
)
from mpm_openpaygo.codes import codes_for, newest_count, read_codes, write_codes
from mpm_openpaygo.maker import SAMPLE_KEY, SAMPLE_STARTING_CODE, make_code, self_test
from mpm_openpaygo.settings import OpenPaygoDevice, OpenPaygoSettings

__all__ = ["OpenPaygo"]

# Counts must reach the device in their order, so its orders wait for each other.
_LOCAL = Operation(
    recovery=Recovery.DETERMINISTIC, orphan_effect=OrphanEffect.HARMLESS, blocks_device=True
)


class OpenPaygo:
    """One company's OpenPAYGO devices."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="OpenPAYGO Token (computed locally)",
        settings_class=OpenPaygoSettings,
        details_class=OpenPaygoDevice,
        device_kinds=frozenset({DeviceKind.SHS}),
        operations={ChargeKind.TIME: _LOCAL, ChargeKind.UNLOCK: _LOCAL, ChargeKind.CLEAR: _LOCAL},
        serial_pattern=r"[0-9A-Za-z][0-9A-Za-z._/-]{0,31}",
        token_pattern=r"[0-9]{9}|[1-4]{15}",  # noqa: S106 - of both kinds of keypad, no credential
        example_serial="OPG-000123",
        example_details={"secret_key": SAMPLE_KEY, "starting_code": SAMPLE_STARTING_CODE},
        deadline=10.0,
        concurrency=2,  # computing, not waiting
    )

    def __init__(
        self,
        settings: OpenPaygoSettings,
        runtime: PluginRuntime,  # noqa: ARG002 - every plugin is given one; nothing is called here
    ) -> None:
        self._most_codes = settings.most_codes

    @hookimpl
    def mpm_prepare_order(self, device: Device, charge: Charge) -> Prepared:
        """Decide the counts of the order's codes, which nobody may ever use again."""
        details = _details(device)
        newest = newest_count(details, device.state)
        inputs, state = write_codes(codes_for(charge, details, newest, self._most_codes))
        return Prepared(inputs=inputs, state=state)

    @hookimpl
    def mpm_generate_token(self, device: Device, charge: Charge, order: Order) -> Grant:
        """Make the codes that were decided."""
        return _grant(device, charge, order)

    @hookimpl
    def mpm_clear_device(self, device: Device, charge: Charge, order: Order) -> Grant:
        """Make the codes that bring the counters together and set the time left to nothing."""
        return _grant(device, charge, order)

    @hookimpl
    def mpm_check(self) -> Health:
        """Make published codes and compare."""
        try:
            found = self_test()
        except ContractViolation as wrong:
            return Health(ok=False, detail=str(wrong))
        return Health(ok=True, detail=f"openpaygo {found} makes the published codes.")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return devices that take the codes."""
        from mpm_openpaygo.simulator import OpenPaygoSimulator  # noqa: PLC0415 - not for production

        return OpenPaygoSimulator()


def _grant(device: Device, charge: Charge, order: Order) -> Grant:
    details = _details(device)
    codes = tuple(make_code(details, code) for code in read_codes(order.prepared))
    return Grant(codes=codes, quantity=charge.quantity, unit=charge.unit)


def _details(device: Device) -> OpenPaygoDevice:
    if not isinstance(device.details, OpenPaygoDevice):
        raise Misconfigured(
            f"Device {device.serial} has no OpenPAYGO details; register its secret_key, and its "
            "starting_code if it has one of its own."
        )
    return device.details
