"""A manufacturer that is slow, but never fails, keeps nobody else waiting (promise 6)."""

from __future__ import annotations

import contextlib
import time

import pytest
import sqlalchemy as sa

from mpm_calin.simulator import CalinSimulator
from mpm_core.simulation.server import serve
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.services import Services
from mpm_host.work import WorkLimits
from tests.concurrency.desks import SECRET, Said, opened_desk
from tests.operations.stage import wait_until
from tests.support.config_text import config_text
from tests.support.seeding import register_meters

BACKLOG = 300
SLOW = [f"470004{number:05d}" for number in range(BACKLOG)]
PROMPT = "47000500001"
A_FEW_SECONDS = 10.0  # the backlog takes 150


class SlowMaker(CalinSimulator):
    """A manufacturer that takes a second for every answer."""

    def handle(self, request):
        time.sleep(1.0)
        return super().handle(request)


@pytest.fixture
def desk(tmp_path, database_url):
    """A company with meters of a slow manufacturer, which takes two calls at once, and another."""
    makers = {"slow": SlowMaker(), "prompt": CalinSimulator()}
    with serve(makers) as simulation:
        of_slow, of_prompt = (
            dict(maker.settings(simulation.base_url(name))) for name, maker in makers.items()
        )
        text = config_text(
            database=database_url,
            secret_key=new_key(),
            instances={
                "airtel": {"jwt_secret": SECRET},
                "calin": {**of_slow, "concurrency": 2},
                "calin-south": {**of_prompt, "use": "calin"},
            },
        )
        for name, serials, instance in (
            ("slow", SLOW, "calin"),
            ("prompt", [PROMPT], "calin-south"),
        ):
            for serial in serials:
                makers[name].knows(serial)
            with opened_desk(text, tmp_path) as opened:
                register_meters(opened.host, "demo", serials, manufacturer=instance)
        with opened_desk(text, tmp_path) as opened:
            yield opened


@contextlib.contextmanager
def working(host):
    """Let this process do what is due."""
    services = Services(host, workers=True, limits=WorkLimits(drain=0.5))
    services.start()
    try:
        yield services
    finally:
        services.close()


def book(desk, serials, prefix):
    calls = [
        Said(reference=f"{prefix}{number}", serial=serial, amount="1000")
        for number, serial in enumerate(serials)
    ]
    assert {status for _, (status, _) in desk.answer_all(calls)} == {200}


def issued(desk, *serials):
    """Count the issued orders of some meters."""
    query = (
        sa.select(sa.func.count())
        .select_from(t.orders.join(t.devices, t.devices.c.id == t.orders.c.device_id))
        .where(t.orders.c.status == "issued", t.devices.c.serial.in_(serials))
    )
    with desk.host.engines.read.connect() as connection:
        return connection.execute(query).scalar_one()


def test_an_order_of_a_prompt_manufacturer_passes_the_backlog_of_a_slow_one(desk):
    book(desk, SLOW, "SLOW")
    with working(desk.host):
        wait_until(lambda: issued(desk, *SLOW) >= 2, seconds=30, what="the first slow answers")
        book(desk, [PROMPT], "PROMPT")
        wait_until(lambda: issued(desk, PROMPT) == 1, seconds=A_FEW_SECONDS, what="the prompt one")
        assert issued(desk, *SLOW) < BACKLOG / 2
