"""`/imports`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mpm_core import UserError
from mpm_host.access.roles import Permission
from mpm_host.imports.import_report import RowReport, RowStatus
from mpm_host.imports.imports import (
    ImportOptions,
    ImportSummary,
    import_file,
    inspect_file,
)
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.registration_values import RegistrationContext
from mpm_host.web.api.import_values import ImportQuery, RowError
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.registrations import manifest_of
from mpm_host.web.api.values import View

__all__ = ["OPERATIONS"]

_SHOWN_ERRORS = 1000
_MOST_ROWS = 5000  # of a file that is answered while the caller waits: seconds, not minutes


class Import(View, frozen=True, kw_only=True):
    """What became of a file; `row_errors` are the first 1000."""

    created: int
    unchanged: int
    errors: int
    written: bool
    row_errors: list[RowError]


def _import(call: Call) -> Import:
    host, given = call.context.host, call.query_as(ImportQuery)
    context = RegistrationContext(
        directory=host.house.directory,
        vault=host.vault,
        company=call.company,
        now=call.now,
        manifest_of=manifest_of(call),
    )
    options = ImportOptions(dry_run=given.dry_run, all_or_nothing=given.all_or_nothing)
    refused: list[RowError] = []

    def report(row: RowReport) -> None:
        if row.status is RowStatus.ERROR and len(refused) < _SHOWN_ERRORS:
            refused.append(RowError(row=row.row, code=row.code, message=row.message))

    with tempfile.TemporaryDirectory(prefix="mpm-import-") as folder:
        path = Path(folder) / "import.csv"
        path.write_bytes(call.raw)
        try:
            _refuse_many_rows(inspect_file(path).rows)
            summary = import_file(host.engines, context, path, options, report)
        except ServiceRefused:
            raise
        except UserError as error:
            raise ServiceRefused(
                RefusalCode.COLUMNS_INVALID, str(error).replace(str(path), "The file")
            ) from None
    if summary.written:
        _note(call, summary)
    return Import(
        created=summary.created,
        unchanged=summary.unchanged,
        errors=summary.errors,
        written=summary.written,
        row_errors=refused,
    )


def _refuse_many_rows(rows: int) -> None:
    """Refuse what would outlast the patience of proxies on the way of the answer."""
    if rows > _MOST_ROWS:
        raise ServiceRefused(
            RefusalCode.TOO_MANY_ROWS,
            f"The file has {rows} rows; send more than {_MOST_ROWS} to POST /import-jobs, which "
            "imports in the background.",
        )


def _note(call: Call, summary: ImportSummary) -> None:
    noted = {"created": summary.created, "errors": summary.errors}
    with call.context.host.engines.write.begin() as connection:
        call.audit(connection, "import.done", "customers and devices", after=noted)
    call.context.services.wake()


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/imports",
        name="import_file",
        tag="customers",
        summary="Import customers and devices from a CSV file.",
        details="Repeating it changes nothing. `dry_run` writes nothing and answers the same "
        "report; `all_or_nothing` writes nothing unless every row is good. Answers when it is "
        "done, so it takes 5000 rows at most (`too_many_rows`); send more to `POST /import-jobs`.",
        permission=Permission.IMPORTS_WRITE,
        query=ImportQuery,
        takes="text/csv",
        answer=Import,
        act=_import,
    ),
)
