"""What every promise stands on and no crash of a process can show: only a power cut would."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines

FULL = 2


@pytest.fixture
def sqlite(tmp_path):
    opened = open_engines(f"sqlite:///{tmp_path / 'mpm.db'}")
    yield opened
    opened.dispose()


def test_sqlite_waits_until_a_commit_is_on_the_disk(sqlite):
    with sqlite.write.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_writer_on_sqlite_has_the_write_lock_from_its_first_read(sqlite):
    with sqlite.write.begin() as first, sqlite.write.connect() as second:
        first.exec_driver_sql("SELECT 1")
        second.connection.execute("PRAGMA busy_timeout=0")
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            second.begin()


@pytest.mark.parametrize("key", ["reference", "intent", "number"])
def test_a_payment_is_unique_by_each_of_its_keys(key):
    unique = {
        tuple(column.name for column in one.columns)
        for one in [*t.payments.constraints, *t.payments.indexes]
        if isinstance(one, sa.UniqueConstraint) or getattr(one, "unique", False)
    }
    assert any({"instance_id", key} <= set(names) for names in unique)


@pytest.mark.parametrize("table", [t.tokens, t.messages, t.attempts], ids=lambda table: table.name)
def test_what_may_exist_once_is_unique(table):
    unique = {
        tuple(column.name for column in one.columns)
        for one in [*table.constraints, *table.indexes]
        if isinstance(one, sa.UniqueConstraint) or getattr(one, "unique", False)
    }
    wanted = {
        "mpm_token": ("order_id",),
        "mpm_message": ("key",),
        "mpm_attempt": ("order_id", "number"),
    }
    assert any(set(wanted[table.name]) <= set(names) for names in unique), unique
