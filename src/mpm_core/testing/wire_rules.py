"""What can go wrong on the wire, and what a plugin must make of it: M-01 to M-17, G-, P-.

The numbers are those of the fault matrix; a messenger (G) and a telecom that prompts phones (P)
meet the same faults as a manufacturer (M).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from mpm_core.manifest import PluginKind
from mpm_core.simulation import SimulatedReply
from mpm_core.testing.cases import Case
from mpm_core.testing.front import WireFault
from mpm_core.testing.rules import Applies, Rule, RuleBook
from mpm_core.testing.subjects import Subject
from mpm_core.testing.wire_checks import (
    clocks_differ,
    in_latin,
    login_ended,
    named,
    nested,
    nothing_left_behind,
    replaced,
    throttled,
    undocumented,
    unknown_after,
    unknown_in_time,
    unreachable,
)

__all__ = ["BOOK", "FAMILIES", "sells_over_the_wire"]

BOOK = RuleBook()
_HANG = 30.0  # longer than any deadline used here


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


_HAZARDS: Sequence[_Hazard] = (
    _Hazard(
        number="01",
        title="a vendor that cannot be reached was not sent to",
        promise="Nobody listens at the vendor's address: the outcome is `NotSent`, so that "
        "the host tries again later.",
        remedy="let NotSent of runtime.http pass; do not catch it.",
        check=unreachable,
    ),
    _Hazard(
        number="02",
        title="an answer that never comes is unknown at the deadline",
        promise="The vendor did it and is silent: `OutcomeUnknown` within the deadline, and the "
        "request was made once.",
        remedy="let OutcomeUnknown of runtime.http pass, with effect=True if the request is a GET.",
        check=unknown_in_time(
            "never came", WireFault(spoil=lambda _r, _q: SimulatedReply(delay=_HANG, drop=True))
        ),
    ),
    _Hazard(
        number="03",
        title="a request that was swallowed is unknown too",
        promise="The vendor did nothing and is silent: we cannot know that, so the outcome is "
        "`OutcomeUnknown`, and a lost connection after sending is the same.",
        remedy="let OutcomeUnknown of runtime.http pass, with effect=True if the request is a GET.",
        check=unknown_in_time(
            "was a connection closed without a word", WireFault(instead=SimulatedReply(drop=True))
        ),
    ),
    _Hazard(
        number="04",
        title="a server error after the deed is unknown",
        promise="500, 502, 504, and 503 without a `Retry-After`, all after the deed was done.",
        remedy="answer.expect_success() before anything is read.",
        check=unknown_after(
            {
                "status 500": named("error_500"),
                "status 502": named("bad_gateway"),
                "status 503 without Retry-After": replaced(503, b"{}"),
                "status 504": replaced(504, b"gateway timeout", "text/plain"),
            }
        ),
    ),
    _Hazard(
        number="05",
        title="a vendor that says not now is throttled",
        promise="429, and 503 with a `Retry-After`: `Throttled`, with the wait the vendor "
        "asked for.",
        remedy="answer.expect_success() before anything is read.",
        check=throttled,
    ),
    _Hazard(
        number="06",
        title="a body that cannot be read is unknown",
        promise="Done, but the body is cut off, garbled, nested without end, or in no charset.",
        remedy="answer.json() or answer.text(), which raise what is right, and no except "
        "around it.",
        check=unknown_after(
            {
                "garbled": named("malformed_json"),
                "cut off": named("truncated"),
                "not in its charset": in_latin,
                "nested without end": nested,
            }
        ),
    ),
    _Hazard(
        number="07",
        title="a web page is no answer",
        promise="Done, but the answer is 200 with a login page in HTML.",
        remedy="answer.json(), which refuses pages.",
        check=unknown_after({"a login page": named("html")}),
    ),
    _Hazard(
        number="08",
        title="an undocumented refusal is unknown",
        promise="Done, and answered with a client error that the manifest's `result_codes` do not "
        "know (400, 409, 418, 422, 451) and with no words of the vendor: not `Refused`.",
        remedy="raise Refused for the vendor's documented answers only, OutcomeUnknown for "
        "the rest.",
        check=undocumented,
    ),
    _Hazard(
        number="10",
        title="an answer byte by byte ends at the deadline",
        promise="One byte per second: the whole call ends at the deadline, with `OutcomeUnknown`.",
        remedy="make every request through runtime.http with the context of the call.",
        check=unknown_in_time("came byte by byte", WireFault(spoil=named("slow_loris"))),
    ),
    _Hazard(
        number="11",
        title="an answer without end is unknown",
        promise="The body is 4 MiB: it is not read to the end, and the outcome is "
        "`OutcomeUnknown`.",
        remedy="make every request through runtime.http.",
        check=unknown_after({"4 MiB long": named("huge")}),
    ),
    _Hazard(
        number="12",
        title="a redirect is not followed",
        promise="302 to another host: `OutcomeUnknown`, and nobody else is called.",
        remedy="let the error of runtime.http pass.",
        check=unknown_after({"a redirect": named("redirect")}),
    ),
    _Hazard(
        number="13",
        title="an expired login is renewed at most once",
        promise="401 to the request with the effect, once and then again and again: at most one "
        "more try, and never a success that was none.",
        remedy="after a 401 log in afresh and try once more, with not_processed=(401,).",
        check=login_ended,
    ),
    _Hazard(
        number="15",
        title="clocks that differ break no promise",
        promise="Our clock is a day before or behind the vendor's: the call succeeds or fails "
        "truthfully.",
        remedy="reckon with context.now only, and with lifetimes rather than instants.",
        check=clocks_differ,
    ),
    _Hazard(
        number="17",
        title="an answer that comes too late leaves nothing behind",
        promise="The vendor answers after the deadline: that is `OutcomeUnknown`, and the "
        "next deed is done as if nothing had been.",
        remedy="keep no lock, cache or connection of an order past its call.",
        check=nothing_left_behind,
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
