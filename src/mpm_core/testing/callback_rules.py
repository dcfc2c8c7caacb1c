"""Callbacks of vendors and gateways that are no telecoms, C-26 and C-27."""

from __future__ import annotations

from hypothesis import strategies as st

from mpm_core.calls import InboundCall, Reply
from mpm_core.manifest import PluginKind
from mpm_core.payments import Decision, Verdict
from mpm_core.testing.cases import Case
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_sound

__all__ = ["BOOK"]

BOOK = RuleBook()
_WHEN = "manufacturers and messengers with `callback_paths`"


def _is_called(subject: Subject) -> bool:
    is_telecom = subject.manifest.kind is PluginKind.TELECOM
    return bool(subject.manifest.callback_paths) and not is_telecom


def _bodies() -> st.SearchStrategy[bytes]:
    odd = [b"", b"{}", b"[]", b"null", b"id=1", b"id=1&status=Success", b"\xff", b'{"a":' * 3000]
    return st.one_of(st.sampled_from(odd), st.binary(max_size=60))


def _call(path: str, body: bytes) -> InboundCall:
    return InboundCall(method="POST", path=path, headers={}, body=body, source="192.0.2.7")


@BOOK.rule(
    "C-26",
    "garbage at its callback is refused in the contract's words",
    promise="Any bytes at any callback path are `Unauthenticated`, `Malformed`, `Stale` or an "
    "honest request, never another error.",
    remedy="raise Malformed(message, fields) for everything that cannot be read.",
    applies=_is_called,
    when=_WHEN,
)
def _refuses_garbage(case: Case) -> None:
    with open_stage(case) as stage:
        paths = st.sampled_from([*case.subject.manifest.callback_paths, "no/such/path"])

        def check(example: tuple[str, bytes]) -> None:
            outcome = stage.call("mpm_read_call", call=_call(*example))
            expect_sound(outcome, "When a callback was garbage")

        case.holds(st.tuples(paths, _bodies()), check, examples=80)


@BOOK.rule(
    "C-27",
    "there is an answer to every callback, the same every time",
    promise="For every decision about a callback, read or unread, `mpm_write_reply` writes a "
    "reply; a new instance writes the same bytes.",
    remedy="a total match with a last case; no clock, no random, no counter.",
    applies=_is_called,
    when=_WHEN,
)
def _answers_all(case: Case) -> None:
    written = []
    with open_stage(case) as stage:
        for _ in range(2):
            for path in case.subject.manifest.callback_paths:
                for decision in Decision:
                    outcome = stage.call(
                        "mpm_write_reply",
                        call=_call(path, b"{}"),
                        request=None,
                        verdict=Verdict(decision=decision),
                    )
                    if not isinstance(outcome.answer, Reply):
                        raise RuleBroken(f"the reply to {decision} ended with {outcome}")
                    written.append(outcome.answer)
            stage.restart()
    if written[: len(written) // 2] != written[len(written) // 2 :]:
        raise RuleBroken("the same verdict was written in other bytes when it was written again.")
