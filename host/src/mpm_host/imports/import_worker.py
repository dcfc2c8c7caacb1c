"""The import worker: carries out imports that were queued; run again, it changes nothing twice.

An import that breaks off with its process begins again after its lease. Rows that had landed are
*unchanged* then, because an import repeats safely.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog

from mpm_core import Manifest, UserError
from mpm_host.database.outages import is_outage
from mpm_host.directory import InstanceRecord
from mpm_host.imports.import_jobs import (
    SHOWN_ERRORS,
    TakenImport,
    end_import,
    fail_import,
    note_progress,
    read_import,
    release_import,
    take_import,
)
from mpm_host.imports.import_report import RowReport, RowStatus
from mpm_host.imports.imports import import_file
from mpm_host.plugins.instance_loading import InstancePlan
from mpm_host.registration.registration_values import RegistrationContext
from mpm_host.resources import Resources

__all__ = ["ImportWorker"]

_LOG = structlog.get_logger(__name__)
_ROWS_BETWEEN = 1000  # between two notes of progress: a batch
_AFTER_OUTAGE = timedelta(seconds=10)  # until an import is tried again


class _StoppingError(Exception):
    """This process is to end; another one carries the import out."""


class _TakenOverError(Exception):
    """Another worker carries the import out now; this one stops."""


class ImportWorker:
    """Works on one import at a time; safe to use from several threads and processes.

    Args:
        resources: of the installation.
        plan_of: returns what a working instance is made of, by its id.
        is_stopping: tells whether this process is to end: an import in hand is given back then.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        plan_of: Callable[[str], InstancePlan | None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._resources = resources
        self._plan_of = plan_of
        self._is_stopping = is_stopping

    def work_on(self, import_id: str) -> None:
        """Carry out an import that is due; calling it again, or for one that ended, is harmless."""
        resources = self._resources
        with resources.engines.write.begin() as connection:
            taken = take_import(connection, import_id, resources.clock())
        if taken is None:
            return
        try:
            self._carry_out(taken)
        except _TakenOverError:
            _LOG.info("import_taken_over", import_id=import_id)
        except _StoppingError:
            _LOG.info("import_given_back", import_id=import_id)
            self._release(taken, timedelta())
        except sa.exc.SQLAlchemyError as error:
            if not is_outage(error):
                raise
            # Only the kind of error: its text repeats phone numbers.
            _LOG.warning("import_put_off", import_id=import_id, error=type(error).__name__)
            self._release(taken, _AFTER_OUTAGE)
        except UserError as error:
            _LOG.warning("import_failed", import_id=import_id)
            with resources.engines.write.begin() as connection:
                fail_import(connection, taken, str(error), resources.clock())

    def _release(self, taken: TakenImport, wait: timedelta) -> None:
        resources = self._resources
        with resources.engines.write.begin() as connection:
            release_import(connection, taken, resources.clock() + wait)

    def _carry_out(self, taken: TakenImport) -> None:
        progress = _Progress(self._resources, taken, self._is_stopping)
        with self._resources.engines.read.connect() as connection:
            content = read_import(connection, self._resources.vault, taken)
        with tempfile.TemporaryDirectory(prefix="mpm-import-") as folder:
            path = Path(folder) / "import.csv"
            path.write_bytes(content)
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

    def __init__(
        self, resources: Resources, taken: TakenImport, is_stopping: Callable[[], bool]
    ) -> None:
        self._resources = resources
        self._taken = taken
        self._is_stopping = is_stopping
        self._rows = 0
        self.refused: list[dict[str, object]] = []

    def report(self, row: RowReport) -> None:
        """Hear of one row.

        Raises:
            _StoppingError: the process is to end. Raised between two batches, or inside of the
                transaction of all or nothing, which is rolled back.
        """
        self._rows += 1
        if row.status is RowStatus.ERROR and len(self.refused) < SHOWN_ERRORS:
            self.refused.append({"row": row.row, "code": row.code, "message": row.message})
        if self._rows % _ROWS_BETWEEN == 0:
            if self._is_stopping():
                raise _StoppingError
            self.note()

    def note(self) -> None:
        """Write it down, unless the whole file is one transaction that holds the write lock."""
        if self._taken.options.all_or_nothing:
            return
        now = self._resources.clock()
        with self._resources.engines.write.begin() as connection:
            if not note_progress(connection, self._taken, self._rows, now):
                raise _TakenOverError
