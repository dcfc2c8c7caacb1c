"""The Calin plugin: hooks only; the wire is in `client`, the fields in `mapping`."""

from __future__ import annotations

import logging
from datetime import date
from typing import ClassVar

from mpm_calin.client import CalinClient
from mpm_calin.mapping import CREDIT_CLASS, DEBUG_TOKEN, ENERGY_STEP, Token, kwh_of
from mpm_calin.settings import CalinSettings
from mpm_core import (
    CallContext,
    Charge,
    ChargeKind,
    Device,
    DeviceKind,
    Grant,
    Health,
    Manifest,
    Operation,
    OrphanEffect,
    OutcomeError,
    OutcomeUnknown,
    PluginKind,
    PluginRuntime,
    Recovery,
    ResultCode,
    Simulator,
    Unit,
    hookimpl,
)

__all__ = ["Calin"]

_log = logging.getLogger(__name__)

_CLIENTS_CODE = "MicroPowerManager's Calin client: 0 is success, all else failure"
_SEEN_ON = date(2026, 8, 21)

_RESULT_CODES = (
    ResultCode(
        code="0",
        meaning="accepted",
        text="OK, with a token",
        source=_CLIENTS_CODE,
        seen_on=_SEEN_ON,
    ),
    ResultCode(
        code="0", meaning="unknown", text="no token", source=_CLIENTS_CODE, seen_on=_SEEN_ON
    ),
    ResultCode(
        code="*",
        meaning="refused",
        text="any other number without a token; Calin publishes no list",
        source=_CLIENTS_CODE,
        seen_on=_SEEN_ON,
    ),
)


class Calin:
    """One company's access to Calin's v1 token API."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Calin (v1 token API)",
        settings_class=CalinSettings,
        device_kinds=frozenset({DeviceKind.METER}),
        # Each successful call sells another token and Calin cannot be asked afterwards.
        operations={
            ChargeKind.ENERGY: Operation(
                recovery=Recovery.NONE, orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE
            )
        },
        energy_step=ENERGY_STEP,
        # The Luhn digit is not demanded: public Calin numbers exist that fail it.
        serial_pattern=r"[0-9]{11}|[0-9]{13}",
        token_pattern=r"[0-9]{20}",  # noqa: S106 - what `sts` reads, not a credential
        example_serial="47000124512",
        url_settings=("api_url",),
        deadline=35.0,
        result_codes=_RESULT_CODES,
    )

    def __init__(self, settings: CalinSettings, runtime: PluginRuntime) -> None:
        self._client = CalinClient(settings, runtime)
        self._production = runtime.production

    @hookimpl
    def mpm_generate_token(self, device: Device, charge: Charge, context: CallContext) -> Grant:
        """Sell a credit token for the charge's energy."""
        token = self._client.sell(device.serial, kwh_of(charge), context)
        self._refuse_debug_token(token)
        if token.token_class != CREDIT_CLASS:
            # It was paid for and the meter decides; withholding it would only lose it.
            _log.warning(
                "Calin sold a token of STS class %s instead of a credit (company %s, instance %s, "
                "correlation %s); ask Calin why.",
                token.token_class,
                context.company,
                context.instance,
                context.correlation_id,
            )
        return Grant(codes=(token.code,), quantity=charge.quantity, unit=Unit.WATT_HOUR)

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        """Say whether the server answers at all: Calin has no call that would test the key."""
        try:
            status = self._client.reach(context)
        except OutcomeError as unreachable:
            return Health(ok=False, detail=str(unreachable))
        return Health(
            ok=True, detail=f"Calin's server answers (status {status}); the key is untried."
        )

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return a token server that mints real STS tokens under the published test key."""
        from mpm_calin.simulator import CalinSimulator  # noqa: PLC0415 - production never loads it

        return CalinSimulator()

    def _refuse_debug_token(self, token: Token) -> None:
        if self._production and token.code.matches(DEBUG_TOKEN):
            raise OutcomeUnknown(
                "Calin's server answered the public development token, which no meter accepts; "
                "api_url points to a test server. Correct it, then look for the sale there."
            )
