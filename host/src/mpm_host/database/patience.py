"""How long we wait for the database: one that hangs must not keep a thread for ever."""

from __future__ import annotations

from contextvars import ContextVar

import attrs

__all__ = ["SERVING", "UNHURRIED", "Timeouts", "have_patience", "patience"]

_PATIENCE: ContextVar[float | None] = ContextVar("database_patience", default=None)


@attrs.frozen(kw_only=True)
class Timeouts:
    """How long a process waits for its database, in seconds; nothing means for ever.

    Attributes:
        connect: for a new connection.
        statement: for one statement, on PostgreSQL; the server gives up by itself.
        lock: for a lock that another transaction holds; the server's word, too.
        idle_transaction: after which the server ends a transaction in which nothing happens.
        hanging: for any answer at all; longer than `statement`, for a server that says nothing.
        unheard: after which the system takes packets nobody acknowledges for a lost connection.
        busy: for the write lock of an SQLite file.
    """

    connect: int = 10
    statement: float | None = None
    lock: float | None = None
    idle_transaction: float | None = None
    hanging: float | None = None
    unheard: float = 30.0
    busy: float = 30.0

    def server_options(self) -> str:
        """Return what PostgreSQL is told of them when a connection begins."""
        told = {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle_transaction,
        }
        return " ".join(
            f"-c {name}={round(seconds * 1000)}"
            for name, seconds in told.items()
            if seconds is not None
        )


UNHURRIED = Timeouts()  # commands: a migration or a verification takes as long as it takes
SERVING = Timeouts(connect=3, statement=30.0, lock=3.0, idle_transaction=60.0, hanging=35.0)


def have_patience(seconds: float) -> None:
    """Let the running thread wait for the database no longer than this at a time."""
    _PATIENCE.set(seconds)


def patience() -> float | None:
    """Return what `have_patience` said in this thread; nothing if it said nothing."""
    return _PATIENCE.get()
