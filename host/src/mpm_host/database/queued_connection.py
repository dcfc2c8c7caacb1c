"""Connections to SQLite whose writers queue up inside the process.

SQLite has one writer at a time, and who waits for its write lock sleeps and looks again, up to a
tenth of a second each time: among dozens of threads the lock is free most of the time while all of
them sleep, and who has no luck waits for seconds. Here they stand in line, and the turn goes
straight from one to the next. What counts is still SQLite's own lock, which other processes heed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque

__all__ = ["QueuedConnection", "WriteQueue"]


class WriteQueue:
    """The line of those who want to write to one database; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self, seconds: float, *, first: bool = False) -> bool:
        """Wait for the turn; tell whether it came in time.

        Args:
            seconds: at most.
            first: stand in front of all who wait; for the one writer somebody waits for. It cannot
                wait twice at a time, so at least every second turn is left to the others.
        """
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            turn = threading.Event()
            (self._waiting.appendleft if first else self._waiting.append)(turn)
        if turn.wait(seconds):
            return True
        with self._lock:
            came = turn.is_set()  # just now
            if not came:
                self._waiting.remove(turn)
            return came

    def give_back(self) -> None:
        """Let the next one have the turn."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


class QueuedConnection(sqlite3.Connection):
    """A connection that keeps the turn from `wait_for_turn` until its transaction has ended."""

    _queue: WriteQueue | None = None  # while it has the turn

    def wait_for_turn(self, queue: WriteQueue, seconds: float, *, first: bool) -> bool:
        """Stand in line before a transaction is begun; tell whether the turn came in time."""
        if self._queue is None and queue.take(seconds, first=first):
            self._queue = queue
        return self._queue is not None

    def commit(self) -> None:
        """End the transaction and the turn; one that cannot be committed keeps both."""
        super().commit()
        self._end_turn()

    def rollback(self) -> None:
        """End the transaction and the turn."""
        try:
            super().rollback()
        finally:
            self._end_turn()

    def close(self) -> None:
        """Close it, and end the turn."""
        try:
            super().close()
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.give_back()
