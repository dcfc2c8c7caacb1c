"""How often the job engine looks at its queues: often while there is work, else seldom.

The engine asks the database whenever it looks, and all processes share its settings. So the one
that hands work over asks for haste, again every few seconds while it goes on, and each slows all
down once after a while without work of its own: the busy ones hurry them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["WorkPace"]

_BUSY_SECONDS = 15.0
_SAY_AGAIN_SECONDS = 2.0


class WorkPace:
    """The pace of one process; used by one thread.

    Args:
        set_seconds: tells the engine, for all processes.
        busy: seconds between two looks while there is work.
        idle: seconds between two looks when there was none for a while.
        monotonic: seconds.
    """

    def __init__(
        self,
        *,
        set_seconds: Callable[[float], None],
        busy: float,
        idle: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._set_seconds = set_seconds
        self._busy = busy
        self._idle = idle
        self._monotonic = monotonic
        self._is_quick = True
        self._said_at = self._busy_at = monotonic()

    def hurry(self) -> None:
        """Work was handed over."""
        now = self._busy_at = self._monotonic()
        if not self._is_quick or now - self._said_at > _SAY_AGAIN_SECONDS:
            self._set_seconds(self._busy)
            self._is_quick, self._said_at = True, now

    def slow_down_if_idle(self) -> None:
        """Nothing is due now."""
        if self._is_quick and self._monotonic() - self._busy_at > _BUSY_SECONDS:
            self._set_seconds(self._idle)
            self._is_quick = False
