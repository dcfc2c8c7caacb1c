"""What a manufacturer's plugin sells: amounts, kinds, serials, M-30 to M-34."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

from mpm_core.errors import ContractViolation, NothingHappened
from mpm_core.manifest import PluginKind
from mpm_core.orders import ChargeKind, Delivery, Grant
from mpm_core.testing.cases import Case
from mpm_core.testing.deeds import Sale, good_outcome, open_deed
from mpm_core.testing.purchases import Purchase, States, serials, unit_of
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import Outcome, Stage, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import by_containment
from mpm_core.testing.values import shown
from mpm_core.units import format_kwh, parse_kwh

__all__ = ["BOOK", "WHEN_SOLD", "enter_codes", "sell", "sells"]

BOOK = RuleBook()
_LARGEST = {ChargeKind.ENERGY: 1_600_000, ChargeKind.TIME: 1000}
_ENERGY = re.compile(r"accepted ([0-9.]+) kWh", re.ASCII)
_TIME = re.compile(r"accepted ([0-9]+) days?", re.ASCII)


def sells(subject: Subject) -> bool:
    """Tell whether a plugin is a manufacturer's that sells anything."""
    return subject.manifest.kind is PluginKind.MANUFACTURER and bool(subject.sellable)


WHEN_SOLD = "manufacturers with an operation to sell"


def _charges(subject: Subject) -> bool:
    return sells(subject) and not subject.manifest.switches


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
                f"code {position} of {len(displays)} of {shown(grant)} was typed into the "
                f"simulated device, which showed {display!r}.",
                write="the code exactly as the vendor gave it, for the device it was asked "
                "for; a simulator's `use_token` says `accepted 7.6 kWh`, `accepted 7 "
                "days` or `rejected: …`.",
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
    remedy="integers and Decimal from charge.quantity to the wire: no float, no rounding, no "
    "charge from money where the vendor takes energy.",
    applies=_charges,
    when=f"{WHEN_SOLD}, not by switching",
)
def _exact_quantities(case: Case) -> None:
    for kind in case.subject.sellable:
        _check_quantities(case, kind)


def _check_quantities(case: Case, kind: ChargeKind) -> None:
    with open_stage(case) as stage:
        stage.deliver(case.subject.serial)
        states: States = {}

        def check(quantity: int | None) -> None:
            purchase = Purchase(
                subject=case.subject, serial=case.subject.serial, kind=kind, quantity=quantity
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
    remedy="check charge.quantity first and raise ContractViolation: whoever computed it must "
    "round.",
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
    when=f"{WHEN_SOLD}, not by switching",
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
    applies=sells,
    when=WHEN_SOLD,
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
    promise="Orders for several devices, in any order and for the same quantity, each get "
    "their own codes; each device accepts its own ones in the order they were sold.",
    remedy="keep nothing between calls; one request of the vendor per order.",
    applies=sells,
    when=WHEN_SOLD,
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
