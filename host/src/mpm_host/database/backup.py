"""A copy of an SQLite database, made while the host runs.

PostgreSQL has tools of its own, which know how to do it better than we.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
from pathlib import Path

import sqlalchemy as sa

from mpm_core import UserError

__all__ = ["back_up"]


def back_up(url: str, target: Path) -> int:
    """Copy a database into a new file of its owner alone; it is whole, as at one moment.

    Returns:
        The size of the copy in bytes.

    Raises:
        UserError: it is no SQLite database, is not there, or the file is or cannot be written.
    """
    if not target.name:
        raise UserError("The copy has no name; name a new file.")
    parts = sa.make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database:
        raise UserError(_use_the_server(parts, target))
    source = Path(parts.database)
    if not source.exists():
        raise UserError(f"Database {source} does not exist; there is nothing to back up.")
    partial = target.with_name(f"{target.name}.partial")
    try:
        _create(target)
        _create(partial)
        try:
            _copy(source, partial)
            partial.replace(target)
        except BaseException:  # also when somebody loses patience: half a copy is none
            target.unlink(missing_ok=True)
            partial.unlink(missing_ok=True)
            raise
    except FileExistsError as error:
        raise UserError(f"{error.filename} exists already; name a new file.") from None
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror}); name a file in another folder."
        ) from None
    except sqlite3.Error as error:
        raise UserError(
            f"Database {source} could not be copied ({error}); nothing was kept of it."
        ) from None
    return target.stat().st_size


def _create(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _copy(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as running,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        running.backup(copy)  # in one go, as at one moment; who writes meanwhile need not wait
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without another beside it
        found = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged: {found}")
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _use_the_server(parts: sa.URL, target: Path) -> str:
    if parts.get_backend_name() != "postgresql":
        return f"[host] database: {parts.drivername} is not supported."
    command = ["pg_dump", "--format=custom", f"--file={target}"]
    if parts.host or parts.query.get("host"):
        command.append(f"--host={parts.host or parts.query['host']}")
    if parts.username:
        command.append(f"--username={parts.username}")
    command.append(parts.database or "")
    return (
        f"PostgreSQL makes its own backups; run `{shlex.join(command)}`, or archive its log "
        "for every moment in between."
    )
