"""SQLite's writers stand in line: none is overtaken but by the one a telecom waits for."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mpm_host.database.engines import open_engines
from mpm_host.database.patience import Timeouts, have_patience
from mpm_host.database.queued_connection import WriteQueue

WHILE = 10.0  # seconds; far longer than anything takes


@pytest.fixture
def engines(tmp_path):
    opened = open_engines(f"sqlite:///{tmp_path / 'line.db'}", Timeouts(busy=WHILE))
    with opened.write.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE line (name TEXT)")
    yield opened
    opened.dispose()


@pytest.fixture
def engine(engines):
    return engines.write


class Line:
    """Threads that want the turn one after another, and the order in which they had it."""

    def __init__(self, queue):
        self.queue = queue
        self.had = []
        self.threads = []

    def join(self, name, *, first=False):
        """Let a thread stand in line, and wait until it does."""
        before = self.queue.length
        thread = threading.Thread(target=self._take, args=(name, first), daemon=True)
        thread.start()
        self.threads.append(thread)
        until = time.monotonic() + WHILE
        while self.queue.length == before and time.monotonic() < until:
            time.sleep(0.001)

    def _take(self, name, first):
        if self.queue.take(WHILE, first=first):
            self.had.append(name)
            self.queue.give_back()

    def wait(self):
        for thread in self.threads:
            thread.join(WHILE)


@pytest.fixture
def taken():
    queue = WriteQueue()
    assert queue.take(0)
    return queue


def test_the_turn_comes_in_the_order_of_asking(taken):
    line = Line(taken)
    for name in "abcd":
        line.join(name)
    taken.give_back()
    line.wait()
    assert line.had == ["a", "b", "c", "d"]


def test_whom_somebody_waits_for_goes_first(taken):
    line = Line(taken)
    line.join("a")
    line.join("b")
    line.join("telecom", first=True)
    taken.give_back()
    line.wait()
    assert line.had == ["telecom", "a", "b"]


def test_who_loses_patience_leaves_the_line_to_the_others(taken):
    line = Line(taken)
    line.join("a")
    assert taken.take(0.01) is False
    assert taken.length == 1
    taken.give_back()
    line.wait()
    assert line.had == ["a"]
    assert taken.take(0)


def test_one_at_a_time_has_the_turn_and_everybody_gets_it():
    queue, inside, most = WriteQueue(), [], []

    def take(number):
        for _ in range(50):
            came = queue.take(WHILE, first=number == 0)
            inside.append(number)
            time.sleep(0.0001)  # who comes in meanwhile is seen
            most.append(len(inside))
            inside.pop()
            queue.give_back()
            assert came

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, range(8)))
    assert (max(most), len(most), queue.length) == (1, 400, 0)


# --- what ends a turn --------------------------------------------------------------------------


def write(connection):
    connection.exec_driver_sql("INSERT INTO line VALUES ('x')")


def fail(connection):
    write(connection)
    connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")


def be_lost(connection):
    write(connection)
    connection.invalidate()


def go_on(connection):
    write(connection)
    connection.commit()
    write(connection)


@pytest.mark.parametrize(
    "use", [write, fail, be_lost, go_on], ids=["written", "failed", "lost", "twice"]
)
def test_a_transaction_that_ended_leaves_the_turn_to_the_next(engine, use):
    with engine.connect() as the_next:  # opened before, or it might be the same one once more
        try:
            with engine.connect() as connection:
                use(connection)
        except sa.exc.OperationalError as error:
            assert "no such table: nowhere" in str(error)  # noqa: PT017 - only one of them fails
        assert_turn_comes_at_once(the_next)


def test_who_has_committed_and_keeps_the_connection_has_no_turn(engine):
    with engine.connect() as keeper, engine.connect() as the_next:
        write(keeper)
        keeper.commit()
        assert_turn_comes_at_once(the_next)


def assert_turn_comes_at_once(connection):
    began = time.monotonic()
    with connection.begin():
        write(connection)
    assert time.monotonic() - began < WHILE / 2


def write_impatiently(engine):
    have_patience(0.05)
    with engine.begin() as connection:
        write(connection)


def test_who_waits_too_long_for_another_thread_is_told_what_sqlite_says(engine):
    with engine.begin() as connection:
        write(connection)
        with (
            ThreadPoolExecutor(1) as pool,
            pytest.raises(sa.exc.OperationalError, match="database is locked"),
        ):
            pool.submit(write_impatiently, engine).result(WHILE)
    with engine.begin() as connection:
        write(connection)


def test_whom_another_process_keeps_waiting_leaves_the_turn_to_the_next(engine):
    other = sqlite3.connect(engine.url.database, isolation_level=None)
    with contextlib.closing(other), ThreadPoolExecutor(1) as pool, engine.connect() as the_next:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):
            pool.submit(write_impatiently, engine).result(WHILE)
        other.execute("ROLLBACK")
        assert_turn_comes_at_once(the_next)


def test_a_reader_waits_for_no_writer(engines):
    with engines.write.begin() as writer:
        write(writer)
        with engines.read.connect() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM line").scalar_one() == 0
