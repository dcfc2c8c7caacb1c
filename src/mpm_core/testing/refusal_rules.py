"""Which of a telecom's calls are refused, and in which words, T-07 to T-14."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs
from hypothesis import strategies as st

from mpm_core.calls import InboundCall
from mpm_core.errors import CallRefused, Malformed, Unauthenticated
from mpm_core.money import Money
from mpm_core.payments import (
    ProcessRequest,
)
from mpm_core.simulation import SimulatedPayment
from mpm_core.testing.cases import Case
from mpm_core.testing.conversations import (
    Conversation,
    example_payment,
)
from mpm_core.testing.credentials import has_secrets, wrong_secrets
from mpm_core.testing.reading_rules import calls_of, makes
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import Outcome, open_stage
from mpm_core.testing.truth import expect_sound

__all__ = ["BOOK"]

BOOK = RuleBook()
_MUST_REFUSE = (
    "wrong_secret",
    "alg_none",
    "expired_jwt",
    "wrong_txn_id",
    "doctype_body",
    "malformed",
    "repeated_key",
)
# told by the telecom itself, so its signature is good: the dinar has three decimals
_BAD_MONEY = ((-7_351_900, "TZS"), (73_519_001, "KWD"), (10**20, "TZS"))
_BAD_TEXTS = (
    "7e4",
    "NaN",
    "Infinity",
    "1" + "0" * 18,
    "73,519",
    "\uff17\uff13\uff15\uff11\uff19",
    "0x11",
)


@BOOK.rule(
    "T-07",
    "a caller with the wrong secret is turned away",
    promise="Calls signed with other secrets than the instance has are `Unauthenticated`, "
    "every one of them, with the same words, and before anything of the body is "
    "believed.",
    remedy="check the proof first, with Secret.matches or hmac.compare_digest, and raise "
    "Unauthenticated without saying what was wrong.",
    applies=lambda subject: makes("process")(subject) and has_secrets(subject),
    when="telecoms with a secret setting",
)
def _turns_strangers_away(case: Case) -> None:
    with open_stage(case) as ours, open_stage(case, changes=wrong_secrets(case.subject)) as theirs:
        stranger = Conversation(stage=theirs, payment=example_payment(case.subject))
        words = set()
        for name, call in calls_of(stranger):
            for spoilt in (call, attrs.evolve(call, body=call.body[:-1])):
                outcome = ours.call("mpm_read_call", call=spoilt)
                if not isinstance(outcome.error, Unauthenticated):
                    raise RuleBroken(f"a {name} with the wrong secret was read as {outcome}.")
                words.add(str(outcome.error))
    if len(words) > 1:
        raise RuleBroken("strangers are turned away in different words.")


@BOOK.rule(
    "T-08",
    "a caller without any proof is turned away",
    promise="Genuine calls without their headers and with an empty body are refused, never read.",
    remedy="require the proof; treat a missing one like a wrong one.",
    applies=lambda subject: makes("process")(subject) and has_secrets(subject),
    when="telecoms with a secret setting",
)
def _requires_proof(case: Case) -> None:
    with open_stage(case) as stage:
        talk = Conversation(stage=stage, payment=example_payment(case.subject))
        for name, call in calls_of(talk):
            bare = attrs.evolve(call, headers={})
            outcomes = [talk.read(attrs.evolve(bare, body=b""))]
            if call.headers.get("authorization") or any(
                "sign" in header for header in call.headers
            ):
                outcomes.append(talk.read(bare))
            for outcome in outcomes:
                if not isinstance(outcome.error, CallRefused):
                    raise RuleBroken(f"a {name} without any proof was read as {outcome}.")


@BOOK.rule(
    "T-09",
    "garbage is refused in the contract's words",
    promise="Any bytes as body, any path, cut and changed calls: `Unauthenticated`, `Malformed`, "
    "`Stale` or an honest request, never another error; and never a whole value in a message.",
    remedy="raise Malformed(message, fields) for everything that cannot be read.",
    applies=makes("process"),
    when="telecoms whose simulator makes process calls",
)
def _refuses_garbage(case: Case) -> None:
    with open_stage(case) as stage:
        talk = Conversation(stage=stage, payment=example_payment(case.subject))
        calls = [call for _, call in calls_of(talk)]

        def check(example: tuple[InboundCall, Callable[[bytes], bytes]]) -> None:
            call, spoil = example
            outcome = talk.read(attrs.evolve(call, body=spoil(call.body)))
            expect_sound(outcome, "When a call was garbage")

        case.holds(st.tuples(st.sampled_from(calls), _spoilings()), check, examples=120)
        for path in ("", "no/such/path", "../c2b", "%00"):
            outcome = talk.read(attrs.evolve(calls[0], path=path))
            if not isinstance(outcome.error, Malformed | Unauthenticated):
                raise RuleBroken(f"a call to the path {path!r} was read as {outcome}.")


def _spoilings() -> st.SearchStrategy[Callable[[bytes], bytes]]:
    """Return ways to spoil a body: replaced, cut, with bytes changed, doubled or put in."""
    odd = st.sampled_from(
        [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"a":' * 3000, b"<a>" * 3000, b"\x00" * 100]
    )

    def changed(place: int, new: bytes) -> Callable[[bytes], bytes]:
        return lambda body: (
            body[: place % (len(body) + 1)] + new + body[place % (len(body) + 1) + 1 :]
        )

    def replaced(new: bytes) -> Callable[[bytes], bytes]:
        return lambda _body: new

    return st.one_of(
        odd.map(replaced),
        st.binary(max_size=40).map(replaced),
        st.builds(changed, st.integers(0, 500), st.binary(max_size=4)),
    )


@BOOK.rule(
    "T-10",
    "an amount that is none is refused",
    promise="Negative, with an exponent, finer than the currency, not a number, infinite, far too "
    "large, with separators, in other digits: the call is refused, whatever the parser would make "
    "of it.",
    remedy="match the text with re.ASCII against [0-9]+(\\.[0-9]+)? before Money.parse.",
    applies=makes("validate"),
    when="telecoms whose simulator makes validation calls",
)
def _refuses_amounts(case: Case) -> None:
    with open_stage(case) as stage:
        for minor, currency in _BAD_MONEY:
            payment = example_payment(case.subject, amount=Money(minor, currency))
            talk = Conversation(stage=stage, payment=payment)
            _check_amount_refused(talk, talk.validation(), str(payment.amount))
        amount = Money.parse("73519", case.subject.currency)
        talk = Conversation(stage=stage, payment=example_payment(case.subject, amount=amount))
        call = talk.validation()
        for text in _BAD_TEXTS if b"73519" in call.body else ():
            spoilt = call.body.replace(b"73519", text.encode())
            _check_amount_refused(talk, attrs.evolve(call, body=spoilt), text)


def _check_amount_refused(talk: Conversation, call: InboundCall, text: str) -> None:
    outcome = talk.read(call)
    expect_sound(outcome, f"When the amount was {text!r}")
    if not isinstance(outcome.error, CallRefused):
        raise RuleBroken(f"the amount {text!r} was read as {_amount_of(outcome)}.")


def _amount_of(outcome: Outcome) -> object:
    return getattr(outcome.answer, "amount", outcome)


@BOOK.rule(
    "T-11",
    "a refusal names the fields and none of their values",
    promise="A call whose amount cannot be read is `Malformed` with `fields` as the wire "
    "names them, where its proof does not cover the body; its message repeats neither "
    "phone number nor serial.",
    remedy='raise Malformed("AMOUNT is no amount in TZS", ("AMOUNT",)).',
    applies=makes("validate"),
    when="telecoms whose simulator makes validation calls",
)
def _names_fields(case: Case) -> None:
    amount = Money.parse("73519", case.subject.currency)
    payment = example_payment(case.subject, amount=amount)
    with open_stage(case) as stage:
        talk = Conversation(stage=stage, payment=payment)
        call = talk.validation()
        spoilt = call.body.replace(b"73519", b'x"<>&-1')
        outcomes = [
            talk.read(attrs.evolve(call, body=body))
            for body in (
                call.body.replace(b"73519", b"-73519"),
                spoilt,
                call.body[:-2],
            )
        ]
    for outcome in outcomes:
        if payment.msisdn[3:] in str(outcome.error) or payment.serial in str(outcome.error):
            raise RuleBroken("the refusal repeats a value of the call.")
    error = outcomes[0].error
    if isinstance(error, Malformed) and not error.fields:
        raise RuleBroken(f"the refusal {str(error)!r} names no field.")


@BOOK.rule(
    "T-12",
    "every fault of the simulated telecom is met",
    promise="Each fault the simulator declares ends in a refusal or an honest request, never "
    "in another error; wrong secrets, forged and expired proofs, document types and "
    "doubled members are refused; a changed amount is read as it was sent, so that "
    "the host sees the conflict.",
    remedy="check proof and form strictly, and hand on what the call says.",
    applies=makes("validate", "process"),
    when="telecoms whose simulator makes validation and process calls",
)
def _declared_faults(case: Case) -> None:
    for fault in case.subject.simulator().faults():
        with open_stage(case) as stage:
            talk = Conversation(stage=stage, payment=example_payment(case.subject))
            yes = talk.yes()
            stage.simulator.set_fault(fault)
            _check_fault(talk.read(talk.validation()), "validation", fault)
            process = talk.read(talk.process(yes))
            _check_fault(process, "process call", fault)
            if fault == "amount_changed":
                _check_changed(process, talk.payment)


def _check_fault(outcome: Outcome, name: str, fault: str) -> None:
    expect_sound(outcome, f"Under the simulator's fault {fault!r}")
    if fault in _MUST_REFUSE and not isinstance(outcome.error, CallRefused):
        raise RuleBroken(f"a {name} under the fault {fault!r} was read as {outcome}.")


def _check_changed(outcome: Outcome, payment: SimulatedPayment) -> None:
    amount = getattr(outcome.answer, "amount", None)
    if amount == payment.amount:
        raise RuleBroken("an amount that was changed is read as it was before.")


@BOOK.rule(
    "T-13",
    "one company's calls are not another's",
    promise="Two companies with secrets of their own: each reads its own calls, and turns away the "
    "other's.",
    remedy="keep settings and keys in the instance (self), never in the class or module.",
    applies=lambda subject: makes("process")(subject) and has_secrets(subject),
    when="telecoms with a secret setting",
)
def _separate_companies(case: Case) -> None:
    with (
        open_stage(case) as first,
        open_stage(case, slug="solaris", changes=wrong_secrets(case.subject)) as second,
    ):
        talks = [
            Conversation(stage=stage, payment=example_payment(case.subject))
            for stage in (first, second)
        ]
        for _ in range(2):
            for own, other in (talks, reversed(talks)):
                call = own.process()
                own.read_well(call, ProcessRequest)
                if not isinstance(other.read(call).error, Unauthenticated):
                    raise RuleBroken("one company's call was read by another company's instance.")


@BOOK.rule(
    "T-14",
    "reading depends on the host's clock only",
    promise="A year later a genuine call is `Stale`, `Unauthenticated` or read the same; a second "
    "later it is read the same.",
    remedy="compare times with context.now.",
    applies=makes("process"),
    when="telecoms whose simulator makes process calls",
)
def _reads_by_the_hosts_clock(case: Case) -> None:
    with open_stage(case) as stage:
        talk = Conversation(stage=stage, payment=example_payment(case.subject))
        call = talk.process()
        now = talk.read(call)
        stage.now += timedelta(seconds=1)
        soon = talk.read(call)
        stage.now += timedelta(days=365)
        late = talk.read(call)
    expect_sound(late, "A year later")
    if soon.answer != now.answer or (late.error is None and late.answer != now.answer):
        raise RuleBroken("a call is read differently a moment later.")
