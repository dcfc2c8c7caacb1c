"""Fixtures: databases with our tables, on SQLite and on PostgreSQL, a fresh one for every test.

The migrations run once per session and kind; each test gets a copy.
"""

from __future__ import annotations

import shutil

import pytest

__all__ = [
    "database_url",
    "empty_database_url",
    "engines",
    "postgres_template",
    "postgresql",
    "sqlite_template",
]

KINDS = ["sqlite", "postgresql"]


def _upgrade(url):
    from mpm_host.database.engines import open_engines  # noqa: PLC0415 - only if it is used
    from mpm_host.database.upgrade import upgrade  # noqa: PLC0415 - as above

    opened = open_engines(url)
    upgrade(opened.write)
    opened.dispose()


@pytest.fixture(scope="session")
def postgresql():
    """A running server."""
    from tests.support.postgres import postgres_server  # noqa: PLC0415 - only if it is used

    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgresql):
    """The name of a database with our tables, to be copied."""
    name = postgresql.create()
    _upgrade(postgresql.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    """The path of a database with our tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "mpm.db"
    _upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=KINDS)
def empty_database_url(request, tmp_path):
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path):
    """The URL of a database with our tables."""
    if request.param == "sqlite":
        path = tmp_path / "mpm.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgresql")
    with server.database(template=request.getfixturevalue("postgres_template")) as url:
        yield url


@pytest.fixture
def engines(database_url):
    """The opened database with our tables."""
    from mpm_host.database.engines import open_engines  # noqa: PLC0415 - only if it is used

    opened = open_engines(database_url)
    yield opened
    opened.dispose()
