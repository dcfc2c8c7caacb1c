"""The hooks: Airtel calls us to validate a payment, to report it, and to ask what became of it."""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from mpm_airtel.answers import answer_verdict
from mpm_airtel.authentication import make_authentication
from mpm_airtel.command import is_json, read_command, write_command
from mpm_airtel.mapping import ENQUIRY, PROCESS, VALIDATE, CommandMapping
from mpm_airtel.settings import AirtelSettings, check_settings
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

__all__ = ["Airtel"]

_WHOLE = 100  # minor units: these currencies have cents that no phone can send


def _status(code: str, meaning: str, text: str) -> ResultCode:
    return ResultCode(
        code=code,
        meaning=meaning,
        text=text,
        source="Airtel C2B COMMAND interface as built by five independent partners",
        seen_on=date(2026, 1, 8),
    )


class Airtel:
    """One company's Airtel Money biller interface (C2B COMMAND: validate, process, enquiry)."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.TELECOM,
        title="Airtel Money (C2B COMMAND interface)",
        settings_class=AirtelSettings,
        callback_paths=(VALIDATE, PROCESS, ENQUIRY),
        payment_step={"KES": _WHOLE, "MGA": _WHOLE, "TZS": _WHOLE},
        result_codes=(
            _status("200", "accepted", "Success"),
            _status("400", "refused", "refused; in an enquiry: still working"),
            _status("401", "refused", "Invalid Token"),
            _status("404", "refused", "enquiry: not paid, the customer gets the money back"),
        ),
    )

    def __init__(self, settings: AirtelSettings, runtime: PluginRuntime) -> None:
        check_settings(settings, runtime)
        self._settings = settings
        self._authentication = make_authentication(settings)
        self._mapping = CommandMapping(company=runtime.company, merchant=settings.merchant_msisdn)

    @hookimpl
    def mpm_read_call(self, call: InboundCall, context: CallContext) -> ProviderRequest:
        """Authenticate and decode one call."""
        bound_to = self._authentication.check_headers(call.headers, context.now)
        command = read_command(call, accept_json=self._settings.accept_json)
        self._authentication.check_fields(command)
        return self._mapping.read(call.path, command, bound_to)

    @hookimpl
    def mpm_write_reply(
        self, call: InboundCall, request: ProviderRequest | None, verdict: Verdict
    ) -> Reply:
        """Encode our answer in Airtel's words."""
        answer = answer_verdict(call.path, request, verdict)
        return write_command(
            answer.children(self._settings.status_words),
            http_status=answer.http_status,
            as_json=self._settings.accept_json and is_json(call),
        )

    @hookimpl
    def mpm_check(self) -> Health:
        """Say that there is nobody to ask: in this interface only Airtel calls."""
        return Health(ok=True, detail="Airtel calls us; give it the callback URL of this instance.")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return an Airtel that pays."""
        from mpm_airtel.simulator import AirtelSimulator  # noqa: PLC0415 - never loaded in production

        return AirtelSimulator()
