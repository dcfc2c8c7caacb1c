"""Engines: how the host opens its database, the same for SQLite and PostgreSQL.

Writers begin with the write lock on SQLite (`BEGIN IMMEDIATE`), so that what they read stays true,
and stand in line for it; readers use an engine of their own that never takes it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_core.errors import UserError
from mpm_host.database.bulk_insert import take_copies
from mpm_host.database.patience import UNHURRIED, Timeouts, patience
from mpm_host.database.queued_connection import QueuedConnection, WriteQueue

__all__ = ["Engines", "close_for_good", "limit_waiting", "open_engines"]

_BUSY = "mpm_busy"
_KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_POOL_SIZE = 45  # the web server's thread pool (40) and the workers never wait for a connection


@attrs.frozen
class Engines:
    """The database twice: to write and to read."""

    write: Engine
    read: Engine

    def dispose(self) -> None:
        """Close every connection, those in use as soon as they are given back."""
        close_for_good(self.write)
        if self.read is not self.write:
            close_for_good(self.read)


def open_engines(url: str, timeouts: Timeouts = UNHURRIED) -> Engines:
    """Open the database of a URL such as `sqlite:///mpm.db` or `postgresql+psycopg://user@host/db`.

    Args:
        url: what it says itself, such as `connect_timeout`, counts more than `timeouts`.
        timeouts: how long to wait for it.

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
        return Engines(
            _sqlite(url, busy=timeouts.busy, queue=WriteQueue()),
            _sqlite(url, busy=timeouts.busy),
        )
    if driver in {"postgresql", "postgresql+psycopg"}:
        engine = sa.create_engine(url, pool_size=_POOL_SIZE, pool_pre_ping=True)
        limit_waiting(engine, timeouts)
        take_copies(engine)
        return Engines(engine, engine)
    raise UserError(
        f"[host] database: {driver} is not supported; use sqlite or postgresql+psycopg."
    )


def close_for_good(engine: Engine) -> None:
    """Close an engine's connections: idle ones now, those in use as soon as they are given back.

    Without the latter, what a thread gives back after the end would stay open until somebody
    collects the garbage.
    """

    @sa.event.listens_for(engine, "checkin")
    def close(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        record.invalidate()

    engine.dispose()


def limit_waiting(engine: Engine, timeouts: Timeouts) -> None:
    """Let an engine of PostgreSQL wait no longer than this; one of SQLite is left as it is."""
    if engine.dialect.name != "postgresql":
        return
    from mpm_host.database.patient_connection import (  # noqa: PLC0415 - SQLite needs no driver
        PatientConnection,
    )

    given = engine.url.query
    defaults = _connection_settings(timeouts)

    @sa.event.listens_for(engine, "do_connect")
    def connect(
        _dialect: object, _record: object, arguments: list[object], settings: dict[str, object]
    ) -> object:
        settings.update({name: value for name, value in defaults.items() if name not in given})
        if "options" in given:  # what is said last counts
            settings["options"] = f"{defaults['options']} {settings['options']}"
        connection = PatientConnection.connect(*arguments, **settings)  # type: ignore[arg-type]  # as the dialect made them
        connection.longest_wait = timeouts.hanging
        return connection


def _connection_settings(timeouts: Timeouts) -> Mapping[str, object]:
    """Return what the driver is told; a lost network ends a connection, too."""
    return {
        "connect_timeout": timeouts.connect,
        "options": timeouts.server_options(),
        "tcp_user_timeout": round(timeouts.unheard * 1000),
        **_KEEPALIVES,
    }


def _sqlite(url: str, *, busy: float, queue: WriteQueue | None = None) -> Engine:
    """Open an engine of writers, who stand in this line, or of readers, who need none."""
    begin = "BEGIN" if queue is None else "BEGIN IMMEDIATE"
    engine = sa.create_engine(
        url,
        pool_size=_POOL_SIZE,
        poolclass=sa.pool.QueuePool,
        connect_args={"factory": QueuedConnection},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions on its own
        for pragma in (
            f"busy_timeout={round(busy * 1000)}",  # first: the others may have to wait, too
            "journal_mode=WAL",
            "synchronous=FULL",  # an acknowledged payment survives a power cut
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def start(connection: sa.Connection) -> None:
        seconds = patience() or busy
        if queue is not None and not _has_turn(connection, queue, seconds):
            seconds = 0  # it has waited; SQLite may still say that the lock is free
        if connection.info.get(_BUSY, busy) != seconds:  # its last user had another patience
            connection.exec_driver_sql(f"PRAGMA busy_timeout={round(seconds * 1000)}")
            connection.info[_BUSY] = seconds
        connection.exec_driver_sql(begin)

    return engine


def _has_turn(connection: sa.Connection, queue: WriteQueue, seconds: float) -> bool:
    """Stand in line; who answers a telecom has little patience, is one, and goes first."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, QueuedConnection)  # noqa: S101 - the factory makes no other
    return driver.wait_for_turn(queue, seconds, first=patience() is not None)
