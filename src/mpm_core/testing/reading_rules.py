"""What a telecom's calls are read as: T-01 to T-19."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import attrs
from hypothesis import strategies as st

from mpm_core.calls import InboundCall
from mpm_core.errors import CallRefused, Malformed, Unauthenticated
from mpm_core.manifest import PluginKind
from mpm_core.money import Money
from mpm_core.payments import (
    EnquiryRequest,
    ProcessRequest,
    ValidationRequest,
)
from mpm_core.simulation import SimulatedPayment
from mpm_core.testing.cases import Case
from mpm_core.testing.conversations import (
    Conversation,
    example_payment,
    phone_spellings,
    smallest_step,
)
from mpm_core.testing.rules import Applies, RuleBook, RuleBroken
from mpm_core.testing.stages import Outcome, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_sound
from mpm_core.testing.vendor_rules import has_secrets, wrong_secrets

__all__ = ["BOOK", "calls_of", "makes"]

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
_BAD_AMOUNTS = (
    "-73519",
    "7e4",
    "73519.001",
    "NaN",
    "Infinity",
    "1" + "0" * 18,
    "73,519",
    "７３５１９",
    "0x11",
)
_CURRENCIES = ("TZS", "UGX", "KES", "MZN", "ZMW")


def makes(*calls: str) -> Applies:
    """Return a predicate: the simulated telecom makes all these calls."""

    def applies(subject: Subject) -> bool:
        is_telecom = subject.manifest.kind is PluginKind.TELECOM
        return is_telecom and subject.telecom_calls >= set(calls)

    return applies


def payments(case: Case) -> st.SearchStrategy[SimulatedPayment]:
    """Return payments a customer could make, with serials that have leading zeros."""
    subject = case.subject
    step = smallest_step(subject, subject.currency)
    low, high = _limits(subject)
    return st.builds(
        lambda reference, serial, count: example_payment(
            subject,
            reference=reference,
            serial=serial,
            amount=Money(count * step, subject.currency),
        ),
        reference=st.from_regex(r"[A-Z0-9]{8,20}", fullmatch=True),
        serial=st.from_regex(r"[0-9]{5,20}", fullmatch=True),
        count=st.integers(-(-low // step), high // step),
    )


def _limits(subject: Subject) -> tuple[int, int]:
    manifest = subject.manifest
    low, high = manifest.minimum_amount or "1", manifest.maximum_amount or "5000000"
    return tuple(Money.parse(text, subject.currency).minor for text in (low, high))  # type: ignore[return-value]  # two of them


def calls_of(talk: Conversation) -> Sequence[tuple[str, InboundCall]]:
    """Return every call the simulated telecom makes about a payment."""
    made = talk.stage.subject.telecom_calls
    calls: list[tuple[str, InboundCall]] = []
    if "validate" in made:
        calls.append(("validation", talk.validation()))
    if "process" in made:
        calls.append(("process call", talk.process()))
    if "enquiry" in made:
        calls.append(("enquiry", talk.enquiry()))
    return calls


# --- what is read ---------------------------------------------------------------------------------


@BOOK.rule(
    "T-01",
    "a validation says who pays what for which device",
    promise="For any payment the validation is read as a `ValidationRequest` with the serial byte for "
    "byte, the amount exact in the company's currency, the payer, and a reference or an intent by "
    "which the process call finds it.",
    remedy="ValidationRequest(serial=…, amount=Money.parse(text, company.currency), payer="
    "Msisdn.parse(text, company.country), reference=… or intent=…).",
    applies=makes("validate"),
    when="telecoms whose simulator makes validation calls",
)
def _reads_validations(case: Case) -> None:
    with open_stage(case) as stage:

        def check(payment: SimulatedPayment) -> None:
            talk = Conversation(stage=stage, payment=payment)
            request = talk.read_well(talk.validation(), ValidationRequest)
            _same(request.serial, payment.serial, "serial")
            _same(request.amount, payment.amount, "amount")
            if request.payer is None or not request.payer.digits.endswith(payment.msisdn[3:]):
                raise RuleBroken("the payer was read as another number, or not at all.")
            if not (request.reference or request.intent):
                raise RuleBroken("the validation has neither reference nor intent.")

        case.holds(payments(case), check)


def _same(read: object, told: object, name: str) -> None:
    if read != told:
        raise RuleBroken(f"the telecom told the {name} {told!r}, which was read as {read!r}.")


@BOOK.rule(
    "T-02",
    "a process call says which payment it is",
    promise="For any payment the process call is read as a `ProcessRequest` with a reference of its "
    "own, the same every time, another one for another payment; what it carries of serial and amount "
    "is what was validated, and it points back to its validation by reference, intent or number.",
    remedy="ProcessRequest(reference=the provider's own id of the payment, …).",
    applies=makes("process"),
    when="telecoms whose simulator makes process calls",
)
def _reads_processes(case: Case) -> None:
    with open_stage(case) as stage:
        seen: dict[str, str] = {}

        def check(payment: SimulatedPayment) -> None:
            talk = Conversation(stage=stage, payment=payment)
            first = talk.read_well(talk.process(), ProcessRequest)
            again = talk.read_well(talk.process(), ProcessRequest)
            _same(first.serial or payment.serial, payment.serial, "serial")
            _same(first.amount or payment.amount, payment.amount, "amount")
            if not first.reference or first.reference != again.reference:
                raise RuleBroken("the reference of one payment differs when it comes again.")
            if seen.setdefault(first.reference, payment.reference) != payment.reference:
                raise RuleBroken("two payments were read with one reference.")
            if "validate" in case.subject.telecom_calls:
                _check_pointer(talk, first)

        case.holds(payments(case), check)


def _check_pointer(talk: Conversation, process: ProcessRequest) -> None:
    validation = talk.read_well(talk.validation(), ValidationRequest)
    by_reference = process.reference == validation.reference
    by_intent = process.intent is not None and process.intent in {
        validation.intent,
        validation.reference,
    }
    if not (by_reference or by_intent or process.number == talk.number):
        raise RuleBroken("the process call does not point back to its validation.")


@BOOK.rule(
    "T-03",
    "an enquiry says which payment is asked about",
    promise="The enquiry is read as an `EnquiryRequest` with the reference of the process call, or "
    "with the intent or number that point to it.",
    remedy="EnquiryRequest(reference=…, final=True if a no gives the money back).",
    applies=makes("process", "enquiry"),
    when="telecoms whose simulator makes enquiries",
)
def _reads_enquiries(case: Case) -> None:
    with open_stage(case) as stage:

        def check(payment: SimulatedPayment) -> None:
            talk = Conversation(stage=stage, payment=payment)
            process = talk.read_well(talk.process(), ProcessRequest)
            enquiry = talk.read_well(talk.enquiry(), EnquiryRequest)
            pointers = {process.reference, process.intent, process.number} - {None}
            if not {enquiry.reference, enquiry.intent, enquiry.number} & pointers:
                raise RuleBroken("the enquiry does not name the payment of the process call.")

        case.holds(payments(case), check, examples=15)


@BOOK.rule(
    "T-04",
    "a call is read the same whenever and however often it comes",
    promise="The same call, read twice, by a new instance, and after other calls, gives equal "
    "requests.",
    remedy="decode from the call alone; keep nothing of earlier calls in self.",
    applies=makes("process"),
    when="telecoms whose simulator makes process calls",
)
def _reads_the_same(case: Case) -> None:
    with open_stage(case) as stage:
        talks = [
            Conversation(
                stage=stage, payment=example_payment(case.subject, reference=f"KIT{n:010d}")
            )
            for n in range(3)
        ]
        calls = [call for talk in talks for _, call in calls_of(talk)]
        first = [talks[0].read(call).answer for call in calls]
        stage.restart()
        again = [talks[0].read(call).answer for call in reversed(calls)]
    if first != list(reversed(again)):
        raise RuleBroken("a call was read differently when it came again in another order.")


@BOOK.rule(
    "T-05",
    "amounts are exact in the company's currency",
    promise="In currencies with and without decimals, each amount the telecom can send is read to the "
    "last minor unit.",
    remedy="Money.parse(text, runtime.company.currency); never float.",
    applies=makes("validate"),
    when="telecoms whose simulator makes validation calls",
)
def _reads_currencies(case: Case) -> None:
    manifest = case.subject.manifest
    for currency in _CURRENCIES:
        if manifest.currencies and currency not in manifest.currencies:
            continue
        step = smallest_step(case.subject, currency)
        with open_stage(case, currency=currency) as stage:
            for count in (1, 7, 101, 123_457):
                payment = example_payment(
                    case.subject, amount=Money(500_000 + count * step, currency)
                )
                talk = Conversation(stage=stage, payment=payment)
                request = talk.read_well(talk.validation(), ValidationRequest)
                _same(request.amount, payment.amount, "amount")


@BOOK.rule(
    "T-06",
    "one phone is one payer, however it is written",
    promise="With country code, with a plus, with a leading zero and bare, the number is read as the "
    "same payer, or not at all.",
    remedy="Msisdn.parse(text, runtime.company.country).",
    applies=makes("validate"),
    when="telecoms whose simulator makes validation calls",
)
def _reads_phones(case: Case) -> None:
    with open_stage(case) as stage:
        payers = set()
        for spelling in phone_spellings(case.subject.country):
            talk = Conversation(stage=stage, payment=example_payment(case.subject, msisdn=spelling))
            outcome = talk.read(talk.validation())
            expect_sound(outcome, "When a phone number was written in another way")
            if isinstance(outcome.answer, ValidationRequest):
                payers.add(outcome.answer.payer)
        if len(payers - {None}) != 1:
            raise RuleBroken(f"one phone was read as {len(payers - {None})} payers.")


# --- what is refused ------------------------------------------------------------------------------


@BOOK.rule(
    "T-07",
    "a caller with the wrong secret is turned away",
    promise="Calls signed with other secrets than the instance has are `Unauthenticated`, every one "
    "of them, with the same words, and before anything of the body is believed.",
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
    amount = Money.parse("73519", case.subject.currency)
    with open_stage(case) as stage:
        talk = Conversation(stage=stage, payment=example_payment(case.subject, amount=amount))
        call = talk.validation()
        if b"73519" not in call.body:
            return
        for text in _BAD_AMOUNTS:
            spoilt = call.body.replace(b"73519", text.encode())
            outcome = talk.read(attrs.evolve(call, body=spoilt))
            expect_sound(outcome, f"When the amount was {text!r}")
            if not isinstance(outcome.error, CallRefused):
                raise RuleBroken(f"the amount {text!r} was read as {_amount_of(outcome)}.")


def _amount_of(outcome: Outcome) -> object:
    return getattr(outcome.answer, "amount", outcome)


@BOOK.rule(
    "T-11",
    "a refusal names the fields and none of their values",
    promise="A call whose amount cannot be read is `Malformed` with `fields` as the wire names them, "
    "where its proof does not cover the body; its message repeats neither phone number nor serial.",
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
    error = outcomes[0].error
    if isinstance(error, Malformed) and not error.fields:
        raise RuleBroken(f"the refusal {str(error)!r} names no field.")
    for outcome in outcomes:
        if payment.msisdn[3:] in str(outcome.error) or payment.serial in str(outcome.error):
            raise RuleBroken("the refusal repeats a value of the call.")


@BOOK.rule(
    "T-12",
    "every fault of the simulated telecom is met",
    promise="Each fault the simulator declares ends in a refusal or an honest request, never in "
    "another error; wrong secrets, forged and expired proofs, document types and doubled members are "
    "refused; a changed amount is read as it was sent, so that the host sees the conflict.",
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
            for name, make in (
                ("validation", talk.validation),
                ("process", lambda: talk.process(yes)),
            ):
                outcome = talk.read(make())
                expect_sound(outcome, f"Under the simulator's fault {fault!r}")
                if fault in _MUST_REFUSE and not isinstance(outcome.error, CallRefused):
                    raise RuleBroken(f"a {name} under the fault {fault!r} was read as {outcome}.")
            if fault == "amount_changed":
                _check_changed(outcome, talk.payment)


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
