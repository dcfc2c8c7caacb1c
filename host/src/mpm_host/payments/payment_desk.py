"""The payment desk: what telecoms ask, decided and answered.

Data flows one way: the plugin reads the call, the desk decides, the plugin writes the reply. No
plugin code runs inside a transaction, and nothing here waits for a manufacturer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future

import attrs
import structlog

from mpm_core import (
    CallRefused,
    Decision,
    DeliveryReport,
    EnquiryRequest,
    Heartbeat,
    InboundCall,
    MpmError,
    NoticeRequest,
    Objection,
    PaymentStatus,
    ProcessRequest,
    ProviderRequest,
    ReasonCode,
    Reply,
    ValidationRequest,
    Verdict,
)
from mpm_core.company_plugins import CompanyPlugins
from mpm_host.actions.payment_actions import PaymentActions, look_after
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.group_commit import GroupCommit
from mpm_host.directory import InstanceRecord
from mpm_host.payments.booking import Accept, Book, Command, Deny, Intend, Outcome
from mpm_host.payments.call_refusals import note_failure, note_refusal, refusal_verdict
from mpm_host.payments.payment_notices import PaymentNotices
from mpm_host.payments.payment_records import PaymentKeys, PaymentRecord, find_payments
from mpm_host.payments.plugin_objections import PluginObjections
from mpm_host.payments.quotes import Quoted, QuoteQuestion, Quoter
from mpm_host.resources import Resources

__all__ = ["PaymentDesk"]

_LOG = structlog.get_logger(__name__)
_UNAVAILABLE = Reply(status=503, content_type="text/plain; charset=utf-8", body=b"unavailable")


def _note_nothing(*_what: object) -> None:
    """Count nothing."""


class PaymentDesk:
    """Answers validations, processes and enquiries of every telecom.

    Args:
        resources: of the installation.
        wake: called after a commit that left work for the workers.
        note_delivery: takes a gateway's report about a message of a company.
        patience: seconds a telecom waits for the database before it is told to ask again; what is
            under way goes on and is found when it asks.
        note_call: counts an answered call: of whom, what it asked, the decision, seconds.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        wake: Callable[[], None],
        note_delivery: Callable[[str, DeliveryReport], None],
        patience: float = 5.0,
        note_call: Callable[[InstanceRecord, str, Decision, float], None] = _note_nothing,
    ) -> None:
        self._resources = resources
        self._note_call = note_call
        self._patience = patience
        self._note_delivery = note_delivery
        self._wake = wake
        self._writer: GroupCommit[Command, Outcome] = GroupCommit(
            resources.engines.write,
            Book(vault=resources.vault, clock=resources.clock, directory=resources.directory),
            name="booking",
        )
        self._reader: GroupCommit[QuoteQuestion, Quoted] = GroupCommit(
            resources.engines.read,
            Quoter(clock=resources.clock, directory=resources.directory),
            name="quotes",
        )
        self._objections = PluginObjections(resources)
        self._notices = PaymentNotices(
            engines=resources.engines,
            clock=resources.clock,
            actions=PaymentActions(vault=resources.vault, directory=resources.directory),
            submit=self._writer.submit,
            wake=wake,
        )

    def submit(self, command: Command) -> Future[Outcome]:
        """Have something booked that no telecom's call is about.

        Raises:
            TooManyWaitingError: nothing will be booked.
        """
        return self._writer.submit(command)

    def close(self) -> None:
        """Answer what waits, then stop."""
        self._reader.close()
        self._writer.close()

    async def answer(
        self, instance: InstanceRecord, call: InboundCall, correlation_id: str
    ) -> Reply:
        """Answer one inbound call in the protocol's own words; never raises."""
        inbound = _Inbound(
            plugins=self._resources.plugins_of(instance.company_id),
            instance=instance,
            call=call,
            correlation_id=correlation_id,
        )
        request: ProviderRequest | None = None
        began = time.monotonic()
        try:
            request = inbound.read()
            async with asyncio.timeout(self._patience):
                verdict, stored = await self._decide(inbound, request)
        except CallRefused as refusal:
            verdict, stored = refusal_verdict(refusal), None
            note_refusal(inbound.log, call, verdict, company=self._slug(instance))
        except Exception as error:  # noqa: BLE001 - whatever failed, the telecom may ask again
            note_failure(inbound.log, error, instance, company=self._slug(instance))
            verdict, stored = _unavailable(), None
        seconds, kind = time.monotonic() - began, _kind_of(request)
        self._note_call(instance, kind, verdict.decision, seconds)
        inbound.log.info(
            "call_answered",
            company=self._slug(instance),
            kind=kind,
            seconds=round(seconds, 4),
            path=call.path,
            source=call.source,
            decision=verdict.decision.value,
            reason=str(verdict.reason),
            number=verdict.number,
        )
        reply = stored or _write_or_unavailable(inbound, request, verdict)
        crash_point(CrashPoint.REPLY_DECIDED)
        return reply

    def busy_seconds(self) -> float:
        """Return for how long the batch being booked has been under way."""
        return self._writer.busy_seconds()

    @property
    def is_alive(self) -> bool:
        """Tell whether it can still book and quote."""
        return self._writer.is_alive and self._reader.is_alive

    def wrote_lately(self) -> bool:
        """Tell whether something was booked a moment ago."""
        return self._writer.succeeded_lately()

    def _slug(self, instance: InstanceRecord) -> str:
        record = self._resources.directory().companies.get(instance.company_id)
        return record.company.slug if record else ""

    async def _decide(
        self, inbound: _Inbound, request: ProviderRequest
    ) -> tuple[Verdict, Reply | None]:
        match request:
            case ValidationRequest():
                return await self._validate(inbound, request), None
            case ProcessRequest():
                return await self._process(inbound, request)
            case EnquiryRequest():
                return await self._enquire(inbound.instance, request), None
            case DeliveryReport():
                company_id = inbound.instance.company_id
                await asyncio.to_thread(self._note_delivery, company_id, request)
                return Verdict(decision=Decision.NOTED), None
            case NoticeRequest():
                return await self._notices.hear(inbound.instance, request), None
            case Heartbeat():
                return Verdict(decision=Decision.NOTED), None

    # --- validate ------------------------------------------------------------

    async def _validate(self, inbound: _Inbound, request: ValidationRequest) -> Verdict:
        quoted = await self._quote(inbound.instance, request)
        objection = quoted.objection or await self._ask_plugins(inbound, request, quoted)
        intend = Intend(
            instance=inbound.instance,
            request=request,
            objection=objection,
            device_kind=quoted.device_kind,
        )
        outcome = await asyncio.wrap_future(self._writer.submit(intend))
        crash_point(CrashPoint.VALIDATION_STORED)
        return _verdict(outcome)

    async def _quote(self, instance: InstanceRecord, request: ValidationRequest) -> Quoted:
        if not instance.takes_new_work:
            return Quoted(
                objection=Objection(
                    code=ReasonCode.PLUGIN_NOT_ENABLED,
                    message="This way of paying is switched off; nothing was taken.",
                )
            )
        question = QuoteQuestion(instance=instance, request=request)
        return await asyncio.wrap_future(self._reader.submit(question))

    async def _ask_plugins(
        self, inbound: _Inbound, request: ValidationRequest, quoted: Quoted
    ) -> Objection | None:
        """Let every enabled instance object, in a thread: the device is read first."""
        names = self._objections.askable(inbound.instance, quoted)
        if not names:
            return None
        return await asyncio.to_thread(
            self._objections.ask,
            names,
            inbound.instance,
            request,
            quoted,
            correlation_id=inbound.correlation_id,
        )

    # --- process -------------------------------------------------------------

    async def _process(
        self, inbound: _Inbound, request: ProcessRequest
    ) -> tuple[Verdict, Reply | None]:
        """Book. The *accepted* reply is encoded first: what cannot be said is not booked."""
        accepted = Verdict(decision=Decision.ACCEPTED, number=request.number)
        reply = inbound.write(request, accepted)
        command = Accept(instance=inbound.instance, request=request, reply=reply)
        outcome = await asyncio.wrap_future(self._writer.submit(command))
        if outcome.has_work:
            self._wake()
        if outcome.decision is Decision.ACCEPTED:
            # a payment that came by a push has no reply of its own, and this is what any would say
            return _verdict(outcome), outcome.reply or reply
        return _verdict(outcome), None

    # --- enquire -------------------------------------------------------------

    async def _enquire(self, instance: InstanceRecord, request: EnquiryRequest) -> Verdict:
        deny = Deny(instance=instance, request=request)
        record = await asyncio.to_thread(self._find, deny.keys)
        if record is not None and (record.status.is_booked or not request.final):
            if record.status is PaymentStatus.UNKNOWN:
                await asyncio.to_thread(self._look_after, record.id)
            return _found(record)
        if not request.final:
            return Verdict(decision=Decision.NOT_FOUND, reason=ReasonCode.UNKNOWN_REFERENCE)
        return _verdict(await asyncio.wrap_future(self._writer.submit(deny)))

    def _look_after(self, payment_id: str) -> None:
        if look_after(self._resources.engines, payment_id, self._resources.clock()):
            self._wake()

    def _find(self, keys: PaymentKeys) -> PaymentRecord | None:
        with self._resources.engines.read.connect() as connection:
            return find_payments(connection, [keys], lock=False).asked_about(keys)


@attrs.frozen(kw_only=True)
class _Inbound:
    """One inbound call with who it is for: what every step of answering it needs."""

    plugins: CompanyPlugins
    instance: InstanceRecord
    call: InboundCall
    correlation_id: str

    @property
    def log(self) -> structlog.stdlib.BoundLogger:
        """Log lines of this call carry its instance and correlation id."""
        bound: structlog.stdlib.BoundLogger = _LOG.bind(
            instance=self.instance.name, correlation_id=self.correlation_id
        )
        return bound

    def read(self) -> ProviderRequest:
        """Let the plugin authenticate and decode the call."""
        return self.plugins.read_call(
            self.instance.name, self.call, correlation_id=self.correlation_id
        )

    def write(self, request: ProviderRequest | None, verdict: Verdict) -> Reply:
        """Let the plugin encode our answer."""
        return self.plugins.write_reply(
            self.instance.name, self.call, request, verdict, correlation_id=self.correlation_id
        )


def _write_or_unavailable(
    inbound: _Inbound, request: ProviderRequest | None, verdict: Verdict
) -> Reply:
    try:
        return inbound.write(request, verdict)
    except MpmError:
        return _UNAVAILABLE  # logged by the dispatch; the telecom asks again


def _kind_of(request: object) -> str:
    """Name what a call asks, for logs and counters: *unread* for one that could not be read."""
    name = "unread" if request is None else type(request).__name__
    return name.removesuffix("Request").lower()


def _found(record: PaymentRecord) -> Verdict:
    return Verdict(
        decision=Decision.FOUND,
        reason=record.reason,
        message=record.message,
        number=record.number,
        payment=record.facts(),
    )


def _verdict(outcome: Outcome) -> Verdict:
    record = outcome.payment
    return Verdict(
        decision=outcome.decision,
        reason=outcome.reason,
        message=outcome.message,
        number=record.number if record else None,
        payment=record.facts() if record else None,
    )


def _unavailable() -> Verdict:
    return Verdict(decision=Decision.UNAVAILABLE, message="We cannot answer now; please ask again.")
