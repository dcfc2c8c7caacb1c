"""What a manufacturer's plugin sells: amounts, serials, kinds, isolation, M-30 to M-39."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

from hypothesis import strategies as st

from mpm_core.errors import ContractViolation, NothingHappened
from mpm_core.manifest import OrphanEffect, PluginKind
from mpm_core.orders import ChargeKind, Delivery, Grant
from mpm_core.testing.cases import Case
from mpm_core.testing.deeds import (
    Purchase,
    Sale,
    States,
    device_of,
    good_outcome,
    open_deed,
    serials,
    unit_of,
)
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import Outcome, Stage, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import by_containment, expect_sound, expect_truth
from mpm_core.testing.values import shown
from mpm_core.units import format_kwh, parse_kwh

__all__ = ["BOOK"]

BOOK = RuleBook()
_LARGEST = {ChargeKind.ENERGY: 1_600_000, ChargeKind.TIME: 1000}
_ENERGY = re.compile(r"accepted ([0-9.]+) kWh", re.ASCII)
_TIME = re.compile(r"accepted ([0-9]+) days?", re.ASCII)
_MOST_THREADS = 8


def _sells(subject: Subject) -> bool:
    return subject.manifest.kind is PluginKind.MANUFACTURER and bool(subject.sellable)


_WHEN = "manufacturers with an operation to sell"


def _charges(subject: Subject) -> bool:
    return _sells(subject) and not subject.manifest.switches


def quantities(subject: Subject, kind: ChargeKind) -> st.SearchStrategy[int | None]:
    """Return quantities the host may ask for: whole steps of energy, whole days."""
    if unit_of(kind) is None:
        return st.none()
    step = (subject.manifest.energy_step or 1) if kind is ChargeKind.ENERGY else 1
    return st.integers(1, _LARGEST[kind] // step).map(lambda count: count * step)


def enter_codes(stage: Stage, serial: str, grant: Grant) -> list[str]:
    """Type a grant's codes into the simulated device.

    Returns:
        What it showed; nothing where the vendor credits the device itself.

    Raises:
        RuleBroken: the device did not accept one.
    """
    displays = [stage.simulator.use_token(serial, code.reveal()) for code in grant.codes]
    for position, display in enumerate(displays, start=1):
        if grant.delivery is Delivery.KEYPAD and not display.startswith("accepted"):
            raise RuleBroken(
                f"code {position} of {len(displays)} of {shown(grant)} was typed into the simulated "
                f"device, which showed {display!r}.",
                write="the code exactly as the vendor gave it, for the device it was asked for; a "
                "simulator's `use_token` says `accepted 7.6 kWh`, `accepted 7 days` or `rejected: …`.",
            )
    return displays


def _shown_quantity(displays: Sequence[str], kind: ChargeKind) -> int | None:
    """Return what the device says it got, in the unit of the kind, if it says so."""
    if kind is ChargeKind.ENERGY:
        parts = [parse_kwh(found[1]) for text in displays if (found := _ENERGY.search(text))]
    else:
        parts = [int(found[1]) for text in displays if (found := _TIME.search(text))]
    return sum(parts) if parts else None


def sell(stage: Stage, purchase: Purchase, states: States) -> Grant:
    """Sell without hindrance.

    Raises:
        RuleBroken: there was no grant.
    """
    sale = Sale(stage.subject, purchase.kind)
    grant = good_outcome(purchase.try_once(stage, states), sale).answer
    if not isinstance(grant, Grant):
        raise RuleBroken(f"{sale.name} that nothing hindered ended with {shown(grant)}.")
    return grant


# --- amounts --------------------------------------------------------------------------------------


@BOOK.rule(
    "M-30",
    "the device gets exactly what was paid for",
    promise="For any quantity in whole steps the grant says that quantity and unit, the simulated "
    "device accepts its codes, and shows the same quantity.",
    remedy="integers and Decimal from charge.quantity to the wire: no float, no rounding, no charge "
    "from money where the vendor takes energy.",
    applies=_charges,
    when=f"{_WHEN}, not by switching",
)
def _exact_quantities(case: Case) -> None:
    for kind in case.subject.sellable:
        with open_stage(case) as stage:
            stage.deliver(case.subject.serial)
            states: States = {}

            def check(quantity: int | None, kind: ChargeKind = kind, stage: Stage = stage) -> None:
                serial = case.subject.serial
                purchase = Purchase(
                    subject=case.subject, serial=serial, kind=kind, quantity=quantity
                )
                _check_quantity(stage, purchase, sell(stage, purchase, states))

            case.holds(quantities(case.subject, kind), check)


def _check_quantity(stage: Stage, purchase: Purchase, grant: Grant) -> None:
    asked, unit = purchase.charge.quantity, purchase.charge.unit
    if (grant.quantity, grant.unit) != (asked, unit):
        raise RuleBroken(f"{asked} {unit} were asked for, and the answer was {shown(grant)}.")
    displays = enter_codes(stage, purchase.serial, grant)
    got = _shown_quantity(displays, purchase.kind)
    if asked is not None and displays and got != asked:
        what = format_kwh(asked) + " kWh" if purchase.kind is ChargeKind.ENERGY else f"{asked} days"
        raise RuleBroken(
            f"{what} were asked for, and the simulated device showed {displays[-1]!r}."
        )


@BOOK.rule(
    "M-31",
    "an amount the vendor cannot sell is refused before anybody is asked",
    promise="Nothing, less than nothing, and energy between two steps: an error that says that "
    "nothing happened, and no request that sells.",
    remedy="check charge.quantity first and raise ContractViolation: whoever computed it must round.",
    applies=lambda subject: _charges(subject) and any(map(unit_of, subject.sellable)),
    when="manufacturers that sell energy or time, not by switching",
)
def _impossible_quantities(case: Case) -> None:
    for kind in filter(unit_of, case.subject.sellable):
        step = (case.subject.manifest.energy_step or 1) if kind is ChargeKind.ENERGY else 1
        between = (step + 1, 10 * step - 1) if step > 1 else ()
        for quantity in (0, -step, *between):
            with open_deed(case, Sale(case.subject, kind)) as stage:
                purchase = Purchase(
                    subject=case.subject, serial=case.subject.serial, kind=kind, quantity=quantity
                )
                outcome = purchase.try_once(stage, {})
            _check_refused_at_once(outcome, f"An order for {quantity} {unit_of(kind)}")


def _check_refused_at_once(outcome: Outcome, what: str) -> None:
    if not isinstance(outcome.error, ContractViolation | NothingHappened) or outcome.gained:
        raise RuleBroken(f"{what} ended with {outcome}.")
    if by_containment(outcome.error):
        raise RuleBroken(f"{what} was no error of the contract: {outcome.error}")
    sent = [exchange for exchange in outcome.exchanges if exchange.gained or exchange.effect]
    if sent:
        raise RuleBroken(f"{what} was sent to the vendor.")


@BOOK.rule(
    "M-32",
    "what the manifest does not declare is not sold",
    promise="A charge of a kind that is no operation of the manifest ends with an error that says "
    "that nothing happened, and the vendor gives nothing.",
    remedy='raise NotSupported("…sells energy only") before anybody is asked.',
    applies=_charges,
    when=f"{_WHEN}, not by switching",
)
def _undeclared_kinds(case: Case) -> None:
    undeclared = {ChargeKind.ENERGY, ChargeKind.TIME, ChargeKind.UNLOCK}
    for kind in sorted(undeclared - set(case.subject.manifest.operations)):
        with open_deed(case, Sale(case.subject, case.subject.sellable[0])) as stage:
            purchase = Purchase(subject=case.subject, serial=case.subject.serial, kind=kind)
            outcome = purchase.try_once(stage, {})
        _check_refused_at_once(outcome, f"An order for {kind}, which is not declared,")


# --- devices --------------------------------------------------------------------------------------


@BOOK.rule(
    "M-33",
    "serials reach the vendor byte for byte",
    promise="Any serial that fits the manifest's `serial_pattern`, with leading zeros and every "
    "character the pattern allows, is sold to, and the device of that serial accepts the code.",
    remedy="keep serials as text, quote them in URLs (urllib.parse.quote with safe=''), and let "
    "serial_pattern allow only what the vendor takes.",
    applies=_sells,
    when=_WHEN,
)
def _any_serial(case: Case) -> None:
    kind = case.subject.sellable[0]
    with open_stage(case) as stage:
        states: States = {}

        def check(serial: str) -> None:
            stage.deliver(serial)
            purchase = Purchase(subject=case.subject, serial=serial, kind=kind)
            enter_codes(stage, serial, sell(stage, purchase, states))

        case.holds(serials(case.subject), check, examples=25)
    if not case.subject.manifest.serial_pattern.fullmatch(case.subject.serial):
        raise RuleBroken(
            f"the serial {case.subject.serial!r} of the test does not fit serial_pattern.",
            write="example_serial in the manifest, or `serial` in the test: one that fits.",
        )


@BOOK.rule(
    "M-34",
    "every order gets a code of its own",
    promise="Orders for several devices, in any order and for the same quantity, each get their own "
    "codes; each device accepts its own ones in the order they were sold.",
    remedy="keep nothing between calls; one request of the vendor per order.",
    applies=_sells,
    when=_WHEN,
)
def _own_codes(case: Case) -> None:
    kind = case.subject.sellable[0]
    with open_stage(case) as stage:
        states: States = {}
        seen: set[tuple[str, str]] = set()

        def check(sequence: list[str]) -> None:
            for serial in sequence:
                stage.deliver(serial)
                grant = sell(
                    stage, Purchase(subject=case.subject, serial=serial, kind=kind), states
                )
                codes = {(serial, code.reveal()) for code in grant.codes}
                if codes & seen:
                    raise RuleBroken("two orders of one device got the same code.")
                seen.update(codes)
                enter_codes(stage, serial, grant)

        some = st.lists(serials(case.subject), min_size=3, max_size=3, unique=True)
        turns = some.flatmap(lambda three: st.permutations(three * 2))
        case.holds(turns, check, examples=6, shrink=False)


# --- isolation ------------------------------------------------------------------------------------


@BOOK.rule(
    "M-35",
    "two companies never influence each other",
    promise="Two companies and two instances of one company sell in turns, each with a vendor of its "
    "own: each vendor hears of its own orders only, and nothing of the others is used.",
    remedy="keep clients, logins and caches in the instance (self), never in the class or module.",
    applies=_sells,
    when=_WHEN,
)
def _isolated(case: Case) -> None:
    kind = case.subject.sellable[0]
    with (
        open_stage(case) as first,
        open_stage(case, slug="solaris") as second,
        open_stage(case, instance=f"{case.subject.name}-south") as third,
    ):
        stages = (first, second, third)
        states: tuple[States, ...] = ({}, {}, {})
        for stage in stages:
            stage.deliver(case.subject.serial)

        def check(turns: list[int]) -> None:
            for turn in turns:
                others = [len(one.front.exchanges) for one in stages if one is not stages[turn]]
                purchase = Purchase(subject=case.subject, serial=case.subject.serial, kind=kind)
                grant = sell(stages[turn], purchase, states[turn])
                enter_codes(stages[turn], case.subject.serial, grant)
                now = [len(one.front.exchanges) for one in stages if one is not stages[turn]]
                if others != now:
                    raise RuleBroken("an order of one company was sent with the access of another.")

        case.holds(
            st.lists(st.integers(0, 2), min_size=4, max_size=8), check, examples=8, shrink=False
        )


@BOOK.rule(
    "M-36",
    "several threads may sell at once",
    promise="As many calls at once as the manifest's `concurrency` allows, each for a device of its "
    "own: each device accepts its code, and everything is sold once.",
    remedy="no state that a call changes without a lock; nothing of an order in self.",
    applies=_sells,
    when=_WHEN,
)
def _at_once(case: Case) -> None:
    kind = case.subject.sellable[0]
    count = max(2, min(case.subject.manifest.concurrency, _MOST_THREADS))
    many = st.lists(serials(case.subject), min_size=count, max_size=count, unique=True)

    def check(chosen: list[str]) -> None:
        with open_stage(case) as stage:
            for serial in chosen:
                stage.deliver(serial)
            purchases = [
                Purchase(subject=case.subject, serial=serial, kind=kind) for serial in chosen
            ]
            _sell_together(stage, purchases)
            for purchase in purchases:
                outcome = purchase.outcomes[-1]
                expect_sound(outcome, "When several calls ran at once")
                if not isinstance(outcome.answer, Grant):
                    raise RuleBroken(f"one of {count} calls at once ended with {outcome}.")
                enter_codes(stage, purchase.serial, outcome.answer)
            if case.subject.calls_out and stage.grants() != count:
                raise RuleBroken(f"{count} orders at once were sold {stage.grants()} times.")

    case.holds(many, check, examples=2, shrink=False)


def _sell_together(stage: Stage, purchases: Sequence[Purchase]) -> None:
    start = threading.Barrier(len(purchases))

    def run(purchase: Purchase) -> None:
        start.wait(timeout=10)
        purchase.try_once(stage, {})

    threads = [threading.Thread(target=run, args=(purchase,)) for purchase in purchases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- other operations -----------------------------------------------------------------------------


@BOOK.rule(
    "M-37",
    "a device is cleared by a grant",
    promise="`mpm_clear_device` answers a grant without quantity, and the simulated device accepts "
    "its codes.",
    remedy="return Grant(codes=(…,)) or Grant(delivery=Delivery.REMOTE).",
    applies=lambda subject: ChargeKind.CLEAR in subject.manifest.operations,
    when="operation *clear*",
)
def _clears(case: Case) -> None:
    with open_stage(case) as stage:
        stage.deliver(case.subject.serial)
        purchase = Purchase(subject=case.subject, serial=case.subject.serial, kind=ChargeKind.CLEAR)
        grant = sell(stage, purchase, {})
        enter_codes(stage, case.subject.serial, grant)
    if grant.quantity is not None:
        raise RuleBroken(f"clearing answered {shown(grant)}.", write="Grant(…) without quantity.")


@BOOK.rule(
    "M-38",
    "switching asks for a state",
    promise="`mpm_switch_device` on, on again and off: each ends with a grant without codes; "
    "repeating is harmless.",
    remedy="send the state the device shall have, and return Grant(delivery=Delivery.REMOTE).",
    applies=lambda subject: subject.has("mpm_switch_device"),
    when="`mpm_switch_device`",
)
def _switches(case: Case) -> None:
    with open_stage(case) as stage:
        stage.deliver(case.subject.serial)
        device = device_of(case.subject, case.subject.serial)
        for on in (True, True, False):
            purchase = Purchase(
                subject=case.subject, serial=case.subject.serial, kind=ChargeKind.UNLOCK
            )
            outcome = stage.call(
                "mpm_switch_device", device=device, on=on, order=purchase.order(stage)
            )
            grant = outcome.answer
            if not isinstance(grant, Grant) or grant.delivery is not Delivery.REMOTE:
                raise RuleBroken(f"switching {'on' if on else 'off'} ended with {outcome}.")


@BOOK.rule(
    "M-39",
    "what an unseen grant does is declared truly",
    promise="Where the vendor credits the device itself (`Delivery.REMOTE`), the operation's "
    "`orphan_effect` is *credits_device*, unless a repeat is safe: the host must never sell again "
    "while in doubt.",
    remedy="orphan_effect=OrphanEffect.CREDITS_DEVICE for this operation.",
    applies=_sells,
    when=_WHEN,
)
def _orphan_effect(case: Case) -> None:
    for kind in case.subject.sellable:
        with open_stage(case) as stage:
            stage.deliver(case.subject.serial)
            grant = sell(
                stage, Purchase(subject=case.subject, serial=case.subject.serial, kind=kind), {}
            )
        operation = case.subject.manifest.operations[kind]
        truly = OrphanEffect.CREDITS_DEVICE
        is_doubtful = not operation.recovery.repeat_is_safe
        if grant.delivery is Delivery.REMOTE and is_doubtful and operation.orphan_effect != truly:
            raise RuleBroken(
                f"{kind} is credited by the vendor, but declared {operation.orphan_effect}."
            )


@BOOK.rule(
    "M-29",
    "reading a device gives nothing",
    promise="`mpm_read_device` answers an aware time and small texts, and the vendor gives nothing.",
    remedy="return DeviceReading(at=context.now, facts={…}) with texts only.",
    applies=lambda subject: subject.has("mpm_read_device"),
    when="`mpm_read_device`",
)
def _reads(case: Case) -> None:
    with open_stage(case) as stage:
        stage.deliver(case.subject.serial)
        outcome = stage.call("mpm_read_device", device=device_of(case.subject, case.subject.serial))
    expect_truth(outcome, "When a device was read")
    reading = outcome.answer
    if outcome.error is not None or outcome.gained or reading.at.tzinfo is None:
        raise RuleBroken(f"reading a device ended with {outcome}.")
    if not all(isinstance(text, str) for pair in reading.facts.items() for text in pair):
        raise RuleBroken("a fact of the reading is no text.")
