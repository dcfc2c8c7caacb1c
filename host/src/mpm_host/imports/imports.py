"""Importing customers and devices from a CSV file: streaming, repeatable, with a report per row.

Rows go in batches: one query per table finds what a batch names, every row is decided by the same
rules as a single registration, and one statement per table writes the good ones. A row that is
there already changes nothing, so repeating an import is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database.engines import Engines
from mpm_host.database.turns import wait_for_turn
from mpm_host.imports.import_batch import BatchDecisions, CustomerDeletedError, decide
from mpm_host.imports.import_lookup import look_up
from mpm_host.imports.import_memory import FileMemory, file_memory
from mpm_host.imports.import_reader import FileShape, RawRow, inspect_file, read_rows
from mpm_host.imports.import_report import RowReport, RowStatus
from mpm_host.imports.import_rows import ImportRow, read_row
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.registration_values import RegistrationContext

__all__ = [
    "FileShape",
    "ImportOptions",
    "ImportSummary",
    "RowReport",
    "RowStatus",
    "import_file",
    "inspect_file",
]

_BATCH = 1000  # rows of one transaction: payments wait no longer than for one of them
_TRIES = 5  # of a batch, when somebody registers or deletes the same at the same time

Report = Callable[[RowReport], None]


@attrs.frozen(kw_only=True)
class ImportOptions:
    """How to import.

    Attributes:
        dry_run: write nothing; the report is the same.
        all_or_nothing: write nothing unless every row is good. One transaction holds the whole
            file, and payments wait for it on SQLite.
    """

    dry_run: bool = False
    all_or_nothing: bool = False


@attrs.frozen(kw_only=True)
class ImportSummary:
    """What became of a file.

    Attributes:
        created: rows that made a device, or would have if nothing was written.
        unchanged: rows whose device was there.
        errors: rows that were refused.
        written: `False` after a dry run, and when all or nothing came to nothing.
    """

    created: int = 0
    unchanged: int = 0
    errors: int = 0
    written: bool = True


def import_file(
    engines: Engines,
    context: RegistrationContext,
    path: Path,
    options: ImportOptions,
    report: Report,
) -> ImportSummary:
    """Import a file.

    Args:
        engines: the database; it opens its own transactions.
        context: the company, its plugins' rules and the moment.
        path: the file.
        options: what to do about errors.
        report: called for every row, in the file's order.

    Raises:
        UserError: the file cannot be read or its header is wrong; nothing was written.
    """
    shape = inspect_file(path)
    with file_memory() as memory:
        run = _Run(engines, context, memory, shape, report)
        batches = _batches(read_rows(path, shape))
        if options.dry_run:
            run.look(batches)
            return run.summary(written=False)
        if options.all_or_nothing:
            return run.summary(written=run.write_all(batches))
        run.write_each(batches)
        return run.summary(written=True)


def _batches(rows: Iterator[RawRow]) -> Iterator[Sequence[RawRow]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


class _Run:
    """One import: takes batches and counts what becomes of their rows."""

    def __init__(
        self,
        engines: Engines,
        context: RegistrationContext,
        memory: FileMemory,
        shape: FileShape,
        report: Report,
    ) -> None:
        self._engines = engines
        self._context = context
        self._memory = memory
        self._shape = shape
        self._report = report
        self._counts = dict.fromkeys(RowStatus, 0)

    def summary(self, *, written: bool) -> ImportSummary:
        """Return what was counted."""
        return ImportSummary(
            created=self._counts[RowStatus.CREATED],
            unchanged=self._counts[RowStatus.UNCHANGED],
            errors=self._counts[RowStatus.ERROR],
            written=written,
        )

    def look(self, batches: Iterator[Sequence[RawRow]]) -> None:
        """Decide rows and write nothing; each batch sees the database as it is then."""
        for batch in batches:
            with self._engines.read.connect() as connection:
                self._close(*self._decide(connection, batch, landed=False))

    def write_each(self, batches: Iterator[Sequence[RawRow]]) -> None:
        """Write the good rows, a transaction per batch."""
        for batch in batches:
            with self._engines.write.begin() as connection:
                done = self._write(connection, batch)
            self._close(*done)

    def write_all(self, batches: Iterator[Sequence[RawRow]]) -> bool:
        """Write all rows in one transaction, or none; tell whether they were written."""
        with self._engines.write.connect() as connection:
            transaction = connection.begin()
            for batch in batches:
                self._close(*self._write(connection, batch))
                if self._counts[RowStatus.ERROR]:
                    transaction.rollback()
                    break
            else:
                transaction.commit()
                return True
        self.look(batches)  # the rest of the report; rows before are remembered
        return False

    def _write(
        self, connection: Connection, batch: Sequence[RawRow]
    ) -> tuple[list[RowReport], BatchDecisions]:
        self._wait_for_other_imports(connection)
        for tried in range(_TRIES):
            refused, decisions = self._decide(connection, batch, landed=True)
            try:
                with connection.begin_nested():
                    decisions.write(connection)
            except (sa.exc.IntegrityError, CustomerDeletedError):
                if tried + 1 == _TRIES:
                    raise
            else:
                break
        return refused, decisions

    def _wait_for_other_imports(self, connection: Connection) -> None:
        """Let one batch of a company be written at a time; payments do not wait for this."""
        wait_for_turn(connection, f"mpm_import writing {self._context.company.id}")

    def _decide(
        self, connection: Connection, batch: Sequence[RawRow], *, landed: bool
    ) -> tuple[list[RowReport], BatchDecisions]:
        rows, refused = self._read(batch)
        known = look_up(connection, self._context.company, self._memory, rows, landed=landed)
        return refused, decide(self._context, known, rows)

    def _read(self, batch: Sequence[RawRow]) -> tuple[list[ImportRow], list[RowReport]]:
        rows: list[ImportRow] = []
        refused: list[RowReport] = []
        for raw in batch:
            try:
                rows.append(read_row(raw, self._context.company, self._shape))
            except ServiceRefused as refusal:
                refused.append(RowReport.refused(raw.number, refusal))
        return rows, refused

    def _close(self, refused: list[RowReport], decisions: BatchDecisions) -> None:
        """Remember a batch whose fate is known, and report its rows in the file's order."""
        decisions.remember(self._memory)
        for row in sorted([*refused, *decisions.reports], key=lambda it: it.row):
            self._counts[row.status] += 1
            self._report(row)
