"""What is made of a telecom's answers about a push: pure.

A push is sent once. While nobody knows what became of it the telecom is asked, and only its own
word ends it: a payer who was charged must never be told that nothing happened (faults P10, P11).
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import attrs

from mpm_core import (
    ContractViolation,
    MpmError,
    NothingHappened,
    ProviderState,
    PushReceipt,
    PushState,
    Refused,
)
from mpm_host.backoff import Draw, asked_by, draw_any, spread

__all__ = [
    "LATE",
    "UNBOOKABLE",
    "PushFacts",
    "PushStatus",
    "PushStep",
    "after_prompt",
    "after_query",
    "after_unbookable",
    "reopened",
]

LATE = timedelta(minutes=15)  # a telecom that knows nothing by then got nothing, if asked twice
UNBOOKABLE = "The telecom says that it was paid, but"  # how the detail of such a push begins
_BETWEEN_NOES = timedelta(minutes=5)
_GIVE_UP = timedelta(days=7)
_LOOKS = (
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=5),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
_NOES_NEEDED = 2


class PushStatus(StrEnum):
    """What became of a push; the words of the public interface."""

    REQUESTED = "requested"  # stored, or the telecom took it
    UNKNOWN = "unknown"  # the payer may have been charged
    PAID = "paid"  # booked
    FAILED = "failed"  # the telecom says no, or it never got it


@attrs.frozen(kw_only=True)
class PushFacts:
    """Where a push stands.

    Attributes:
        looks: how often the telecom was asked.
        not_found: conclusive answers in a row that it knows nothing.
        age: since it was sent.
    """

    status: PushStatus = PushStatus.REQUESTED
    looks: int = 0
    not_found: int = 0
    age: timedelta = timedelta(0)


@attrs.frozen(kw_only=True)
class PushStep:
    """Where it stands afterwards.

    Attributes:
        next_in: when to ask; `None` if nothing is to be done.
        to_book: the telecom says that it is paid: the money is to be booked before this is written.
    """

    status: PushStatus
    detail: str = ""
    looks: int = 0
    not_found: int = 0
    next_in: timedelta | None = None
    to_book: bool = False

    @property
    def is_final(self) -> bool:
        """Tell whether it has ended; a notice may open it again."""
        return self.status in {PushStatus.PAID, PushStatus.FAILED}

    @property
    def needs_person(self) -> bool:
        """Tell whether nobody knows, and the telecom is not asked any more."""
        return not self.is_final and self.next_in is None


def after_prompt(answer: PushReceipt | MpmError, *, draw: Draw = draw_any) -> PushStep:
    """Return what the answer to the prompt makes of a push: only a sure no ends it.

    Args:
        answer: the telecom's, or what is known without a word of it.
        draw: chance, which makes every wait a little longer.
    """
    return _spread(_after_prompt(answer), draw)


def _after_prompt(answer: PushReceipt | MpmError) -> PushStep:
    if isinstance(answer, PushReceipt):
        return PushStep(status=PushStatus.REQUESTED, next_in=_LOOKS[0])
    if isinstance(answer, Refused | NothingHappened | ContractViolation):
        return PushStep(status=PushStatus.FAILED, detail=str(answer))
    return PushStep(status=PushStatus.UNKNOWN, detail=str(answer), next_in=_LOOKS[0])


def after_query(
    answer: ProviderState | MpmError, facts: PushFacts, *, draw: Draw = draw_any
) -> PushStep:
    """Return what the telecom's word makes of a push that was sent.

    Args:
        answer: the telecom's, or what is known without a word of it.
        facts: of the push.
        draw: chance, which makes every wait a little longer.
    """
    return _spread(_after_query(answer, facts), draw)


def _after_query(answer: ProviderState | MpmError, facts: PushFacts) -> PushStep:
    if isinstance(answer, MpmError):
        step = _later(facts, facts.status, detail=str(answer), not_found=facts.not_found)
        return _not_before(step, asked_by(answer))
    match answer.state:
        case PushState.PAID:
            return PushStep(status=PushStatus.PAID, looks=facts.looks + 1, to_book=True)
        case PushState.FAILED:
            detail = "The telecom says that it was not paid."
            return PushStep(status=PushStatus.FAILED, detail=detail, looks=facts.looks + 1)
        case PushState.PROMPTED:
            return _later(facts, PushStatus.REQUESTED, detail="", not_found=0)
        case PushState.NOT_FOUND:
            return _after_no(facts)


def _spread(step: PushStep, draw: Draw) -> PushStep:
    if step.next_in is None:
        return step
    return attrs.evolve(step, next_in=spread(step.next_in, draw))


def _not_before(step: PushStep, asked: timedelta | None) -> PushStep:
    """Leave a telecom alone for as long as it wants."""
    if step.next_in is None or asked is None:
        return step
    return attrs.evolve(step, next_in=max(step.next_in, asked))


def after_unbookable(facts: PushFacts, why: str) -> PushStep:
    """Leave a push that is paid, but with what is no money of the company's, to a person."""
    return PushStep(
        status=PushStatus.UNKNOWN,
        detail=f"{UNBOOKABLE} {why}; a person must look.",
        looks=facts.looks + 1,
    )


def reopened(status: PushStatus) -> PushStatus:
    """Return where a push stands when a notice says that it was paid: nobody knows until asked."""
    return PushStatus.UNKNOWN if status is PushStatus.FAILED else status


def _after_no(facts: PushFacts) -> PushStep:
    """Believe *not found* only past the telecom's own limit, and only twice."""
    detail = "The telecom does not know of it."
    if facts.age < LATE:
        return _later(facts, facts.status, detail=detail, not_found=0)
    noes = facts.not_found + 1
    if noes >= _NOES_NEEDED:
        return PushStep(
            status=PushStatus.FAILED, detail=detail, looks=facts.looks + 1, not_found=noes
        )
    return PushStep(
        status=facts.status,
        detail=detail,
        looks=facts.looks + 1,
        not_found=noes,
        next_in=_BETWEEN_NOES,
    )


def _later(facts: PushFacts, status: PushStatus, *, detail: str, not_found: int) -> PushStep:
    looks = facts.looks + 1
    if facts.age >= _GIVE_UP:
        return PushStep(
            status=PushStatus.UNKNOWN,
            detail=f"Nobody knows after {_GIVE_UP.days} days; ask the telecom. {detail}".strip(),
            looks=looks,
            not_found=not_found,
        )
    wait = _LOOKS[min(looks, len(_LOOKS) - 1)]
    return PushStep(status=status, detail=detail, looks=looks, not_found=not_found, next_in=wait)
