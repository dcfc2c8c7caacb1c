"""The pieces of work a process has in hand, so that it can end without dropping one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["WorkInHand"]


class WorkInHand:
    """Counts pieces of work; safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._is_closed = False

    @contextlib.contextmanager
    def take(self) -> Iterator[bool]:
        """Take one piece; yields whether it may be begun: no more once this is closed."""
        with self._changed:
            may_begin = not self._is_closed
            self._count += may_begin
        try:
            yield may_begin
        finally:
            with self._changed:
                self._count -= may_begin
                self._changed.notify_all()

    def close(self) -> None:
        """Let no further piece be begun."""
        with self._changed:
            self._is_closed = True

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is in hand, at most so long; tell whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout=max(0.0, seconds))
