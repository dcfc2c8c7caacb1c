"""What a telecom hears from us: T-20 to T-29."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from mpm_core.calls import InboundCall, Reply
from mpm_core.payments import (
    Decision,
    EnquiryRequest,
    PaymentFacts,
    PaymentStatus,
    ProcessRequest,
    ReasonCode,
    ValidationRequest,
    Verdict,
)
from mpm_core.testing.cases import Case
from mpm_core.testing.conversations import Conversation, example_payment, simulated
from mpm_core.testing.reading_rules import calls_of, makes
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import Stage, open_stage

__all__ = ["BOOK"]

BOOK = RuleBook()
_TELECOMS = "telecoms whose simulator makes process calls"
_THEN = datetime(2026, 1, 8, 12, 0, tzinfo=UTC)
_BOOKED = tuple(status for status in PaymentStatus if status.is_booked)
_UNPAID = (PaymentStatus.DENIED, PaymentStatus.REVERSED)
_NO_TO_PROCESS = (Decision.REJECTED, Decision.CONFLICT, Decision.NOT_FOUND)
_MAYBE = (Decision.UNAVAILABLE, Decision.FOUND, Decision.NOTED)


def _talk(stage: Stage) -> Conversation:
    return Conversation(stage=stage, payment=example_payment(stage.subject))


def _facts(stage: Stage, status: PaymentStatus) -> PaymentFacts:
    payment = example_payment(stage.subject)
    return PaymentFacts(
        status=status,
        amount=payment.amount,
        serial=payment.serial,
        device_kind="meter",
        reference=payment.reference,
        accepted_at=stage.now,
        settled_at=stage.now if status is PaymentStatus.SETTLED else None,
    )


def _every_verdict(stage: Stage) -> Iterator[Verdict]:
    for decision, reason in itertools.product(Decision, ("", *ReasonCode, "acme_blocked")):
        yield Verdict(decision=decision, reason=reason, message='A sentence <with> "marks" & é.')
    for status in PaymentStatus:
        yield Verdict(decision=Decision.FOUND, number=17, payment=_facts(stage, status))
    yield Verdict(decision=Decision.MALFORMED, fields=("AMOUNT", "b<&>"))
    for number in (None, 1, 10**15):
        yield Verdict(decision=Decision.VALIDATED, number=number)


def _every_request(talk: Conversation) -> Sequence[tuple[InboundCall, object]]:
    found: list[tuple[InboundCall, object]] = []
    for _, call in calls_of(talk):
        found += [(call, talk.read(call).answer), (call, None)]
    return found


@BOOK.rule(
    "T-20",
    "there is an answer to everything, the same every time",
    promise="For every decision, reason, status and request, read or unread, `mpm_write_reply` "
    "writes a reply with an HTTP status; a new instance, a minute later, writes the same bytes.",
    remedy="a total match with a last case that says *still working*; no clock, no random, no "
    "counter.",
    applies=makes("process"),
    when=_TELECOMS,
)
def _total(case: Case) -> None:
    with open_stage(case) as stage:
        talk = _talk(stage)
        requests = _every_request(talk)
        first = [_write_all(talk, stage, *one) for one in requests]
        stage.restart()
        stage.now += timedelta(minutes=1)
        again = [_write_all(talk, stage, *one) for one in requests]
    if first != again:
        raise RuleBroken("the same verdict was written in other bytes when it was written again.")


def _write_all(talk: Conversation, stage: Stage, call: InboundCall, request: object) -> list[Reply]:
    replies = [talk.reply(call, request, _unstamped(verdict)) for verdict in _every_verdict(stage)]
    for reply in replies:
        if not 200 <= reply.status < 600 or not reply.content_type:  # noqa: PLR2004 - HTTP statuses
            raise RuleBroken(f"a reply has status {reply.status} and type {reply.content_type!r}.")
    return replies


def _unstamped(verdict: Verdict) -> Verdict:
    """Give a verdict a fixed time, so that two are equal."""
    if verdict.payment is None:
        return verdict
    settled = _THEN if verdict.payment.settled_at else None
    return attrs.evolve(
        verdict, payment=attrs.evolve(verdict.payment, accepted_at=_THEN, settled_at=settled)
    )


@BOOK.rule(
    "T-21",
    "an unknown decision is never a no",
    promise="Asked to process, the answer to a decision that is neither yes nor no (*unavailable*, "
    "or one a newer core has) differs from every no: a telecom gives money back on a no.",
    remedy="a last case that makes the telecom ask again, such as HTTP 503.",
    applies=makes("process"),
    when=_TELECOMS,
)
def _maybe_is_no_no(case: Case) -> None:
    with open_stage(case) as stage:
        talk = _talk(stage)
        call = talk.process()
        request = talk.read_well(call, ProcessRequest)
        noes = {
            decision: _essence(talk.reply(call, request, Verdict(decision=decision)))
            for decision in _NO_TO_PROCESS
        }
        for decision in _MAYBE:
            for asked in (request, None):
                reply = _essence(talk.reply(call, asked, Verdict(decision=decision)))
                same = [no for no, text in noes.items() if text == reply]
                if same:
                    raise RuleBroken(f"{decision} is answered to a process call like {same[0]}.")


def _essence(reply: Reply) -> tuple[int, bytes]:
    return reply.status, reply.body


@BOOK.rule(
    "T-22",
    "yes and no cannot be confused",
    promise="Asked to process, *accepted* is answered differently from every other decision.",
    remedy="one word of the protocol for booked, and for nothing else.",
    applies=makes("process"),
    when=_TELECOMS,
)
def _yes_is_yes(case: Case) -> None:
    with open_stage(case) as stage:
        talk = _talk(stage)
        call = talk.process()
        request = talk.read_well(call, ProcessRequest)
        yes = _essence(
            talk.reply(call, request, Verdict(decision=Decision.ACCEPTED, number=talk.number))
        )
        for decision in set(Decision) - {Decision.ACCEPTED}:
            verdict = Verdict(
                decision=decision,
                number=talk.number,
                payment=_facts(stage, PaymentStatus.SETTLED),
                reason=ReasonCode.AMOUNT_INVALID,
            )
            if _essence(talk.reply(call, request, verdict)) == yes:
                raise RuleBroken(f"{decision} is answered to a process call like accepted.")


@BOOK.rule(
    "T-23",
    "an accepted reply depends on the request alone",
    promise="The reply to *accepted* is stored before the payment is booked: it is the same "
    "without number, without payment and at any time.",
    remedy="write it from the request; take nothing from verdict.number or verdict.payment.",
    applies=makes("process"),
    when=_TELECOMS,
)
def _accepted_alone(case: Case) -> None:
    with open_stage(case) as stage:
        talk = _talk(stage)
        call = talk.process()
        request = talk.read_well(call, ProcessRequest)
        replies = []
        for number, status in ((None, None), (17, None), (99, PaymentStatus.SETTLED)):
            facts = None if status is None else _facts(stage, status)
            verdict = Verdict(decision=Decision.ACCEPTED, number=number, payment=facts)
            replies.append(_essence(talk.reply(call, request, verdict)))
            stage.now += timedelta(hours=1)
    if len(set(replies)) > 1:
        raise RuleBroken("the accepted reply changes with number, payment or time.")


@BOOK.rule(
    "T-24",
    "the telecom goes on after our yes, and only then",
    promise="After *validated* the simulated telecom reports the payment; after *rejected* "
    "for every reason, *conflict*, *malformed*, *unauthenticated*, *stale* and "
    "*unavailable* it does not: no money moves that we did not allow.",
    remedy="the protocol's word for *may be paid* for Decision.VALIDATED alone.",
    applies=makes("validate"),
    when="telecoms whose simulator makes validation calls",
)
def _goes_on(case: Case) -> None:
    with open_stage(case) as stage:
        talk = _talk(stage)
        call = talk.validation()
        request = talk.read_well(call, ValidationRequest)
        yes = Verdict(decision=Decision.VALIDATED, number=talk.number)
        if talk.process_or_nothing(simulated(talk.reply(call, request, yes))) is None:
            raise RuleBroken("the telecom takes our yes for a no.")
        noes = [
            Verdict(decision=decision, reason=reason, message="Not possible.", number=talk.number)
            for decision in set(Decision) - {Decision.VALIDATED, Decision.ACCEPTED, Decision.FOUND}
            for reason in (ReasonCode if decision is Decision.REJECTED else ("",))
        ]
        for verdict in noes:
            reply = simulated(talk.reply(call, request, verdict))
            if talk.process_or_nothing(reply) is not None:
                raise RuleBroken(
                    f"the telecom takes {verdict.decision} {verdict.reason} for a yes."
                )


@BOOK.rule(
    "T-25",
    "a booked payment never looks unpaid to an enquiry",
    promise="Asked what became of a payment, each status that is booked (token pending, unknown, "
    "held, unmatched, settled) is answered differently from *not found*, *denied* and *reversed*; "
    "*unavailable* is too.",
    remedy="PaymentStatus.is_booked decides; *still working* for everything unclear.",
    applies=makes("process", "enquiry"),
    when="telecoms whose simulator makes enquiries",
)
def _booked_is_booked(case: Case) -> None:
    with open_stage(case) as stage:
        talk = _talk(stage)
        call = talk.enquiry()
        request = talk.read_well(call, EnquiryRequest)
        unpaid = {
            "not_found": _essence(talk.reply(call, request, Verdict(decision=Decision.NOT_FOUND)))
        }
        for status in _UNPAID:
            verdict = Verdict(decision=Decision.FOUND, payment=_facts(stage, status))
            unpaid[str(status)] = _essence(talk.reply(call, request, verdict))
        answers = {
            str(status): Verdict(decision=Decision.FOUND, number=17, payment=_facts(stage, status))
            for status in _BOOKED
        } | {"unavailable": Verdict(decision=Decision.UNAVAILABLE)}
        for name, verdict in answers.items():
            reply = _essence(talk.reply(call, request, verdict))
            same = [other for other, text in unpaid.items() if text == reply]
            if same:
                raise RuleBroken(f"{name} is answered to an enquiry like {same[0]}.")


@BOOK.rule(
    "T-26",
    "a stranger learns nothing",
    promise="The reply to *unauthenticated* is the same whatever was asked and whatever we "
    "know, and differs from *accepted*.",
    remedy="a fixed answer for Decision.UNAUTHENTICATED.",
    applies=makes("process"),
    when=_TELECOMS,
)
def _strangers(case: Case) -> None:
    with open_stage(case) as stage:
        talk = _talk(stage)
        for name, call in calls_of(talk):
            verdicts = [
                Verdict(decision=Decision.UNAUTHENTICATED),
                Verdict(decision=Decision.UNAUTHENTICATED, reason="secret", message="a detail"),
                Verdict(
                    decision=Decision.UNAUTHENTICATED,
                    number=17,
                    payment=_facts(stage, PaymentStatus.SETTLED),
                ),
            ]
            replies = {_essence(talk.reply(call, None, verdict)) for verdict in verdicts}
            if len(replies) > 1:
                raise RuleBroken(f"what a stranger hears to a {name} depends on what we know.")
