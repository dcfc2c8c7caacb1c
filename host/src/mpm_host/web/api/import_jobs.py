"""`/import-jobs`: imports of any size, carried out in the background."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import UserError
from mpm_host.access.roles import Permission
from mpm_host.database.import_tables import imports
from mpm_host.imports.import_jobs import ImportStatus, NewImport, queue_import
from mpm_host.imports.imports import FileShape, ImportOptions, inspect_file
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.web.api.import_values import ImportQuery, RowError
from mpm_host.web.api.listing import find_row, list_page, view_of
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.values import Page, PageQuery, View

__all__ = ["OPERATIONS"]

# A file may be many megabytes, and who asks how far an import is asks often.
_WITHOUT_FILES = sa.select(*(each for each in imports.c if each is not imports.c.file)).subquery()


class ImportJob(View, frozen=True, kw_only=True):
    """An import, how far it is, and what became of its rows once it is `done`.

    `row_errors` are the first 1000. `detail` says why it `failed`. An import that a stopped host
    broke off begins again, and rows that had landed count as unchanged.
    """

    id: str
    status: ImportStatus
    dry_run: bool
    all_or_nothing: bool
    rows: int
    rows_done: int
    created: int
    unchanged: int
    errors: int
    written: bool
    row_errors: list[RowError]
    detail: str
    created_at: datetime
    finished_at: datetime | None


def _look_through(call: Call) -> FileShape:
    """Refuse a file that cannot be read while somebody waits for the answer."""
    with tempfile.TemporaryDirectory(prefix="mpm-import-") as folder:
        path = Path(folder) / "import.csv"
        path.write_bytes(call.raw)
        try:
            return inspect_file(path)
        except UserError as error:
            raise ServiceRefused(
                RefusalCode.COLUMNS_INVALID, str(error).replace(str(path), "The file")
            ) from None


def _create(call: Call, connection: Connection) -> ImportJob:
    given = call.query_as(ImportQuery)
    new = NewImport(
        company_id=call.company.id,
        content=call.raw,
        rows=call.prepared_as(FileShape).rows,
        options=ImportOptions(dry_run=given.dry_run, all_or_nothing=given.all_or_nothing),
    )
    import_id = queue_import(connection, call.context.host.vault, new, call.actor)
    return _find(call, connection, import_id)


def _show(call: Call, connection: Connection) -> ImportJob:
    return _find(call, connection, call.path["id"])


def _find(call: Call, connection: Connection, import_id: str) -> ImportJob:
    row = find_row(call, connection, _WITHOUT_FILES, import_id, RefusalCode.UNKNOWN_IMPORT)
    return view_of(ImportJob, row)


def _list(call: Call, connection: Connection) -> Page[ImportJob]:
    return list_page(call, connection, _WITHOUT_FILES, ImportJob)


def _wake(call: Call) -> None:
    call.context.services.wake()


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/import-jobs",
        name="create_import_job",
        tag="customers",
        summary="Import a CSV file of any size in the background.",
        details="Answers at once with the job; ask for it until it is `done` or `failed`. A file "
        "that cannot be read is refused here. `dry_run` and `all_or_nothing` as for `/imports`; "
        "one transaction of `all_or_nothing` tells its progress only when it has ended.",
        permission=Permission.IMPORTS_WRITE,
        query=ImportQuery,
        takes="text/csv",
        answer=ImportJob,
        status=202,
        prepare=_look_through,
        change=_create,
        after=_wake,
    ),
    Operation(
        method=Method.GET,
        path="/import-jobs",
        name="list_import_jobs",
        tag="customers",
        summary="List the imports of the background.",
        permission=Permission.IMPORTS_WRITE,
        query=PageQuery,
        answer=Page[ImportJob],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/import-jobs/{id}",
        name="show_import_job",
        tag="customers",
        summary="Show how far an import is, and its report.",
        permission=Permission.IMPORTS_WRITE,
        answer=ImportJob,
        read=_show,
    ),
)
