"""Poison among a thousand (T13, C11): everybody else's order is carried out, it is set aside.

`MPM_ORDERS` and `MPM_POISON` choose other sizes; at night 100 among 10,000.
"""

from __future__ import annotations

import contextlib
import os
import time
from datetime import timedelta

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.plugins.diagnosis import diagnose
from mpm_host.services import Services
from mpm_host.work import WorkLimits
from tests.operations.stage import staged, wait_until
from tests.support.table_contents import differences

pytestmark = pytest.mark.slow

ORDERS = os.environ.get("MPM_ORDERS")
POISON = int(os.environ.get("MPM_POISON", "1"))
METERS = 50
SECONDS = 120 + int(ORDERS or 1000) / 4  # far longer than it takes


@contextlib.contextmanager
def working(host):
    """Let this process do what is due, and try again soon what failed."""
    limits = WorkLimits(poll=0.2, patience=timedelta(seconds=8))
    services = Services(host, workers=True, limits=limits)
    services.start()
    try:
        yield
    finally:
        services.close()


def payments_of(host, *columns):
    p = t.payments.c
    with host.engines.read.connect() as connection:
        rows = connection.execute(sa.select(p.reference, *(p[name] for name in columns))).all()
    return {row[0]: tuple(row[1:]) for row in rows}


@pytest.fixture
def stage(tmp_path, database_url):
    """Meters of the good ones, and one more for each poison."""
    with staged(tmp_path, database_url, meters=METERS + POISON) as made:
        yield made


def test_poison_among_a_thousand_orders_is_set_aside_and_stops_nobody(stage, database_url):
    fewer = 1000 if database_url.startswith("sqlite") else 250  # CI has no time for all of it twice
    good = [f"GOOD{number:05d}" for number in range(int(ORDERS or fewer) - POISON)]
    poison = [f"POISON{number:03d}" for number in range(POISON)]
    attrs.evolve(stage, meters=stage.meters[METERS:]).book(poison)  # first in the queue
    attrs.evolve(stage, meters=stage.meters[:METERS]).book(good)
    with stage.opened() as host:
        spell_kind(host, poison, "nonsense")
        began = time.monotonic()
        with working(host):
            wait_until(lambda: issued(stage, host) == len(good), seconds=SECONDS, what="all good")
            took = time.monotonic() - began
            wait_until(lambda: set_aside(host) == set(poison), seconds=SECONDS, what="the poison")
        print(f"{len(good)} orders beside {POISON} poison in {took:.0f} s")  # noqa: T201 - a figure
        assert settled(host) == set(good)
        assert payments_of(host, "status") == {
            **dict.fromkeys(good, (PaymentStatus.SETTLED.value,)),
            **dict.fromkeys(poison, (PaymentStatus.HELD.value,)),
        }
        [remark] = [line for line in diagnose(host).remarks if "set aside" in line]
        assert f"work on {POISON} payments failed again and again" in remark
        spell_kind(host, poison, "energy")  # whoever verifies must be able to read it
        assert differences(host.engines.read) == []
    sold = sum(stage.maker.grants(serial) for serial in stage.meters)
    assert sold == len(good)


def issued(stage, host):
    """Count without reading every payment again and again: what looks must not be what is slow."""
    return stage.orders(host)["issued"]


def settled(host):
    found = payments_of(host, "status")
    return {name for name, (status,) in found.items() if status == PaymentStatus.SETTLED.value}


def set_aside(host):
    return {name for name, row in payments_of(host, "reason").items() if row == ("set_aside",)}


def spell_kind(host, references, kind):
    """Make the orders of these payments unreadable, or mend them."""
    theirs = sa.select(t.payments.c.id).where(t.payments.c.reference.in_(references))
    with host.engines.write.begin() as connection:
        connection.execute(
            sa.update(t.orders).where(t.orders.c.payment_id.in_(theirs)).values(kind=kind)
        )
