"""The job engine's own records, to look at and to age."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_host.work import work_database_url

__all__ = ["change_engine", "engine_rows", "without_engine_table"]


def engine_rows(database: sa.URL, table: str, columns: str = "*") -> Sequence[sa.Row[Any]]:
    """Read a table of the engine's own.

    Args:
        database: ours.
        table: its name.
        columns: which, as SQL writes them.
    """
    with _opened(database).begin() as connection:
        query = f"SELECT {columns} FROM {_schema(database)}{table}"  # noqa: S608 - names of ours
        return connection.execute(sa.text(query)).all()


def change_engine(database: sa.URL, assignments: str, where: str, **values: object) -> None:
    """Change records of pieces of work, as no engine would.

    Args:
        database: ours.
        assignments: of the changed columns, as SQL writes them.
        where: which, as SQL writes it.
        values: of the parameters in both.
    """
    with _opened(database).begin() as connection:
        change = f"UPDATE {_schema(database)}workflow_status SET {assignments} WHERE {where}"  # noqa: S608 - texts of ours
        connection.execute(sa.text(change), values)


@contextlib.contextmanager
def without_engine_table(database: sa.URL) -> Iterator[None]:
    """Take the table of the pieces of work away from the engine for a while."""
    _rename(database, "workflow_status", "taken_away")
    try:
        yield
    finally:
        _rename(database, "taken_away", "workflow_status")


def _rename(database: sa.URL, name: str, other: str) -> None:
    with _opened(database).begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {_schema(database)}{name} RENAME TO {other}"))


def _schema(database: sa.URL) -> str:
    return "" if database.get_backend_name() == "sqlite" else "dbos."


def _opened(database: sa.URL) -> Engine:
    """Open it for one transaction, after which nothing stays open."""
    return sa.create_engine(work_database_url(database), poolclass=sa.pool.NullPool)
