"""The records the job engine keeps of work are bounded (trap 11): it deletes none by itself."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.work import Work, WorkLimits
from mpm_host.work_sources import SOURCES
from tests.operations.stage import wait_until
from tests.support.engine_records import change_engine, engine_rows
from tests.support.order_bench import OrderBench

ORDERS = 25
QUICK = WorkLimits(poll=0.05, engine_poll=0.02, drain=5.0, forget_page=4)


def records(engines):
    """Return the status of every piece of work the engine remembers."""
    found = engine_rows(engines.write.url, "workflow_status", "workflow_uuid, status")
    return {row[0]: row[1] for row in found}


@pytest.fixture
def start(engines):
    """Start the engine; what it carries out is noted only."""
    running = []

    def begin():
        done = Counter()
        if running:
            running[-1].stop()
        work = Work(
            engines=engines,
            clock=lambda: datetime.now(UTC),
            handlers=dict.fromkeys(SOURCES, lambda key: done.update([key])),
            limits=QUICK,
        )
        work.start()
        running.append(work)
        return done

    yield begin
    running[-1].stop()  # the engine is one per process; the others were stopped before it


@pytest.fixture
def orders(engines):
    """Queued orders, due now."""
    bench = OrderBench(engines)
    bench.meter("47001234567")
    for number in range(ORDERS):
        bench.pay("47001234567", "1000", f"R{number}")
    with engines.write.begin() as connection:
        connection.execute(sa.update(t.orders).values(next_at=datetime.now(UTC)))
    return {row["id"] for row in bench.rows(t.orders)}


def test_records_of_finished_work_are_deleted_page_by_page_until_none_is_left(
    engines, orders, start
):
    done = start()
    wait_until(lambda: orders <= set(done), seconds=30)
    wait_until(lambda: set(records(engines).values()) == {"SUCCESS"}, seconds=10)
    assert len(records(engines)) > 5 * QUICK.forget_page
    age(engines, timedelta(hours=2))
    start()  # the next process: it looks now, and after that in an hour
    wait_until(lambda: records(engines) == {}, seconds=30)


def test_records_of_finished_work_are_kept_for_a_while(engines, orders, start):
    done = start()
    wait_until(lambda: orders <= set(done), seconds=30)
    time.sleep(0.5)  # ten looks
    assert {name.partition(":")[0] for name in records(engines)} >= orders


def test_what_processes_that_are_gone_left_behind_is_forgotten_after_a_day(engines, orders, start):
    done = start()
    wait_until(lambda: orders <= set(done), seconds=30)
    wait_until(lambda: set(records(engines).values()) == {"SUCCESS"}, seconds=10)
    left = sorted(name for name in records(engines) if name.partition(":")[0] in orders)
    leave_behind(engines, left[:14], "PENDING")
    leave_behind(engines, left[10:12], "ENQUEUED")
    age(engines, timedelta(hours=23), left[12:14])
    age(engines, timedelta(hours=25), left[:12])
    start()  # the next process
    wait_until(lambda: not set(left[:12]) & set(records(engines)), seconds=30)
    assert [records(engines)[name] for name in left[12:14]] == ["PENDING"] * 2


def leave_behind(engines, names, status):
    """Make records those of work that a process which is gone never ended."""
    assignments = "status = :status, executor_id = 'gone', queue_name = 'gone'"
    for name in names:
        change_engine(
            engines.write.url, assignments, "workflow_uuid = :name", name=name, status=status
        )


def age(engines, by, names=None):
    """Make records older, all or some."""
    for name in names or records(engines):
        change_engine(
            engines.write.url,
            "created_at = created_at - :by",
            "workflow_uuid = :name",
            name=name,
            by=round(by / timedelta(milliseconds=1)),
        )
