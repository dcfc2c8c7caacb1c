"""A database that gives up or refuses its role something: one plain line and exit code 2."""

from __future__ import annotations

import contextlib
import contextvars
import sqlite3
from pathlib import Path

import attrs
import httpx
import psycopg
import pytest

from mpm_host.database.engines import open_engines
from mpm_host.database.patience import have_patience
from mpm_host.database.upgrade import head
from tests.support.served_host import served_host

TABLES = (
    "let the owner GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app, or "
    "make role app the owner.\n"
)
# As docs/integrators/index.md has them, for the tables that are there.
RIGHTS = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
    "CREATE SCHEMA dbos AUTHORIZATION app",
)


@attrs.frozen
class Owned:
    """A database of its owner, and the same for the role `app`."""

    owner: str
    app: str

    def say(self, *statements):
        with psycopg.connect(self.owner.replace("+psycopg", ""), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@pytest.fixture
def owned(postgresql):
    with postgresql.database() as url:
        made = Owned(owner=url, app=url.replace("postgres@", "app@"))
        made.say("DO $$ BEGIN CREATE ROLE app LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
        yield made
        made.say("DROP OWNED BY app")


@pytest.fixture
def installed(owned, command_line):
    """An installation whose tables are the owner's, and whose host is the role `app`."""
    assert command_line("init", "--database", owned.owner).exit_code == 0
    config = Path("mpm.toml")
    config.write_text(config.read_text().replace("postgres@", "app@"))
    return owned


def refused(ended):
    assert ended.exit_code == 2
    assert ended.output == ""
    assert ended.errors.startswith("Error: The database refused role app what is needed (")
    return ended.errors.partition("what is needed ")[2]


def test_init_under_a_role_that_may_not_create_tables_leaves_nothing(command_line, owned):
    assert refused(command_line("init", "--database", owned.app)) == (
        "(permission denied for schema public); let the owner GRANT USAGE, CREATE ON schema public "
        "TO app, or make role app the owner.\n"
    )
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    ["company list", "company reconcile", "payments list umeme", "verify", "doctor", "db current",
     "db upgrade"],
)  # fmt: skip
def test_a_role_without_rights_on_the_tables_is_told(command_line, installed, arguments):
    assert refused(command_line(*arguments.split())) == (
        f"(permission denied for table mpm_alembic); {TABLES}"
    )


def test_an_upgrade_under_a_role_that_does_not_own_the_tables_is_told(command_line, installed):
    installed.say(*RIGHTS, "UPDATE mpm_alembic SET version_num = '0001'")
    assert "make role app the owner" in refused(command_line("db", "upgrade"))


def test_writing_under_a_role_that_may_only_read_is_told(command_line, installed):
    installed.say("GRANT SELECT ON ALL TABLES IN SCHEMA public TO app")
    created = command_line(
        "company", "create", "umeme", "--name", "Umeme", "--country", "TZ", "--currency", "TZS"
    )
    assert refused(created).startswith("(permission denied for table mpm_")
    assert created.errors.endswith(TABLES)


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_host_that_may_not_make_the_engine_s_schema_says_so(command_line, installed, command):
    installed.say(RIGHTS[0])
    name = open_engines(installed.app).read.url.database
    ended = command_line.program(command, *(["--port", "0"] if command == "serve" else []))
    assert refused(ended) == (
        f"(permission denied for database {name}); let the owner GRANT CREATE ON database {name} "
        "TO app, or make role app the owner.\n"
    )


def test_the_documented_rights_are_enough(command_line, installed):
    installed.say(*RIGHTS)
    assert command_line("db", "current").output == f"{head()} (up to date)\n"
    with served_host(Path(command_line.folder), Path("mpm.toml").read_text()) as host:
        answer = httpx.get(f"{host.url}/readyz", timeout=20, trust_env=False)
    assert answer.json() == {"status": "ready"}


@pytest.mark.parametrize("arguments", ["company reconcile", "db upgrade"])
def test_a_file_that_somebody_else_writes_for_long_is_told(command_line, arguments):
    command_line("init")

    def impatient():
        have_patience(0.1)
        return command_line(*arguments.split())

    with contextlib.closing(sqlite3.connect("mpm.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ended = contextvars.copy_context().run(impatient)
    assert (ended.exit_code, ended.output) == (2, "")
    assert ended.errors == (
        "Error: The database gave up (database is locked); look after it, then try again.\n"
    )
