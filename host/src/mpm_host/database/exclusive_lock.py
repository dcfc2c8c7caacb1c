"""One `serve` or `worker` at a time on one SQLite file: two would fight over every write."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import sqlalchemy as sa

from mpm_core import UserError

__all__ = ["ExclusiveLock", "lock_database"]


class ExclusiveLock:
    """Held until closed, or until the process ends, however it ends."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def close(self) -> None:
        """Let another process have the database."""
        self._file.close()


def lock_database(url: str) -> ExclusiveLock | None:
    """Take the lock beside an SQLite database; PostgreSQL needs none.

    Raises:
        UserError: another process has it.
    """
    parts = sa.make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database:
        return None
    return ExclusiveLock(_locked(Path(f"{parts.database}.lock")))


def _locked(path: Path) -> IO[str]:
    import fcntl  # noqa: PLC0415 - not on every system; only who serves on SQLite needs it

    try:
        file = path.open("a", encoding="ascii")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); correct the folder's permissions."
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UserError(
            f"Database {path.with_suffix('')} is in use by another `mpm serve` or `mpm worker`; "
            "stop that one, or use PostgreSQL to run several."
        ) from None
    return file
