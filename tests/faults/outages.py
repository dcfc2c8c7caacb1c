"""The ways in which a database fails a host that goes on: each begins, and is mended at the end."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import psycopg
import sqlalchemy as sa

from mpm_host.database.engines import Engines
from tests.support.full_disk import full_disk
from tests.support.restartable_postgres import RestartablePostgres

__all__ = ["POSTGRESQL_OUTAGES", "SQLITE_OUTAGES", "Outage", "Place", "set_read_only"]

_SMALLEST_FILE = 4096  # bytes; every write beyond fails
_SECONDS_TO_READ_IT = 0.3


@attrs.frozen(kw_only=True)
class Place:
    """Where the database is.

    Attributes:
        engines: of the host.
        folder: of an SQLite file.
        server: a PostgreSQL of its own, if it is one.
    """

    engines: Engines
    folder: Path
    server: RestartablePostgres | None = None

    @property
    def postgresql(self) -> RestartablePostgres:
        """The server.

        Raises:
            LookupError: the database is an SQLite file.
        """
        if self.server is None:
            raise LookupError("The database is no PostgreSQL.")
        return self.server


@attrs.frozen(kw_only=True)
class Outage:
    """One way to fail.

    Attributes:
        name: of it, for whoever reads a test's result.
        begin: fails the database until the block ends.
        can_be_read: meanwhile; `None` if only until the first write.
    """

    name: str
    begin: Callable[[Place], AbstractContextManager[None]]
    can_be_read: bool | None


@contextlib.contextmanager
def _postgresql_gone(place: Place) -> Iterator[None]:
    place.postgresql.stop_immediately()
    try:
        yield
    finally:
        place.postgresql.start()


@contextlib.contextmanager
def _postgresql_read_only(place: Place) -> Iterator[None]:
    """As a standby is."""
    set_read_only(place.postgresql, "on")
    try:
        yield
    finally:
        set_read_only(place.postgresql, "off")


@contextlib.contextmanager
def _postgresql_full(place: Place) -> Iterator[None]:
    """No room for its log: the first write makes it stop, and only its operator can start it."""
    place.postgresql.limit_files(_SMALLEST_FILE)
    try:
        yield
    finally:
        place.postgresql.stop_immediately()
        place.postgresql.start()


def set_read_only(server: RestartablePostgres, state: str) -> None:
    """Let every transaction be read-only, or not."""
    url = sa.make_url(server.server.url("postgres"))
    options = "-c default_transaction_read_only=off"
    with psycopg.connect(
        host=url.query["host"], user="postgres", dbname="postgres", autocommit=True, options=options
    ) as connection:
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}".encode())
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(_SECONDS_TO_READ_IT)  # each server process does when it waits for a command


@contextlib.contextmanager
def _sqlite_locked(place: Place) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(_file(place))) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def _sqlite_full(place: Place) -> Iterator[None]:
    with full_disk(place.engines):
        yield


@contextlib.contextmanager
def _sqlite_broken(_place: Place) -> Iterator[None]:
    """A limit on the size of files fails writes with an error that is not *no room*."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SMALLEST_FILE, unlimited[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)


@contextlib.contextmanager
def _sqlite_gone(place: Place) -> Iterator[None]:
    """The folder is somewhere else.

    Open connections would go on in the file wherever it is, so they are closed: what is opened anew
    does not find it.
    """
    elsewhere = place.folder.with_name(f"{place.folder.name}-elsewhere")
    place.folder.rename(elsewhere)
    _close_idle_connections(place)
    try:
        yield
    finally:
        elsewhere.rename(place.folder)


@contextlib.contextmanager
def _sqlite_read_only(place: Place) -> Iterator[None]:
    """As the file is to an account that may not write it; root always may."""

    def connect(*_given: object) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{_file(place)}?mode=ro", uri=True, check_same_thread=False)

    sa.event.listen(place.engines.write, "do_connect", connect)
    _close_idle_connections(place)
    try:
        yield
    finally:
        sa.event.remove(place.engines.write, "do_connect", connect)
        _close_idle_connections(place)


def _file(place: Place) -> str:
    name = place.engines.write.url.database
    if name is None:
        raise LookupError("The database is in no file.")
    return name


def _close_idle_connections(place: Place) -> None:
    place.engines.write.dispose()
    place.engines.read.dispose()


POSTGRESQL_OUTAGES = (
    Outage(name="postgresql-gone", begin=_postgresql_gone, can_be_read=False),
    Outage(name="postgresql-read-only", begin=_postgresql_read_only, can_be_read=True),
    Outage(name="postgresql-full", begin=_postgresql_full, can_be_read=None),
)
SQLITE_OUTAGES = (
    Outage(name="sqlite-locked", begin=_sqlite_locked, can_be_read=True),
    Outage(name="sqlite-full", begin=_sqlite_full, can_be_read=True),
    Outage(name="sqlite-broken", begin=_sqlite_broken, can_be_read=True),
    Outage(name="sqlite-gone", begin=_sqlite_gone, can_be_read=False),
    Outage(name="sqlite-read-only", begin=_sqlite_read_only, can_be_read=True),
)
