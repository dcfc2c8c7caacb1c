"""What a telecom's calls are read as, T-01 to T-06."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from mpm_core.calls import InboundCall
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
    smallest_step,
)
from mpm_core.testing.phones import phone_spellings
from mpm_core.testing.rules import Applies, RuleBook, RuleBroken
from mpm_core.testing.stages import open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_sound

__all__ = ["BOOK", "calls_of", "makes"]

BOOK = RuleBook()
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
    promise="For any payment the validation is read as a `ValidationRequest` with the serial "
    "byte for byte, the amount exact in the company's currency, the payer, and a "
    "reference or an intent by which the process call finds it.",
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
    promise="For any payment the process call is read as a `ProcessRequest` with a reference "
    "of its own, the same every time, another one for another payment; what it "
    "carries of serial and amount is what was validated, and it points back to its "
    "validation by reference, intent or number.",
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
    promise="In currencies with and without decimals, each amount the telecom can send is "
    "read to the last minor unit.",
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
    promise="With country code, with a plus, with a leading zero and bare, the number is read "
    "as the same payer, or not at all.",
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
