"""How every plugin behaves while its hooks run: openly, quietly, without leaks, C-20 to C-25."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import traceback
from collections.abc import Iterable, Iterator
from http import HTTPStatus

import attrs

from mpm_core.errors import MpmError
from mpm_core.orders import Grant
from mpm_core.simulation import SimulatedReply, SimulatedRequest
from mpm_core.testing.answer_spoiling import json_of, places_of, with_change
from mpm_core.testing.cases import Case
from mpm_core.testing.exercises import exercise, exercise_with_faults
from mpm_core.testing.front import WireFault
from mpm_core.testing.phones import phone_spellings
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import Outcome, Stage, open_stage, secrets_of
from mpm_core.testing.subjects import Subject
from mpm_core.testing.truth import expect_sound
from mpm_core.testing.watch import watched_deeds, watched_time

__all__ = ["BOOK"]

BOOK = RuleBook()
_SHORTEST_SECRET = 5


@BOOK.rule(
    "C-20",
    "its hooks call out through the runtime only",
    promise="While every hook runs, no connection, look-up of a host name, thread, program, "
    "file or signal handler is the plugin's own: runtime.http alone knows hosts, "
    "deadlines and sizes.",
    remedy="self._http.request(…, context=context) with the http of PluginRuntime.",
)
def _through_the_runtime(case: Case) -> None:
    with open_stage(case) as stage, watched_deeds() as seen:
        for outcome in exercise(stage):
            if seen:
                raise RuleBroken(f"{outcome.hook} {seen[0]}.")


@BOOK.rule(
    "C-21",
    "its hooks ask the host for the time",
    promise="While every hook runs, the plugin's own code never asks the system for the time: "
    "tests, replays and repeats depend on `context.now` being the only one.",
    remedy="ask for `context` in the hook and use context.now.",
)
def _time_of_the_host(case: Case) -> None:
    package = case.subject.module.partition(".")[0]
    with open_stage(case) as stage, watched_time(package) as seen:
        for outcome in exercise(stage):
            if seen:
                raise RuleBroken(f"{outcome.hook} called {seen[0]}.")


@BOOK.rule(
    "C-22",
    "its hooks print nothing",
    promise="Nothing goes to standard output or error while the hooks run.",
    remedy="logging.getLogger(__name__), with the correlation id and without secrets.",
)
def _prints_nothing(case: Case) -> None:
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        open_stage(case) as stage,
    ):
        for _ in exercise(stage):
            pass
    if printed.getvalue().strip():
        raise RuleBroken("something was printed while the hooks ran.")


@BOOK.rule(
    "C-23",
    "its hooks leave their arguments as they are",
    promise="Every value that a hook was given is the same after the call.",
    remedy="attrs.evolve(…) or dict(…) for a changed copy.",
)
def _arguments_unchanged(case: Case) -> None:
    with open_stage(case) as stage:
        for outcome in exercise(stage):
            if outcome.changed:
                raise RuleBroken(f"{outcome.hook} changed one of {outcome.changed}.")


@BOOK.rule(
    "C-24",
    "its hooks answer and raise what the contract knows",
    promise="Every hook, with good luck and bad at the vendor, answers a value of its type or "
    "raises an error of `mpm_core.errors`; nothing else, of any kind, leaves it.",
    remedy="catch nothing broadly; check what you read, and raise from mpm_core.errors.",
)
def _sound(case: Case) -> None:
    with open_stage(case) as stage:
        for outcome in exercise_with_faults(stage):
            expect_sound(outcome, f"In {outcome.hook}")


# --- secrets --------------------------------------------------------------------------------------


@attrs.define(eq=False)
class _Heard(logging.Handler):
    """Keeps every log line as a file would have it, errors and their whole chain included."""

    def __attrs_pre_init__(self) -> None:
        super().__init__(logging.DEBUG)

    lines: list[str] = attrs.field(factory=list)

    def emit(self, record: logging.LogRecord) -> None:
        extras = {key: value for key, value in vars(record).items() if key not in {"args", "msg"}}
        self.lines.append(f"{self.format(record)} {extras}")


@contextlib.contextmanager
def heard_logs() -> Iterator[list[str]]:
    """Collect every log line of the process, at every level."""
    handler, root = _Heard(), logging.getLogger()
    level, others = root.level, root.handlers[:]
    root.handlers[:] = [handler]  # the test runner's own would show every line of a failed test
    root.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        root.setLevel(level)
        root.handlers[:] = others


@BOOK.rule(
    "C-25",
    "secrets never appear",
    promise="Secret settings, the credentials it sends, token codes, message texts and whole phone "
    "numbers stand in no log line at any level, no error (text, notes, causes), no `repr` of the "
    "instance or anything it holds, no health report and no output, also when the vendor repeats "
    "our own request to us in its refusal.",
    remedy="keep credentials and codes as Secret, reveal() them only where they go on the "
    "wire, and take them out of the vendor's words (hide_secrets) before these enter an error.",
)
def _no_leak(case: Case) -> None:
    printed = io.StringIO()
    with (
        heard_logs() as lines,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        open_stage(case) as stage,
    ):
        outcomes = [*exercise_with_faults(stage), *_echoed(case, stage)]
        secrets = _canaries(case.subject, stage, outcomes)
        shown = {
            "a log line": lines,
            "what was printed": [printed.getvalue()],
            "an error": [text for outcome in outcomes for text in _texts_of(outcome.error)],
            "an answer's repr": [repr(outcome.answer) for outcome in outcomes if outcome.answer],
            "the instance's repr": _reprs(stage.plugin, depth=3),
        }
    for place, texts in shown.items():
        for what, secret in secrets.items():
            for text in texts:
                if secret in text:
                    hidden = text.replace(secret, f"<{what}>")
                    raise RuleBroken(f"{place} holds {what}: {_around(hidden, what)}")


def _around(text: str, what: str) -> str:
    position = max(0, text.index(f"<{what}>") - 60)
    return f"…{text[position : position + 160]}…".replace("\n", " ")


def _canaries(subject: Subject, stage: Stage, outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Return every text that must not appear, by what it is."""
    found = {
        f"secret setting {number}": text
        for number, text in enumerate(secrets_of(subject, stage.settings), start=1)
    }
    for exchange in stage.front.exchanges:
        scheme, _, credentials = exchange.request.headers.get("authorization", "").partition(" ")
        if credentials:
            found[f"a {scheme} credential"] = credentials
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome.answer, Grant):
            found |= {f"token code {number}": code.reveal() for code in outcome.answer.codes}
    found |= phone_canaries(subject)
    found["the message's text"] = "Token 1234 5678 9012"
    return {what: text for what, text in found.items() if len(text) >= _SHORTEST_SECRET}


def phone_canaries(subject: Subject) -> dict[str, str]:
    """Return the payer's number without country code, which all its spellings hold."""
    return {"a whole phone number": phone_spellings(subject.country)[-1]}


def _texts_of(error: BaseException | None) -> list[str]:
    if error is None:
        return []
    chain = "".join(traceback.format_exception(error))
    extras = [repr(value) for value in vars(error).values()] if isinstance(error, MpmError) else []
    return [str(error), repr(error), chain, *extras]


def _reprs(thing: object, *, depth: int) -> list[str]:
    """Return the repr of an object and of what it holds."""
    texts = [repr(thing), str(thing)]
    if depth:
        held = list(getattr(thing, "__dict__", {}).values())
        for cls in type(thing).__mro__:
            slots = getattr(cls, "__slots__", ())
            names = (slots,) if isinstance(slots, str) else slots
            held += [getattr(thing, name) for name in names if hasattr(thing, name)]
        for one in held:
            if type(one).__module__.partition(".")[0] not in {"mpm_core", "builtins"}:
                texts += _reprs(one, depth=depth - 1)
            else:
                texts.append(repr(one))
    return texts


def _echoed(case: Case, stage: Stage) -> list[Outcome]:
    """Let the vendor repeat our whole request in its own words of refusal."""
    if not stage.front.exchanges:
        return []
    serial = case.subject.serial[::-1]
    refused = [
        one
        for one in stage.front.exchanges
        if serial in str(one.request.body) + one.request.path + one.request.query
    ]
    front = stage.front
    front.effects |= {front.effect_of(one.request) for one in refused}
    outcomes = []
    for status in (200, 400, 422):
        front.play(WireFault(spoil=functools.partial(_echo, status=status)))
        outcomes += list(exercise(stage))
    front.stop()
    return outcomes


def _echo(reply: SimulatedReply, request: SimulatedRequest, *, status: int) -> SimulatedReply:
    """Put our own request, credentials included, into every text of a JSON refusal."""
    body = request.body.decode("utf-8", "replace")
    words = f"bad request: {body} {request.query} {dict(request.headers)}"
    honest = json_of(reply)
    if not isinstance(honest, dict):
        return reply
    changed = attrs.evolve(reply, status=status if reply.status == HTTPStatus.OK else reply.status)
    for place in list(places_of(honest, lambda leaf: isinstance(leaf, str) and " " in leaf)):
        changed = with_change(changed, place, lambda _text: words)
    return changed
