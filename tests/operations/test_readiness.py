"""`/readyz` tells the truth, names each reason, and recovers alone."""

from __future__ import annotations

import contextlib
import re
import resource
import shutil
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from mpm_host.database.engines import Engines
from mpm_host.demo.simulated_world import simulated_world
from mpm_host.monitoring.bounded_call import BoundedCall, StillRunningError
from mpm_host.monitoring.database_gauges import DatabaseGauges
from mpm_host.monitoring.readiness import Readiness
from mpm_host.work_sources import oldest_due
from tests.support.engine_records import without_engine_table
from tests.support.full_disk import full_disk
from tests.support.restartable_postgres import restartable_postgres
from tests.support.telecom_calls import airtel_process, airtel_validation

READY = (200, {"status": "ready"})


@pytest.fixture
def sqlite_world(tmp_path, sqlite_template):
    shutil.copyfile(sqlite_template, tmp_path / "demo.db")
    with simulated_world(tmp_path) as world:
        yield world


@pytest.fixture(scope="module")
def server():
    with restartable_postgres() as made:
        yield made


@pytest.fixture
def postgres_world(server, tmp_path):
    with server.server.database() as url, simulated_world(tmp_path, database=url) as world:
        yield world


def asked(world):
    answer = httpx.get(f"{world.url}/readyz", timeout=20, trust_env=False)
    return answer.status_code, answer.json()


def reasons(world):
    """Return the codes of what is in the way, asked past the second an answer is kept."""
    time.sleep(1.1)
    status, body = asked(world)
    found = [problem["code"] for problem in body.get("problems", ())]
    assert (status == 200) == (not found)
    return found


def wait_until_ready(world, seconds=15.0):
    until = time.monotonic() + seconds
    while asked(world) != READY:
        assert time.monotonic() < until, asked(world)
        time.sleep(0.2)


def test_a_host_that_can_do_its_work_is_ready_on_both_databases(world):
    assert asked(world) == READY


def test_a_locked_file_is_named_and_forgotten_when_it_is_free(sqlite_world, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "demo.db")) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert reasons(sqlite_world)[0] in {"database_locked", "database_hangs"}
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
    wait_until_ready(sqlite_world)


def test_a_read_only_database_is_not_ready_although_it_can_be_read(postgres_world):
    change_sessions(postgres_world, "SET default_transaction_read_only = on")
    time.sleep(1.1)
    status, body = asked(postgres_world)
    assert (status, body) == (
        503,
        {
            "status": "unavailable",
            "reason": "database_read_only",
            "problems": [
                {
                    "code": "database_read_only",
                    "detail": "The database cannot be written: it is read-only.",
                }
            ],
        },
    )
    change_sessions(postgres_world, "RESET default_transaction_read_only")
    wait_until_ready(postgres_world)


def change_sessions(world, setting):
    """Change what every session of the host begins with, and end those that are open.

    The server ends them: what a pool is told to dispose of is given back to nobody while in use.
    """
    engine = sa.create_engine(world.host.engines.write.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(sa.text("SET default_transaction_read_only = off"))
        connection.execute(sa.text(f'ALTER DATABASE "{engine.url.database}" {setting}'))
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        pytest.param("0004", "run `mpm db upgrade`", id="older"),
        pytest.param(
            "9999", "install the version of mpm-host that wrote it, or a newer one", id="newer"
        ),
    ],
)
def test_a_database_of_another_version_is_named(world, found, remedy):
    version = sa.text("UPDATE mpm_alembic SET version_num = :number")
    with world.host.engines.write.begin() as connection:
        head = connection.execute(sa.text("SELECT version_num FROM mpm_alembic")).scalar_one()
        connection.execute(version, {"number": found})
    try:
        time.sleep(1.1)
        status, body = asked(world)
    finally:
        with world.host.engines.write.begin() as connection:
            connection.execute(version, {"number": head})
    assert (status, body["problems"]) == (
        503,
        [
            {
                "code": "migrations",
                "detail": f"The database is at revision {found}, and this version needs {head}; "
                f"{remedy}.",
            }
        ],
    )
    wait_until_ready(world)


def test_a_server_that_hangs_is_named_within_seconds_and_forgotten_when_it_goes_on(
    server, postgres_world
):
    server.freeze()
    try:
        began = time.monotonic()
        found = reasons(postgres_world)
        took = time.monotonic() - began
    finally:
        server.thaw()
    assert "database_hangs" in found
    assert took < 6
    wait_until_ready(postgres_world)


def test_a_relay_that_ended_is_named(sqlite_world):
    sqlite_world.services._work._relay.begin_stop()
    sqlite_world.services._work._relay.join(10)
    assert reasons(sqlite_world) == ["workers"]


def test_an_engine_that_takes_no_work_is_named_until_it_does(world, company, monkeypatch):
    """The database is fine; the engine's tables, or the rights on them, are not."""
    monkeypatch.setattr("mpm_host.work_relay._SILENCE", 2.0)
    company.meter("47000124512")
    with capture_logs() as logged, without_engine_table(world.host.engines.write.url):
        company.airtel("validate", "AIR1", airtel_validation("AIR1", "47000124512", "1000"))
        company.airtel("process", "AIR1", airtel_process("AIR1"))
        status, body = wait_until_unready(world)
        wait_until_late(world, "orders", timedelta(seconds=2))
    assert (status, body["reason"]) == (503, "workers")
    assert re.fullmatch(
        r"No work is carried out: the job engine has taken no work for \d+ s\.",
        body["problems"][0]["detail"],
    )
    assert [line["event"] for line in logged if line["event"] == "relay_failed"] == ["relay_failed"]
    company.wait_for("AIR1")
    wait_until_ready(world)


def wait_until_late(world, kind, wanted, seconds=15.0):
    """Wait until work has been due so long; while the engine is asked, it is in hand."""
    until = time.monotonic() + seconds
    while how_late(world, kind) < wanted:
        assert time.monotonic() < until
        time.sleep(0.05)


def how_late(world, kind):
    with world.host.engines.read.connect() as connection:
        since = {row.kind: row.since for row in connection.execute(oldest_due())}
    return world.host.clock() - since[kind]


def wait_until_unready(world, seconds=15.0):
    until = time.monotonic() + seconds
    while (answer := asked(world)) == READY:
        assert time.monotonic() < until
        time.sleep(0.2)
    return answer


def test_a_desk_whose_thread_ended_is_named(sqlite_world):
    sqlite_world.services.desk.close()
    assert reasons(sqlite_world) == ["desk_stopped"]


def test_a_housekeeper_that_ended_is_named(sqlite_world):
    sqlite_world.services._stopping.set()
    sqlite_world.services._housekeeper.join()
    assert reasons(sqlite_world) == ["housekeeper_stopped"]


def test_nothing_that_fails_ends_the_housekeeper_and_it_is_told_seldom(sqlite_world, monkeypatch):
    tried = threading.Semaphore(0)

    def fail():
        tried.release()
        raise KeyError("a company that another process has just made")

    monkeypatch.setattr("mpm_host.services._RELOAD_SECONDS", 0.01)
    with capture_logs() as logged:
        monkeypatch.setattr(sqlite_world.host.house, "reload", fail)
        assert all(tried.acquire(timeout=10) for _ in range(3))
    assert reasons(sqlite_world) == []
    failed = {"event": "housekeeping_failed", "log_level": "error", "error": "KeyError"}
    assert [line for line in logged if line["event"] == failed["event"]] == [failed]


def test_a_full_disk_is_named_and_forgotten_when_there_is_room(sqlite_world):
    with full_disk(sqlite_world.host.engines):
        found = reasons(sqlite_world)
    assert found == ["database_full"]
    wait_until_ready(sqlite_world)


def test_a_broken_disk_is_no_full_one_and_forgotten_when_it_works(sqlite_world):
    """SQLite takes whatever it did not expect of a file, such as a limit on its size, for that."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    try:
        found = reasons(sqlite_world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert found == ["database_broken"]
    wait_until_ready(sqlite_world)


@pytest.mark.parametrize(
    ("state", "said", "code"),
    [
        pytest.param(
            "53100", "could not extend file: No space left on device", "database_full", id="full"
        ),
        pytest.param(
            "58030", "could not read block 0: Input/output error", "database_broken", id="broken"
        ),
    ],
)
def test_what_a_server_says_of_its_disk_is_named(postgres_world, state, said, code):
    """Without room for its log it stops; without room for a table it says so and goes on."""
    with postgres_world.host.engines.write.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{said}' USING ERRCODE = '{state}'; END $$"
            )
        )
        connection.execute(
            sa.text(
                "CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON mpm_readiness "
                "FOR EACH ROW EXECUTE FUNCTION fail()"
            )
        )
    assert reasons(postgres_world) == [code]
    with postgres_world.host.engines.write.begin() as connection:
        connection.execute(sa.text("DROP FUNCTION fail CASCADE"))
    wait_until_ready(postgres_world)


def test_a_deleted_file_is_not_ready(sqlite_world, tmp_path):
    for path in tmp_path.glob("demo.db*"):
        if not path.name.endswith(".work") and "work" not in path.name:
            path.unlink()
    sqlite_world.host.engines.dispose()
    # an empty file takes its place, which threads that open it at the same time lock for a moment
    assert reasons(sqlite_world)[0] in {"database", "database_locked", "migrations"}


def test_one_call_at_a_time_hangs_however_many_ask():
    import threading  # noqa: PLC0415 - only here

    begun, gate = [], threading.Event()

    def hang():
        begun.append(1)
        gate.wait(10)
        return "back"

    bounded = BoundedCall(hang, name="test", seconds=0.05)
    for _ in range(3):
        with pytest.raises(StillRunningError):
            bounded()
    assert begun == [1]
    gate.set()
    time.sleep(0.05)
    assert bounded() == "back"


class HangingDatabase:
    """A database that answers nobody; its own time goes on while it is asked."""

    url = sa.make_url("postgresql+psycopg://mpm@db.example/mpm")
    dialect = SimpleNamespace(name="postgresql")

    def __init__(self):
        self.gate = threading.Event()
        self.seconds = 0.0
        self.asked = 0

    def connect(self):
        self.asked += 1
        self.seconds += 60
        self.gate.wait(30)
        raise sa.exc.OperationalError("SELECT 1", None, Exception("it did not answer within 60 s"))


def test_however_many_ask_while_the_database_hangs_they_wait_for_one_answer(monkeypatch):
    # longer than an answer is kept
    monkeypatch.setattr("mpm_host.monitoring.readiness._PATIENCE_SECONDS", 1.2)
    database, tries = HangingDatabase(), []
    readiness = Readiness(
        engines=Engines(write=database, read=database),
        clock=lambda: None,
        inside=lambda: iter(tries.append(1) or ()),
    )
    with ThreadPoolExecutor(10) as callers:
        asked = [callers.submit(readiness.problems) for _ in range(10)]
        answers = [[problem.code for problem in one.result(30)] for one in asked]
    database.gate.set()
    assert answers == [["database_hangs"]] * 10
    assert tries == [1]


def test_figures_that_took_long_to_read_are_kept_none_the_less():
    database = HangingDatabase()
    database.gate.set()
    gauges = DatabaseGauges(
        engine=database,
        clock=lambda: None,
        directory=lambda: None,
        monotonic=lambda: database.seconds,
    )
    for _ in range(3):
        assert [metric.name for metric in gauges.collect()] == ["mpm_database_up"]
    assert database.asked == 1
    database.seconds += 6
    list(gauges.collect())
    assert database.asked == 2
