"""How often the job engine looks at its queues: often while there is work, else seldom.

The engine's threads ask the database whenever they look, several statements each, and between two
looks they wait for an event that ends them. Here that wait is made longer while nothing happens,
and ends at once when work comes: an idle host costs the database next to nothing, and the first
payment after an hour is carried out as quickly as the second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

__all__ = ["WorkPace"]


class _Wait(Protocol):
    """How one waits for an event."""

    def __call__(self, timeout: float | None = None) -> bool: ...


class WorkPace:
    """The pace of one process; safe to use from several threads.

    Args:
        rest: seconds between two looks when there was no work for a while.
        busy: seconds for which one piece of work keeps the pace quick.
        monotonic: seconds.
    """

    def __init__(
        self,
        *,
        rest: float,
        busy: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rest = rest
        self._busy = busy
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._busy_until = monotonic() + busy
        self._is_over = False

    @property
    def is_quick(self) -> bool:
        """Tell whether there was work a short while ago."""
        return self._monotonic() < self._busy_until

    def hurry(self) -> None:
        """Look now, and often for a while: there is work."""
        with self._changed:
            was_quick = self.is_quick
            self._busy_until = self._monotonic() + self._busy
            if not was_quick:
                self._changed.notify_all()

    def end(self) -> None:
        """Let nobody rest any more: the process ends."""
        self._is_over = True
        with self._changed:
            self._changed.notify_all()

    def govern(self, events: Iterable[threading.Event]) -> None:
        """Make those who wait for these events with a timeout wait longer while there is no work.

        Args:
            events: each ends a thread; a wait without a timeout is left alone.
        """
        for event in events:
            event.wait = self._resting(event, event.wait)  # type: ignore[method-assign]  # the engine offers no other place

    def _resting(self, event: threading.Event, plain: _Wait) -> _Wait:
        def wait(timeout: float | None = None) -> bool:
            if timeout is None or self._is_over:
                return plain(timeout)
            self.pause(timeout, event.is_set)
            return event.is_set()

        return wait

    def pause(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Wait: so many seconds while there is work, else as long as a rest, until work comes.

        Args:
            seconds: at least.
            is_over: tells whether to return at once; asked again at every change of pace.
        """
        began = self._monotonic()
        with self._changed:
            while not (is_over() or self._is_over):
                wanted = seconds if self.is_quick else max(seconds, self._rest)
                left = began + wanted - self._monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)
