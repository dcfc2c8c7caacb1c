"""Faults only a manufacturer meets: bad tokens, other devices, refusals, M-09 and M-14 to M-21."""

from __future__ import annotations

from collections.abc import Callable

from mpm_core.calls import InboundCall
from mpm_core.errors import NothingHappened, OutcomeUnknown, Refused
from mpm_core.manifest import PluginKind
from mpm_core.money import Money
from mpm_core.simulation import SimulatedPayment, SimulatedReply
from mpm_core.testing.answer_spoiling import MISSING, bare, json_of, places_of, with_change
from mpm_core.testing.cases import Case
from mpm_core.testing.credentials import has_secrets, wrong_secrets
from mpm_core.testing.deeds import Sale, good_outcome, open_deed
from mpm_core.testing.front import WireFault
from mpm_core.testing.phones import example_phone
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import SHORT, Outcome, Stage, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_error, expect_truth
from mpm_core.testing.wire_rules import FAMILIES, sells_over_the_wire

__all__ = ["BOOK"]

BOOK = RuleBook()
_WHEN = FAMILIES["M"][1]
_BAD_CODES = (
    ("empty", lambda _code: ""),
    ("blank", lambda _code: "   "),
    ("null", lambda _code: None),
    ("missing", lambda _code: MISSING),
    ("a list", lambda code: [code]),
    ("a number", lambda _code: 12345),
    ("300 characters long", lambda code: (str(code) * 300)[:300]),
)


@BOOK.rule(
    "M-09",
    "a success without a usable code is unknown",
    promise="The vendor sold, but its JSON has the code empty, blank, null, missing, as a "
    "list, as a number (which loses leading zeros) or far too long: `OutcomeUnknown`, "
    "never a grant.",
    remedy="check that the code is a text of the vendor's form, else raise OutcomeUnknown.",
    applies=sells_over_the_wire,
    when=_WHEN,
)
def _unusable_codes(case: Case) -> None:
    for kind in case.subject.sellable:
        for name, change in _BAD_CODES:
            _check_leaf(case, Sale(case.subject, kind), f"had the code {name}", _code_of, change)


@BOOK.rule(
    "M-14",
    "an answer about another device is unknown",
    promise="Where the vendor's JSON names the device and names another one: `OutcomeUnknown`; the "
    "code is quarantined, for it may belong to somebody else.",
    remedy="compare the serial, or hand it on as Grant(device_serial=…) and let the host compare.",
    applies=sells_over_the_wire,
    when=_WHEN,
)
def _other_device(case: Case) -> None:
    sale = Sale(case.subject, case.subject.sellable[0])

    def find(stage: Stage, _outcome: Outcome) -> Callable[[object], bool]:
        return lambda leaf: str(leaf) == stage.subject.serial

    _check_leaf(case, sale, "named another device", find, lambda serial: f"{serial}"[::-1] + "7")


def _code_of(_stage: Stage, outcome: Outcome) -> Callable[[object], bool]:
    codes = {bare(code.reveal()) for code in outcome.answer.codes}
    return lambda leaf: bare(leaf) in codes


def _check_leaf(
    case: Case,
    sale: Sale,
    name: str,
    find: Callable[[Stage, Outcome], Callable[[object], bool]],
    change: Callable[[object], object],
) -> None:
    """Sell once to see where a value stands in the answer, then again with that value changed."""
    when = f"When the vendor's answer to {sale.name} {name}"
    with open_deed(case, sale) as stage:
        first = good_outcome(sale.do(stage), sale)
        honest = json_of(_effect_reply(first))
        places = list(places_of(honest, find(stage, first)))
        if not places:
            return
        stage.front.play(WireFault(spoil=lambda reply, _: with_change(reply, places[0], change)))
        outcome = sale.do(stage)
    expect_error(outcome, OutcomeUnknown, when)


def _effect_reply(outcome: Outcome) -> SimulatedReply | None:
    replies = [exchange.honest for exchange in outcome.exchanges if exchange.effect]
    return replies[-1] if replies else None


# --- callbacks ------------------------------------------------------------------------------------


def _is_called_back(subject: Subject) -> bool:
    is_manufacturer = subject.manifest.kind is PluginKind.MANUFACTURER
    return is_manufacturer and bool(subject.manifest.callback_paths)


@BOOK.rule(
    "M-16",
    "a callback that comes twice says the same twice",
    promise="A vendor's callback read twice gives two equal requests, so that the host sees "
    "that it is one.",
    remedy="decode from the call alone; keep nothing of earlier calls.",
    applies=_is_called_back,
    when="manufacturers with `callback_paths`",
)
def _repeated_callback(case: Case) -> None:
    subject = case.subject
    payment = SimulatedPayment(
        reference="KIT0000000001",
        serial=subject.serial,
        amount=Money.parse("1000", subject.currency),
        msisdn=example_phone(subject),
    )
    with open_stage(case) as stage:
        stage.deliver(subject.serial)
        made = stage.simulator.process_call(payment, stage.raw, SimulatedReply())
        if made is None:
            raise RuleBroken(
                "the manifest has callback_paths, but the simulator makes no callback.",
                write="return the vendor's callback from `process_call` of the simulator.",
            )
        headers = {name.lower(): value for name, value in made.headers.items()}
        call = InboundCall(
            method=made.method, path=made.path, headers=headers, body=made.body, source="192.0.2.7"
        )
        first, second = (stage.call("mpm_read_call", call=call) for _ in range(2))
    if first.error or first.answer != second.answer:
        raise RuleBroken(f"a callback was read as {first}, and again as {second}.")


# --- what the simulator itself can do -------------------------------------------------------------


@BOOK.rule(
    "M-18",
    "every fault of the simulator ends truthfully",
    promise="Each fault the simulator declares is turned on for a sale. Whatever the plugin then "
    "says must agree with how often the simulated vendor gave something: nothing after `Refused`, "
    "`NotSent`, `Throttled` and `Misconfigured`, once after a grant, at most once after "
    "`OutcomeUnknown`.",
    remedy="read the vendor's answer strictly, and raise OutcomeUnknown for what is unclear.",
    applies=sells_over_the_wire,
    when=_WHEN,
)
def _declared_faults(case: Case) -> None:
    for fault in case.subject.simulator().faults():
        sale = Sale(case.subject, case.subject.sellable[0])
        with open_deed(case, sale, deadline=SHORT) as stage:
            known = good_outcome(sale.do(stage), sale).answer
            stage.simulator.set_fault(fault)
            outcome = sale.do(stage)
        codes = frozenset(code.reveal() for code in known.codes)
        when = f"Under the simulator's fault {fault!r}"
        expect_truth(outcome, when, known_codes=codes, least=sale.least_gain)


@BOOK.rule(
    "M-19",
    "the simulated vendor counts what it gives",
    promise="The simulator has `grants(serial)`: how often the vendor gave a device something new. "
    "It rises by one with every sale, and is what all rules about repeats rest on.",
    remedy="def grants(self, serial: str) -> int: in the simulator, counting what it sold.",
    applies=sells_over_the_wire,
    when=_WHEN,
)
def _counts_grants(case: Case) -> None:
    for kind in case.subject.sellable:
        sale = Sale(case.subject, kind)
        with open_stage(case) as stage:
            sale.prepare(stage)
            outcome = good_outcome(sale.do(stage), sale)
        expect_truth(outcome, f"After {sale.name} that succeeded")


# --- documented refusals --------------------------------------------------------------------------


@BOOK.rule(
    "M-20",
    "a device the vendor does not know is refused in the vendor's words",
    promise="A sale for a serial that was never delivered ends with `Refused` and the vendor's "
    "reason, and nothing is given: a person must look, and repeating would not help.",
    remedy='raise Refused(reason, code) for the vendor\'s documented "no such device".',
    applies=sells_over_the_wire,
    when=_WHEN,
)
def _unknown_device(case: Case) -> None:
    for kind in case.subject.sellable:
        sale = Sale(case.subject, kind)
        with open_stage(case) as stage:
            stage.serials.add(case.subject.serial)
            outcome = sale.do(stage)
        expect_error(outcome, Refused, "When the vendor did not know the device")
        expect_truth(outcome, "When the vendor did not know the device")


@BOOK.rule(
    "M-21",
    "wrong credentials sell nothing",
    promise="With every secret setting wrong, a sale is `Misconfigured` or `Refused`, and "
    "nothing is given; never a grant, and never left in doubt.",
    remedy="raise Misconfigured for the vendor's refusal of the login.",
    applies=lambda subject: sells_over_the_wire(subject) and has_secrets(subject),
    when=f"{_WHEN}, with a secret setting",
)
def _wrong_credentials(case: Case) -> None:
    sale = Sale(case.subject, case.subject.sellable[0])
    with open_stage(case, changes=wrong_secrets(case.subject)) as stage:
        sale.prepare(stage)
        outcome = sale.do(stage)
    expect_truth(outcome, "With wrong credentials")
    if not isinstance(outcome.error, NothingHappened | Refused):
        raise RuleBroken(f"With wrong credentials, a sale ended with {outcome}.")
