"""After registration the manufacturer is asked in the background, and its answer is stored."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.demo.simulated_world import simulated_world
from mpm_host.registration.plan_terms import PlanTerms


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with simulated_world(tmp_path_factory.mktemp("world")) as world:
        yield world


def mapping_of(world, serial, *, until_not="unknown"):
    query = sa.select(t.devices.c.mapping).where(t.devices.c.serial == serial)
    for _ in range(500):
        with world.host.engines.read.connect() as connection:
            mapping = connection.execute(query).scalar_one()
        if mapping != until_not:
            return mapping
        time.sleep(0.02)
    return mapping


def shs(world, serial):
    terms = PlanTerms(cost=world.money("1000"), instalments=2, sold_on=world.today)
    world.customer_with_device("Asha", "+255781230042", serial, terms)


def test_a_serial_the_manufacturer_knows_is_mapped(world):
    shs(world, "700000001")

    assert mapping_of(world, "700000001") == "mapped"


def test_a_serial_the_manufacturer_does_not_know_is_not_mapped(world):
    world.simulators["sunking"].set_fault("unknown_device", serial="700000002")
    shs(world, "700000002")

    assert mapping_of(world, "700000002") == "not_mapped"


def test_a_manufacturer_that_does_not_answer_leaves_the_device_unreachable_and_asked_again(world):
    world.simulators["sunking"].set_fault("error_500", serial="700000003")
    shs(world, "700000003")

    assert mapping_of(world, "700000003") == "unreachable"
    query = sa.select(t.devices.c.next_at).where(t.devices.c.serial == "700000003")
    with world.host.engines.read.connect() as connection:
        assert connection.execute(query).scalar_one() is not None


def test_a_manufacturer_without_look_up_leaves_the_device_unsupported(world):
    world.customer_with_meter("Bakari", "+255781230043", "47000124587", world.tariff("Any", "100"))

    assert mapping_of(world, "47000124587") == "unsupported"
