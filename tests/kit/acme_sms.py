"""A small correct messenger's plugin over a JSON gateway."""

# ruff: noqa: ARG002 - a plugin has the contract's arguments, needed or not

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from mpm_core import (
    CallContext,
    Decision,
    FaultSwitches,
    Health,
    Heartbeat,
    InboundCall,
    Malformed,
    Manifest,
    Message,
    MessageReceipt,
    Misconfigured,
    OutcomeError,
    PluginKind,
    PluginRuntime,
    ProviderRequest,
    Reply,
    Secret,
    SimulatedReply,
    SimulatedRequest,
    Simulator,
    Verdict,
    hookimpl,
    setting,
)
from mpm_core.exact_json import read_json


@attrs.frozen(kw_only=True)
class AcmeSmsSettings:
    """Where the gateway is."""

    gateway_url: str = setting(help="Base URL.", kind="url", example="https://sms.acme.example")
    password: Secret = setting(help="Our password.")


class AcmeSms:
    """One company's SMS gateway."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MESSENGER,
        title="Acme SMS",
        settings_class=AcmeSmsSettings,
        url_settings=("gateway_url",),
        callback_paths=("reports",),
        concurrency=4,
    )

    def __init__(self, settings: AcmeSmsSettings, runtime: PluginRuntime) -> None:
        self._settings = settings
        self._http = runtime.http

    @hookimpl
    def mpm_send_message(self, message: Message, context: CallContext) -> MessageReceipt:
        answer = self.post("messages", self.fields(message), context)
        body = answer.json()
        number = body.get("id") if isinstance(body, dict) else None
        if answer.status != 200 or not isinstance(number, str):
            raise answer.unusable("it names no message")
        return self.receipt(number)

    def receipt(self, number: str) -> MessageReceipt:
        return MessageReceipt(reference=number, segments=1)

    def fields(self, message: Message) -> dict[str, object]:
        return {"to": message.to.e164, "text": message.body, "key": message.key}

    def post(self, path: str, fields: Mapping[str, object], context: CallContext) -> Any:
        answer = self._http.request(
            "POST",
            f"{self._settings.gateway_url}/{path}",
            context=context,
            headers={"Authorization": f"Bearer {self._settings.password.reveal()}"},
            json=fields,
            not_processed=(401,),
        ).expect_success()
        if answer.status == 401:
            raise Misconfigured("The gateway refuses our password.")
        return answer

    @hookimpl
    def mpm_read_call(self, call: InboundCall) -> ProviderRequest:
        try:
            body = read_json(call.body.decode("utf-8"))
        except ValueError:
            raise Malformed("the body is no JSON") from None
        if not isinstance(body, dict) or call.path != "reports":
            raise Malformed("no report")
        return Heartbeat()

    @hookimpl
    def mpm_write_reply(self, call: InboundCall, verdict: Verdict) -> Reply:
        ok = verdict.decision is Decision.NOTED
        return Reply(status=200 if ok else 400, content_type="text/plain", body=b"")

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        try:
            self.post("check", {}, context)
        except OutcomeError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True)

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return AcmeSmsSimulator()


class AcmeSmsSimulator:
    """The gateway."""

    PASSWORD = "simulated-sms-password"

    def __init__(self) -> None:
        self._sent = 0
        self._lock = threading.Lock()
        self._switches = FaultSwitches(())

    def settings(self, base_url: str) -> Mapping[str, object]:
        return {"gateway_url": f"{base_url}/sms", "password": self.PASSWORD}

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        if request.headers.get("authorization") != f"Bearer {self.PASSWORD}":
            return SimulatedReply(status=401, body=b"{}")
        with self._lock:
            self._sent += 1
            return SimulatedReply(body=json.dumps({"id": f"m{self._sent}"}).encode())

    def faults(self) -> tuple[str, ...]:
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        self._switches.clear()

    def knows(self, serial: str) -> None:
        return None

    def use_token(self, serial: str, code: str) -> str:
        return "rejected: a gateway has no devices"

    def validate_call(self, payment: object, settings: object) -> None:
        return None

    def process_call(self, payment: object, settings: object, validation: object) -> None:
        return None

    def enquiry_call(self, payment: object, settings: object) -> None:
        return None
