"""Poison work (T13, C11): the others go on, it is set aside, listed and brought back."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mpm_core import SimulatedPayment
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.clock import system_clock
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.demo.simulated_world import simulated_world
from mpm_host.plugins.diagnosis import diagnose
from tests.support.table_contents import differences

METERS = 12
WHILE = 60.0  # seconds; far longer than until somebody looks at the queues again
POISON = "47000124700"
PHONE = "+255781230001"


class Clock:
    """The system's time and an offset."""

    def __init__(self):
        self.ahead = timedelta(0)

    def __call__(self):
        return system_clock() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def world(tmp_path, database_url, clock):
    with simulated_world(tmp_path, database=database_url, clock=clock) as made:
        tariff = made.tariff("T", "100")
        for number in range(METERS):
            made.customer_with_meter("Amina", PHONE, str(int(POISON) + number), tariff)
        yield made


def pay(world, serial, reference):
    world.payers["vodacom"].pay(  # proves itself by a key, whatever the clock says
        SimulatedPayment(
            reference=reference, serial=serial, amount=world.money("1000"), msisdn="255781234567"
        )
    )


def spell_kind(world, kind):
    """Make the poisoned order's row unreadable, or mend it."""
    poisoned = sa.select(t.devices.c.id).where(t.devices.c.serial == POISON).scalar_subquery()
    with world.host.engines.write.begin() as connection:
        connection.execute(
            sa.update(t.orders).where(t.orders.c.device_id == poisoned).values(kind=kind)
        )


def wait_until_set_aside(world, clock):
    """Move the clock on to each next try, and wait until that one has failed."""
    seen = poisoned_order(world)
    while seen.reason != "set_aside":
        clock.ahead += timedelta(minutes=3)  # more than until it is handed over again
        seen = wait_for_next_failure(world, seen)
    return seen.payment_id


def wait_for_next_failure(world, seen):
    until = time.monotonic() + WHILE
    while (now := poisoned_order(world)) == seen:
        if time.monotonic() > until:
            raise TimeoutError(f"Nobody tried the order that failed last: {seen}.")
        time.sleep(0.05)
    return now


def poisoned_order(world):
    o, d = t.orders.c, t.devices.c
    query = sa.select(o.payment_id, o.reason, o.failures).join(t.devices, d.id == o.device_id)
    with world.host.engines.read.connect() as connection:
        return connection.execute(query.where(d.serial == POISON)).one()


def test_poison_work_is_set_aside_and_everything_else_goes_on(world, clock):
    calin = world.simulators["calin"]
    calin.set_fault("throttled", serial=POISON)
    pay(world, POISON, "POISON000001")
    untried = (poisoned_order(world).payment_id, "", 0)
    wait_for_next_failure(world, untried)
    spell_kind(world, "nonsense")
    calin.clear_faults()

    for number in range(1, METERS):
        pay(world, str(int(POISON) + number), f"GOOD{number:08d}")
    good = [world.wait_for(f"GOOD{number:08d}")["status"] for number in range(1, METERS)]
    payment_id = wait_until_set_aside(world, clock)

    assert good == ["settled"] * (METERS - 1)
    assert [line for line in diagnose(world.host).remarks if "set aside" in line] == [
        (
            "Company 'demo': work on 1 payments failed again and again and was set aside; see `mpm "
            "payments list demo --status held` (or unknown) and the log, mend the cause, then `mpm "
            "payments retry ID`."
        )
    ]
    spell_kind(world, "energy")
    actor = Actor(name="test", at=clock(), reason="The row was mended.")
    actions = PaymentActions(vault=world.host.vault, directory=lambda: world.host.house.directory)
    with world.host.engines.write.begin() as connection:
        assert actions.retry(connection, payment_id, actor, company_id=world.company.id)
    world.services.wake()
    assert world.wait_for("POISON000001", ["settled"])["status"] == "settled"
    assert calin.grants(POISON) == 1
    assert differences(world.host.engines.read) == []
