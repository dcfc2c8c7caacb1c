"""Engines: how the host opens its database, the same for SQLite and PostgreSQL.

Writers begin with the write lock on SQLite (`BEGIN IMMEDIATE`), so that what they read stays true;
readers use an engine of their own that never takes it.
"""

from __future__ import annotations

import sqlite3

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_core.errors import UserError

__all__ = ["Engines", "open_engines"]

_BUSY_MILLISECONDS = 30_000
_POOL_SIZE = 45  # the web server's thread pool (40) and the workers never wait for a connection


@attrs.frozen
class Engines:
    """The database twice: to write and to read."""

    write: Engine
    read: Engine

    def dispose(self) -> None:
        """Close every connection."""
        self.write.dispose()
        if self.read is not self.write:
            self.read.dispose()


def open_engines(url: str) -> Engines:
    """Open the database of a URL such as `sqlite:///mpm.db` or `postgresql+psycopg://user@host/db`.

    Raises:
        UserError: the URL is none, or names a database we do not run on.
    """
    try:
        driver = sa.make_url(url).drivername
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is none
        raise UserError(
            "[host] database is not a database URL; write sqlite:///mpm.db or "
            "postgresql+psycopg://user@host/name."
        ) from None
    if driver in {"sqlite", "sqlite+pysqlite"}:
        return Engines(_sqlite(url, begin="BEGIN IMMEDIATE"), _sqlite(url, begin="BEGIN"))
    if driver in {"postgresql", "postgresql+psycopg"}:
        engine = sa.create_engine(url, pool_size=_POOL_SIZE, pool_pre_ping=True)
        return Engines(engine, engine)
    raise UserError(
        f"[host] database: {driver} is not supported; use sqlite or postgresql+psycopg."
    )


def _sqlite(url: str, *, begin: str) -> Engine:
    engine = sa.create_engine(url, pool_size=_POOL_SIZE, poolclass=sa.pool.QueuePool)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions on its own
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an acknowledged payment survives a power cut
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def start(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
