"""What every promise stands on: unique keys, SQLite's write lock, and commits that reach the disk.

Only a power cut shows a commit that did not reach the disk. It is played by a kernel that fails
every fsync: a commit that is said to be done then was not waited for.
"""

from __future__ import annotations

import itertools
import multiprocessing
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from mpm_host.database import every_table
from mpm_host.database.column_types import Instant, Remark
from mpm_host.database.engines import open_engines
from tests.support.failing_disk import fail_every_fsync

FIRST_DAY = datetime(2026, 1, 5, tzinfo=UTC)
# Columns that belong to the condition under which a key counts, or to a check of the table.
CONDITIONS = {
    "uq_mpm_plan_one_live_per_device": {"live": True},
    "uq_mpm_payment_staff_number": {"instance_id": None},
    "uq_mpm_proposal_one_open_per_order": {"decided_at": None},
}


@pytest.fixture
def sqlite(tmp_path):
    opened = open_engines(f"sqlite:///{tmp_path / 'mpm.db'}")
    yield opened
    opened.dispose()


# --- commits --------------------------------------------------------------------------------------


def write_on_a_failing_disk(path, result):
    """Commit something, first on a disk that works, then on one that does not."""
    opened = open_engines(f"sqlite:///{path}")
    with opened.write.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE told (what TEXT)")
    fail_every_fsync()
    try:
        with opened.write.begin() as connection:
            connection.exec_driver_sql("INSERT INTO told VALUES ('accepted')")
    except sa.exc.OperationalError as error:
        result.put(str(error.orig))
    else:
        result.put("committed")


def test_a_commit_on_sqlite_that_did_not_reach_the_disk_is_an_error(tmp_path):
    context = multiprocessing.get_context("spawn")  # what fails, fails in the child only
    result = context.Queue()
    child = context.Process(target=write_on_a_failing_disk, args=(tmp_path / "mpm.db", result))
    child.start()
    assert result.get(timeout=60) == "disk I/O error"
    child.join()
    assert child.exitcode == 0


def test_sqlite_keeps_a_log_that_survives_its_writers(sqlite):
    with sqlite.write.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_writer_on_sqlite_has_the_write_lock_from_its_first_read(sqlite):
    with sqlite.write.begin() as first, sqlite.write.connect() as second:
        first.exec_driver_sql("SELECT 1")
        second.connection.execute("PRAGMA busy_timeout=0")
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            second.begin()


# --- unique keys ----------------------------------------------------------------------------------


def keys_of(table):
    constraints = [one for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    return [*constraints, *(one for one in table.indexes if one.unique)]


KEYS = [
    pytest.param(table, key, id=str(key.name))
    for table in every_table.metadata.sorted_tables
    for key in sorted(keys_of(table), key=lambda key: str(key.name))
]


def row_of(table, numbers, **given):
    """A row in which everything differs from every other row but what is given."""
    row = {column.name: value_of(column, next(numbers)) for column in table.columns}
    return row | {name: value for name, value in given.items() if name in row}


def value_of(column, number):
    makers = {
        Instant: lambda: FIRST_DAY + timedelta(seconds=number),
        sa.Boolean: lambda: False,
        sa.Date: lambda: date(2026, 1, 5) + timedelta(days=number),
        sa.JSON: dict,
        sa.LargeBinary: lambda: str(number).encode(),
        sa.Integer: lambda: number,
        sa.Numeric: lambda: number,
        sa.String: lambda: str(number),
        Remark: lambda: str(number),
    }
    return next(make() for kind, make in makers.items() if isinstance(column.type, kind))


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_what_may_exist_once_cannot_be_written_twice(sqlite_template, tmp_path, table, key):
    """The database itself refuses it, whatever the code forgets; other rows it takes."""
    path = tmp_path / "mpm.db"
    path.write_bytes(sqlite_template.read_bytes())
    numbers = itertools.count(1)
    condition = CONDITIONS.get(str(key.name), {})
    first = row_of(table, numbers, **condition)
    same = {column.name: first[column.name] for column in key.columns}
    engine = sa.create_engine(f"sqlite:///{path}")  # a plain one: rows may refer to nothing
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
        connection.execute(sa.insert(table).values(first))
        connection.execute(sa.insert(table).values(row_of(table, numbers)))
        with pytest.raises(sa.exc.IntegrityError, match="UNIQUE constraint failed"):
            connection.execute(sa.insert(table).values(row_of(table, numbers, **condition, **same)))
        connection.rollback()
    engine.dispose()
