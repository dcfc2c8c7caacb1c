"""A way to PostgreSQL that sometimes loses the answer to COMMIT: the commit happened, nobody hears.

It stands between the host and the server on a socket of its own. When it is told to, it lets a
COMMIT through, waits until the server says that it is done, and hangs up on the host instead of
passing that on.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs

__all__ = ["ForgetfulPostgres", "forgetful_postgres"]

_SOCKET = ".s.PGSQL.5432"
_COMMIT = b"COMMIT\0"  # as a statement from the host, and as its tag in the server's answer
_CHUNK = 1 << 16


@attrs.define(kw_only=True)
class ForgetfulPostgres:
    """A running way.

    Attributes:
        lost: answers to COMMIT that were lost so far.
    """

    folder: Path
    real: Path
    lost: int = attrs.field(default=0)
    _every: int = attrs.field(default=0)
    _seen: int = attrs.field(default=0)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def url(self, database_url: str) -> str:
        """Return the URL of a database of the real server, reached this way."""
        return database_url.replace(str(self.real), str(self.folder))

    def lose_one_in(self, every: int) -> None:
        """Lose every so manieth answer to COMMIT from now on; 0 loses none."""
        with self._lock:
            self._every = every

    def _loses_this_one(self) -> bool:
        with self._lock:
            self._seen += 1
            loses = self._every > 0 and self._seen % self._every == 0
            self.lost += loses
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
    _loses_commit: threading.Event = attrs.field(factory=threading.Event)

    def carry(self) -> None:
        """Carry both ways until an end hangs up."""
        answers = threading.Thread(target=self._carry_answers, daemon=True)
        answers.start()
        with self.host, self.server:
            self._carry_questions()
            answers.join()

    def _carry_questions(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.host.recv(_CHUNK):
                if _COMMIT in data and self.way._loses_this_one():
                    self._loses_commit.set()  # before the server can answer
                self.server.sendall(data)
        self._hang_up()

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
