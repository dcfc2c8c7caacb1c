"""Places where the host can be made to die, to prove that dying there loses and doubles nothing.

Each label stands at a boundary between two things that should happen together and cannot: a commit
and an answer, a vendor's answer and its row. Off, a point costs one comparison. `MPM_CRASH_AT`
turns one on, as `LABEL` or `LABEL:N` (the N-th time it is reached), in *development* only.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from enum import StrEnum

from mpm_core import UserError
from mpm_host.configuration.config_values import Mode

__all__ = ["CRASH_VARIABLE", "CrashPoint", "arm", "crash_point", "disarm"]

CRASH_VARIABLE = "MPM_CRASH_AT"


class CrashPoint(StrEnum):
    """Every place, in the order a payment passes them; the value says what has just happened."""

    VALIDATION_STORED = "validation.stored"
    BOOKING_WRITTEN = "booking.written"  # in the transaction, before COMMIT
    BATCH_COMMITTED = "batch.committed"  # nobody of the batch was told yet
    BATCH_SOME_TOLD = "batch.some-told"
    REPLY_DECIDED = "reply.decided"  # and not sent
    RELAY_MARKED = "relay.marked"  # and not given to the engine
    RELAY_SOME_ENQUEUED = "relay.some-enqueued"
    WORK_TAKEN = "work.taken"
    ORDER_PREPARED = "order.prepared"
    ATTEMPT_WRITTEN = "order.attempt-written"  # in the transaction
    ATTEMPT_COMMITTED = "order.attempt-committed"  # and the vendor not asked
    VENDOR_ANSWERED = "order.vendor-answered"  # and nothing of it saved
    STEP_WRITTEN = "order.step-written"  # token and message, in the transaction
    STEP_COMMITTED = "order.step-committed"  # and nobody woken for the message
    LOOK_DECIDED = "order.look-decided"  # what to do about an order in doubt
    MESSAGE_SENT = "message.sent"  # and not noted
    MESSAGE_NOTED = "message.noted"
    SWITCH_ANNOUNCED = "switch.announced"  # and the vendor not asked
    SWITCH_DONE = "switch.done"  # and not noted
    LOOK_UP_ANSWERED = "look-up.answered"  # and not noted
    ACCRUAL_WRITTEN = "accrual.written"  # in the transaction
    ACCRUAL_COMMITTED = "accrual.committed"  # further batches may follow
    TELLING_READ = "telling.read"  # what a plugin is to hear; and it was not told
    TELLING_HEARD = "telling.heard"  # and not noted
    TELLING_NOTED = "telling.noted"
    PUSH_ANNOUNCED = "push.announced"  # and no phone prompted
    PUSH_PROMPTED = "push.prompted"  # and not noted
    PUSH_QUERIED = "push.queried"  # and nothing booked
    PUSH_BOOKED = "push.booked"  # and the push does not say so
    PUSH_NOTED = "push.noted"  # what became of it by then
    CHANGE_WRITTEN = "change.written"  # a person's, in the transaction
    CHANGE_COMMITTED = "change.committed"  # and the person not told


class _Armed:
    """One point, and how often it may still be passed."""

    def __init__(self, point: CrashPoint, hit: int) -> None:
        self._point = point
        self._left = hit
        self._lock = threading.Lock()

    def reach(self, point: CrashPoint) -> None:
        if point is not self._point:
            return
        with self._lock:  # held while dying: no second thread passes the point meanwhile
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


# Of the process, not handed around: the points are everywhere and must cost nothing.
_armed: _Armed | None = None


def crash_point(point: CrashPoint) -> None:
    """Die here, as by `kill -9`, if that was asked for."""
    if _armed is not None:
        _armed.reach(point)


def arm(environ: Mapping[str, str], mode: Mode) -> None:
    """Turn on the point that the environment names, if it names one.

    Raises:
        UserError: this is production, or the variable names no point.
    """
    global _armed  # noqa: PLW0603 - see above
    text = environ.get(CRASH_VARIABLE, "")
    if not text:
        return
    if mode is Mode.PRODUCTION:
        raise UserError(
            f"{CRASH_VARIABLE} is set and would kill this process; unset it, or set mode = "
            '"development" where no real money moves.'
        )
    label, _, hit = text.partition(":")
    if label not in list(CrashPoint) or (hit and not (hit.isdecimal() and int(hit) > 0)):
        raise UserError(
            f"{CRASH_VARIABLE}={text!r} names no crash point; write one of "
            f"{', '.join(CrashPoint)}, and :2 behind it for the second time it is reached."
        )
    _armed = _Armed(CrashPoint(label), int(hit or 1))


def disarm() -> None:
    """Turn every point off again."""
    global _armed  # noqa: PLW0603 - see above
    _armed = None
