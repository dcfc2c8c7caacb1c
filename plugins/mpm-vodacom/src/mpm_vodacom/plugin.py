"""The hooks: Vodacom calls us to validate a payment, to report it, and to ask what became of it."""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar

from mpm_core import (
    CallContext,
    Health,
    InboundCall,
    Manifest,
    PluginKind,
    PluginRuntime,
    ProviderRequest,
    Reply,
    ResultCode,
    Simulator,
    Verdict,
    hookimpl,
)
from mpm_vodacom.answers import answer_verdict
from mpm_vodacom.authentication import authenticate
from mpm_vodacom.mapping import PROCESS, QUERY, VALIDATE, CallMapping
from mpm_vodacom.settings import VodacomSettings, check_settings
from mpm_vodacom.wire import read_body

__all__ = ["Vodacom"]


def _status(code: str, meaning: str, text: str) -> ResultCode:
    return ResultCode(
        code=code,
        meaning=meaning,
        text=text,
        source="MicroPowerManager's JSON contract for Vodacom Mozambique, made complete",
        seen_on=date(2026, 8, 1),
    )


class Vodacom:
    """One company's Vodacom M-Pesa (JSON contract: validate, process, query)."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.TELECOM,
        title="Vodacom M-Pesa (JSON contract)",
        settings_class=VodacomSettings,
        callback_paths=(VALIDATE, PROCESS, QUERY),
        payment_step={"TZS": 100},  # whole shillings; meticais have centavos in use
        minimum_amount="1",
        maximum_amount="5000000",
        result_codes=(
            _status("200", "accepted", "validated, processing, completed"),
            _status("400", "refused", "refused before money moved, or unreadable"),
            _status("401", "misconfigured", "the API key is missing or unknown"),
            _status("404", "refused", "unknown reference"),
            _status("409", "refused", "known with other content"),
            _status("422", "refused", "members missing or wrong"),
            _status("503", "throttled", "ask again"),
        ),
    )

    def __init__(self, settings: VodacomSettings, runtime: PluginRuntime) -> None:
        check_settings(settings, runtime)
        self._settings = settings
        self._mapping = CallMapping(
            company=runtime.company, serial_pattern=re.compile(settings.serial_pattern, re.ASCII)
        )

    @hookimpl
    def mpm_read_call(self, call: InboundCall, context: CallContext) -> ProviderRequest:
        """Authenticate and decode one call."""
        authenticate(call, self._settings, context.now)
        return self._mapping.read(call.path, read_body(call.body))

    @hookimpl
    def mpm_write_reply(
        self, call: InboundCall, request: ProviderRequest | None, verdict: Verdict
    ) -> Reply:
        """Encode our answer in the contract's words."""
        return answer_verdict(call.path, request, verdict)

    @hookimpl
    def mpm_check(self) -> Health:
        """Say that there is nobody to ask: in this contract only Vodacom calls."""
        return Health(ok=True, detail="Vodacom calls us; give it this instance's callback URL.")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return a Vodacom that pays."""
        from mpm_vodacom.simulator import VodacomSimulator  # noqa: PLC0415 - not for production

        return VodacomSimulator()
