"""Migrations: bringing the database's tables to what this version of the host needs.

Alembic takes most of a second to import, so only `upgrade` does; what revision a database is at is
one query, and the newest revision is told by the names of the files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from mpm_core import UserError

if TYPE_CHECKING:  # imported late, see above
    from alembic.config import Config

__all__ = [
    "VERSION_TABLE",
    "alembic_config",
    "current",
    "head",
    "remedy",
    "require_current",
    "upgrade",
]

VERSION_TABLE = "mpm_alembic"
_UPGRADE_LOCK = 0x6D706D  # any number of our own: two upgrades of one database wait for each other


def head() -> str:
    """Return the revision this version of the host needs."""
    versions = files("mpm_host.database.migrations") / "versions"
    return max(
        file.name.partition("_")[0] for file in versions.iterdir() if file.name[:1].isdigit()
    )


def current(engine: sa.Engine) -> str | None:
    """Return the revision a database is at; nothing for one without our tables.

    Raises:
        UserError: the database cannot be opened.
    """
    if _is_missing_file(engine):
        return None  # connecting would create an empty one
    with _opened(engine) as connection:
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None
        query = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - our own constant
        found: str | None = connection.execute(query).scalar()
        return found


def remedy(found: str | None, needed: str) -> str:
    """Return what to do about a database at another revision than this version needs."""
    if found is None or found < needed:
        return "run `mpm db upgrade`"
    return "install the version of mpm-host that wrote it, or a newer one"


def require_current(engine: sa.Engine) -> None:
    """Refuse to work on tables of another version.

    Raises:
        UserError: the database is empty, older or newer; says what to do.
    """
    found, needed = current(engine), head()
    name = engine.url.render_as_string(hide_password=True)
    if found is None:
        raise UserError(f"Database {name} has no tables yet; {remedy(found, needed)}.")
    if found < needed:
        raise UserError(
            f"Database {name} is at revision {found}, and this version needs {needed}; "
            f"{remedy(found, needed)}."
        )
    if found > needed:
        raise UserError(
            f"Database {name} is at revision {found}, which this version (at {needed}) does not "
            f"know; {remedy(found, needed)}."
        )


def upgrade(engine: sa.Engine) -> tuple[str | None, str]:
    """Bring the tables to the newest revision, in one transaction.

    Returns:
        The revision before, if there was one, and the one after.

    Raises:
        UserError: the database cannot be opened, or a newer version of the host wrote it.
    """
    from alembic import command  # noqa: PLC0415 - see the module's docstring

    before = current(engine)
    if before is not None and before > head():
        require_current(engine)
    if _is_missing_file(engine):
        _create_private(engine)
    with _opened(engine) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
        command.upgrade(alembic_config(connection), "head")
    return before, head()


def alembic_config(connection: sa.Connection) -> Config:
    """Return alembic's configuration for our own migrations on a connection."""
    from alembic.config import Config  # noqa: PLC0415 - see the module's docstring

    from mpm_host.database.every_table import metadata  # noqa: PLC0415 - only migrations need it

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    config.attributes["version_table"] = VERSION_TABLE
    return config


def _is_missing_file(engine: sa.Engine) -> bool:
    path = engine.url.database
    return engine.dialect.name == "sqlite" and bool(path) and not Path(str(path)).exists()


def _create_private(engine: sa.Engine) -> None:
    """Create the file of an SQLite database for its owner alone: it holds people's numbers."""
    with suppress(OSError):  # opening it says what is wrong
        Path(str(engine.url.database)).touch(mode=0o600)


@contextmanager
def _opened(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except (sa.exc.DBAPIError, sqlite3.Error) as error:  # sqlite3: raised by our own pragmas
        reason = str(getattr(error, "orig", error)).partition("\n")[0].rstrip(".")
        name = engine.url.render_as_string(hide_password=True)
        raise UserError(
            f"Database {name} cannot be opened ({reason}); correct [host] database, or start it."
        ) from None
    with connection:
        yield connection
