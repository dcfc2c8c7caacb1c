"""A database that is gone, hangs, is full or is locked: the telecom is told to ask again.

In its own words, soon, and nothing of it is half done; when the database is back, the host recovers
alone and the telecom's next call succeeds.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import sqlite3
import time

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from mpm_host.demo.simulated_world import simulated_world
from tests.support.restartable_postgres import restartable_postgres
from tests.support.table_contents import differences
from tests.support.telecom_calls import airtel_enquiry, airtel_process, airtel_validation
from tests.support.trial_company import trial_company

METER = "47000124512"
SOON = 8.0  # seconds; a telecom waits longer than that
ACCEPTED = b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE><TXNID>AIR1</TXNID></COMMAND>"
ASK_AGAIN = {
    # no money has moved: a no is harmless
    "validate": (200, b"<STATUS>400</STATUS><MESSAGE>Service unavailable, try again</MESSAGE>"),
    # the customer has paid: no word of the protocol, so that Airtel asks by enquiry
    "process": (503, b"<STATUS>500</STATUS><MESSAGE>Service unavailable, try again</MESSAGE>"),
    # neither yes nor no
    "enquiry": (200, b"<STATUS>400</STATUS><MESSAGE>Pending</MESSAGE>"),
}
BODIES = {
    "validate": airtel_validation("AIR1", METER, "1000"),
    "process": airtel_process("AIR1", METER, "1000"),
    "enquiry": airtel_enquiry("AIR1"),
}


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL that can be stopped."""
    with restartable_postgres() as made:
        yield made


@pytest.fixture(scope="module")
def http():
    """A telecom's connections."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def company(server, tmp_path, http):
    """A company with a meter, in a world on that PostgreSQL."""
    with (
        server.server.database() as url,
        simulated_world(tmp_path, database=url) as world,
    ):
        trial = trial_company(world, http)
        trial.enable_all()
        trial.meter(METER)
        yield trial


def _told_to_ask_again(company):
    """Make the three calls; return what does not fit, and how long the slowest took."""
    wrong, slowest = [], 0.0
    for action, (status, inner) in ASK_AGAIN.items():
        began = time.monotonic()
        answer = company.airtel(action, "AIR1", BODIES[action])
        slowest = max(slowest, time.monotonic() - began)
        if (answer.status_code, answer.content) != (status, b"<COMMAND>%b</COMMAND>" % inner):
            wrong.append((action, answer.status_code, answer.content))
    return wrong, slowest


def _pay_until_accepted(company, seconds=30.0):
    until = time.monotonic() + seconds
    while True:
        answer = company.airtel("process", "AIR1", BODIES["process"])
        if answer.status_code == httpx.codes.OK or time.monotonic() > until:
            return answer.content
        time.sleep(0.1)


def _wait_until_ready(company, seconds=30.0):
    """Wait until all that works in the background is well again, too."""
    until = time.monotonic() + seconds
    while (ready := company.http.get(f"{company.world.url}/readyz")).status_code != httpx.codes.OK:
        assert time.monotonic() < until, ready.text
        time.sleep(0.1)


def _assert_paid_once(company):
    assert company.wait_for("AIR1")["status"] == "settled"
    assert company.lines("AIR1") == [("energy", "1000")]
    assert company.world.simulators["calin"].grants(METER) == 1
    assert differences(company.world.host.engines.read) == []


def test_a_database_that_is_gone_gets_a_retryable_answer_and_recovers_alone(server, company):
    server.stop_immediately()
    try:
        wrong, slowest = _told_to_ask_again(company)
        query = company.vodacom("query", b'{"referenceId":"REF-00001"}')
        ready = company.http.get(f"{company.world.url}/readyz")
        alive = company.http.get(f"{company.world.url}/healthz")
    finally:
        server.start()
    assert wrong == []
    assert slowest < SOON
    assert (query.status_code, query.json()["data"]["code"]) == (503, "unavailable")
    assert (ready.status_code, alive.status_code) == (503, 200)
    assert _pay_until_accepted(company) == ACCEPTED
    _wait_until_ready(company)
    _assert_paid_once(company)


def test_a_database_that_hangs_gets_a_retryable_answer_and_recovers_alone(server, company):
    server.freeze()
    try:
        wrong, slowest = _told_to_ask_again(company)
    finally:
        server.thaw()
    assert wrong == []
    assert slowest < SOON
    # the hanging calls may have been carried out meanwhile: the final no among them
    answer = _pay_until_accepted(company)
    status = company.statuses()
    if answer == ACCEPTED:
        _assert_paid_once(company)
    else:
        assert status == [("AIR1", "denied")]
        assert company.money_rows()["mpm_entry"] == []


def test_a_read_only_database_gets_a_retryable_answer_and_recovers_alone(server, company):
    """As a standby or a server whose disk fills up is."""
    _set_read_only(server, "on")
    try:
        wrong, slowest = _told_to_ask_again(company)
    finally:
        _set_read_only(server, "off")
    assert wrong == []
    assert slowest < SOON
    assert company.statuses() == []
    assert _pay_until_accepted(company) == ACCEPTED
    _assert_paid_once(company)


def _set_read_only(server, state):
    url = sa.make_url(server.server.url("postgres"))
    options = "-c default_transaction_read_only=off"
    with psycopg.connect(
        host=url.query["host"], user="postgres", dbname="postgres", autocommit=True, options=options
    ) as connection:
        connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)  # each server process reads it when it next waits for a command


def test_acknowledged_payments_survive_five_immediate_stops(server, company):
    acknowledged = []
    for stop in range(5):
        for number in range(6):
            reference = f"STOP{stop}N{number}"
            body = airtel_process(reference, METER, "1000")
            if b"<STATUS>200</STATUS>" in company.airtel("process", reference, body).content:
                acknowledged.append(reference)
        server.stop_immediately()
        server.start()
    booked = {reference for reference, _ in company.statuses()}
    assert len(acknowledged) >= 20
    assert set(acknowledged) - booked == set()
    assert differences(company.world.host.engines.read) == []


# --- SQLite --------------------------------------------------------------------------------------


@pytest.fixture
def small_company(tmp_path, sqlite_template, http):
    """A company with a meter, on SQLite."""
    shutil.copyfile(sqlite_template, tmp_path / "demo.db")
    with simulated_world(tmp_path) as world:
        trial = trial_company(world, http)
        trial.enable_all()
        trial.meter(METER)
        yield trial


def test_a_locked_file_gets_a_retryable_answer_and_recovers_alone(small_company, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "demo.db")) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = small_company.airtel("process", "AIR1", BODIES["process"])
        took = time.monotonic() - began
        other.execute("ROLLBACK")
    assert (answer.status_code, took < SOON) == (503, True)
    assert _pay_until_accepted(small_company) == ACCEPTED
    _assert_paid_once(small_company)


def test_a_full_disk_gets_a_retryable_answer_and_recovers_alone(small_company):
    """A limit on the size of files fails writes as a full disk does."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    try:
        wrong, slowest = _told_to_ask_again(small_company)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert wrong == []
    assert slowest < SOON
    assert small_company.statuses() == []
    assert _pay_until_accepted(small_company) == ACCEPTED
    _assert_paid_once(small_company)
