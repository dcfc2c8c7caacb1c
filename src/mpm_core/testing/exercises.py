"""Everything a plugin can do, done once: for rules about how it behaves while it does it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from mpm_core.manifest import PluginKind
from mpm_core.money import Money
from mpm_core.orders import ChargeKind
from mpm_core.payments import (
    Decision,
    EnquiryRequest,
    PaymentFacts,
    PaymentStatus,
    ReasonCode,
    Verdict,
)
from mpm_core.simulation import SimulatedReply
from mpm_core.simulation.faults import ANSWER_FAULTS, UNPROCESSED_FAULTS
from mpm_core.testing.conversations import Conversation, example_payment
from mpm_core.testing.deeds import Deed, Prompting, Sending
from mpm_core.testing.front import Spoil, WireFault
from mpm_core.testing.purchases import Purchase, States, device_of
from mpm_core.testing.samples import report_arguments
from mpm_core.testing.stages import Outcome, Stage

__all__ = ["exercise", "exercise_with_faults"]

_FAULTS = ("html", "error_500", "malformed_json")


def exercise(stage: Stage) -> Iterator[Outcome]:
    """Call every hook that a host would call, with good luck at the vendor."""
    if stage.subject.has("mpm_check"):
        yield stage.call("mpm_check")
    match stage.subject.manifest.kind:
        case PluginKind.MANUFACTURER:
            yield from _sell(stage)
        case PluginKind.MESSENGER:
            yield from _deeds(stage, Sending(stage.subject))
        case PluginKind.TELECOM:
            yield from _talk(stage)
            if stage.subject.has("mpm_push_payment"):
                yield from _push(stage)
            if stage.subject.has("mpm_report_payment"):
                yield _report(stage)


def exercise_with_faults(stage: Stage) -> Iterator[Outcome]:
    """Do the same, and then again with answers that cannot be used and vendors that refuse."""
    yield from exercise(stage)
    faults = [
        *(WireFault(spoil=_answering(name)) for name in _FAULTS),
        WireFault(instead=UNPROCESSED_FAULTS["throttled"]),
        WireFault(instead=SimulatedReply(status=401, body=b'{"message":"Unauthorized"}')),
        WireFault(spoil=lambda _reply, request: SimulatedReply(status=400, body=request.body)),
    ]
    stage.front.effects |= {stage.front.effect_of(one.request) for one in stage.front.exchanges}
    for fault in faults:
        stage.front.play(fault)
        yield from exercise(stage)
    stage.front.stop()


def _answering(fault: str) -> Spoil:
    spoil = ANSWER_FAULTS[fault]
    return lambda reply, _request: spoil(reply)


# --- manufacturers --------------------------------------------------------------------------------


def _sell(stage: Stage) -> Iterator[Outcome]:
    subject = stage.subject
    states: States = {}
    unknown = stage.subject.serial[::-1]
    for kind in subject.sellable[:1]:
        yield Purchase(subject=subject, serial=unknown, kind=kind).try_once(stage, {})
    stage.deliver(subject.serial)
    for kind in subject.manifest.operations:
        purchase = Purchase(subject=subject, serial=subject.serial, kind=kind)
        yield purchase.try_once(stage, states)
        if subject.has("mpm_find_token") and kind is not ChargeKind.CLEAR:
            yield purchase.find(stage, states)
    yield from _maintain(stage)


def _maintain(stage: Stage) -> Iterator[Outcome]:
    subject = stage.subject
    device = device_of(subject, subject.serial)
    for hook in ("mpm_register_device", "mpm_read_device"):
        if subject.has(hook):
            yield stage.call(hook, device=device)
    if subject.has("mpm_switch_device"):
        order = Purchase(subject=subject, serial=subject.serial, kind=ChargeKind.UNLOCK)
        yield stage.call("mpm_switch_device", device=device, on=True, order=order.order(stage))


def _deeds(stage: Stage, deed: Deed) -> Iterator[Outcome]:
    deed.prepare(stage)
    for _ in range(2):
        yield deed.do(stage)


# --- telecoms -------------------------------------------------------------------------------------


def _talk(stage: Stage) -> Iterator[Outcome]:
    """Read each call, genuine and spoilt, and write answers to it."""
    talk = Conversation(stage=stage, payment=example_payment(stage.subject))
    made = stage.subject.telecom_calls
    calls = []
    if "validate" in made:
        calls.append(talk.validation())
    if "process" in made:
        calls.append(talk.process())
    if "enquiry" in made:
        calls.append(talk.enquiry())
    for call in calls:
        outcome = talk.read(call)
        yield outcome
        for verdict in _verdicts(stage, outcome.answer):
            yield stage.call("mpm_write_reply", call=call, request=outcome.answer, verdict=verdict)
        for body in (b"", b"{}", call.body[:-3], call.body.replace(b"0", b"x")):
            yield talk.read(attrs.evolve(call, body=body))
        yield talk.read(attrs.evolve(call, headers={}))
        yield talk.read(attrs.evolve(call, path="no/such/path"))


def _verdicts(stage: Stage, request: object) -> Iterator[Verdict]:
    amount = Money.parse("1000", stage.subject.currency)
    facts = PaymentFacts(status=PaymentStatus.SETTLED, amount=amount, serial=stage.subject.serial)
    if isinstance(request, EnquiryRequest):
        yield Verdict(decision=Decision.FOUND, number=17, payment=facts)
    yield Verdict(decision=Decision.ACCEPTED, number=17)
    yield Verdict(decision=Decision.REJECTED, reason=ReasonCode.UNKNOWN_SERIAL)
    yield Verdict(decision=Decision.UNAVAILABLE)


def _push(stage: Stage) -> Iterator[Outcome]:
    prompting = Prompting(stage.subject)
    yield prompting.do(stage)
    if stage.subject.has("mpm_query_payment"):
        yield stage.call("mpm_query_payment", push=prompting.push())


def _report(stage: Stage) -> Outcome:
    return stage.call("mpm_report_payment", **report_arguments(stage.subject))
