"""What is made of a message that could not be sent: pure.

A gateway that is gone for hours must not cost a customer the token: while nothing was sent, it is
tried for days, in waits that grow to half an hour (fault S1). Where it may have been sent, the same
text is sent again, because a second copy does no harm; but each copy costs money, so those waits
grow to hours (fault S2). Only a gateway's own no ends it at once.
"""

from __future__ import annotations

from datetime import timedelta

import attrs

from mpm_core import ContractViolation, MpmError, NothingHappened, Refused
from mpm_host.backoff import Backoff, Draw, asked_by, draw_any

__all__ = ["GIVE_UP_AFTER", "MessageFacts", "MessageStep", "after_failure", "after_fault"]

GIVE_UP_AFTER = timedelta(days=2)
_TRIES = 8  # at least, however old a message is; of a fault of ours or the plugin's, at most
_NOTHING_SENT = Backoff(first=timedelta(seconds=20), longest=timedelta(minutes=30))
_MAYBE_SENT = Backoff(first=timedelta(seconds=20), longest=timedelta(hours=6))


@attrs.frozen(kw_only=True)
class MessageFacts:
    """Where a message stands.

    Attributes:
        failures: tries that failed so far, for whatever reason.
        work_failures: of them in a row, up to now, by a fault of ours or of the plugin.
        age: since it was written.
    """

    failures: int = 0
    work_failures: int = 0
    age: timedelta = timedelta(0)


@attrs.frozen(kw_only=True)
class MessageStep:
    """Where it stands afterwards.

    Attributes:
        next_in: when to try again; `None` if it is given up, and a person must send it again.
    """

    facts: MessageFacts
    detail: str
    next_in: timedelta | None

    @property
    def is_given_up(self) -> bool:
        """Tell whether nobody tries any more."""
        return self.next_in is None


def after_failure(error: MpmError, facts: MessageFacts, *, draw: Draw = draw_any) -> MessageStep:
    """Return what a try that failed makes of a message.

    Args:
        error: the gateway's word, or what is known without one.
        facts: of the message, before this try.
        draw: chance, which makes every wait a little longer.
    """
    detail = str(error)
    if isinstance(error, ContractViolation):
        return after_fault(detail, facts, draw=draw)
    failed = attrs.evolve(facts, failures=facts.failures + 1, work_failures=0)
    is_late = failed.failures >= _TRIES and facts.age >= GIVE_UP_AFTER
    if isinstance(error, Refused) or is_late:
        return MessageStep(facts=failed, detail=detail, next_in=None)
    backoff = _NOTHING_SENT if isinstance(error, NothingHappened) else _MAYBE_SENT
    wait = backoff.wait(failed.failures, draw, asked=asked_by(error))
    return MessageStep(facts=failed, detail=detail, next_in=wait)


def after_fault(detail: str, facts: MessageFacts, *, draw: Draw = draw_any) -> MessageStep:
    """Return what a fault that is no gateway's makes of a message: given up after some in a row.

    Args:
        detail: what failed.
        facts: of the message, before this try.
        draw: chance, which makes every wait a little longer.
    """
    faults = facts.work_failures + 1
    failed = attrs.evolve(facts, failures=facts.failures + 1, work_failures=faults)
    wait = None if faults >= _TRIES else _NOTHING_SENT.wait(faults, draw)
    return MessageStep(facts=failed, detail=detail, next_in=wait)
