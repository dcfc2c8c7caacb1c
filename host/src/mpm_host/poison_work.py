"""Poison work: a row that its worker only fails on is set aside, listed and brought back.

A failure here is none of a vendor's: a bug, or a row nobody can read. Such a row would come back
for ever, every few minutes, and nobody would hear of it. `orders`, `messages` and `tellings` end in
a state of their own; devices to be looked up, switches and pushes bear a mark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import attrs
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from mpm_core import UserError
from mpm_host.clock import Clock
from mpm_host.database.engines import Engines
from mpm_host.database.group_commit import ClosingError, TooManyWaitingError
from mpm_host.database.outages import is_passing
from mpm_host.work_sources import SOURCES

__all__ = [
    "AFRESH",
    "SetAside",
    "WorkKeeper",
    "end_nothing",
    "guarded",
    "is_database_fault",
    "is_fault_of_no_row",
]

AFRESH: Mapping[str, object] = {"work_failures": 0, "set_aside_at": None}  # columns of such a row
_TRIES = 5
_LOG = structlog.get_logger(__name__)


def is_database_fault(error: Exception) -> bool:
    """Tell whether a failure says nothing about the row that was worked on.

    The database was gone, full or busy, or so was the desk before it.
    """
    return isinstance(error, (TimeoutError, TooManyWaitingError, ClosingError)) or is_passing(error)


def is_fault_of_no_row(error: Exception) -> bool:
    """Tell the same where being set aside would cost a customer something: the key may be wrong."""
    return isinstance(error, UserError) or is_database_fault(error)


def guarded(
    work_on: Callable[[str], None],
    note_failure: Callable[[str, str], None],
    *,
    not_its_fault: Callable[[Exception], bool] = is_fault_of_no_row,
) -> Callable[[str], None]:
    """Return a handler that notes what `work_on` fails with, and fails with it as before.

    Args:
        work_on: takes a row's id.
        note_failure: takes the id and the kind of error; its text may hold secrets.
        not_its_fault: tells what every other row would fail with too, and is not noted.
    """

    def work(key: str) -> None:
        try:
            work_on(key)
        except Exception as error:
            if not not_its_fault(error):
                note_failure(key, type(error).__name__)
            raise

    return work


@attrs.frozen(kw_only=True)
class SetAside:
    """A row that nobody works on any more.

    Attributes:
        key: its id.
        detail: what happened, for people.
        at: when.
    """

    key: str
    detail: str
    at: datetime


def end_nothing(_connection: Connection, _row: SetAside) -> None:
    """Leave everything else as it is: that nobody works on the row is all."""


@attrs.frozen(kw_only=True)
class WorkKeeper:
    """Counts the failures of one kind of work on its rows, and sets aside what only fails.

    Args:
        engines: of the database.
        clock: tells when.
        kind: of work: `devices`, `switches` or `pushes`.
        end: says of a row that was set aside what else is true of it now, in the same transaction.
        tries: failures in a row after which a row is set aside.
    """

    engines: Engines
    clock: Clock
    kind: str
    end: Callable[[Connection, SetAside], None] = end_nothing
    tries: int = _TRIES

    def note_failure(self, key: str, error: str) -> None:
        """Count one failure; the row is due again later, or set aside.

        Args:
            key: of the row.
            error: what kind; its text may hold secrets.
        """
        source = SOURCES[self.kind]
        columns, is_this = source.table.c, source.table.c.id == key
        query = sa.select(columns.work_failures).where(is_this, source.is_open).with_for_update()
        with self.engines.write.begin() as connection:
            before = connection.execute(query).scalar_one_or_none()
            if before is None:
                return
            failures = before + 1
            count = sa.update(source.table).where(is_this).values(work_failures=failures)
            connection.execute(count)
            if failures >= self.tries:
                self._set_aside(connection, key, failures, error)

    def _set_aside(self, connection: Connection, key: str, failures: int, error: str) -> None:
        table, now = SOURCES[self.kind].table, self.clock()
        connection.execute(
            sa.update(table).where(table.c.id == key).values(next_at=None, set_aside_at=now)
        )
        detail = f"Working on it failed {failures} times ({error}); a person must look."
        self.end(connection, SetAside(key=key, detail=detail, at=now))
        _LOG.error("work_set_aside", kind=self.kind, key=key, failures=failures, error=error)
