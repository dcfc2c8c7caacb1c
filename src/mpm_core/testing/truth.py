"""Whether what a plugin says of a call is true, whatever went wrong with it."""

from __future__ import annotations

from mpm_core.errors import (
    ContractViolation,
    MpmError,
    NothingHappened,
    OutcomeUnknown,
    Refused,
)
from mpm_core.orders import Grant
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.stages import Outcome
from mpm_core.testing.values import shown

__all__ = ["by_containment", "expect_error", "expect_once", "expect_sound", "expect_truth"]

_AUTHORS_FAULT = "the plugin's author must fix it"


def by_containment(error: MpmError | None) -> bool:
    """Tell whether an error is the host's account of something the contract does not know."""
    return error is not None and _AUTHORS_FAULT in str(error)


def expect_sound(outcome: Outcome, when: str) -> None:
    """Refuse an outcome that only the host's containment brought about.

    Raises:
        RuleBroken: the plugin raised or answered something the contract does not know.
    """
    error = outcome.error
    if error is None:
        return
    if isinstance(error, ContractViolation) or by_containment(error):
        raise RuleBroken(
            f"{when}, {error}",
            write="an error of mpm_core that says what happened: Refused, NotSent, Throttled, "
            "Misconfigured or OutcomeUnknown; `answer.json()`, `answer.unusable(…)` and "
            "`answer.expect_success()` raise the right one.",
        )
    if not str(error).strip():
        raise RuleBroken(f"{when}, {type(error).__name__} came without a word of explanation.")


def expect_error(
    outcome: Outcome, kind: type[MpmError], when: str, *, never: type[MpmError] | None = None
) -> None:
    """Refuse any other outcome than an error of a kind.

    Raises:
        RuleBroken: it ended otherwise.
    """
    expect_sound(outcome, when)
    wrong = never is not None and isinstance(outcome.error, never)
    if not isinstance(outcome.error, kind) or wrong:
        raise RuleBroken(
            f"{when}, the call must end with {kind.__name__}, but ended with {outcome}"
        )


def expect_once(outcome: Outcome, when: str) -> None:
    """Refuse a plugin that repeated a request which may have had its effect.

    Raises:
        RuleBroken: more than one such request was made.
    """
    if outcome.effects > 1:
        raise RuleBroken(
            f"{when}, the plugin sent the request {outcome.effects} times in one call.",
            write="one request per call: the host repeats where that is safe.",
        )


def expect_truth(
    outcome: Outcome, when: str, *, known_codes: frozenset[str] = frozenset(), least: int = 1
) -> None:
    """Hold what a plugin says against what the simulated vendor did.

    Args:
        outcome: of the call.
        when: the circumstance, to begin the sentence.
        known_codes: handed out before; the host itself sees when one comes twice.
        least: 0 where a grant may change nothing, because the device has what it asks for.

    Raises:
        RuleBroken: it says that nothing happened though something did, or the other way round.
    """
    expect_sound(outcome, when)
    given = f"the vendor gave the device something {outcome.gained} times"
    if isinstance(outcome.error, NothingHappened | Refused) and outcome.gained:
        raise RuleBroken(
            f"{when}, {given}, but the call ended with {outcome}",
            write="raise OutcomeUnknown unless it is certain that nothing was given.",
        )
    if isinstance(outcome.error, OutcomeUnknown) and outcome.gained > 1:
        raise RuleBroken(f"{when}, {given} in one call.")
    if isinstance(outcome.answer, Grant) and not least <= outcome.gained <= 1:
        codes = {code.reveal() for code in outcome.answer.codes}
        if outcome.gained or not codes & known_codes:
            raise RuleBroken(f"{when}, {given}, but the call ended with {shown(outcome.answer)}.")
