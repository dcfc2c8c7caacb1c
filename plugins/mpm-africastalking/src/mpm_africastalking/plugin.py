"""The Africa's Talking plugin: hooks only; the wire is in `client`, the reports in `reports`."""

from __future__ import annotations

from typing import ClassVar

from mpm_africastalking.client import AfricasTalkingClient
from mpm_africastalking.mapping import RESULT_CODES
from mpm_africastalking.reports import PATH, read_report, write_reply
from mpm_africastalking.segments import count_segments
from mpm_africastalking.settings import AfricasTalkingSettings
from mpm_core import (
    CallContext,
    DeliveryReport,
    Health,
    InboundCall,
    Manifest,
    Message,
    MessageReceipt,
    OutcomeError,
    PluginKind,
    PluginRuntime,
    Reply,
    SettingsError,
    Simulator,
    Verdict,
    hookimpl,
)

__all__ = ["AfricasTalking"]


class AfricasTalking:
    """One company's application at Africa's Talking.

    Raises:
        SettingsError: the sandbox, which delivers to nobody, in production.
    """

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MESSENGER,
        title="Africa's Talking (bulk SMS)",
        settings_class=AfricasTalkingSettings,
        callback_paths=(PATH,),
        url_settings=("api_url",),
        deadline=30.0,
        result_codes=RESULT_CODES,
    )

    def __init__(self, settings: AfricasTalkingSettings, runtime: PluginRuntime) -> None:
        if runtime.production and settings.is_sandbox:
            raise SettingsError(
                f"Company {runtime.company.slug!r}, instance {runtime.instance!r}: the sandbox "
                "delivers to nobody's phone; leave out api_url and give the live application's "
                "username and api_key."
            )
        self._client = AfricasTalkingClient(settings, runtime)

    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        """Send one SMS; cost and number of SMS are in the receipt."""
        result = self._client.send(message, context)
        return MessageReceipt(
            reference=result.reference,
            segments=result.parts or count_segments(message.body).count,
            cost=result.cost,
        )

    @hookimpl
    def mpm_read_call(self, call: InboundCall) -> DeliveryReport:
        """Read a delivery report. It is not signed: the callback's address is the only proof."""
        return read_report(call)

    @hookimpl
    def mpm_write_reply(self, verdict: Verdict) -> Reply:
        """Answer a delivery report."""
        return write_reply(verdict)

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        """Ask for the account's balance."""
        try:
            balance = self._client.balance(context)
        except OutcomeError as failed:
            return Health(ok=False, detail=str(failed))
        return Health(ok=True, detail=f"The account's balance is {balance}.")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        """Return a gateway that keeps what it was given to send."""
        from mpm_africastalking.simulator import (  # noqa: PLC0415 - not for production
            AfricasTalkingSimulator,
        )

        return AfricasTalkingSimulator()
