"""Imports that were sent to the API: kept with their file, so that any worker can carry them out.

A request that waited for a hundred thousand rows would be given up by the first proxy on its way.
So the file is taken, a job is answered, and the report is asked for later.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import UserError
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.import_tables import imports
from mpm_host.database.turns import wait_for_turn
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.imports.imports import ImportOptions, ImportSummary

__all__ = [
    "SHOWN_ERRORS",
    "ImportStatus",
    "NewImport",
    "TakenImport",
    "end_import",
    "fail_import",
    "note_progress",
    "queue_import",
    "read_import",
    "release_import",
    "take_import",
]

SHOWN_ERRORS = 1000  # of the report
_MOST_BEGINNINGS = 5
_LEASE = timedelta(minutes=2)
_LONG_LEASE = timedelta(hours=1)  # of one transaction: it can tell nothing before its end
_TURN = timedelta(seconds=5)  # until an import asks again whether another of its company has ended
_I = imports.c


class ImportStatus(StrEnum):
    """Where an import stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"  # the report is complete; it may tell of rows that were refused
    FAILED = "failed"  # it could not be carried out; see its detail


@attrs.frozen(kw_only=True)
class NewImport:
    """A file that was looked through.

    Attributes:
        rows: that hold something, without the header.
    """

    company_id: str
    content: bytes = attrs.field(repr=False)
    rows: int
    options: ImportOptions


@attrs.frozen(kw_only=True)
class TakenImport:
    """An import in one worker's hands.

    Attributes:
        fence: moves when another worker takes it; what this one writes then is void.
    """

    id: str
    company_id: str
    options: ImportOptions
    actor: str
    fence: int


def queue_import(connection: Connection, vault: Vault, new: NewImport, by: Actor) -> str:
    """Store an import in the caller's transaction, audited, and return its id; wake workers after.

    The file is encrypted: it holds names and phone numbers. It is deleted when the import ends.
    """
    import_id = new_identifier()
    packed = base64.b64encode(zlib.compress(new.content)).decode()
    connection.execute(
        sa.insert(imports).values(
            id=import_id,
            company_id=new.company_id,
            status=ImportStatus.QUEUED,
            dry_run=new.options.dry_run,
            all_or_nothing=new.options.all_or_nothing,
            file=vault.seal(packed),
            actor=by.name,
            rows=new.rows,
            row_errors=[],
            next_at=by.at,
            created_at=by.at,
        )
    )
    after = {"rows": new.rows, **attrs.asdict(new.options)}
    write_audit(
        connection, by, company_id=new.company_id, action="import.queued", subject=import_id,
        before={}, after=after,
    )  # fmt: skip
    return import_id


def take_import(connection: Connection, import_id: str, now: datetime) -> TakenImport | None:
    """Take an import that is due, for the length of a lease; `None` if there is nothing to do.

    Also while somebody has it: work is handed over more than once. While another import of its
    company runs it is due a little later. One that was begun often and never came to its end is
    failed: it would only break off again. What reads the file comes after this has been committed,
    so that a file that ends its process counts.
    """
    is_due = (_I.id == import_id, _I.next_at.is_not(None))
    company_id = connection.scalar(sa.select(_I.company_id).where(*is_due))
    if company_id is None:
        return None
    wait_for_turn(connection, f"mpm_import taking {company_id}")
    columns = (each for each in _I if each is not _I.file)
    query = sa.select(*columns).where(*is_due).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None or (row["lease_until"] is not None and row["lease_until"] > now):
        return None
    if _is_another_running(connection, company_id, now):
        later = sa.update(imports).where(_I.id == import_id).values(next_at=now + _TURN)
        connection.execute(later)
        return None
    return _begin(connection, row, now)


def _is_another_running(connection: Connection, company_id: str, now: datetime) -> bool:
    """Tell whether somebody carries out an import of the company."""
    query = sa.select(_I.id).where(_I.company_id == company_id, _I.lease_until > now)
    return connection.execute(query.limit(1)).first() is not None


def _begin(connection: Connection, row: RowMapping, now: datetime) -> TakenImport | None:
    taken = TakenImport(
        id=row["id"],
        company_id=row["company_id"],
        options=ImportOptions(dry_run=row["dry_run"], all_or_nothing=row["all_or_nothing"]),
        actor=row["actor"],
        fence=row["fence"] + 1,
    )
    begun = {"fence": taken.fence, "failures": row["failures"] + 1}
    update = sa.update(imports).where(_I.id == taken.id)
    if row["failures"] >= _MOST_BEGINNINGS:
        connection.execute(update.values(**begun))
        what = f"It was begun {_MOST_BEGINNINGS} times and never ended; send the file again."
        fail_import(connection, taken, what, now)
        return None
    until = now + (_LONG_LEASE if taken.options.all_or_nothing else _LEASE)
    fresh = {"status": ImportStatus.RUNNING, "rows_done": 0, "next_at": until, "lease_until": until}
    connection.execute(update.values(**begun, **fresh))
    return taken


def read_import(connection: Connection, vault: Vault, taken: TakenImport) -> bytes:
    """Return the file of an import that was taken.

    Raises:
        UserError: it cannot be decrypted or unpacked, and never will be.
    """
    sealed = connection.scalar(sa.select(_I.file).where(_I.id == taken.id))
    try:
        return zlib.decompress(base64.b64decode(vault.open(sealed or b"")))
    except (UserError, binascii.Error, zlib.error):
        raise UserError(
            "The stored file cannot be read: it is damaged, or [host] secret_key is another one "
            "than when it was sent; send the file again."
        ) from None


def release_import(connection: Connection, taken: TakenImport, next_at: datetime) -> bool:
    """Give an import back that broke off through no fault of its own: this beginning counts not."""
    updated = connection.execute(
        sa.update(imports)
        .where(_I.id == taken.id, _I.fence == taken.fence)
        .values(
            status=ImportStatus.QUEUED,
            failures=_I.failures - 1,
            fence=_I.fence + 1,
            lease_until=None,
            next_at=next_at,
        )
    )
    return updated.rowcount == 1


def note_progress(
    connection: Connection, taken: TakenImport, rows_done: int, now: datetime
) -> bool:
    """Keep how far an import is, and hold it longer; tell whether it is still this worker's.

    Not for one of all or nothing: its transaction holds what this would write to.
    """
    until = now + _LEASE
    updated = connection.execute(
        sa.update(imports)
        .where(_I.id == taken.id, _I.fence == taken.fence)
        .values(rows_done=rows_done, next_at=until, lease_until=until)
    )
    return updated.rowcount == 1


def end_import(
    connection: Connection,
    taken: TakenImport,
    summary: ImportSummary,
    row_errors: Sequence[dict[str, object]],
    now: datetime,
) -> bool:
    """Keep the report and delete the file, audited; tell whether it was this worker's to write."""
    counts = attrs.asdict(summary)
    done = summary.created + summary.unchanged + summary.errors
    ended = _end(connection, taken, now, status=ImportStatus.DONE, rows_done=done,
                 row_errors=list(row_errors), **counts)  # fmt: skip
    if ended:
        write_audit(
            connection, Actor(name=taken.actor, at=now), company_id=taken.company_id,
            action="import.done", subject=taken.id, before={}, after=counts,
        )  # fmt: skip
    return ended


def fail_import(connection: Connection, taken: TakenImport, detail: str, now: datetime) -> bool:
    """Say why an import cannot be carried out, and delete the file."""
    return _end(connection, taken, now, status=ImportStatus.FAILED, detail=detail)


def _end(connection: Connection, taken: TakenImport, now: datetime, **values: object) -> bool:
    updated = connection.execute(
        sa.update(imports)
        .where(_I.id == taken.id, _I.fence == taken.fence)
        .values(file=None, next_at=None, lease_until=None, finished_at=now, **values)
    )
    return updated.rowcount == 1
