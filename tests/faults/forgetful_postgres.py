"""A way to PostgreSQL that sometimes loses the answer to COMMIT: the commit happened, nobody hears.

It stands between the host and the server on a socket of its own. When it is told to, it lets a
COMMIT through, waits until the server says that it is done, and hangs up on the host instead of
passing that on. It reads what is asked, so that it can tell a booking from the job engine's notes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import attrs

from tests.faults.postgres_questions import Questions

__all__ = ["ForgetfulPostgres", "Kind", "forgetful_postgres"]

_SOCKET = ".s.PGSQL.5432"
_COMMIT = b"COMMIT\0"  # its tag in the server's answer
_CHUNK = 1 << 16
_PAYMENTS, _ENTRIES = "mpm_payment", "mpm_entry"


class Kind(StrEnum):
    """What a transaction did."""

    BOOKING = "booking"  # a payment and its entries: money was booked or taken back
    OTHER = "other"


@attrs.define(kw_only=True)
class ForgetfulPostgres:
    """A running way.

    Attributes:
        lost: answers to COMMIT that were lost so far, by what was committed.
    """

    folder: Path
    real: Path
    lost: Counter[Kind] = attrs.field(factory=Counter)
    _every: Counter[Kind] = attrs.field(factory=Counter)
    _seen: Counter[Kind] = attrs.field(factory=Counter)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def url(self, database_url: str) -> str:
        """Return the URL of a database of the real server, reached this way."""
        return database_url.replace(str(self.real), str(self.folder))

    def lose_one_in(self, every: int, *, of_bookings: int) -> None:
        """Lose every so manieth answer to COMMIT from now on, counted by kind; 0 loses none."""
        with self._lock:
            self._every = Counter({Kind.BOOKING: of_bookings, Kind.OTHER: every})

    def loses_this_one(self, kind: Kind) -> bool:
        """Count a COMMIT, and tell whether its answer is to be lost."""
        with self._lock:
            self._seen[kind] += 1
            loses = self._every[kind] > 0 and self._seen[kind] % self._every[kind] == 0
            self.lost[kind] += loses
            return loses

    def serve(self, listening: socket.socket) -> None:
        """Take connections until the socket is closed."""
        with contextlib.suppress(OSError):
            while True:
                host, _ = listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self.real / _SOCKET))
                connection = _Connection(way=self, host=host, server=server)
                threading.Thread(target=connection.carry, daemon=True).start()


@attrs.define(kw_only=True)
class _Connection:
    way: ForgetfulPostgres
    host: socket.socket
    server: socket.socket
    _written: set[str] = attrs.field(factory=set)  # tables, in the transaction
    _loses_commit: threading.Event = attrs.field(factory=threading.Event)

    def carry(self) -> None:
        """Carry both ways until an end hangs up."""
        answers = threading.Thread(target=self._carry_answers, daemon=True)
        answers.start()
        with self.host, self.server:
            self._carry_questions()
            answers.join()

    def _carry_questions(self) -> None:
        questions = Questions()
        with contextlib.suppress(OSError):
            while data := self.host.recv(_CHUNK):
                for question in questions.read(data):
                    self._note(question)
                self.server.sendall(data)
        self._hang_up()

    def _note(self, question: str) -> None:
        """Remember what was written, and decide about COMMIT before the server can answer."""
        match question.split(maxsplit=3):
            case ["INSERT", "INTO", table, *_] | ["UPDATE" | "COPY", table, *_]:
                self._written.add(table)
            case ["COMMIT"]:
                is_booking = {_PAYMENTS, _ENTRIES} <= self._written
                if self.way.loses_this_one(Kind.BOOKING if is_booking else Kind.OTHER):
                    self._loses_commit.set()
                self._written.clear()
            case ["ROLLBACK"]:
                self._written.clear()

    def _carry_answers(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.server.recv(_CHUNK):
                if self._loses_commit.is_set() and _COMMIT in data:
                    break
                self.host.sendall(data)
        self._hang_up()

    def _hang_up(self) -> None:
        for end in (self.host, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def forgetful_postgres(folder: Path, real: Path) -> Iterator[ForgetfulPostgres]:
    """Open a way to the server whose socket is in `real`, on a socket in `folder`."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(folder / _SOCKET))
        listening.listen(128)
        way = ForgetfulPostgres(folder=folder, real=real)
        thread = threading.Thread(target=way.serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield way
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
