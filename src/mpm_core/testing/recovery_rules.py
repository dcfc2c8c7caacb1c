"""Lost answers, repeats, restarts: what the manifest declares of them is true, M-40 to M-46."""

from __future__ import annotations

from datetime import timedelta

import attrs

from mpm_core.errors import NothingHappened, OutcomeUnknown
from mpm_core.manifest import PluginKind, Recovery
from mpm_core.orders import ChargeKind, Grant, NotFound, Prepared
from mpm_core.simulation import SimulatedReply
from mpm_core.testing.cases import Case
from mpm_core.testing.deeds import Sale, open_deed
from mpm_core.testing.front import WireFault
from mpm_core.testing.lookup_rules import NO_ANSWERS
from mpm_core.testing.purchases import Purchase, States
from mpm_core.testing.replay_machine import run_replays
from mpm_core.testing.rules import Applies, RuleBook, RuleBroken
from mpm_core.testing.selling_rules import enter_codes, sell
from mpm_core.testing.stages import Outcome, Stage, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_error, expect_once, expect_truth
from mpm_core.testing.wire_rules import FAMILIES, sells_over_the_wire

__all__ = ["BOOK"]

BOOK = RuleBook()
LOST = WireFault(spoil=lambda reply, _request: attrs.evolve(reply, drop=True))
SWALLOWED = WireFault(instead=SimulatedReply(drop=True))


def kinds_with(subject: Subject, *recoveries: Recovery) -> tuple[ChargeKind, ...]:
    """Return what a plugin sells with one of these recoveries."""
    operations = subject.manifest.operations
    return tuple(kind for kind in subject.sellable if operations[kind].recovery in recoveries)


def _recovers(*recoveries: Recovery, over_the_wire: bool = True) -> Applies:
    def applies(subject: Subject) -> bool:
        if over_the_wire and not sells_over_the_wire(subject):
            return False
        return bool(kinds_with(subject, *recoveries))

    return applies


def _buy(stage: Stage, kind: ChargeKind) -> Purchase:
    return Purchase(subject=stage.subject, serial=stage.subject.serial, kind=kind)


@BOOK.rule(
    "M-40",
    "a lost answer is never asked for again by the plugin itself",
    promise="The vendor sold and the connection broke: `OutcomeUnknown` after one request with an "
    "effect. Whether a repeat is safe is the host's decision.",
    remedy="no retry in the plugin once a request may have been sent.",
    applies=sells_over_the_wire,
    when=FAMILIES["M"][1],
)
def _no_blind_retry(case: Case) -> None:
    for kind in case.subject.sellable:
        with open_deed(case, Sale(case.subject, kind)) as stage:
            stage.front.play(LOST)
            outcome = _buy(stage, kind).try_once(stage, {})
        when = f"When the answer to an order for {kind} was lost"
        expect_error(outcome, OutcomeUnknown, when)
        expect_once(outcome, when)
        expect_truth(outcome, when)


@BOOK.rule(
    "M-41",
    "a repeat of a keyed operation sells nothing more",
    promise="Recovery *keyed*: after a lost answer the same order is sent again, by a new instance "
    "as well. Vendor and device have gained once, and the codes are those of the first sale.",
    remedy="send order.key as the vendor's reference, the same at every attempt; if the "
    "vendor does not honour it, declare Recovery.NONE.",
    applies=_recovers(Recovery.KEYED),
    when="an operation with recovery *keyed*",
)
def _keyed(case: Case) -> None:
    for kind in kinds_with(case.subject, Recovery.KEYED):
        _check_repeat(case, kind)


@BOOK.rule(
    "M-42",
    "a repeat of a desired state changes nothing",
    promise="Recovery *desired_state*: after a lost answer the same order is sent again, by a new "
    "instance as well, and the device has gained once.",
    remedy="decide the target in mpm_prepare_order and send order.prepared; if sales add up, "
    "declare Recovery.NONE.",
    applies=_recovers(Recovery.DESIRED_STATE),
    when="an operation with recovery *desired_state*",
)
def _desired_state(case: Case) -> None:
    for kind in kinds_with(case.subject, Recovery.DESIRED_STATE):
        _check_repeat(case, kind)


def _check_repeat(case: Case, kind: ChargeKind) -> None:
    recovery = case.subject.manifest.operations[kind].recovery
    with open_deed(case, Sale(case.subject, kind)) as stage:
        had = stage.grants()
        purchase = _buy(stage, kind)
        states: States = {}
        stage.front.play(LOST, times=1)
        lost = purchase.try_once(stage, states)
        expect_error(lost, OutcomeUnknown, "When the answer was lost")
        stage.restart()
        stage.now += timedelta(hours=1)
        grants = [_repeat(stage, purchase, states) for _ in range(2)]
        gained = stage.grants() - had
        enter_codes(stage, purchase.serial, grants[-1])
    if gained > 1:
        raise RuleBroken(
            f"one order for {kind} was sent three times, and the vendor gave something {gained} "
            f"times, though its recovery is declared {recovery}."
        )
    if recovery is Recovery.KEYED and grants[0].codes != grants[1].codes:
        raise RuleBroken(f"two repeats of one order for {kind} brought different codes.")


def _repeat(stage: Stage, purchase: Purchase, states: States) -> Grant:
    outcome = purchase.try_once(stage, states)
    if not isinstance(outcome.answer, Grant):
        raise RuleBroken(f"the repeat of an order whose answer was lost ended with {outcome}.")
    return outcome.answer


@BOOK.rule(
    "M-43",
    "what is computed is computed the same again",
    promise="Recovery *deterministic*: the same order, sent again by the same and by a new "
    "instance, brings the same codes, and the device accepts them once.",
    remedy="compute from order.prepared and device.details alone; decide counters in "
    "mpm_prepare_order.",
    applies=_recovers(Recovery.DETERMINISTIC, over_the_wire=False),
    when="an operation with recovery *deterministic*",
)
def _deterministic(case: Case) -> None:
    for kind in kinds_with(case.subject, Recovery.DETERMINISTIC):
        with open_stage(case) as stage:
            stage.deliver(case.subject.serial)
            states: States = {}
            for _ in range(2):
                purchase = _buy(stage, kind)
                grants = [sell(stage, purchase, states) for _ in range(2)]
                stage.restart()
                stage.now += timedelta(hours=1)
                grants.append(sell(stage, purchase, states))
                if len({grant.codes for grant in grants}) > 1:
                    raise RuleBroken(f"one order for {kind} brought different codes when repeated.")
                enter_codes(stage, purchase.serial, grants[0])


@BOOK.rule(
    "M-44",
    "a lost answer is found again, and only that one",
    promise="Recovery *lookup*: after a lost answer `mpm_find_token` brings the very code that was "
    "sold; an order that never reached the vendor is `NotFound`, also when the device has other "
    "orders; looking sells nothing, and a look-up that fails raises.",
    remedy="look up by the reference you sent (order.key or order.prepared), not by the device's "
    "newest sale.",
    applies=_recovers(Recovery.LOOKUP),
    when="an operation with recovery *lookup*",
)
def _lookup(case: Case) -> None:
    for kind in kinds_with(case.subject, Recovery.LOOKUP):
        _check_found(case, kind)
        _check_not_found(case, kind)
        _check_failed_find(case, kind)


def _check_found(case: Case, kind: ChargeKind) -> None:
    with open_deed(case, Sale(case.subject, kind)) as stage:
        states: States = {}
        purchase = _buy(stage, kind)
        stage.front.play(LOST, times=1)
        expect_error(purchase.try_once(stage, states), OutcomeUnknown, "When the answer was lost")
        other = sell(stage, _buy(stage, kind), states)
        stage.restart()
        found = [purchase.find(stage, states) for _ in range(2)]
        for outcome in found:
            _check_the_find(outcome, other)
        enter_codes(stage, purchase.serial, found[0].answer)


def _check_the_find(outcome: Outcome, other: Grant) -> None:
    grant = outcome.answer
    if not isinstance(grant, Grant) or outcome.gained:
        raise RuleBroken(f"looking for a sale whose answer was lost ended with {outcome}.")
    if grant.codes and grant.codes == other.codes:
        raise RuleBroken("looking for one order brought the code of another order.")


def _check_not_found(case: Case, kind: ChargeKind) -> None:
    with open_deed(case, Sale(case.subject, kind)) as stage:
        states: States = {}
        purchase = _buy(stage, kind)
        stage.front.play(SWALLOWED, times=1)
        expect_error(purchase.try_once(stage, states), OutcomeUnknown, "When nothing was answered")
        outcome = purchase.find(stage, states)
    if not isinstance(outcome.answer, NotFound) or outcome.gained:
        raise RuleBroken(f"looking for an order the vendor never saw ended with {outcome}.")


def _check_failed_find(case: Case, kind: ChargeKind) -> None:
    for name, reply in NO_ANSWERS.items():
        with open_deed(case, Sale(case.subject, kind)) as stage:
            purchase = _buy(stage, kind)
            sell(stage, purchase, {})
            found = purchase.find(stage, {})
            if not found.exchanges:
                raise RuleBroken("looking for an order made no request.")
            stage.front.effects = {stage.front.effect_of(found.exchanges[-1].request)}
            stage.front.play(WireFault(instead=reply))
            outcome = purchase.find(stage, {})
        expect_error(outcome, NothingHappened, f"When looking for an order brought {name}")


@BOOK.rule(
    "M-45",
    "preparing sells nothing and says what it needs",
    promise="`mpm_prepare_order` gives nothing away, and where it replaces the device's "
    "`state` the operation declares `blocks_device`, for the next order needs that "
    "state.",
    remedy="Operation(…, blocks_device=True), and no selling before mpm_generate_token.",
    applies=lambda subject: subject.has("mpm_prepare_order") and bool(subject.sellable),
    when="`mpm_prepare_order`",
)
def _prepares(case: Case) -> None:
    for kind in case.subject.sellable:
        with open_stage(case) as stage:
            stage.deliver(case.subject.serial)
            purchase = _buy(stage, kind)
            failed = purchase.make_ready(stage, {})
            if failed is not None:
                raise RuleBroken(f"preparing an order for {kind} ended with {failed}.")
            gained = stage.grants()
        if gained:
            raise RuleBroken(f"preparing an order for {kind} gave the device something.")
        blocks = case.subject.manifest.operations[kind].blocks_device
        prepared = purchase.prepared or Prepared()
        if prepared.state is not None and not blocks:
            raise RuleBroken(f"{kind} replaces the device's state, but does not block the device.")


def _sells(subject: Subject) -> bool:
    return subject.manifest.kind is PluginKind.MANUFACTURER and bool(subject.sellable)


@BOOK.rule(
    "M-46",
    "crashes and repeats never sell an order twice",
    promise="Orders of several devices go through lost, late, refused and unreadable answers, "
    "crashes of the host before and after each step, restarts, repeats and look-ups, "
    "in any order that hypothesis finds. The host repeats only what the declared "
    "recovery makes safe. No order gives a device something twice, every order that "
    "was answered gave it once, and the devices accept every code.",
    remedy="let what the manifest declares be true: recovery, mpm_find_token, order.prepared.",
    applies=_sells,
    when="manufacturers with an operation to sell",
)
def _replays(case: Case) -> None:
    for kind in case.subject.sellable:
        run_replays(case, kind)
