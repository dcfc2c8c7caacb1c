"""The hooks: what the host asks, answered through `client` and `mapping`."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from mpm_angaza.client import AngazaClient
from mpm_angaza.mapping import TARGET, UNLOCKED, credit_target, sale_fields
from mpm_angaza.settings import AngazaSettings
from mpm_core import (
    CallContext,
    Charge,
    ChargeKind,
    Device,
    DeviceKind,
    DeviceMapping,
    DeviceReading,
    Grant,
    Health,
    Manifest,
    Operation,
    Order,
    OrphanEffect,
    OutcomeError,
    PluginKind,
    PluginRuntime,
    Prepared,
    Recovery,
    Refused,
    ResultCode,
    Simulator,
    hookimpl,
)

__all__ = ["AngazaPlugin"]

_UNKNOWN_UNIT = "Invalid unit number"

# The end that an order asks for is reckoned from the end the vendor has, so one order at a time;
# an end that nobody saw the keycode of is still where the next order starts from.
_SALE = Operation(
    recovery=Recovery.DESIRED_STATE,
    orphan_effect=OrphanEffect.CREDITS_DEVICE,
    blocks_device=True,
)


def _code(code: str, meaning: str, text: str) -> ResultCode:
    return ResultCode(
        code=code,
        meaning=meaning,
        text=text,
        source="Angaza Nexus API v1, unit_credit",
        seen_on=date(2026, 11, 21),
    )


class AngazaPlugin:
    """One company's access to Angaza."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Angaza",
        settings_class=AngazaSettings,
        device_kinds=frozenset({DeviceKind.SHS}),
        operations={ChargeKind.TIME: _SALE, ChargeKind.UNLOCK: _SALE},
        supports_lookup=True,
        serial_pattern=r"[0-9A-Za-z][0-9A-Za-z-]{2,31}",
        # Digits, in groups as the vendor writes them or together as people may type them.
        token_pattern=r"\*?[0-9](?:[ -]?[0-9]){5,}#?",  # noqa: S106 - not a credential
        example_serial="SERIAL-123",
        url_settings=("api_url",),
        deadline=35.0,  # seconds a call may take in all
        result_codes=(
            _code("200", "accepted", "with a keycode"),
            _code(_UNKNOWN_UNIT, "refused", "the vendor has no such unit"),
            _code("401", "misconfigured", "wrong client id or secret"),
        ),
    )

    def __init__(self, settings: AngazaSettings, runtime: PluginRuntime) -> None:
        self._client = AngazaClient(settings, runtime)

    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        """Ask whether the vendor has the unit."""
        try:
            self._client.credit(device.serial, context)
        except Refused as refused:
            if refused.code == _UNKNOWN_UNIT:
                return DeviceMapping.NOT_MAPPED
            raise
        return DeviceMapping.MAPPED

    @hookimpl
    def mpm_prepare_order(self, device: Device, charge: Charge, context: CallContext) -> Prepared:
        """Decide the end of credit once, so that every attempt asks for the same."""
        if charge.kind is ChargeKind.UNLOCK:
            return Prepared()
        credit = self._client.credit(device.serial, context)
        return Prepared(inputs={TARGET: credit_target(charge, credit, context.now)})

    @hookimpl
    def mpm_generate_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant:
        """Ask for the prepared end of credit."""
        return self._client.sell(sale_fields(device, charge, order), charge, context)

    @hookimpl
    def mpm_read_device(self, device: Device, context: CallContext) -> DeviceReading:
        """Read how long the unit has credit."""
        credit = self._client.credit(device.serial, context)
        until = UNLOCKED if credit.unlocked else str(credit.until or "never")
        return DeviceReading(at=context.now, facts={"credit until": until})

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        """Say whether the vendor answers with these settings."""
        try:
            self._client.check(context)
        except OutcomeError as failed:
            return Health(ok=False, detail=str(failed))
        return Health(ok=True, detail="The vendor accepts the client id.")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return a vendor on this machine, for tests and the demo."""
        from mpm_angaza.simulator import AngazaSimulator  # noqa: PLC0415 - not in production

        return AngazaSimulator()
