"""Telecoms' plugins that do one thing wrong each."""

# ruff: noqa: ARG002 - faults ignore their arguments

from __future__ import annotations

import json
import secrets as random_secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import attrs

from mpm_core import (
    CallContext,
    Decision,
    EnquiryRequest,
    InboundCall,
    Malformed,
    Money,
    Msisdn,
    Objection,
    OutcomeError,
    OutcomeUnknown,
    PaymentFacts,
    PaymentStatus,
    PluginRuntime,
    ProcessRequest,
    ProviderRequest,
    ProviderState,
    Push,
    PushReceipt,
    PushState,
    Quote,
    Refused,
    ReportReceipt,
    Unauthenticated,
    ValidationRequest,
    Verdict,
    hookimpl,
)
from tests.kit.acme_pay import AcmePay, AcmePaySettings, signature

# --- reading --------------------------------------------------------------------------------------


class AmountsAsFloat(AcmePay):
    def amount(self, body: Mapping[str, Any]) -> Money:
        super().amount(body)
        return Money(int(float(body["amount"]) * 100.1), self._company.currency)


class AmountsInShillings(AcmePay):
    def amount(self, body: Mapping[str, Any]) -> Money:
        return Money(super().amount(body).minor, "TZS")


class AmountsOfAnyForm(AcmePay):
    def amount(self, body: Mapping[str, Any]) -> Money:
        try:
            return Money.parse(self.text(body, "amount"), self._company.currency)
        except ValueError:
            raise Malformed("no amount", ("amount",)) from None


class SerialsWithoutZeros(AcmePay):
    def serial(self, text: str) -> str:
        return super().serial(text).lstrip("0")


class SerialsWithBlanks(AcmePay):
    def serial(self, text: str) -> str:
        return text


class NoPayer(AcmePay):
    def payer(self, body: Mapping[str, Any]) -> Msisdn | None:
        return None


class AnotherPayerPerSpelling(AcmePay):
    def payer(self, body: Mapping[str, Any]) -> Msisdn | None:
        digits = self.text(body, "phone").lstrip("+").rjust(12, "1")
        return Msisdn(f"+{digits}", 255)


class ReferenceOfTheMoment(AcmePay):
    def read_process(self, body: Mapping[str, Any]) -> ProviderRequest:
        return ProcessRequest(reference=random_secrets.token_hex(8))


class ReferenceOfTheDevice(AcmePay):
    def read_process(self, body: Mapping[str, Any]) -> ProviderRequest:
        return ProcessRequest(reference=self.text(body, "amount"))


class PointsNowhere(AcmePay):
    def read_process(self, body: Mapping[str, Any]) -> ProviderRequest:
        return ProcessRequest(reference=f"P-{self.text(body, 'id')}")


class AsksAboutAnother(AcmePay):
    @hookimpl
    def mpm_read_call(self, call: InboundCall, context: CallContext) -> ProviderRequest:
        request = super().mpm_read_call(call, context)
        if isinstance(request, EnquiryRequest):
            return EnquiryRequest(reference=f"E-{request.reference}")
        return request


class CountsItsCalls(AcmePay):
    count = 0

    def read_validation(self, body: Mapping[str, Any]) -> ProviderRequest:
        self.count += 1
        request = super().read_validation(body)
        return attrs.evolve(request, details={"call": str(self.count)})


class RemembersTheAmount(AcmePay):
    def __init__(self, settings: AcmePaySettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self._amounts: dict[str, Money] = {}

    def amount(self, body: Mapping[str, Any]) -> Money:
        return self._amounts.setdefault(body["id"], super().amount(body))


class LetsEverybodyIn(AcmePay):
    def authenticate(self, call: InboundCall) -> None:
        """Nobody is asked."""


class LetsUnsignedIn(AcmePay):
    def authenticate(self, call: InboundCall) -> None:
        if "x-signature" in call.headers:
            super().authenticate(call)


class ReadsBeforeItAsks(AcmePay):
    def authenticate(self, call: InboundCall) -> None:
        try:
            json.loads(call.body)
        except ValueError:
            raise Malformed("the body is no JSON") from None
        super().authenticate(call)


class TellsWhatWasExpected(AcmePay):
    def authenticate(self, call: InboundCall) -> None:
        try:
            super().authenticate(call)
        except Unauthenticated:
            expected = signature(self._settings.secret.reveal(), call.body)
            raise Unauthenticated(f"expected {expected}") from None


class SharesItsSecret(AcmePay):
    first: ClassVar[list[AcmePaySettings]] = []

    def __init__(self, settings: AcmePaySettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self.first.append(settings)
        self._settings = self.first[0]
        if len(self.first) >= 2:
            self.first.clear()


class TrustsTheBody(AcmePay):
    def authenticate(self, call: InboundCall) -> None:
        json.loads(call.body)["id"]
        super().authenticate(call)


class NamesNoFields(AcmePay):
    def amount(self, body: Mapping[str, Any]) -> Money:
        try:
            return super().amount(body)
        except Malformed:
            raise Malformed("something is wrong") from None

    def authenticate(self, call: InboundCall) -> None:
        """Its proof does not cover the body."""


class RepeatsTheBody(AcmePay):
    def authenticate(self, call: InboundCall) -> None:
        try:
            super().authenticate(call)
        except Unauthenticated:
            raise Malformed(f"cannot read {call.body!r}") from None


class ReadsByTheSystemsClock(AcmePay):
    def authenticate(self, call: InboundCall) -> None:
        super().authenticate(call)
        if datetime.now(UTC).year < 2000:
            raise Unauthenticated("too old")


class StaleBecomesAnother(AcmePay):
    @hookimpl
    def mpm_read_call(self, call: InboundCall, context: CallContext) -> ProviderRequest:
        request = super().mpm_read_call(call, context)
        return attrs.evolve(request, details={"at": context.now.isoformat()})


# --- answering ------------------------------------------------------------------------------------


class KnowsNotEveryDecision(AcmePay):
    def word(self, call: InboundCall, verdict: Verdict) -> str:
        return {Decision.VALIDATED: "may be paid", Decision.ACCEPTED: "booked"}[verdict.decision]


class RandomInItsReply(AcmePay):
    def more(
        self, request: ProviderRequest | None, verdict: Verdict, word: str
    ) -> Mapping[str, object]:
        return {"id": random_secrets.token_hex(4)}


class NoIsTheDefault(AcmePay):
    def word(self, call: InboundCall, verdict: Verdict) -> str:
        word = super().word(call, verdict)
        return "no" if word == "again" else word


class YesToConflicts(AcmePay):
    def word(self, call: InboundCall, verdict: Verdict) -> str:
        if verdict.decision is Decision.CONFLICT:
            return "booked"
        return super().word(call, verdict)


class AcceptedWithANumber(AcmePay):
    def more(
        self, request: ProviderRequest | None, verdict: Verdict, word: str
    ) -> Mapping[str, object]:
        return {"number": verdict.number}


class MaybeIsYes(AcmePay):
    def word(self, call: InboundCall, verdict: Verdict) -> str:
        if verdict.decision is Decision.UNAVAILABLE and call.path == "validate":
            return "may be paid"
        return super().word(call, verdict)


class YesInOtherWords(AcmePay):
    def word(self, call: InboundCall, verdict: Verdict) -> str:
        word = super().word(call, verdict)
        return "go on" if word == "may be paid" else word


class HeldIsUnpaid(AcmePay):
    def found(self, verdict: Verdict) -> str:
        if verdict.payment is not None and verdict.payment.status is PaymentStatus.HELD:
            return "not paid"
        return super().found(verdict)


class TellsStrangersWhy(AcmePay):
    def more(
        self, request: ProviderRequest | None, verdict: Verdict, word: str
    ) -> Mapping[str, object]:
        return {"reason": verdict.reason, "message": verdict.message}


# --- objecting and hearing ------------------------------------------------------------------------


class ObjectsInPrivateWords(AcmePay):
    objection: ClassVar[str] = "too_much"


class ObjectsAtRandom(AcmePay):
    count = 0

    @hookimpl
    def mpm_validate_payment(
        self, payment: ValidationRequest, device: Any, quote: Quote
    ) -> Objection | None:
        self.count += 1
        return Objection(code=self.objection, message="No.") if self.count % 2 else None


class FailsToHear(AcmePay):
    @hookimpl
    def mpm_payment_accepted(self, payment: PaymentFacts) -> None:
        raise RuntimeError("not now")


# --- pushing --------------------------------------------------------------------------------------


class PushesWithoutAKey(AcmePay):
    def push_fields(self, push: Push) -> dict[str, object]:
        return super().push_fields(push) | {"key": "1"}


class PushesAgain(AcmePay):
    @hookimpl
    def mpm_push_payment(self, push: Push, context: CallContext) -> PushReceipt:
        try:
            return super().mpm_push_payment(push, context)
        except OutcomeUnknown:
            return super().mpm_push_payment(push, context)


class PushSilenceIsNo(AcmePay):
    @hookimpl
    def mpm_push_payment(self, push: Push, context: CallContext) -> PushReceipt:
        try:
            return super().mpm_push_payment(push, context)
        except OutcomeUnknown as error:
            raise Refused("no answer") from error


class PushTrustsEverything(AcmePay):
    @hookimpl
    def mpm_push_payment(self, push: Push, context: CallContext) -> PushReceipt:
        self.ask("POST", "push", self.push_fields(push), context)
        return PushReceipt()


class PushDoubtsEveryLogin(AcmePay):
    @hookimpl
    def mpm_push_payment(self, push: Push, context: CallContext) -> PushReceipt:
        try:
            return super().mpm_push_payment(push, context)
        except OutcomeError as error:
            raise OutcomeUnknown("who knows") from error


class QueryPushes(AcmePay):
    @hookimpl
    def mpm_query_payment(self, push: Push, context: CallContext) -> ProviderState:
        self.ask("POST", "push", self.push_fields(push), context, effect=False)
        return ProviderState(state=PushState.PROMPTED)


class QueryTroubleIsNo(AcmePay):
    @hookimpl
    def mpm_query_payment(self, push: Push, context: CallContext) -> ProviderState:
        try:
            return super().mpm_query_payment(push, context)
        except OutcomeError:
            return ProviderState(state=PushState.FAILED)


class UnknownPushFailed(AcmePay):
    @hookimpl
    def mpm_query_payment(self, push: Push, context: CallContext) -> ProviderState:
        state = super().mpm_query_payment(push, context)
        if state.state is PushState.NOT_FOUND:
            return ProviderState(state=PushState.FAILED)
        return state


class ReportsOnce(AcmePay):
    reported = False

    @hookimpl
    def mpm_report_payment(
        self, payment: PaymentFacts, verdict: Verdict, context: CallContext
    ) -> ReportReceipt:
        if self.reported:
            raise Refused("known already")
        self.reported = True
        return super().mpm_report_payment(payment, verdict, context)
