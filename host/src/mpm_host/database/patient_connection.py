"""Connections to PostgreSQL that do not wait for ever for a server that hangs.

Such a server keeps its connections open and its machine acknowledges every packet, so neither the
network nor the server ends the wait: only the client can. A connection that reaches the end of its
patience is closed, so that what was asked can never be taken for an answer later.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from mpm_host.database.patience import patience

if TYPE_CHECKING:
    from psycopg.abc import PQGen

__all__ = ["DatabaseHangsError", "PatientConnection"]

_Result = TypeVar("_Result")
_LOOK_SECONDS = 0.1


class DatabaseHangsError(psycopg.OperationalError):
    """The server did not answer in time; its connection is closed."""


class PatientConnection(psycopg.Connection[Any]):
    """A connection to PostgreSQL that is closed when the server does not answer in time.

    Attributes:
        longest_wait: seconds, unless the running thread has a patience of its own.
    """

    longest_wait: float | None = None

    def wait(
        self,
        gen: PQGen[_Result],
        interval: float = _LOOK_SECONDS,
        timeout: float | None = None,
    ) -> _Result:
        """Do what a connection of the driver does, until patience ends.

        Raises:
            DatabaseHangsError: the server did not answer in time.
        """
        limit = patience() or self.longest_wait
        if limit is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(_until(gen, limit), interval, timeout)
        except DatabaseHangsError:
            self.close()  # the answer to this must not be read as one to the next statement
            raise


def _until(gen: PQGen[_Result], seconds: float) -> PQGen[_Result]:
    """Pass a conversation with the server on until it takes too long."""
    ends_at = time.monotonic() + seconds
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > ends_at:
                raise DatabaseHangsError(f"the database did not answer within {seconds:g} s")
            wanted = gen.send(ready)
    except StopIteration as done:
        result: _Result = done.value
        return result
