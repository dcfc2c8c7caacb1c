"""A database that is gone, hangs, is full or is locked: telecoms are told to ask again.

In their own words, soon, and nothing of it is half done; when the database is back, the host
recovers alone and the telecoms' next calls succeed.
"""

from __future__ import annotations

import shutil
import time

import httpx
import pytest

from mpm_host.database.engines import open_engines
from mpm_host.database.upgrade import upgrade
from mpm_host.demo.simulated_world import simulated_world
from tests.faults.outages import POSTGRESQL_OUTAGES, SQLITE_OUTAGES, Place
from tests.faults.two_telecoms import ACCEPTED, ASK_AGAIN, METER, QUERY, TwoTelecoms
from tests.support.restartable_postgres import restartable_postgres
from tests.support.table_contents import differences
from tests.support.telecom_calls import airtel_process
from tests.support.trial_company import trial_company

SOON = 8.0  # seconds; a telecom waits longer than that


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


def _with_a_meter(world, http):
    trial = trial_company(world, http)
    trial.enable_all()
    trial.meter(METER)
    return trial


@pytest.fixture(scope="module")
def template(server):
    """A database there with our tables, to be copied."""
    name = server.server.create()
    engines = open_engines(server.server.url(name))
    upgrade(engines.write)
    engines.dispose()
    return name


@pytest.fixture
def company(server, template, tmp_path, http):
    """A company with a meter, in a world on that PostgreSQL."""
    with (
        server.server.database(template=template) as url,
        simulated_world(tmp_path, database=url) as world,
    ):
        yield _with_a_meter(world, http)


@pytest.fixture
def small_company(tmp_path, sqlite_template, http):
    """A company with a meter, on SQLite in a folder of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    shutil.copyfile(sqlite_template, folder / "demo.db")
    with simulated_world(folder) as world:
        yield _with_a_meter(world, http)


def _get(company, path):
    return company.http.get(f"{company.world.url}/{path}")


def _wait_until_ready(company, seconds=30.0):
    """Wait until all that works in the background is well again, too."""
    until = time.monotonic() + seconds
    while (ready := _get(company, "readyz")).status_code != httpx.codes.OK:
        assert time.monotonic() < until, ready.text
        time.sleep(0.1)


def _assert_both_paid_once(company):
    assert company.wait_for("AIR1")["status"] == "settled"
    assert company.wait_for("VOD-1")["status"] == "settled"
    assert company.lines("AIR1") == [("energy", "1000")]
    assert company.lines("VOD-1") == [("energy", "500")]
    assert company.world.simulators["calin"].grants(METER) == 2
    assert differences(company.world.host.engines.read) == []


def _goes_through(outage, company, place):
    """Let the database fail and come back; return what was answered meanwhile, and how soon."""
    telecoms = TwoTelecoms.of(company)
    expected = dict(ASK_AGAIN)
    if outage.can_be_read:
        expected[QUERY] = telecoms.found()
    with outage.begin(place):
        answers, slowest = telecoms.all_calls()
        alive = _get(company, "healthz").status_code
    if outage.can_be_read is None and answers[QUERY] == telecoms.found():
        expected[QUERY] = telecoms.found()
    assert answers == expected
    assert slowest < SOON
    assert alive == httpx.codes.OK
    assert company.statuses() == [(None, "validated")]  # nothing is half done
    assert telecoms.pay_until_accepted() == ACCEPTED
    _wait_until_ready(company)
    _assert_both_paid_once(company)


@pytest.mark.parametrize("outage", [pytest.param(each, id=each.name) for each in SQLITE_OUTAGES])
def test_telecoms_are_told_to_ask_again_and_an_sqlite_host_recovers_alone(
    small_company, tmp_path, outage
):
    place = Place(engines=small_company.world.host.engines, folder=tmp_path / "disk")
    _goes_through(outage, small_company, place)


@pytest.mark.parametrize(
    "outage", [pytest.param(each, id=each.name) for each in POSTGRESQL_OUTAGES]
)
def test_telecoms_are_told_to_ask_again_and_a_postgresql_host_recovers_alone(
    server, company, tmp_path, outage
):
    place = Place(engines=company.world.host.engines, folder=tmp_path, server=server)
    _goes_through(outage, company, place)


def test_a_host_whose_database_is_gone_is_alive_and_not_ready(server, company):
    server.stop_immediately()
    try:
        answers = [_get(company, path).status_code for path in ("readyz", "healthz")]
    finally:
        server.start()
    assert answers == [503, 200]
    _wait_until_ready(company)


def test_a_database_that_hangs_gets_a_retryable_answer_and_recovers_alone(server, company):
    telecoms = TwoTelecoms.of(company)
    server.freeze()
    try:
        answers, slowest = telecoms.all_calls()
    finally:
        server.thaw()
    assert answers == ASK_AGAIN
    assert slowest < SOON
    # the hanging calls may have been carried out meanwhile: the final no among them
    if telecoms.pay_until_accepted(seconds=5.0) == ACCEPTED:
        _assert_both_paid_once(company)
    else:
        assert ("AIR1", "denied") in company.statuses()
        assert company.wait_for("VOD-1")["status"] == "settled"
        assert differences(company.world.host.engines.read) == []


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
