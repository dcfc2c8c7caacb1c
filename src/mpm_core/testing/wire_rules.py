"""What can go wrong on the wire, and what a plugin must make of it: M-01 to M-17, G-, P-.

The numbers are those of the fault matrix; a messenger (G) and a telecom that prompts phones (P) meet
the same faults as a manufacturer (M).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import attrs

from mpm_core.errors import NotSent, OutcomeUnknown, Throttled
from mpm_core.manifest import PluginKind
from mpm_core.simulation import SimulatedReply, SimulatedRequest
from mpm_core.simulation_faults import ANSWER_FAULTS, RETRY_AFTER_SECONDS, UNPROCESSED_FAULTS
from mpm_core.testing.cases import Case
from mpm_core.testing.deeds import deed_of, good_outcome, open_deed
from mpm_core.testing.front import Spoil, WireFault
from mpm_core.testing.rules import Applies, Rule, RuleBook, RuleBroken
from mpm_core.testing.stages import GRACE, SHORT, Outcome, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_error, expect_once, expect_sound, expect_truth

__all__ = ["BOOK", "FAMILIES", "sells_over_the_wire"]

BOOK = RuleBook()
_HTML = "text/html; charset=utf-8"
_HANG = 30.0  # longer than any deadline used here
_UNDOCUMENTED = (400, 409, 418, 422, 451)
_DAY = timedelta(days=1)


def sells_over_the_wire(subject: Subject) -> bool:
    """Tell whether a plugin is a manufacturer's that asks a vendor for what it sells."""
    is_manufacturer = subject.manifest.kind is PluginKind.MANUFACTURER
    return is_manufacturer and subject.calls_out and bool(subject.sellable)


def _sends(subject: Subject) -> bool:
    return subject.manifest.kind is PluginKind.MESSENGER and subject.calls_out


def _prompts(subject: Subject) -> bool:
    return subject.has("mpm_push_payment")


FAMILIES: Mapping[str, tuple[Applies, str]] = {
    "M": (sells_over_the_wire, "manufacturers with `url_settings` and an operation to sell"),
    "G": (_sends, "messengers with `url_settings`"),
    "P": (_prompts, "telecoms with `mpm_push_payment`"),
}


@attrs.frozen(kw_only=True)
class _Hazard:
    """One row of the table: a fault, and what must come of it."""

    number: str
    title: str
    promise: str
    remedy: str
    check: Callable[[Case], None]


# --- the faults -----------------------------------------------------------------------------------


def _named(name: str) -> Spoil:
    spoil = ANSWER_FAULTS[name]
    return lambda reply, _request: spoil(reply)


def _replaced(status: int, body: bytes, content_type: str = "application/json") -> Spoil:
    reply = SimulatedReply(status=status, body=body, content_type=content_type)
    return lambda _reply, _request: reply


def _in_latin(reply: SimulatedReply, _request: SimulatedRequest) -> SimulatedReply:
    return attrs.evolve(
        reply, body=b"\xe9\xff" + reply.body, content_type="application/json; charset=utf-8"
    )


def _emptied(reply: SimulatedReply, _request: SimulatedRequest) -> SimulatedReply:
    return attrs.evolve(reply, body=b"")


def _nested(reply: SimulatedReply, _request: SimulatedRequest) -> SimulatedReply:
    return attrs.evolve(reply, body=b"[" * 100_000)


# --- what must come of them -----------------------------------------------------------------------


def _unknown_after(faults: Mapping[str, Spoil]) -> Callable[[Case], None]:
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


def _unknown_in_time(name: str, fault: WireFault) -> Callable[[Case], None]:
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


def _unreachable(case: Case) -> None:
    deed = deed_of(case.subject)
    with open_stage(case, reachable=False) as stage:
        deed.prepare(stage)
        outcome = deed.do(stage)
    expect_error(outcome, NotSent, f"When nobody could be reached for {deed.name}")


def _throttled(case: Case) -> None:
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


def _undocumented(case: Case) -> None:
    documented = {code.code for code in case.subject.manifest.result_codes}
    for status in _UNDOCUMENTED:
        if str(status) not in documented:
            _check_unknown(
                case, f"status {status} without words", WireFault(spoil=_replaced(status, b"{}"))
            )


def _login_ended(case: Case) -> None:
    """M13: once, then for good; whatever the plugin says of it must be true."""
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


def _clocks_differ(case: Case) -> None:
    for skew in (-_DAY, _DAY):
        deed = deed_of(case.subject)
        when = f"When our clock differed from the vendor's by {skew}"
        with open_stage(case, skew=skew) as stage:
            deed.prepare(stage)
            outcome = deed.do(stage)
        expect_sound(outcome, when)
        if case.subject.manifest.kind is PluginKind.MANUFACTURER:
            expect_truth(outcome, when, least=deed.least_gain)


def _nothing_left_behind(case: Case) -> None:
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


_HAZARDS: Sequence[_Hazard] = (
    _Hazard(
        number="01",
        title="a vendor that cannot be reached was not sent to",
        promise="Nobody listens at the vendor's address: the outcome is `NotSent`, so that the host "
        "tries again later.",
        remedy="let NotSent of runtime.http pass; do not catch it.",
        check=_unreachable,
    ),
    _Hazard(
        number="02",
        title="an answer that never comes is unknown at the deadline",
        promise="The vendor did it and is silent: `OutcomeUnknown` within the deadline, and the "
        "request was made once.",
        remedy="let OutcomeUnknown of runtime.http pass, with effect=True if the request is a GET.",
        check=_unknown_in_time(
            "never came", WireFault(spoil=lambda _r, _q: SimulatedReply(delay=_HANG, drop=True))
        ),
    ),
    _Hazard(
        number="03",
        title="a request that was swallowed is unknown too",
        promise="The vendor did nothing and is silent: we cannot know that, so the outcome is "
        "`OutcomeUnknown`, and a lost connection after sending is the same.",
        remedy="let OutcomeUnknown of runtime.http pass, with effect=True if the request is a GET.",
        check=_unknown_in_time(
            "was a connection closed without a word", WireFault(instead=SimulatedReply(drop=True))
        ),
    ),
    _Hazard(
        number="04",
        title="a server error after the deed is unknown",
        promise="500, 502, 504, and 503 without a `Retry-After`, all after the deed was done.",
        remedy="answer.expect_success() before anything is read.",
        check=_unknown_after(
            {
                "status 500": _named("error_500"),
                "status 502": _named("bad_gateway"),
                "status 503 without Retry-After": _replaced(503, b"{}"),
                "status 504": _replaced(504, b"gateway timeout", "text/plain"),
            }
        ),
    ),
    _Hazard(
        number="05",
        title="a vendor that says not now is throttled",
        promise="429, and 503 with a `Retry-After`: `Throttled`, with the wait the vendor asked for.",
        remedy="answer.expect_success() before anything is read.",
        check=_throttled,
    ),
    _Hazard(
        number="06",
        title="a body that cannot be read is unknown",
        promise="Done, but the body is cut off, garbled, nested without end, or in no charset.",
        remedy="answer.json() or answer.text(), which raise what is right, and no except around it.",
        check=_unknown_after(
            {
                "garbled": _named("malformed_json"),
                "cut off": _named("truncated"),
                "not in its charset": _in_latin,
                "nested without end": _nested,
            }
        ),
    ),
    _Hazard(
        number="07",
        title="a web page is no answer",
        promise="Done, but the answer is 200 with a login page in HTML.",
        remedy="answer.json(), which refuses pages.",
        check=_unknown_after({"a login page": _named("html")}),
    ),
    _Hazard(
        number="08",
        title="an undocumented refusal is unknown",
        promise="Done, and answered with a client error that the manifest's `result_codes` do not "
        "know (400, 409, 418, 422, 451) and with no words of the vendor: not `Refused`.",
        remedy="raise Refused for the vendor's documented answers only, OutcomeUnknown for the rest.",
        check=_undocumented,
    ),
    _Hazard(
        number="10",
        title="an answer byte by byte ends at the deadline",
        promise="One byte per second: the whole call ends at the deadline, with `OutcomeUnknown`.",
        remedy="make every request through runtime.http with the context of the call.",
        check=_unknown_in_time("came byte by byte", WireFault(spoil=_named("slow_loris"))),
    ),
    _Hazard(
        number="11",
        title="an answer without end is unknown",
        promise="The body is 4 MiB: it is not read to the end, and the outcome is `OutcomeUnknown`.",
        remedy="make every request through runtime.http.",
        check=_unknown_after({"4 MiB long": _named("huge")}),
    ),
    _Hazard(
        number="12",
        title="a redirect is not followed",
        promise="302 to another host: `OutcomeUnknown`, and nobody else is called.",
        remedy="let the error of runtime.http pass.",
        check=_unknown_after({"a redirect": _named("redirect")}),
    ),
    _Hazard(
        number="13",
        title="an expired login is renewed at most once",
        promise="401 to the request with the effect, once and then again and again: at most one "
        "more try, and never a success that was none.",
        remedy="after a 401 log in afresh and try once more, with not_processed=(401,).",
        check=_login_ended,
    ),
    _Hazard(
        number="15",
        title="clocks that differ break no promise",
        promise="Our clock is a day before or behind the vendor's: the call succeeds or fails "
        "truthfully.",
        remedy="reckon with context.now only, and with lifetimes rather than instants.",
        check=_clocks_differ,
    ),
    _Hazard(
        number="17",
        title="an answer that comes too late leaves nothing behind",
        promise="The vendor answers after the deadline: that is `OutcomeUnknown`, and the next deed "
        "is done as if nothing had been.",
        remedy="keep no lock, cache or connection of an order past its call.",
        check=_nothing_left_behind,
    ),
)


def _add(family: str, hazard: _Hazard) -> None:
    applies, when = FAMILIES[family]
    BOOK.add(
        Rule(
            number=f"{family}-{hazard.number}",
            title=hazard.title,
            promise=hazard.promise,
            remedy=hazard.remedy,
            applies=applies,
            when=when,
            check=hazard.check,
        )
    )


for _family in FAMILIES:
    for _hazard in _HAZARDS:
        _add(_family, _hazard)
