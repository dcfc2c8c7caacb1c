"""Calling a plugin's code so that whatever it does stays within its own call.

The only place where everything is caught. An error of the contract passes through if this hook may
raise it; anything else, and any answer of a wrong type, becomes *unknown* if a request with an
effect may have left, and a contract violation otherwise. The text of a foreign error is never
repeated, for it may hold a secret; its kind and its place are.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from mpm_core.company_plugins.answer_checks import OTHER_DEVICE
from mpm_core.company_plugins.hook_rules import HookRule
from mpm_core.company_plugins.plugin_instances import LoadedInstance, place_of
from mpm_core.effects import EffectRecord, enter_record, leave_record
from mpm_core.errors import (
    Attribution,
    CallRefused,
    ContractViolation,
    MpmError,
    OutcomeError,
    OutcomeUnknown,
    Refused,
)

__all__ = ["Route", "call_contained", "close_failure", "note_answer"]

_LOG = logging.getLogger("mpm_core.company_plugins")  # the dispatch, as people know it
_LONGEST_NAME = 80


@attrs.frozen(kw_only=True, eq=False)
class Route:
    """One hook of one instance, looked up once.

    Attributes:
        function: the plugin's bound method.
        argument_names: those it asks for, in its order.
        deadline: seconds its call may take.
        wants_context: it asks for the context.
        check: what its answer must hold beyond its type.
    """

    loaded: LoadedInstance
    hook: str
    rule: HookRule
    function: Callable[..., object]
    argument_names: Sequence[str]
    deadline: float
    wants_context: bool
    check: Callable[[object, Mapping[str, object]], str]

    def __str__(self) -> str:
        """Name the hook and whose it is, for messages."""
        loaded = self.loaded
        return (
            f"Plugin {loaded.plugin}, instance {loaded.name} of company {loaded.company.slug}: "
            f"{self.hook}"
        )

    def attribution(self, correlation_id: str) -> Attribution:
        """Return whose call it was."""
        loaded = self.loaded
        return Attribution(
            plugin=loaded.plugin.name,
            distribution=loaded.plugin.distribution,
            version=loaded.plugin.version,
            hook=self.hook,
            company=loaded.company.slug,
            instance=loaded.name,
            correlation_id=correlation_id,
        )


def close_failure(route: Route, correlation_id: str, error: MpmError, seconds: float) -> None:
    """Attach to an error whose call it was, as a value and as a note, and log it as one line."""
    attribution = route.attribution(correlation_id)
    error.attribution = attribution
    note = str(attribution)
    if note not in getattr(error, "__notes__", ()):  # a plugin may raise one object twice
        error.add_note(note)
    expected = isinstance(error, CallRefused | Refused)
    outcome = type(error).__name__[:_LONGEST_NAME]
    level = logging.INFO if expected else logging.WARNING
    _log_call(level, "hook_failed", outcome, seconds, attribution)


def note_answer(route: Route, correlation_id: str, answer: object, seconds: float) -> None:
    """Log a vendor's answer as one line: what kind it was, never what it says."""
    outcome = type(answer).__name__[:_LONGEST_NAME]
    _log_call(logging.INFO, "hook_answered", outcome, seconds, route.attribution(correlation_id))


def _log_call(
    level: int, event: str, outcome: str, seconds: float, attribution: Attribution
) -> None:
    """Log one call, as text and, for who writes structured logs, as fields."""
    if not _LOG.isEnabledFor(level):
        return
    whose = attrs.asdict(attribution)
    fields = {"outcome": outcome, "seconds": round(seconds, 3), **whose}
    _LOG.log(
        level,
        f"{event} outcome=%s seconds=%.3f plugin=%s distribution=%s version=%s hook=%s "
        "company=%s instance=%s correlation=%s",
        outcome,
        seconds,
        *whose.values(),
        extra={"mpm_event": event, "mpm_fields": fields},
    )


def call_contained(route: Route, record: EffectRecord, arguments: Mapping[str, object]) -> Any:  # noqa: ANN401 - the hook decides; the typed facade states it
    """Call a plugin's method and return its checked answer.

    Args:
        route: what to call.
        record: of this call.
        arguments: by name, the context among them if it is wanted.

    Raises:
        MpmError: one that this hook may raise, or what became of anything else.
        KeyboardInterrupt: the person at the keyboard, in the main thread.
    """
    failure: BaseException | None = None
    answer: object = None
    problem = ""
    values = map(arguments.__getitem__, route.argument_names)
    token = enter_record(record)
    try:
        answer = route.function(*values)
        # inside, for an answer may be an object that raises when it is looked at
        if isinstance(answer, route.rule.returns):
            problem = route.check(answer, arguments)
        else:
            problem = _wrong_type(route, answer)
    except KeyboardInterrupt as error:
        if threading.current_thread() is threading.main_thread():
            raise  # signals reach no other thread: there it is the plugin's own doing
        failure = error
    except BaseException as error:  # noqa: BLE001 - containment: SystemExit and the like must not stop the host
        failure = error
    finally:
        leave_record(token)
    if failure is not None:
        raise _classified(route, record, failure)
    if problem == OTHER_DEVICE and record.may_have_left:
        raise _quarantined(route, answer)
    if problem:
        raise _broken_contract(route, record, f"answered wrongly: {problem}", evidence=answer)
    return answer


def _quarantined(route: Route, answer: object) -> OutcomeUnknown:
    """Return what a vendor's answer about another device is; its plugin did well to hand it on."""
    unknown = OutcomeUnknown(
        f"{route} brought an answer about another device than it was asked for. Its code is kept"
        " out of sight and never used; ask the vendor."
    )
    unknown.evidence = answer
    return unknown


def _wrong_type(route: Route, answer: object) -> str:
    if inspect.iscoroutine(answer):
        answer.close()  # else Python warns that nobody awaited it
        return "it is a coroutine; write `def`, not `async def`"
    expected = " or ".join(kind.__name__ for kind in route.rule.returns)
    return f"it is {_kind_of(answer)}, not {expected.replace('NoneType', 'None')}"


def _classified(route: Route, record: EffectRecord, failure: BaseException) -> MpmError:
    if isinstance(failure, _allowed_errors(route)) and not (
        isinstance(failure, ContractViolation) and record.may_have_left
    ):
        return failure
    return _broken_contract(route, record, f"raised {_kind_of(failure)} ({place_of(failure)})")


def _allowed_errors(route: Route) -> tuple[type[MpmError], ...]:
    if route.hook == "mpm_read_call":
        return (CallRefused,)
    return () if route.rule.pure else (OutcomeError,)


def _broken_contract(
    route: Route, record: EffectRecord, problem: str, *, evidence: object = None
) -> MpmError:
    if not record.may_have_left:
        return ContractViolation(
            f"{route} {problem}. Nothing happened; the plugin's author must fix it."
        )
    unknown = OutcomeUnknown(
        f"{route} {problem}. A request may have taken effect; the plugin's author must fix it."
    )
    unknown.evidence = evidence
    return unknown


def _kind_of(thing: object) -> str:
    return type(thing).__name__[:_LONGEST_NAME]
