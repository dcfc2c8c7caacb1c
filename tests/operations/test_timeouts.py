"""Nobody waits for ever for the database: neither the booking thread nor a worker nor a caller."""

from __future__ import annotations

import contextlib
import time

import pytest
import sqlalchemy as sa

from mpm_host.database.engines import open_engines
from mpm_host.database.group_commit import GroupCommit, TooManyWaitingError, is_unreachable
from mpm_host.database.patience import SERVING, Timeouts
from tests.support.restartable_postgres import restartable_postgres

HURRIED = Timeouts(connect=2, statement=5.0, lock=0.3, idle_transaction=5.0, hanging=1.0)


@pytest.fixture(scope="module")
def server():
    with restartable_postgres() as made:
        yield made


@pytest.fixture
def hurried(server):
    with server.server.database() as url:
        engines = open_engines(url, HURRIED)
        with engines.write.begin() as connection:
            connection.execute(sa.text("CREATE TABLE things (id int PRIMARY KEY)"))
        yield engines
        engines.dispose()


@contextlib.contextmanager
def frozen(server):
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def insert(connection, items):
    for item in items:
        connection.execute(sa.text("INSERT INTO things VALUES (:id)"), {"id": item})
    return list(items)


def things(engines):
    with engines.read.connect() as connection:
        return connection.execute(sa.text("SELECT id FROM things ORDER BY id")).scalars().all()


def test_a_server_is_told_how_long_anything_may_take(hurried):
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with hurried.write.connect() as connection:
        told = [connection.execute(sa.text(f"SHOW {name}")).scalar_one() for name in names]
    assert told == ["5s", "300ms", "5s"]


def test_what_the_url_says_counts_more(server):
    with server.server.database() as url:
        engines = open_engines(f"{url}&options=-c%20lock_timeout%3D7s&connect_timeout=9", HURRIED)
        with engines.write.connect() as connection:
            lock = connection.execute(sa.text("SHOW lock_timeout")).scalar_one()
            statement = connection.execute(sa.text("SHOW statement_timeout")).scalar_one()
        engines.dispose()
    assert (lock, statement) == ("7s", "5s")


def test_a_hanging_server_ends_the_wait_and_the_connection(server, hurried):
    with hurried.write.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        with frozen(server):
            began = time.monotonic()
            with pytest.raises(sa.exc.OperationalError) as lost:
                connection.execute(sa.text("SELECT 2"))
            took = time.monotonic() - began
    assert str(lost.value.orig) == "the database did not answer within 1 s"
    assert is_unreachable(lost.value)
    assert 0.9 < took < 2
    with hurried.write.connect() as connection:
        assert connection.execute(sa.text("SELECT 3")).scalar_one() == 3


def test_the_writer_is_free_again_soon_while_the_server_still_hangs(server, hurried):
    writer = GroupCommit(hurried.write, insert, name="test", patience=1.0)
    assert writer.submit(1).result(5) == 1
    with frozen(server):
        told = [writer.submit(number) for number in range(2, 12)]
        failures = [future.exception(20) for future in told]
        time.sleep(0.2)
        busy = writer.busy_seconds()
    assert busy == 0
    assert all(is_unreachable(failure) for failure in failures)
    assert writer.submit(99).result(10) == 99
    writer.close()
    assert things(hurried) == [1, 99]


def test_a_locked_row_fails_its_own_item_and_no_other(hurried):
    writer = GroupCommit(hurried.write, update, name="test")
    with hurried.write.begin() as connection:
        insert(connection, [1, 2])
    with hurried.write.begin() as other:
        other.execute(sa.text("SELECT * FROM things WHERE id = 1 FOR UPDATE"))
        began = time.monotonic()
        locked, free = writer.submit(1), writer.submit(2)
        assert free.result(5) == 2
        assert locked.exception(5) is not None
        assert time.monotonic() - began < 2
    assert writer.submit(1).result(5) == 1
    writer.close()


def update(connection, items):
    for item in items:
        connection.execute(sa.text("UPDATE things SET id = id WHERE id = :id"), {"id": item})
    return list(items)


def test_an_sqlite_file_that_stays_locked_frees_the_writer_too(tmp_path):
    engines = open_engines(f"sqlite:///{tmp_path / 'x.db'}")
    with engines.write.begin() as connection:
        connection.execute(sa.text("CREATE TABLE things (id int PRIMARY KEY)"))
    writer = GroupCommit(engines.write, insert, name="test", patience=0.3)
    with engines.write.begin():
        began = time.monotonic()
        assert is_unreachable(writer.submit(1).exception(10))
        assert time.monotonic() - began < 3
    assert writer.submit(2).result(5) == 2
    writer.close()
    with engines.write.begin() as connection:  # whose patience is the ordinary one again
        assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar_one() == 30_000
    engines.dispose()


def test_what_waits_is_bounded(hurried, monkeypatch):
    monkeypatch.setattr("mpm_host.database.group_commit._MOST_WAITING", 0)
    writer = GroupCommit(hurried.write, insert, name="test")
    with pytest.raises(TooManyWaitingError):
        writer.submit(1)
    writer.close()


def test_a_serving_host_is_more_patient_than_its_server_so_that_the_server_speaks_first():
    assert (SERVING.lock, SERVING.statement, SERVING.hanging) == (3.0, 30.0, 35.0)
