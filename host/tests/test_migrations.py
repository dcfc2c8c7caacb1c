"""Migrations: what they make is what the code expects, and history cannot be rewritten."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from mpm_core import UserError
from mpm_host.database import every_table, tables
from mpm_host.database.engines import open_engines
from mpm_host.database.upgrade import alembic_config, current, head, require_current, upgrade

NOW = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def empty(empty_database_url):
    opened = open_engines(empty_database_url)
    yield opened
    opened.dispose()


def test_migrations_make_exactly_the_tables_of_the_code(engines):
    with engines.write.begin() as connection:
        command.check(alembic_config(connection))  # raises with the difference


def test_migrations_make_the_indexes_and_constraints_of_the_code(empty):
    """Alembic compares neither checks nor the conditions of partial indexes; the databases do."""
    every_table.metadata.create_all(empty.write)
    expected = described(empty.read)
    every_table.metadata.drop_all(empty.write)

    upgrade(empty.write)

    assert described(empty.read) == expected


def described(engine):
    """Everything the database itself knows of our tables, in its own words."""
    if engine.dialect.name == "sqlite":
        query = (
            "SELECT type, name, sql FROM sqlite_master WHERE name LIKE 'mpm_%' "
            "AND name <> 'mpm_alembic' AND type <> 'trigger'"
            "OR name LIKE '__\\_mpm_%' ESCAPE '\\' AND tbl_name <> 'mpm_alembic'"
        )
    else:
        query = (
            "SELECT 'index', indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'mpm_%' "
            "AND tablename <> 'mpm_alembic' UNION ALL "
            "SELECT 'constraint', conrelid::regclass || conname, pg_get_constraintdef(oid) "
            "FROM pg_constraint WHERE conrelid::regclass::text LIKE 'mpm_%' "
            "AND conrelid::regclass::text <> 'mpm_alembic' UNION ALL "
            "SELECT 'column', table_name || '.' || column_name, data_type || is_nullable || "
            "coalesce(column_default, '') || coalesce(character_maximum_length::text, '') "
            "FROM information_schema.columns WHERE table_name LIKE 'mpm_%' "
            "AND table_name <> 'mpm_alembic'"
        )
    with engine.connect() as connection:
        rows = connection.execute(sa.text(query)).all()
    return sorted((kind, name, normal(text)) for kind, name, text in rows)


def normal(text):
    """Alembic and SQLAlchemy order the clauses of a CREATE TABLE differently."""
    inner = re.sub(r"\s*\)\s*$", "", re.sub(r"\s+", " ", text or ""))
    return sorted(re.split(r",(?![^(]*\))\s*", inner))


@pytest.mark.parametrize(
    "table", [tables.entries, tables.events, tables.audit], ids=lambda table: table.name
)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_a_row_of_an_append_only_table_can_never_be_changed(engines, table, verb):
    with engines.write.begin() as connection:
        insert_one_of_each(connection)
    statement = sa.update(table).values(id="x") if verb == "update" else sa.delete(table)

    with (
        pytest.raises(sa.exc.DBAPIError, match=f"{table.name} is append-only"),
        engines.write.begin() as connection,
    ):
        connection.execute(statement)


def insert_one_of_each(connection):
    """A company with a payment, an entry, an event and a line of the audit trail."""
    for table, values in (
        (tables.companies, {"slug": "umeme", "name": "Umeme", "country": "TZ", "currency": "TZS",
                            "timezone": "UTC", "managed": False, "enabled": True}),
        (tables.instances, {"name": "airtel", "plugin": "airtel", "state": "enabled",
                            "managed": False, "callback_key": "k"}),
        (tables.payments, {"instance_id": "1", "number": 1, "status": "settled",
                           "currency": "TZS", "details": {}}),
        (tables.entries, {"journal_id": "1", "position": 1, "account": "money", "amount": 1,
                          "currency": "TZS", "at": NOW}),
        (tables.events, {"payment_id": "1", "kind": "accepted", "detail": "", "at": NOW}),
        (tables.audit, {"at": NOW, "actor": "a", "action": "b", "subject": "c",
                        "before": {}, "after": {}}),
    ):  # fmt: skip
        common = {"id": "1", "company_id": "1", "created_at": NOW}
        given = {name: value for name, value in common.items() if name in table.c} | values
        connection.execute(sa.insert(table).values(**given))


def test_postgresql_refuses_to_empty_an_append_only_table(postgresql, postgres_template):
    with postgresql.database(template=postgres_template) as url:
        opened = open_engines(url)
        with (
            pytest.raises(sa.exc.DBAPIError, match="mpm_entry is append-only"),
            opened.write.begin() as connection,
        ):
            connection.execute(sa.text("TRUNCATE mpm_entry"))
        opened.dispose()


def test_downgrading_leaves_nothing_of_ours(engines):
    with engines.write.begin() as connection:
        command.downgrade(alembic_config(connection), "base")

    with engines.read.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["mpm_alembic"]


def test_upgrading_twice_changes_nothing(empty):
    assert upgrade(empty.write) == (None, head())
    assert upgrade(empty.write) == (head(), head())


def test_current_tells_the_revision_and_creates_nothing(empty):
    assert current(empty.write) is None
    upgrade(empty.write)
    assert current(empty.write) == head()


def test_current_of_a_missing_sqlite_file_creates_none(tmp_path):
    opened = open_engines(f"sqlite:///{tmp_path / 'none.db'}")

    assert current(opened.write) is None
    assert list(tmp_path.iterdir()) == []


def test_head_is_what_alembic_calls_head(engines):
    with engines.read.connect() as connection:
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == head()


def test_an_empty_database_is_refused_with_what_to_type(empty):
    with pytest.raises(UserError) as refused:
        require_current(empty.write)

    name = empty.write.url.render_as_string(hide_password=True)
    assert str(refused.value) == f"Database {name} has no tables yet; run `mpm db upgrade`."


@pytest.mark.parametrize(
    ("found", "rest"),
    [
        ("0000", "is at revision 0000, and this version needs {head}; run `mpm db upgrade`."),
        (
            "9999",
            (
                "is at revision 9999, which this version (at {head}) does not know; install the "
                "version of mpm-host that wrote it, or a newer one."
            ),
        ),
    ],
    ids=["older", "newer"],
)
def test_a_database_of_another_version_is_refused(engines, found, rest):
    set_revision(engines, found)

    with pytest.raises(UserError) as refused:
        require_current(engines.write)

    name = engines.write.url.render_as_string(hide_password=True)
    assert str(refused.value) == f"Database {name} {rest.format(head=head())}"


def test_upgrading_never_touches_a_newer_database(engines):
    set_revision(engines, "9999")

    with pytest.raises(UserError, match="which this version"):
        upgrade(engines.write)


def set_revision(engines, revision):
    with engines.write.begin() as connection:
        connection.execute(
            sa.text("UPDATE mpm_alembic SET version_num = :found"), {"found": revision}
        )


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "mpm.db").write_text("This is a letter, not a database. " * 50)
    opened = open_engines(f"sqlite:///{tmp_path / 'mpm.db'}")

    with pytest.raises(UserError) as refused:
        current(opened.write)

    assert str(refused.value) == (
        f"Database sqlite:///{tmp_path / 'mpm.db'} cannot be opened (file is not a database); "
        "correct [host] database, or start it."
    )


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path):
    opened = open_engines(f"postgresql+psycopg://mpm:canary@/mpm?host={tmp_path}")

    with pytest.raises(UserError) as refused:
        current(opened.write)

    message = str(refused.value)
    assert message.startswith("Database postgresql+psycopg://mpm:***@/mpm?host=")
    assert message.endswith("; correct [host] database, or start it.")
    assert "canary" not in message
    assert "\n" not in message


def test_revisions_import_nothing_of_the_host():
    """They must do the same for ever, whatever becomes of the code."""
    versions = files("mpm_host.database.migrations") / "versions"

    texts = [path.read_text() for path in versions.iterdir() if path.name[:1].isdigit()]
    assert texts
    assert [text for text in texts if re.search(r"import.*mpm_host|from mpm_", text)] == []
