"""What must come of each fault on the wire, whatever the deed: checks for the table of rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import attrs

from mpm_core.errors import NotSent, OutcomeUnknown, Throttled
from mpm_core.manifest import PluginKind
from mpm_core.simulation import SimulatedReply, SimulatedRequest
from mpm_core.simulation.faults import ANSWER_FAULTS, RETRY_AFTER_SECONDS, UNPROCESSED_FAULTS
from mpm_core.testing.cases import Case
from mpm_core.testing.deeds import deed_of, good_outcome, open_deed
from mpm_core.testing.front import Spoil, WireFault
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.stages import GRACE, SHORT, Outcome, open_stage
from mpm_core.testing.truth import expect_error, expect_once, expect_sound, expect_truth

__all__ = [
    "clocks_differ",
    "in_latin",
    "login_ended",
    "named",
    "nested",
    "nothing_left_behind",
    "replaced",
    "throttled",
    "undocumented",
    "unknown_after",
    "unknown_in_time",
    "unreachable",
]

_UNDOCUMENTED = (400, 409, 418, 422, 451)
_DAY = timedelta(days=1)

# --- the faults -----------------------------------------------------------------------------------


def named(name: str) -> Spoil:
    """Return a fault of the simulation's own list."""
    spoil = ANSWER_FAULTS[name]
    return lambda reply, _request: spoil(reply)


def replaced(status: int, body: bytes, content_type: str = "application/json") -> Spoil:
    """Return a fault that replaces the whole answer."""
    reply = SimulatedReply(status=status, body=body, content_type=content_type)
    return lambda _reply, _request: reply


def in_latin(reply: SimulatedReply, _request: SimulatedRequest) -> SimulatedReply:
    """Put bytes into an answer that are no UTF-8, though it says so."""
    return attrs.evolve(
        reply, body=b"\xe9\xff" + reply.body, content_type="application/json; charset=utf-8"
    )


def nested(reply: SimulatedReply, _request: SimulatedRequest) -> SimulatedReply:
    """Nest an answer without end."""
    return attrs.evolve(reply, body=b"[" * 100_000)


# --- what must come of them -----------------------------------------------------------------------


def unknown_after(faults: Mapping[str, Spoil]) -> Callable[[Case], None]:
    """Return a check: done at the vendor, but the answer is spoilt, so the outcome is unknown."""

    def check(case: Case) -> None:
        for name, spoil in faults.items():
            _check_unknown(case, name, WireFault(spoil=spoil))

    return check


def _check_unknown(case: Case, name: str, fault: WireFault) -> None:
    deed = deed_of(case.subject)
    when = f"When the answer to {deed.name} was {name}"
    with open_deed(case, deed) as stage:
        stage.front.play(fault)
        outcome = deed.do(stage)
    expect_error(outcome, OutcomeUnknown, when)
    expect_once(outcome, when)


def unknown_in_time(name: str, fault: WireFault) -> Callable[[Case], None]:
    """Return a check: the vendor keeps us waiting, and the deadline ends that."""

    def check(case: Case) -> None:
        deed = deed_of(case.subject)
        when = f"When the answer to {deed.name} {name}"
        with open_deed(case, deed, deadline=SHORT) as stage:
            stage.front.play(fault)
            outcome = deed.do(stage)
        _check_in_time(outcome, when)
        expect_error(outcome, OutcomeUnknown, when)
        expect_once(outcome, when)

    return check


def _check_in_time(outcome: Outcome, when: str) -> None:
    if outcome.seconds >= SHORT + GRACE:  # the host left the plugin behind
        raise RuleBroken(
            f"{when}, the plugin was still busy after {outcome.seconds:.2f} s; "
            f"its deadline was {SHORT:g} s.",
            write="no waiting, repeating or catching of time-outs in the plugin; "
            "runtime.http keeps the deadline.",
        )


def unreachable(case: Case) -> None:
    """Check a vendor at whose address nobody listens."""
    deed = deed_of(case.subject)
    with open_stage(case, reachable=False) as stage:
        deed.prepare(stage)
        outcome = deed.do(stage)
    expect_error(outcome, NotSent, f"When nobody could be reached for {deed.name}")


def throttled(case: Case) -> None:
    """Check a vendor that says not now, and for how long."""
    for name in ("throttled", "unavailable"):
        deed = deed_of(case.subject)
        reply = UNPROCESSED_FAULTS[name]
        when = f"When the answer to {deed.name} was status {reply.status} with a Retry-After"
        with open_deed(case, deed) as stage:
            stage.front.play(WireFault(instead=reply))
            outcome = deed.do(stage)
        expect_error(outcome, Throttled, when)
        expect_once(outcome, when)
        after = getattr(outcome.error, "after", None)
        if after != timedelta(seconds=RETRY_AFTER_SECONDS):
            raise RuleBroken(f"{when} of {RETRY_AFTER_SECONDS} s, `after` was {after}.")


def undocumented(case: Case) -> None:
    """Check client errors that the manifest does not document."""
    documented = {code.code for code in case.subject.manifest.result_codes}
    for status in _UNDOCUMENTED:
        if str(status) not in documented:
            _check_unknown(
                case, f"status {status} without words", WireFault(spoil=replaced(status, b"{}"))
            )


def login_ended(case: Case) -> None:
    """Check a login that ended, once and for good."""
    refusal = SimulatedReply(status=401, body=b'{"message":"Unauthorized"}')
    for times in (1, 1_000_000):
        deed = deed_of(case.subject)
        when = f"When {deed.name} was answered 401 {'once' if times == 1 else 'again and again'}"
        with open_deed(case, deed) as stage:
            stage.front.play(WireFault(instead=refusal), times=times)
            outcome = deed.do(stage)
        if case.subject.manifest.kind is PluginKind.MANUFACTURER:
            expect_truth(outcome, when, least=deed.least_gain)
        expect_sound(outcome, when)
        if outcome.effects > 2 or (times > 1 and outcome.error is None):  # noqa: PLR2004 - once more with a new login
            raise RuleBroken(f"{when}, the plugin tried {outcome.effects} times and {outcome}.")


def clocks_differ(case: Case) -> None:
    """Check clocks that differ by a day."""
    for skew in (-_DAY, _DAY):
        deed = deed_of(case.subject)
        when = f"When our clock differed from the vendor's by {skew}"
        with open_stage(case, skew=skew) as stage:
            deed.prepare(stage)
            outcome = deed.do(stage)
        expect_sound(outcome, when)
        if case.subject.manifest.kind is PluginKind.MANUFACTURER:
            expect_truth(outcome, when, least=deed.least_gain)


def nothing_left_behind(case: Case) -> None:
    """Check the deed after one whose answer came too late."""
    deed = deed_of(case.subject)
    with open_deed(case, deed, deadline=SHORT) as stage:
        late = WireFault(spoil=lambda reply, _: attrs.evolve(reply, delay=SHORT * 1.6))
        stage.front.play(late, times=1)
        first = deed.do(stage)
        second = deed.do(stage)
    expect_error(first, OutcomeUnknown, "When the answer came after the deadline")
    good_outcome(second, deed)
    if second.effects != 1:
        raise RuleBroken(
            f"after an answer that came too late, {deed.name} made {second.effects} requests "
            "with an effect.",
            write="keep nothing of an order in the plugin; the host keeps it.",
        )
