"""What a host in another process holds on to: the bytes of what it made and did not forget.

The size of a process tells little of that: caches of SQLite's pages and freed memory that is not
given back are megabytes.
"""

from __future__ import annotations

import gc
import threading
import tracemalloc
from multiprocessing.connection import Connection

import attrs

from mpm_host.host import Host
from mpm_host.services import Services
from tests.faults.killable_host import process_context

__all__ = ["TracedMemory"]

_SECONDS_TO_ANSWER = 60.0


@attrs.frozen
class TracedMemory:
    """A host's variant that can be asked; it traces from the first question on, which costs time.

    Attributes:
        ours: the end of the line in the test.
        theirs: the one in the host.
    """

    ours: Connection
    theirs: Connection

    @classmethod
    def make(cls) -> TracedMemory:
        """Make a line for one host."""
        return cls(*process_context().Pipe())

    def __call__(self, _services: Services, _host: Host) -> None:
        """Answer, in the host."""
        threading.Thread(target=self._answer, name="traced-memory", daemon=True).start()

    def held(self) -> int:
        """Return the bytes of what was made since the first question and is still there.

        Raises:
            TimeoutError: the host does not answer.
        """
        self.ours.send(None)
        if not self.ours.poll(_SECONDS_TO_ANSWER):
            raise TimeoutError("The host does not say what it holds.")
        answer: int = self.ours.recv()
        return answer

    def _answer(self) -> None:
        while True:
            self.theirs.recv()
            tracemalloc.start()  # again: changes nothing
            gc.collect()
            self.theirs.send(tracemalloc.get_traced_memory()[0])
