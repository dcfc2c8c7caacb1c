"""A small correct telecom's plugin: signed JSON calls, pushes and reports."""

# ruff: noqa: ARG002 - a plugin has the contract's arguments, needed or not

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

import attrs

from mpm_core import (
    CallContext,
    Decision,
    EnquiryRequest,
    FaultSwitches,
    Health,
    InboundCall,
    Malformed,
    Manifest,
    Misconfigured,
    Money,
    Msisdn,
    NoticeEvent,
    NoticeRequest,
    Objection,
    OutcomeError,
    PaymentFacts,
    PluginKind,
    PluginRuntime,
    ProcessRequest,
    ProviderRequest,
    ProviderState,
    Push,
    PushReceipt,
    PushState,
    Quote,
    Reply,
    ReportReceipt,
    ResultCode,
    Secret,
    SimulatedCall,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
    Simulator,
    Unauthenticated,
    ValidationRequest,
    Verdict,
    hookimpl,
    setting,
)
from mpm_core.exact_json import read_json, write_json

VALIDATE, PROCESS, ENQUIRE, NOTICE = "validate", "process", "enquire", "notice"
_WORDS: Mapping[Decision, str] = {
    Decision.UNAUTHENTICATED: "stranger",
    Decision.VALIDATED: "may be paid",
    Decision.ACCEPTED: "booked",
    Decision.NOTED: "heard",
    **dict.fromkeys(
        (Decision.REJECTED, Decision.CONFLICT, Decision.NOT_FOUND, Decision.MALFORMED), "no"
    ),
}
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


@attrs.frozen(kw_only=True)
class AcmePaySettings:
    """What was agreed with Acme Pay."""

    api_url: str = setting(
        help="Base URL of Acme Pay.", kind="url", example="https://pay.acme.example"
    )
    secret: Secret = setting(help="Signs every call, either way.")


class AcmePay:
    """One company's Acme Pay."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.TELECOM,
        title="Acme Pay",
        settings_class=AcmePaySettings,
        callback_paths=(VALIDATE, PROCESS, ENQUIRE, NOTICE),
        payment_step={"TZS": 100},
        minimum_amount="1",
        maximum_amount="1000000",
        url_settings=("api_url",),
        deadline=15.0,
        result_codes=(
            ResultCode(
                code="200",
                meaning="accepted",
                text="OK",
                source="acme.example/docs",
                seen_on=date(2026, 1, 1),
            ),
        ),
    )

    def __init__(self, settings: AcmePaySettings, runtime: PluginRuntime) -> None:
        self._settings = settings
        self._http = runtime.http
        self._company = runtime.company

    # --- calls ------------------------------------------------------------------------------------

    @hookimpl
    def mpm_read_call(self, call: InboundCall, context: CallContext) -> ProviderRequest:
        self.authenticate(call)
        try:
            body = read_json(call.body.decode("utf-8"))
        except ValueError:
            raise Malformed("the body is no JSON") from None
        if not isinstance(body, dict):
            raise Malformed("the body is no object")
        match call.path:
            case "validate":
                return self.read_validation(body)
            case "process":
                return self.read_process(body)
            case "enquire":
                return EnquiryRequest(reference=self.text(body, "id"), final=True)
            case "notice":
                return self.read_notice(body)
            case _:
                raise Malformed("there is no such service")

    def authenticate(self, call: InboundCall) -> None:
        given = call.headers.get("x-signature", "")
        expected = signature(self._settings.secret.reveal(), call.body)
        if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode()):
            raise Unauthenticated("unauthorised")

    def read_validation(self, body: Mapping[str, Any]) -> ProviderRequest:
        return ValidationRequest(
            reference=self.text(body, "id"),
            serial=self.serial(self.text(body, "serial")),
            amount=self.amount(body),
            payer=self.payer(body),
        )

    def read_process(self, body: Mapping[str, Any]) -> ProviderRequest:
        return ProcessRequest(
            reference=self.text(body, "id"),
            serial=self.serial(self.text(body, "serial")),
            amount=self.amount(body),
        )

    def read_notice(self, body: Mapping[str, Any]) -> ProviderRequest:
        try:
            event = NoticeEvent(self.text(body, "event"))
        except ValueError:
            raise Malformed("event is none", ("event",)) from None
        return NoticeRequest(event=event, reference=self.text(body, "key"))

    def serial(self, text: str) -> str:
        return text.strip()

    def text(self, body: Mapping[str, Any], name: str) -> str:
        value = body.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 64:
            raise Malformed(f"{name} is no text of 1 to 64 characters", (name,))
        return value

    def amount(self, body: Mapping[str, Any]) -> Money:
        text = self.text(body, "amount")
        if _AMOUNT.fullmatch(text):
            try:
                return Money.parse(text, self._company.currency)
            except ValueError:
                pass
        raise Malformed("amount is no amount", ("amount",))

    def payer(self, body: Mapping[str, Any]) -> Msisdn | None:
        try:
            return Msisdn.parse(self.text(body, "phone"), self._company.country)
        except ValueError:
            raise Malformed("phone is no phone number", ("phone",)) from None

    @hookimpl
    def mpm_write_reply(
        self, call: InboundCall, request: ProviderRequest | None, verdict: Verdict
    ) -> Reply:
        word = self.word(call, verdict)
        status = {"no": 400, "stranger": 401, "again": 503}.get(word, 200)
        fields = {"status": word, **self.more(request, verdict, word)}
        return Reply(status=status, content_type="application/json", body=write_json(fields))

    def more(
        self, request: ProviderRequest | None, verdict: Verdict, word: str
    ) -> Mapping[str, object]:
        return {"reason": verdict.reason} if word == "no" else {}

    def word(self, call: InboundCall, verdict: Verdict) -> str:
        if verdict.decision is Decision.FOUND:
            return self.found(verdict)
        return _WORDS.get(verdict.decision, "again")

    def found(self, verdict: Verdict) -> str:
        if verdict.payment is None:
            return "again"
        return "paid" if verdict.payment.status.is_booked else "not paid"

    @hookimpl
    def mpm_validate_payment(
        self, payment: ValidationRequest, device: Any, quote: Quote
    ) -> Objection | None:
        if payment.amount > Money.parse("1000000", payment.amount.currency):
            return Objection(code=self.objection, message="Pay 1,000,000 at most.")
        return None

    objection: ClassVar[str] = "acme_pay_too_much"

    # --- pushes -----------------------------------------------------------------------------------

    @hookimpl
    def mpm_push_payment(self, push: Push, context: CallContext) -> PushReceipt:
        answer = self.ask("POST", "push", self.push_fields(push), context)
        if answer.json() != {"status": "prompted"}:
            raise answer.unusable("it does not say that the phone was prompted")
        return PushReceipt()

    def push_fields(self, push: Push) -> dict[str, object]:
        return {"key": push.key, "phone": push.payer.e164, "amount": str(push.amount)}

    @hookimpl
    def mpm_query_payment(self, push: Push, context: CallContext) -> ProviderState:
        answer = self.ask("POST", f"push/{push.key}", {}, context, effect=False)
        body = answer.json()
        states = {
            "prompted": PushState.PROMPTED,
            "paid": PushState.PAID,
            "failed": PushState.FAILED,
            "unknown": PushState.NOT_FOUND,
        }
        word = body.get("status") if isinstance(body, dict) else None
        if answer.status != 200 or word not in states:
            raise answer.unusable("it is not about a push")
        amount = self.amount(body) if "amount" in body else None
        return ProviderState(state=states[word], receipt=body.get("receipt"), amount=amount)

    @hookimpl
    def mpm_report_payment(
        self, payment: PaymentFacts, verdict: Verdict, context: CallContext
    ) -> ReportReceipt:
        self.ask("POST", "report", {"id": payment.reference or ""}, context).json()
        return ReportReceipt()

    def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, object],
        context: CallContext,
        *,
        effect: bool | None = None,
    ) -> Any:
        body = write_json(fields)
        answer = self._http.request(
            method,
            f"{self._settings.api_url}/{path}",
            context=context,
            headers={"X-Signature": signature(self._settings.secret.reveal(), body)},
            content=body,
            effect=effect,
            not_processed=(401,),
        ).expect_success()
        if answer.status == 401:
            raise Misconfigured("Acme Pay refuses our signature; correct secret.")
        return answer

    @hookimpl
    def mpm_payment_accepted(self, payment: PaymentFacts) -> None:
        return None

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        try:
            self.ask("GET", "", {}, context)
        except OutcomeError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True)

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return AcmePaySimulator()


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class AcmePaySimulator:
    """Acme Pay's side: it calls, and prompts phones."""

    SECRET = "simulated-acme-pay-secret"

    def __init__(self) -> None:
        self._pushes: dict[str, str] = {}  # how each stands, by its key
        self._amounts: dict[str, str] = {}  # what was paid, where it says so, by its key
        self.prompts: list[str] = []
        self.reports: list[str] = []
        self._lock = threading.Lock()
        self._switches = FaultSwitches(("wrong_secret", "malformed", "amount_changed"))

    def settings(self, base_url: str) -> Mapping[str, object]:
        return {"api_url": f"{base_url}/pay", "secret": self.SECRET}

    def faults(self) -> tuple[str, ...]:
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        self._switches.clear()

    def knows(self, serial: str) -> None:
        return None

    def use_token(self, serial: str, code: str) -> str:
        return "rejected: a telecom has no devices"

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        if request.headers.get("x-signature") != signature(self.SECRET, request.body):
            return SimulatedReply(status=401, body=b"{}")
        path = request.path.removeprefix("pay").strip("/")
        if path == "push":
            key = json.loads(request.body)["key"]
            with self._lock:
                self.prompts.append(key)
                self._pushes[key] = "prompted"
            return SimulatedReply(body=b'{"status":"prompted"}')
        if path.startswith("push/"):
            key = path.removeprefix("push/")
            state = self._pushes.get(key, "unknown")
            more = {"receipt": "MP-1"} if state == "paid" else {}
            if key in self._amounts:
                more["amount"] = self._amounts[key]
            return SimulatedReply(body=json.dumps({"status": state, **more}).encode())
        if path == "report":
            self.reports.append(json.loads(request.body)["id"])
        return SimulatedReply(body=b"{}")

    def answer_push(self, key: str, state: str, amount: str | None = None) -> None:
        """Let the payer of a push pay (`paid`) or not (`failed`), or forget it (`unknown`).

        Args:
            key: of the push.
            state: how it stands from now on.
            amount: what was paid; without it nothing is said of the amount.
        """
        with self._lock:
            self._pushes[key] = state
            if amount is not None:
                self._amounts[key] = amount

    def notice_call(self, key: str, event: str) -> SimulatedCall:
        """Return the call that tells what became of a push."""
        body = json.dumps({"event": event, "key": key}).encode()
        return SimulatedCall(path=NOTICE, headers=self.signed(body), body=body)

    def signed(self, body: bytes) -> Mapping[str, str]:
        """Return the headers of a genuine call."""
        return {"X-Signature": signature(self.SECRET, body)}

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall:
        return self._call(VALIDATE, payment, settings)

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        try:
            allowed = json.loads(validation.body).get("status") == "may be paid"
        except (ValueError, AttributeError):
            allowed = False
        return self._call(PROCESS, payment, settings) if allowed else None

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall:
        return self._call(ENQUIRE, payment, settings)

    def _call(
        self, path: str, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall:
        fault = self._switches.take(payment.serial)
        amount = payment.amount
        if fault == "amount_changed" and path == PROCESS:
            amount += Money.parse("1", amount.currency)
        fields = {
            "id": payment.reference,
            "serial": f" {payment.serial} ",
            "amount": str(amount),
            "phone": payment.msisdn,
        }
        body = json.dumps(fields).encode()
        body = body[:-1] if fault == "malformed" else body
        secret = settings["secret"]
        text = secret.reveal() if isinstance(secret, Secret) else str(secret)
        text += "-wrong" if fault == "wrong_secret" else ""
        return SimulatedCall(path=path, headers={"X-Signature": signature(text, body)}, body=body)
