"""What one hook call may have done so far: shared by the dispatch and the outbound client.

The dispatch opens a record per hook call; the outbound client finds it in a context variable, marks
it just before the first byte of a request with an effect is written, and takes the call's deadline
from it. Whatever a plugin raises afterwards, the dispatch knows whether a request may have left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

import attrs

from mpm_core.calls import CallContext

__all__ = [
    "PURE_CALL",
    "EffectRecord",
    "current_record",
    "enter_record",
    "leave_record",
    "seconds_left",
]


@attrs.define(kw_only=True, eq=False)
class EffectRecord:
    """One hook call, while it runs.

    Attributes:
        deadline: seconds the whole call may take, for messages.
        ends_at: the same as an instant of `clock`.
        clock: seconds, monotonic.
        hook_has_effect: the hook is one that may change something at the vendor.
        may_call_out: false in a pure hook.
        may_have_left: a request with an effect may have reached the other side.
    """

    deadline: float
    ends_at: float
    clock: Callable[[], float] = time.monotonic
    hook_has_effect: bool = True
    may_call_out: bool = True
    may_have_left: bool = False

    @classmethod
    def starting_now(
        cls, deadline: float, clock: Callable[[], float], *, hook_has_effect: bool = True
    ) -> EffectRecord:
        """Open a record whose time runs from now, for `deadline` seconds."""
        return cls(
            deadline=deadline,
            ends_at=clock() + deadline,
            clock=clock,
            hook_has_effect=hook_has_effect,
        )

    def remaining(self) -> float:
        """Return the seconds left; zero or less once the time is over."""
        return self.ends_at - self.clock()


PURE_CALL: Final = EffectRecord(
    deadline=0.0, ends_at=0.0, hook_has_effect=False, may_call_out=False
)
"""The record of every pure hook call: it can do nothing, so one serves them all."""

_CURRENT: ContextVar[EffectRecord | None] = ContextVar("mpm_core_effect_record", default=None)


def current_record() -> EffectRecord | None:
    """Return the record of the hook call this thread works for, if there is one."""
    return _CURRENT.get()


def seconds_left(context: CallContext) -> float:
    """Return how long a hook may still wait for something of its own, such as a lock; at least 0.

    Where no dispatch called it, as in tests, that is its whole deadline.
    """
    record = current_record()
    return max(0.0, context.deadline if record is None else record.remaining())


# the variable's own methods: every hook call, however small, goes through them
enter_record: Final = _CURRENT.set
"""Takes a record and makes it the current one of this thread, until `leave_record`."""
leave_record: Final = _CURRENT.reset
"""Takes what `enter_record` returned and puts back what was current before."""
