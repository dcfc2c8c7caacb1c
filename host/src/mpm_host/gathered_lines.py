"""Lines of a log that are written together, a moment after they were said.

Every write lets go of the interpreter: a busy server that wrote a line with each call would hand it
to another of its threads each time, and get it back later than the call should have been answered.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import TextIO

__all__ = ["GatheredLines"]

_MOST_WAITING = 10_000  # lines; more are written by who says them, however slow the stream is


class GatheredLines:
    """Writes what was said within a moment, and at once what is urgent.

    An urgent line takes along what was said before it, so lines stay in order. A process that ends
    writes all its lines; one that is killed loses those of its last moment.

    Args:
        stream: where to.
        moment: seconds that a line may wait.
    """

    def __init__(self, stream: TextIO, *, moment: float = 0.1) -> None:
        self._stream = stream
        self._moment = moment
        self._lines: deque[str] = deque()
        self._writing = threading.RLock()  # a signal may find its own thread writing
        self._has_lines = threading.Event()
        threading.Thread(target=self._write_now_and_then, name="log", daemon=True).start()

    def say(self, line: str) -> None:
        """Have a line written within a moment."""
        self._lines.append(line)
        if len(self._lines) > _MOST_WAITING:
            self.flush()
        elif not self._has_lines.is_set():
            self._has_lines.set()

    def say_at_once(self, line: str) -> None:
        """Write a line, after all that was said before it."""
        self._lines.append(line)
        self.flush()

    def flush(self) -> None:
        """Write what was said; a stream that takes nothing any more stops nobody."""
        with self._writing, contextlib.suppress(OSError, ValueError):  # ValueError: it is closed
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()

    def _write_now_and_then(self) -> None:
        while True:
            self._has_lines.wait()
            time.sleep(self._moment)
            self._has_lines.clear()  # first: what is said from here on is written next time
            self.flush()
