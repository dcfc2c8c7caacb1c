"""The Daly plugin: hooks only; the wire is in `client`, the fields in `mapping`.

A Daly bike cannot count time. Paying for time switches it on; the host keeps until when it is paid
and has it switched off then. An unlocked bike is never switched off again.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from mpm_core import (
    CallContext,
    ChargeKind,
    Delivery,
    Device,
    DeviceKind,
    DeviceMapping,
    DeviceReading,
    Grant,
    Health,
    Manifest,
    Operation,
    OrphanEffect,
    OutcomeError,
    PluginKind,
    PluginRuntime,
    Recovery,
    Refused,
    ResultCode,
    Simulator,
    hookimpl,
)
from mpm_daly.client import DalyClient
from mpm_daly.mapping import facts_of
from mpm_daly.settings import DalySettings

__all__ = ["Daly"]

# Being switched on is a state. Two switches of one bike must not overtake each other.
_SWITCH = Operation(
    recovery=Recovery.DESIRED_STATE, orphan_effect=OrphanEffect.HARMLESS, blocks_device=True
)


def _result(code: str, meaning: str, text: str) -> ResultCode:
    return ResultCode(
        code=code,
        meaning=meaning,
        text=text,
        source="MicroPowerManager's Daly BMS client",
        seen_on=date(2026, 11, 21),
    )


class Daly:
    """One company's bikes on Daly's battery platform."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Daly BMS (e-bikes)",
        settings_class=DalySettings,
        device_kinds=frozenset({DeviceKind.E_BIKE}),
        operations={ChargeKind.TIME: _SWITCH, ChargeKind.UNLOCK: _SWITCH},
        switches=True,
        supports_lookup=True,
        serial_pattern=r"[0-9A-Za-z_-]{4,32}",
        example_serial="DL8500000123",
        url_settings=("api_url",),
        deadline=35.0,
        result_codes=(
            _result("200", "accepted", "with a response"),
            _result("201", "accepted", "with a response"),
            _result("200", "refused", "response false, with words"),
            _result("400", "refused", "with words; at login: misconfigured"),
            _result("401", "misconfigured", "twice: the login is renewed once"),
            _result("500", "unknown", "server error"),
        ),
    )

    def __init__(self, settings: DalySettings, runtime: PluginRuntime) -> None:
        self._client = DalyClient(settings, runtime)

    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        """Ask whether Daly lists the bike."""
        row = self._client.find_bike(device.serial, context)
        return DeviceMapping.NOT_MAPPED if row is None else DeviceMapping.MAPPED

    @hookimpl
    def mpm_switch_device(self, device: Device, on: bool, context: CallContext) -> Grant:  # noqa: FBT001 - the hook's own argument
        """Switch the bike on or off."""
        self._client.switch(device.serial, context, on=on)
        return Grant(delivery=Delivery.REMOTE)

    @hookimpl
    def mpm_read_device(self, device: Device, context: CallContext) -> DeviceReading:
        """Read what Daly last heard of the bike; where it is stays out."""
        row = self._client.find_bike(device.serial, context)
        if row is None:
            raise Refused(f"Daly lists no bike {device.serial}.")
        return DeviceReading(at=context.now, facts=facts_of(row))

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        """Log in afresh."""
        try:
            self._client.check(context)
        except OutcomeError as failed:
            return Health(ok=False, detail=str(failed))
        return Health(ok=True, detail="Daly's login accepts user name and password.")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return a platform with bikes that can be switched."""
        from mpm_daly.simulator import DalySimulator  # noqa: PLC0415 - not for production

        return DalySimulator()
