"""The import worker: carries out imports that were queued; run again, it changes nothing twice.

An import that breaks off with its process begins again after its lease. Rows that had landed are
*unchanged* then, because an import repeats safely.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog

from mpm_core import Manifest, UserError
from mpm_host.directory import InstanceRecord
from mpm_host.imports.import_jobs import (
    SHOWN_ERRORS,
    TakenImport,
    end_import,
    fail_import,
    note_progress,
    take_import,
)
from mpm_host.imports.import_report import RowReport, RowStatus
from mpm_host.imports.imports import import_file
from mpm_host.plugins.instance_loading import InstancePlan
from mpm_host.registration.registration_values import RegistrationContext
from mpm_host.resources import Resources

__all__ = ["ImportWorker"]

_LOG = structlog.get_logger(__name__)
_LEASE = timedelta(minutes=2)
_LONG_LEASE = timedelta(hours=1)  # of one transaction: it can tell nothing before its end
_ROWS_BETWEEN = 1000  # between two notes of progress: a batch


class _TakenOverError(Exception):
    """Another worker carries the import out now; this one stops."""


class ImportWorker:
    """Works on one import at a time; safe to use from several threads and processes.

    Args:
        resources: of the installation.
        plan_of: returns what a working instance is made of, by its id.
    """

    def __init__(
        self, resources: Resources, *, plan_of: Callable[[str], InstancePlan | None]
    ) -> None:
        self._resources = resources
        self._plan_of = plan_of

    def work_on(self, import_id: str) -> None:
        """Carry out an import that is due; calling it again, or for one that ended, is harmless."""
        resources = self._resources
        with resources.engines.write.begin() as connection:
            taken = take_import(
                connection, resources.vault, import_id, resources.clock(), _LONG_LEASE
            )
        if taken is None:
            return
        try:
            self._carry_out(taken)
        except _TakenOverError:
            _LOG.info("import_taken_over", import_id=import_id)
        except UserError as error:
            with resources.engines.write.begin() as connection:
                fail_import(connection, taken, str(error), resources.clock())

    def _carry_out(self, taken: TakenImport) -> None:
        progress = _Progress(self._resources, taken)
        with tempfile.TemporaryDirectory(prefix="mpm-import-") as folder:
            path = Path(folder) / "import.csv"
            path.write_bytes(taken.content)
            progress.note()
            context = self._context(taken)
            engines = self._resources.engines
            summary = import_file(engines, context, path, taken.options, progress.report)
        with self._resources.engines.write.begin() as connection:
            end_import(connection, taken, summary, progress.refused, self._resources.clock())

    def _context(self, taken: TakenImport) -> RegistrationContext:
        directory = self._resources.directory()
        return RegistrationContext(
            directory=directory,
            vault=self._resources.vault,
            company=directory.companies[taken.company_id],
            now=self._resources.clock(),
            manifest_of=self._manifest_of,
        )

    def _manifest_of(self, instance: InstanceRecord) -> Manifest | None:
        plan = self._plan_of(instance.id)
        return plan.plugin.manifest if plan is not None else None


class _Progress:
    """Counts rows, keeps the first errors, and holds the import while it goes on."""

    def __init__(self, resources: Resources, taken: TakenImport) -> None:
        self._resources = resources
        self._taken = taken
        self._rows = 0
        self.refused: list[dict[str, object]] = []

    def report(self, row: RowReport) -> None:
        """Hear of one row."""
        self._rows += 1
        if row.status is RowStatus.ERROR and len(self.refused) < SHOWN_ERRORS:
            self.refused.append({"row": row.row, "code": row.code, "message": row.message})
        if self._rows % _ROWS_BETWEEN == 0:
            self.note()

    def note(self) -> None:
        """Write it down, unless the whole file is one transaction that holds the write lock."""
        if self._taken.options.all_or_nothing:
            return
        until = self._resources.clock() + _LEASE
        with self._resources.engines.write.begin() as connection:
            if not note_progress(connection, self._taken, self._rows, until):
                raise _TakenOverError
