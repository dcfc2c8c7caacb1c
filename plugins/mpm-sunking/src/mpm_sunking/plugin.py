"""The SunKing plugin: hooks only; the wire is in `client`, the fields in `mapping`."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from mpm_core import (
    CallContext,
    Charge,
    ChargeKind,
    Device,
    DeviceKind,
    DeviceMapping,
    Grant,
    Health,
    Manifest,
    Operation,
    OrphanEffect,
    OutcomeError,
    PluginKind,
    PluginRuntime,
    Recovery,
    ResultCode,
    Simulator,
    hookimpl,
)
from mpm_sunking.client import SunKingClient
from mpm_sunking.mapping import command_of
from mpm_sunking.settings import SunKingSettings

__all__ = ["SunKing"]


def _result(code: str, meaning: str, text: str) -> ResultCode:
    return ResultCode(
        code=code,
        meaning=meaning,
        text=text,
        source="MicroPowerManager's SunKing client and its tests",
        seen_on=date(2026, 8, 21),
    )


class SunKing:
    """One company's access to SunKing's asset control."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="SunKing (asset control v2)",
        settings_class=SunKingSettings,
        device_kinds=frozenset({DeviceKind.SHS}),
        # A keypad code nobody received does nothing. Days add up, so a second token is a second
        # credit; being unlocked is a state, so a second unlock changes nothing.
        operations={
            ChargeKind.TIME: Operation(recovery=Recovery.NONE, orphan_effect=OrphanEffect.HARMLESS),
            ChargeKind.UNLOCK: Operation(
                recovery=Recovery.DESIRED_STATE, orphan_effect=OrphanEffect.HARMLESS
            ),
        },
        supports_lookup=True,
        serial_pattern=r"[0-9]{5,20}",
        example_serial="996995411",
        url_settings=("auth_url", "api_url"),
        deadline=35.0,
        result_codes=(
            _result("200", "accepted", "with a token"),
            _result("200", "unknown", "without a token"),
            _result("400", "refused", "bad payload"),
            _result("401", "misconfigured", "twice: the login is renewed once"),
            _result("404", "refused", "Device not found"),
            _result("404", "misconfigured", "any other words: the path is wrong"),
            _result("422", "refused", "bad payload"),
            _result("500", "unknown", "server error"),
        ),
    )

    def __init__(self, settings: SunKingSettings, runtime: PluginRuntime) -> None:
        self._client = SunKingClient(settings, runtime)

    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        """Ask SunKing whether it knows the device."""
        return self._client.find_device(device.serial, context)

    @hookimpl
    def mpm_generate_token(self, device: Device, charge: Charge, context: CallContext) -> Grant:
        """Mint a keypad token for days or for the unlock."""
        token = self._client.mint(command_of(device.serial, charge), context)
        return Grant(codes=(token,), quantity=charge.quantity, unit=charge.unit)

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        """Log in afresh."""
        try:
            self._client.check(context)
        except OutcomeError as failed:
            return Health(ok=False, detail=str(failed))
        return Health(ok=True, detail="SunKing's login accepts the client id and secret.")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return a login and asset control with stand-in keypad codes."""
        from mpm_sunking.simulator import SunKingSimulator  # noqa: PLC0415 - not for production

        return SunKingSimulator()
