"""What becomes of an order after each thing that can happen to it: pure, in one place.

An order is *queued* until its turn, *sent* while a worker asks the manufacturer, and ends
*issued*, *refused* (surely no token, a person decides) or *cancelled*. *Unknown* means a token may
exist and is looked after on a schedule; *parked* means the same, but only a person can go on.

*Doubt* means that an attempt before the present one may have had its effect. Only a grant, a
person, or two conclusive answers that the vendor does not know the order end it.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import attrs

from mpm_core import (
    ChargeKind,
    ContractViolation,
    Grant,
    Misconfigured,
    MpmError,
    NotFound,
    NothingHappened,
    Operation,
    OutcomeUnknown,
    PaymentStatus,
    Pending,
    ReasonCode,
    Recovery,
    Refused,
    Throttled,
)
from mpm_host.backoff import Backoff, Draw, asked_by, draw_any, spread

__all__ = [
    "LOOKS",
    "AttemptOutcome",
    "OrderFacts",
    "OrderStatus",
    "Step",
    "after_attempt",
    "after_find",
    "after_look",
    "lost_attempt",
    "operation_missing",
    "while_reversing",
]

# How long after an outcome became unknown it is looked after; then a person must.
LOOKS = (
    timedelta(seconds=40),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
)
_BACKOFF = Backoff(first=timedelta(seconds=2), longest=timedelta(minutes=10))
_WAIT_FOR_SETTINGS = timedelta(minutes=10)
_VIOLATIONS_BEFORE_HELD = 5
_NOT_FOUND_TO_BE_SURE = 2
_SHORTEST_WAIT = timedelta(seconds=1)
_LONGEST_WAIT = timedelta(hours=24)  # whatever a vendor asks for, somebody looks once a day
_REVERSING = "The payment is being reversed; a person must say whether a token exists."


class OrderStatus(StrEnum):
    """Where an order stands."""

    QUEUED = "queued"
    SENT = "sent"
    UNKNOWN = "unknown"
    PARKED = "parked"
    ISSUED = "issued"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class AttemptOutcome(StrEnum):
    """How one attempt ended; the words of the public interface."""

    SENT = "sent"
    ISSUED = "issued"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"


@attrs.frozen(kw_only=True)
class OrderFacts:
    """What the rules must know of an order.

    Attributes:
        doubt: an attempt before this one may have had its effect.
        failures: attempts in a row after which nothing had happened.
        age: how long ago the outcome became unknown; nothing while it is not.
        looks: of the schedule that came to nothing. Looking more often than it says uses none up,
            and neither does time in which nobody could look.
        not_found: conclusive answers in a row that the vendor does not know the order.
        vendor_works: the vendor said it is still working on it, so it can be asked.
    """

    doubt: bool = False
    failures: int = 0
    age: timedelta = timedelta(0)
    looks: int = 0
    not_found: int = 0
    vendor_works: bool = False


@attrs.frozen(kw_only=True)
class Step:
    """What to write.

    Attributes:
        status: of the order from now on.
        outcome: of the attempt; `None` when there was no attempt.
        next_in: when to go on; `None` for never (finished, or a person must).
        grant: what to store and send; only with *issued*.
    """

    status: OrderStatus
    facts: OrderFacts
    outcome: AttemptOutcome | None = None
    next_in: timedelta | None = None
    reason: str = ""
    detail: str = ""
    grant: Grant | None = None

    @property
    def is_final(self) -> bool:
        """Tell whether the order's work is over, unless a person says otherwise."""
        return self.status in {OrderStatus.ISSUED, OrderStatus.REFUSED, OrderStatus.CANCELLED}

    @property
    def needs_person(self) -> bool:
        """Tell whether a person must decide."""
        return self.status in {OrderStatus.REFUSED, OrderStatus.PARKED}

    @property
    def payment_status(self) -> PaymentStatus:
        """Where the order's payment stands then."""
        match self.status:
            case OrderStatus.ISSUED:
                return PaymentStatus.SETTLED
            case OrderStatus.REFUSED:
                return PaymentStatus.HELD
            case OrderStatus.UNKNOWN | OrderStatus.PARKED:
                return PaymentStatus.UNKNOWN
            case _:
                return PaymentStatus.TOKEN_PENDING


def after_attempt(
    answer: Grant | Pending | MpmError,
    facts: OrderFacts,
    *,
    draw: Draw = draw_any,
) -> Step:
    """Say what an answer of the manufacturer, or the lack of one, means.

    An attempt made while an earlier one is in doubt keeps the doubt: a grant ends it, a refusal
    parks the order (the refusal may be *because* the earlier one worked), anything else stays
    unknown.

    Args:
        answer: what the manufacturer said, or what is known without a word of it.
        facts: of the order, before this attempt.
        draw: chance, which makes every wait a little longer.
    """
    return _spread(_after_attempt(answer, facts), draw)


def _after_attempt(answer: Grant | Pending | MpmError, facts: OrderFacts) -> Step:
    match answer:
        case Grant():
            return Step(
                status=OrderStatus.ISSUED,
                facts=facts,
                outcome=AttemptOutcome.ISSUED,
                grant=answer,
            )
        case Pending():
            return attrs.evolve(_wait(facts, answer.after), outcome=AttemptOutcome.UNKNOWN)
        case Refused():
            return _after_refusal(answer, facts)
        case NothingHappened() | ContractViolation():
            return _after_nothing(answer, facts)
        case _:
            return _unknown(facts, str(answer))


def _spread(step: Step, draw: Draw) -> Step:
    """Let chance make a step's wait longer; once a day somebody looks all the same."""
    if step.next_in is None:
        return step
    return attrs.evolve(step, next_in=min(spread(step.next_in, draw), _LONGEST_WAIT))


def after_look(operation: Operation | None, facts: OrderFacts) -> Step | None:
    """Say what the resolver does about an unknown order, or `None`: ask the vendor first.

    A repeat is a new attempt with the same key and inputs; nothing is repeated blindly.

    Args:
        operation: how the manufacturer recovers; `None` if it no longer offers it.
        facts: of the order.
    """
    if facts.vendor_works:
        return None
    if operation is None or operation.recovery is Recovery.NONE:
        return _park(facts, "Nobody can be asked whether a token exists; a person must decide.")
    if operation.recovery.repeat_is_safe:
        repeated = attrs.evolve(facts, doubt=True)
        return Step(status=OrderStatus.QUEUED, facts=repeated, next_in=timedelta(0))
    return None


def after_find(
    answer: Grant | NotFound | Pending | MpmError,
    facts: OrderFacts,
    *,
    draw: Draw = draw_any,
) -> Step:
    """Say what the vendor's answer about an earlier attempt means.

    Args:
        answer: what the vendor said when it was asked what became of it.
        facts: of the order.
        draw: chance, which makes every wait a little longer.
    """
    return _spread(_after_find(answer, facts), draw)


def _after_find(answer: Grant | NotFound | Pending | MpmError, facts: OrderFacts) -> Step:
    match answer:
        case Grant():
            return Step(status=OrderStatus.ISSUED, facts=facts, grant=answer)
        case Pending():
            looked = attrs.evolve(_looked(facts), not_found=0)
            return _wait(looked, max(answer.after, _next_look(looked)))
        case NotFound(conclusive=True) if facts.not_found + 1 >= _NOT_FOUND_TO_BE_SURE:
            return Step(status=OrderStatus.QUEUED, facts=OrderFacts(), next_in=timedelta(0))
        case NotFound(conclusive=True):
            once = attrs.evolve(_looked(facts), not_found=facts.not_found + 1)
            detail = "The vendor does not know the order; it is asked once more."
            # after the last look, too: a second such answer ends the doubt without a person; it
            # must be of another moment, also if somebody asked for the first one early
            wait = max(_next_look(once), LOOKS[0])
            return attrs.evolve(_wait_for_look(once, detail), next_in=wait)
        case MpmError():
            return _look_again(attrs.evolve(facts, not_found=0), str(answer))
        case NotFound():
            not_yet = "The vendor does not know the order yet; it is asked again."
            return _look_again(attrs.evolve(facts, not_found=0), not_yet)


def while_reversing(step: Step) -> Step:
    """Say what a step means for an order whose payment is being taken back: nothing new begins."""
    if step.status is not OrderStatus.QUEUED:
        return step
    if step.facts.doubt:
        return attrs.evolve(_park(step.facts, _REVERSING), outcome=step.outcome)
    return attrs.evolve(step, status=OrderStatus.CANCELLED, next_in=None)


def _after_refusal(error: Refused, facts: OrderFacts) -> Step:
    detail = f"{error.code}: {error}" if error.code else str(error)
    if facts.doubt:
        return attrs.evolve(_park(facts, detail), outcome=AttemptOutcome.REFUSED)
    return Step(
        status=OrderStatus.REFUSED,
        facts=facts,
        outcome=AttemptOutcome.REFUSED,
        reason=ReasonCode.VENDOR_REFUSED,
        detail=detail,
    )


def _after_nothing(error: NothingHappened | ContractViolation, facts: OrderFacts) -> Step:
    throttled = isinstance(error, Throttled)
    outcome = AttemptOutcome.THROTTLED if throttled else AttemptOutcome.NOT_SENT
    if facts.doubt:
        return attrs.evolve(_unknown(facts, str(error)), outcome=outcome)
    failed = attrs.evolve(facts, failures=facts.failures + 1)
    if isinstance(error, ContractViolation) and failed.failures >= _VIOLATIONS_BEFORE_HELD:
        return Step(
            status=OrderStatus.REFUSED,
            facts=failed,
            outcome=outcome,
            reason=ReasonCode.PLUGIN_UNAVAILABLE,
            detail=str(error),
        )
    wait = _BACKOFF.base(failed.failures)
    if isinstance(error, Misconfigured):
        wait = _WAIT_FOR_SETTINGS
    if (asked := asked_by(error)) is not None:
        wait = max(wait, _bounded(asked))
    return Step(
        status=OrderStatus.QUEUED,
        facts=failed,
        outcome=outcome,
        next_in=wait,
        reason=ReasonCode.PLUGIN_UNAVAILABLE,
        detail=str(error),
    )


def _unknown(facts: OrderFacts, detail: str) -> Step:
    return attrs.evolve(_look_again(facts, detail), outcome=AttemptOutcome.UNKNOWN)


def _look_again(facts: OrderFacts, detail: str) -> Step:
    """Leave the order for the schedule's next look, or for a person after the last one."""
    looked = _looked(facts)
    if looked.looks == len(LOOKS):
        return _park(looked, detail)
    return _wait_for_look(looked, detail)


def _wait_for_look(facts: OrderFacts, detail: str) -> Step:
    return Step(
        status=OrderStatus.UNKNOWN,
        facts=facts,
        next_in=_next_look(facts),
        # a vendor that said it works on the order can still be asked, whatever came of asking now
        reason=ReasonCode.VENDOR_PENDING if facts.vendor_works else ReasonCode.OUTCOME_UNKNOWN,
        detail=detail,
    )


def _looked(facts: OrderFacts) -> OrderFacts:
    """Count a look that came to nothing, if the schedule asked for it by now."""
    was_due = facts.looks < len(LOOKS) and facts.age >= LOOKS[facts.looks]
    return attrs.evolve(facts, looks=facts.looks + was_due)


def _next_look(facts: OrderFacts) -> timedelta:
    """Return how long to wait; as long as between two looks if the next one's time has passed."""
    if facts.looks == len(LOOKS):
        return LOOKS[0]
    planned = LOOKS[facts.looks]
    if planned > facts.age:
        return planned - facts.age
    return planned - (LOOKS[facts.looks - 1] if facts.looks else timedelta(0))


def _wait(facts: OrderFacts, after: timedelta) -> Step:
    detail = "The vendor is still working on it."
    if facts.age >= LOOKS[-1]:  # its time passes whether somebody looks or not
        return _park(facts, detail)
    return Step(
        status=OrderStatus.UNKNOWN,
        facts=facts,
        next_in=_bounded(after),
        reason=ReasonCode.VENDOR_PENDING,
        detail=detail,
    )


def _bounded(wait: timedelta) -> timedelta:
    """Keep what a vendor asks for within reason."""
    return min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)


def _park(facts: OrderFacts, detail: str) -> Step:
    return Step(
        status=OrderStatus.PARKED,
        facts=facts,
        reason=ReasonCode.OUTCOME_UNKNOWN,
        detail=detail,
    )


def operation_missing(instance: str, kind: ChargeKind, facts: OrderFacts) -> Step:
    """Hold an order its manufacturer cannot carry out; an earlier attempt in doubt stays so."""
    detail = f"{instance} does not offer {kind}; a person must decide."
    if facts.doubt:
        return _park(facts, detail)
    return Step(
        status=OrderStatus.REFUSED,
        facts=facts,
        reason=ReasonCode.OPERATION_NOT_SUPPORTED,
        detail=detail,
    )


def lost_attempt() -> OutcomeUnknown:
    """Return what is known of an attempt whose worker never came back."""
    return OutcomeUnknown("The worker stopped before it heard an answer; a token may exist.")
