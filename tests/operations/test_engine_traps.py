"""The traps of the job engine (dbos) that were found before it was chosen, each with its test.

Dead executors have a test of their own, `test_dead_workers.py`; that a second host on one SQLite
file is refused is in `host/tests/test_host.py`.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_host.database import tables as t
from mpm_host.services import Services
from mpm_host.work import Work, WorkLimits, _executor_id, _open_engine, work_database_url
from mpm_host.work_pace import WorkPace
from tests.operations.stage import wait_until
from tests.support.order_bench import OrderBench

QUICK = WorkLimits(poll=0.05, engine_poll=0.02, drain=5.0)
IDLE_SECONDS = 6.0


class Handled:
    """Does nothing with work but remember it."""

    def __init__(self, seconds=0.0):
        self.keys = Counter()
        self.at_once = 0
        self.most = 0
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, key):
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(self._seconds)
        with self._lock:
            self.at_once -= 1
            self.keys[key] += 1


def work_on(engines, handled, limits=QUICK):
    return Work(
        engines=engines,
        clock=lambda: datetime.now(UTC),
        handlers=dict.fromkeys(("orders", "messages", "devices", "switches"), handled),
        limits=limits,
    )


@pytest.fixture
def started(engines):
    running = []

    def start(handled, limits=QUICK):
        work = work_on(engines, handled, limits)
        work.start()
        running.append(work)
        return work

    yield start
    for work in running:
        work.stop()


@pytest.fixture
def orders(engines):
    """Forty queued orders, due now."""
    bench = OrderBench(engines)
    bench.meter("47001234567")
    for number in range(40):
        bench.pay("47001234567", "1000", f"R{number}")
    with engines.write.begin() as connection:
        connection.execute(sa.update(t.orders).values(next_at=datetime.now(UTC)))
    return {row["id"] for row in bench.rows(t.orders)}


def only_orders(handled, orders):
    return Counter({key: number for key, number in handled.keys.items() if key in orders})


def engine_rows(engines, table, columns="*"):
    """Read a table of the engine's own."""
    url = work_database_url(engines.write.url)
    schema = "" if url.get_backend_name() == "sqlite" else "dbos."
    opened = _open_engine(url)
    with opened.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT {columns} FROM {schema}{table}")).all()  # noqa: S608 - names of ours
    opened.dispose()
    return rows


def test_trap_1_no_two_processes_ever_share_an_executor_id():
    assert len({_executor_id() for _ in range(1000)}) == 1000


def test_trap_3_work_that_an_older_release_handed_over_is_done(engines, orders, started):
    """The engine takes the hash of the code for its version unless it is told another one."""
    work = started(Handled(seconds=0.01))
    wait_until(lambda: engine_rows(engines, "workflow_status"), seconds=20)
    versions = {row[0] for row in engine_rows(engines, "workflow_status", "application_version")}
    assert versions == {"1"}  # never change this: work of the last release would wait for ever
    del work


def test_trap_3_what_was_queued_when_its_process_died_is_done_by_the_next(engines, orders, started):
    slow = Handled(seconds=0.05)
    first = started(slow, WorkLimits(concurrency=1, poll=0.05, engine_poll=0.02, drain=1.0))
    wait_until(lambda: len(slow.keys) >= 2, seconds=20)
    first.stop()
    handled = Handled()
    started(handled)
    wait_until(lambda: set(slow.keys) | set(handled.keys) >= orders, seconds=30)


def test_trap_5_nothing_pickled_is_kept(engines, orders, started):
    handled = Handled()
    started(handled)
    wait_until(lambda: len(only_orders(handled, orders)) == 40, seconds=20)
    rows = engine_rows(engines, "workflow_status", "serialization, inputs")
    assert {row[0] for row in rows} == {"portable_json"}
    assert all(json.loads(row[1]) for row in rows if row[1] is not None)


def test_trap_6_the_engine_keeps_its_tables_away_from_ours(engines, started):
    started(Handled())
    names = sa.inspect(engines.read).get_table_names()
    assert [name for name in names if not name.startswith("mpm_")] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_trap_7_the_engines_own_file_takes_writes_while_it_is_read(engines, started):
    started(Handled())
    opened = _open_engine(work_database_url(engines.write.url))
    with opened.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    opened.dispose()


def test_trap_8_work_that_waits_holds_no_thread(engines, orders, started):
    """Hundreds may wait for a vendor: each is a row that is due later."""
    limits = WorkLimits(concurrency=8, poll=0.05, engine_poll=0.02, drain=5.0)

    def put_off(key):
        with engines.write.begin() as connection:
            connection.execute(
                sa.update(t.orders)
                .where(t.orders.c.id == key)
                .values(next_at=datetime.now(UTC) + timedelta(hours=1))
            )
        handled(key)

    handled = Handled()
    started(put_off, limits)
    wait_until(lambda: len(only_orders(handled, orders)) == 40, seconds=20)
    time.sleep(0.5)
    pending = [row for row in engine_rows(engines, "workflow_status", "status")
               if row[0] in {"PENDING", "ENQUEUED", "DELAYED"}]  # fmt: skip
    assert pending == []
    assert set(only_orders(handled, orders).values()) == {1}


def test_trap_10_one_hand_over_starts_once_however_often_it_is_made(engines, orders, started):
    handled = Handled()
    work = started(handled)
    key = min(orders)
    wait_until(lambda: handled.keys[key] == 1, seconds=20)
    for _ in range(3):
        work._enqueue("orders", key, 1)
    time.sleep(0.5)
    assert handled.keys[key] == 1


def test_trap_11_the_records_of_finished_work_are_deleted(engines, orders, started):
    handled = Handled()
    limits = WorkLimits(poll=0.05, engine_poll=0.02, keep_finished=timedelta(seconds=1), drain=5.0)
    started(handled, limits)
    wait_until(lambda: len(only_orders(handled, orders)) == 40, seconds=20)
    wait_until(lambda: engine_rows(engines, "workflow_status", "count(*)")[0][0] < 40, seconds=20)


def test_trap_13_limits_that_another_process_stored_do_not_count(engines, orders, started):
    first = started(Handled(), WorkLimits(concurrency=1000, poll=60, engine_poll=0.5))
    first.stop()
    slow = Handled(seconds=0.05)
    started(slow, WorkLimits(concurrency=3, poll=0.05, engine_poll=0.02, drain=5.0))
    wait_until(lambda: len(only_orders(slow, orders)) == 40, seconds=40)
    # three orders of the one manufacturer, and three look-ups of devices beside them
    assert slow.most <= 2 * 3


# --- an idle host ---------------------------------------------------------------------------------


@contextlib.contextmanager
def statements_counted():
    """Count every statement of every engine of this process, the job engine's too."""
    said = Counter()

    def count(_connection, _cursor, statement, *_rest):
        said[" ".join(statement.split())[:60]] += 1

    sa.event.listen(Engine, "before_cursor_execute", count)
    try:
        yield said
    finally:
        sa.event.remove(Engine, "before_cursor_execute", count)


def test_an_idle_host_costs_the_database_a_handful_of_statements(open_host):
    """It was 233 a second before it rested at all, and 22 while it looked every second."""
    limits = WorkLimits(busy=0.5)
    assert (limits.poll, limits.engine_poll, limits.rest) == (0.5, 0.05, 10.0)
    services = Services(open_host(), workers=True, limits=limits)
    services.start()
    try:
        time.sleep(3.0)
        with statements_counted() as said:
            time.sleep(IDLE_SECONDS)
    finally:
        services.close()
    assert said.total() / IDLE_SECONDS < 10, said.most_common(10)


def test_work_that_comes_while_the_engine_rests_is_done_at_once(engines, orders, started):
    handled = Handled()
    started(handled, WorkLimits(poll=0.05, engine_poll=0.02, rest=600, busy=2.0))
    wait_until(lambda: len(only_orders(handled, orders)) == 40, seconds=20)
    time.sleep(2.5)  # now it rests
    began = time.monotonic()
    with engines.write.begin() as connection:
        connection.execute(sa.update(t.orders).values(next_at=datetime.now(UTC)))
    wait_until(lambda: set(only_orders(handled, orders).values()) == {2}, seconds=20)
    assert time.monotonic() - began < 10


def test_an_engine_that_rests_ends_at_once(engines):
    work = work_on(engines, Handled(), WorkLimits(rest=600, busy=0.1))
    work.start()
    time.sleep(0.5)
    began = time.monotonic()
    work.stop()
    assert time.monotonic() - began < 10


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_the_pace_is_quick_after_work_and_slow_without_it():
    clock = Clock()
    pace = WorkPace(rest=10.0, busy=15.0, monotonic=clock)
    seen = []
    for moment, works in (
        (0, False),
        (14, False),
        (16, False),
        (20, True),
        (34, False),
        (36, False),
    ):
        clock.now = float(moment)
        if works:
            pace.hurry()
        seen.append(pace.is_quick)
    assert seen == [True, True, False, True, True, False]


@pytest.mark.parametrize("ends", ["hurry", "end", "set"])
def test_a_rest_is_ended_by_work_by_the_end_and_lets_nobody_miss_it(ends):
    event = threading.Event()
    pace = WorkPace(rest=600.0, busy=0.0)
    pace.govern([event])
    waited = []
    thread = threading.Thread(target=lambda: waited.append(event.wait(timeout=0.01)))
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()  # a hundredth of a second became a rest
    pace._busy = 60.0
    if ends == "set":
        event.set()
        pace.end()
    else:
        getattr(pace, ends)()
    thread.join(5)
    assert waited == [ends == "set"]
    assert event.wait(timeout=0.01) is (ends == "set")
