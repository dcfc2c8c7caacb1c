"""The traps of the job engine (dbos) that were found before it was chosen, each with its test.

Dead executors (trap 2) have a test of their own, `test_dead_workers.py`, and so have the records
the engine keeps (trap 11), `test_engine_records.py`; that a second host on one SQLite file is
refused is in `host/tests/test_host.py`. Trap 14 is another engine's (procrastinate) that was not
chosen: it has nothing to be tested here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_core import Throttled
from mpm_host.database import tables as t
from mpm_host.services import Services
from mpm_host.work import Work, WorkLimits, work_database_url
from mpm_host.work_pace import WorkPace
from mpm_host.work_sources import SOURCES, any_due
from tests.operations.stage import staged, wait_until
from tests.support.engine_records import change_engine, engine_rows
from tests.support.order_bench import OrderBench, energy_grant
from tests.support.table_contents import table_contents

QUICK = WorkLimits(poll=0.05, engine_poll=0.02, drain=5.0)
IDLE_SECONDS = 6.0
SLACK = 3  # times as long a busy machine may take


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


@pytest.fixture
def start_worker():
    """Start the engine over a company's real order worker, in the company's own time."""
    running = []

    def start(bench, *, runs=None, concurrency=32):
        def work_on_order(key):
            bench.worker.work_on(key)
            if runs is not None:
                runs.append(key)

        work = Work(
            engines=bench.engines,
            clock=bench.clock,
            handlers={**dict.fromkeys(SOURCES, lambda _key: None), "orders": work_on_order},
            limits=attrs.evolve(QUICK, concurrency=concurrency),
        )
        work.start()
        running.append(work)
        return work

    yield start
    for work in running:
        work.stop()


def bench_of_meters(engines, number):
    """Return a company with so many meters, an order for each."""
    bench = OrderBench(engines)
    for serial in range(47000000001, 47000000001 + number):
        bench.meter(str(serial))
        bench.pay(str(serial), "1000", f"R{serial}")
    return bench


def statuses(bench):
    return {row["status"] for row in bench.rows(t.orders)}


def put_off(bench):
    """Return the orders that wait for a later time."""
    return [row for row in bench.rows(t.orders) if row["due_at"] == bench.now + timedelta(hours=1)]


def due_rows(bench):
    with bench.engines.read.connect() as connection:
        return connection.execute(any_due(bench.now)).all()


def open_pieces(engines):
    """Return the pieces of work that the engine has not seen ended."""
    ended = {"SUCCESS", "ERROR"}
    return [row[0] for row in records(engines, "workflow_uuid, status") if row[1] not in ended]


def thread_names():
    return [thread.name for thread in threading.enumerate()]


def only_orders(handled, orders):
    return Counter({key: number for key, number in handled.keys.items() if key in orders})


def records(engines, columns="*"):
    """Read what the engine knows of pieces of work."""
    return engine_rows(engines.write.url, "workflow_status", columns)


def stored_limits(engines):
    """Return the limits every process begins with, of all queues."""
    columns = "name, worker_concurrency, polling_interval_sec"
    rows = engine_rows(engines.write.url, "queues", columns)
    return {(slots, poll) for name, slots, poll in rows if name in SOURCES}


def test_trap_1_no_two_processes_ever_share_an_executor_id(tmp_path, database_url):
    """Each runs its namesake's unfinished work again, and unless told all have one name."""
    names = []
    with staged(tmp_path, database_url, meters=1) as stage, stage.opened() as host:
        for life in (1, 2):
            stage.book([f"AIR{life}"])
            with stage.started(f"worker-{life}.log", "worker"):
                wait_until(lambda life=life: stage.orders(host)["issued"] == life, seconds=60)
            rows = records(host.engines, "executor_id, queue_name")
            names.append({row[0] for row in rows if row[1] == "orders"})
    assert [len(so_far) for so_far in names] == [1, 2]


def test_trap_3_work_that_an_older_release_handed_over_is_done(engines, orders, started):
    """The engine takes the hash of the code for its version unless it is told another one."""
    work = started(Handled(seconds=0.01))
    wait_until(lambda: records(engines), seconds=20)
    versions = {row[0] for row in records(engines, "application_version")}
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


def test_trap_4_a_queue_is_emptied_at_the_pace_of_its_slots_and_looks(engines, orders, started):
    """Of a look each second, the engine's own pace, forty pieces in two slots are twenty."""
    limits = attrs.evolve(QUICK, concurrency=2, engine_poll=0.1)
    handled = Handled()
    started(handled, limits)
    wait_until(lambda: only_orders(handled, orders), seconds=20)
    began = time.monotonic()
    wait_until(lambda: len(only_orders(handled, orders)) == 40, seconds=60)
    expected = 40 / (limits.concurrency / limits.engine_poll)
    assert time.monotonic() - began < SLACK * expected


def test_trap_5_nothing_pickled_is_kept(engines, orders, started):
    handled = Handled()
    started(handled)
    wait_until(lambda: len(only_orders(handled, orders)) == 40, seconds=20)
    rows = records(engines, "serialization, inputs")
    assert {row[0] for row in rows} == {"portable_json"}
    assert all(json.loads(row[1]) for row in rows if row[1] is not None)


def test_trap_6_the_engine_keeps_its_tables_away_from_ours(engines, started):
    started(Handled())
    names = sa.inspect(engines.read).get_table_names()
    assert [name for name in names if not name.startswith("mpm_")] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_trap_7_the_engines_own_file_takes_writes_while_it_is_read(engines, started):
    """A file keeps its mode: whoever opens it tells what the engine was given."""
    started(Handled())
    path = work_database_url(engines.write.url).database
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_trap_8_work_that_waits_holds_no_thread_and_is_done_when_its_time_has_come(
    engines, start_worker
):
    """Hundreds may wait for a vendor: each is a row that is due later."""
    bench = bench_of_meters(engines, 20)
    script = bench.scripts["calin"]
    script.generate.extend([Throttled("Not now.", after=timedelta(hours=1))] * 20)
    work = start_worker(bench, concurrency=4)
    wait_until(lambda: len(put_off(bench)) == 20, seconds=20)
    wait_until(lambda: open_pieces(engines) == [], seconds=10)
    assert work._shares.room("orders").used == {}
    assert [name for name in thread_names() if name.startswith("mpm-")] == []
    assert len(script.asked()) == 20

    script.generate.extend([energy_grant()] * 20)
    bench.later(hours=1)
    wait_until(lambda: statuses(bench) == {"issued"}, seconds=20)
    assert len(script.asked()) == 40


def test_trap_9_work_is_not_started_inside_an_event_loop_but_beside_it(engines):
    """The engine would be half started before it refuses."""
    work = work_on(engines, Handled())

    async def start_inside():
        with pytest.raises(
            RuntimeError,
            match=r"Background work cannot be started in a running event loop; start it with "
            r"asyncio\.to_thread\.",
        ):
            work.start()
        assert work.problem() == "the relay has stopped"
        await asyncio.to_thread(work.start)

    asyncio.run(start_inside())
    try:
        assert work.problem() == ""
    finally:
        work.stop()


def test_trap_10_one_hand_over_starts_once_however_often_it_is_made(engines, orders, started):
    handled = Handled()
    work = started(handled)
    key = min(orders)
    wait_until(lambda: handled.keys[key] == 1, seconds=20)
    for _ in range(3):
        work._enqueue("orders", key, 1)
    time.sleep(0.5)
    assert handled.keys[key] == 1


def test_trap_12_a_piece_of_work_that_runs_twice_changes_nothing_the_second_time(
    engines, start_worker
):
    """The engine repeats whatever it does not know the end of."""
    bench = bench_of_meters(engines, 1)
    bench.scripts["calin"].generate.append(energy_grant())
    runs = []
    work = start_worker(bench, runs=runs)
    wait_until(lambda: statuses(bench) == {"issued"}, seconds=20)
    wait_until(lambda: not due_rows(bench) and not open_pieces(engines), seconds=20)
    before = table_contents(engines.read)
    [order] = bench.rows(t.orders)
    piece = f"{order['id']}:{order['handed']}"
    change_engine(engines.write.url, "status = 'PENDING'", "workflow_uuid = :piece", piece=piece)

    work._client.resume_workflow(piece, queue_name="orders")

    wait_until(lambda: runs.count(order["id"]) == 2, seconds=20)
    wait_until(lambda: not open_pieces(engines), seconds=20)
    assert table_contents(engines.read) == before
    assert len(bench.scripts["calin"].asked()) == 1


def test_trap_13_limits_that_another_process_stored_do_not_count(engines, orders, started):
    first = started(Handled(), WorkLimits(concurrency=1000, poll=60, engine_poll=0.5))
    first.stop()
    assert stored_limits(engines) == {(2000, 0.5)}
    slow = Handled(seconds=0.05)
    started(slow, WorkLimits(concurrency=3, poll=0.05, engine_poll=0.02, drain=5.0))
    assert stored_limits(engines) == {(6, 0.02)}
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
    assert (limits.poll, limits.engine_poll, limits.rest) == (0.5, 0.2, 10.0)
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
