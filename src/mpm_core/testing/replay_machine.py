"""A host that crashes, restarts, repeats and looks things up, against a vendor that loses answers.

The state machine keeps the host's promises (one order of a device at a time, prepared inputs are
durable before the call, repeats only where the declared recovery makes them safe). So whatever goes
wrong is the plugin's doing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import timedelta

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from mpm_core.errors import NothingHappened, Refused
from mpm_core.manifest import Operation, Recovery
from mpm_core.orders import ChargeKind, Grant, NotFound
from mpm_core.simulation import SimulatedReply
from mpm_core.simulation.faults import ANSWER_FAULTS, UNPROCESSED_FAULTS
from mpm_core.testing.cases import Case
from mpm_core.testing.deeds import Sale, open_deed
from mpm_core.testing.front import WireFault
from mpm_core.testing.purchases import Purchase
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.stages import Outcome
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_truth

__all__ = ["run_replays"]

_DEVICES = 2
_STEPS = 16
_EXAMPLES = 12
_CONCLUSIVE = 2  # times a vendor must say that it does not know an order


def _spoiling(name: str) -> WireFault:
    return WireFault(spoil=lambda reply, _request: ANSWER_FAULTS[name](reply))


_FAULTS: Mapping[str, WireFault | None] = {
    "nothing": None,
    "lost answer": _spoiling("lose_answer"),
    "server error": _spoiling("error_500"),
    "page": _spoiling("html"),
    "cut off": _spoiling("truncated"),
    "swallowed": WireFault(instead=SimulatedReply(drop=True)),
    "throttled": WireFault(instead=UNPROCESSED_FAULTS["throttled"]),
}


@attrs.define(kw_only=True, eq=False)
class _Kept:
    """What the host keeps of one order.

    Attributes:
        state: queued, unknown, issued, refused or parked.
        not_found: how often the vendor said for good that it does not know the order.
    """

    purchase: Purchase
    state: str = "queued"
    not_found: int = 0


class _Replays(RuleBasedStateMachine):
    """The host's side; `case` and `kind` are set by `run_replays`."""

    case: Case
    kind: ChargeKind

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        sale = Sale(self.case.subject, self.kind)
        self.least = sale.least_gain
        self.stage = self._stack.enter_context(open_deed(self.case, sale))
        self.states = sale.states
        self.orders: list[_Kept] = []
        self.operation: Operation = self.case.subject.manifest.operations[self.kind]

    # --- what happens -----------------------------------------------------------------------------

    @rule()
    @precondition(lambda self: len(self.orders) < 2 * _DEVICES)
    def accept_a_payment(self) -> None:
        """Queue another order."""
        purchase = Purchase(
            subject=self.case.subject, serial=self.case.subject.serial, kind=self.kind
        )
        self.orders.append(_Kept(purchase=purchase))

    @rule(fault=st.sampled_from(sorted(_FAULTS)), crash=st.booleans())
    @precondition(lambda self: self.next_order is not None)
    def send(self, fault: str, crash: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        """Make an attempt; the host may crash before it can store what came of it."""
        kept = self.next_order
        if kept is None:
            return
        outcome = self._attempt(kept, fault)
        if crash:
            self._restart()
            kept.state = "unknown"
        else:
            self._settle(kept, outcome)

    @rule()
    @precondition(lambda self: self.next_order is not None)
    def crash_before_sending(self) -> None:
        """Store the attempt as sent, and crash: nobody can tell that it never left."""
        kept = self.next_order
        if kept is None:
            return
        if kept.purchase.make_ready(self.stage, self.states) is None:
            kept.state = "unknown"
        self._restart()

    @rule()
    def restart(self) -> None:
        """Start the host anew."""
        self._restart()

    @rule(fault=st.sampled_from(sorted(_FAULTS)))
    @precondition(lambda self: self.doubtful is not None)
    def resolve(self, fault: str) -> None:
        """Resolve a doubt as the declared recovery allows."""
        kept = self.doubtful
        if kept is None:
            return
        if self.operation.recovery.repeat_is_safe:
            self._settle(kept, self._attempt(kept, fault), repeat=True)
        elif self.operation.recovery is Recovery.LOOKUP:
            self._look_up(kept)
        else:
            kept.state = "parked"

    # --- the host's own rules ---------------------------------------------------------------------

    @property
    def next_order(self) -> _Kept | None:
        """The order that may be sent: the oldest, unless one in doubt blocks its device."""
        for kept in self.orders:
            if kept.state == "unknown" and self.operation.blocks_device:
                return None
            if kept.state == "queued":
                return kept
        return None

    @property
    def doubtful(self) -> _Kept | None:
        """The oldest order whose outcome is unknown."""
        return next((kept for kept in self.orders if kept.state == "unknown"), None)

    def _attempt(self, kept: _Kept, fault: str) -> Outcome:
        wire_fault = _FAULTS[fault]
        if wire_fault is not None:
            self.stage.front.play(wire_fault)
        self.stage.now += timedelta(minutes=10)
        outcome = kept.purchase.try_once(self.stage, self.states)
        self.stage.front.stop()
        self._check_gain(kept)
        return outcome

    def _settle(self, kept: _Kept, outcome: Outcome, *, repeat: bool = False) -> None:
        when = "In a replay with crashes"
        if self.case.subject.calls_out and not repeat:
            expect_truth(outcome, when, least=self.least)
        if isinstance(outcome.answer, Grant):
            self._issue(kept, outcome.answer)
        elif isinstance(outcome.error, Refused):
            # a no while an earlier attempt is in doubt leaves the doubt
            kept.state = "parked" if repeat else "refused"
        elif isinstance(outcome.error, NothingHappened):
            kept.state = "unknown" if repeat else "queued"
        else:
            kept.state = "unknown"

    def _look_up(self, kept: _Kept) -> None:
        outcome = kept.purchase.find(self.stage, self.states)
        self._check_gain(kept)
        if isinstance(outcome.answer, Grant):
            self._issue(kept, outcome.answer)
        elif isinstance(outcome.answer, NotFound) and outcome.answer.conclusive:
            kept.not_found += 1
            if kept.not_found >= _CONCLUSIVE:
                kept.state, kept.not_found = "queued", 0

    def _issue(self, kept: _Kept, grant: Grant) -> None:
        """Store the grant; the customer types its codes at once."""
        kept.state = "issued"
        for code in grant.codes:
            display = self.stage.simulator.use_token(kept.purchase.serial, code.reveal())
            if not display.startswith("accepted"):
                raise RuleBroken(
                    f"an order for {self.kind} that was answered after crashes and repeats brought "
                    f"a code at which the simulated device showed {display!r}; another order may "
                    "have been answered before it.",
                    write=_advice_on_codes(self.operation),
                )

    def _restart(self) -> None:
        self.stage.restart()

    def _check_gain(self, kept: _Kept) -> None:
        if kept.purchase.gained > 1:
            attempts = [str(outcome) for outcome in kept.purchase.outcomes]
            raise RuleBroken(
                f"one order for {self.kind} gave the device something {kept.purchase.gained} "
                f"times, with recovery {self.operation.recovery}; its attempts ended with "
                f"{attempts}.",
                write=_advice_on_targets(self.case.subject, self.operation),
            )

    # --- the end ----------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Close the stage."""
        self._stack.close()


def _advice_on_codes(operation: Operation) -> str:
    if operation.blocks_device:
        return (
            "a code of its own for every order, or Refused where nothing is left to sell; the "
            "device is not asked out of order, for blocks_device is declared."
        )
    return "blocks_device=True, if the device takes codes in their order only."


def _advice_on_targets(subject: Subject, operation: Operation) -> str:
    """Return what to write, if this is known better than by the rule."""
    if operation.recovery is not Recovery.DESIRED_STATE or operation.blocks_device:
        return ""
    if not subject.has("mpm_prepare_order"):
        return ""
    return (
        "blocks_device=True, if the prepared target starts from what the vendor or the device has: "
        "the next order must wait until this one is finished."
    )


def run_replays(case: Case, kind: ChargeKind) -> None:
    """Let hypothesis look for a sequence of crashes and faults that sells something twice.

    Raises:
        RuleBroken: it found one.
    """

    class Replays(_Replays):
        pass

    Replays.case, Replays.kind = case, kind
    profile = settings(case.profile(min(_EXAMPLES, case.examples)), stateful_step_count=_STEPS)
    run_state_machine_as_test(Replays, settings=profile)
