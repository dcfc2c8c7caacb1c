"""E-bikes: a payment switches them on, the host switches them off when it has run out."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mpm_core import Charge, ChargeKind, DeviceKind, SimulatedPayment, Unit
from mpm_core.plans import Period
from mpm_host.clock import system_clock
from mpm_host.database import tables as t
from mpm_host.demo.simulated_world import simulated_world
from mpm_host.orders.switch_rows import extend_switch, keep_switch
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sale_changes import delete_sale
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.verification.verification import verify


class MovableClock:
    def __init__(self):
        self.ahead = timedelta(0)

    def __call__(self):
        return system_clock() + self.ahead


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def world(tmp_path, clock):
    with simulated_world(tmp_path, extra_plugins=("daly",), clock=clock) as world:
        yield world


def bike(world, *, instalments=4):
    serial = world.manifests["daly"].example_serial
    terms = weekly(world, instalments=instalments)
    world.customer_with_device(
        "Neema", "+255781230071", serial, terms, manufacturer="daly", kind=DeviceKind.E_BIKE
    )
    return serial


def pay(world, serial, reference, amount):
    world.payers["vodacom"].pay(  # proves itself by a key, whatever the clock says
        SimulatedPayment(
            reference=reference, serial=serial, amount=world.money(amount), msisdn="255781234567"
        )
    )
    return world.wait_for(reference)


def is_on(world, serial, *, until):
    for _ in range(500):
        if world.simulators["daly"].bike(serial).on == until:
            return until
        time.sleep(0.02)
    return not until


def weekly(world, *, instalments):
    return PlanTerms(
        cost=world.money("2800"),
        instalments=instalments,
        period=Period.WEEKLY,
        sold_on=world.today,
    )


def sell_again(world, serial):
    """Take the sale of a bike back, and sell the bike to the same customer on four instalments."""
    with world.host.engines.write.begin() as connection:
        sold = connection.execute(sa.select(t.plans)).one()
        delete_sale(connection, world.company, sold.id, world.host.clock())
        request = SaleRequest(
            customer_id=sold.customer_id,
            appliance_id=sold.appliance_id,
            device_serial=serial,
            terms=weekly(world, instalments=4),
        )
        sell(connection, world.company, request, world.host.clock())


def the_switch(world):
    with world.host.engines.read.connect() as connection:
        return connection.execute(sa.select(t.switches)).one()


def order_is(world, status):
    for _ in range(500):
        with world.host.engines.read.connect() as connection:
            found = connection.scalars(sa.select(t.orders.c.status)).all()
            if found == [status]:
                return True
        time.sleep(0.02)
    return False


def test_a_payment_switches_the_bike_on_for_the_days_it_buys(world):
    serial = bike(world)
    before = world.host.clock()

    payment = pay(world, serial, "BIKE00000001", "700")

    assert payment["status"] == "settled"
    assert [(k["kind"], k["value"], k["delivery"], k["quantity"]) for k in payment["tokens"]] == [
        ("time", None, "remote", 7)
    ]
    assert is_on(world, serial, until=True)
    paid_for = the_switch(world).paid_until - before
    assert timedelta(days=7) <= paid_for < timedelta(days=7, minutes=1)


def test_two_payments_add_their_days(world):
    serial = bike(world)
    before = world.host.clock()

    pay(world, serial, "BIKE00000002", "700")
    pay(world, serial, "BIKE00000003", "1400")

    paid_for = the_switch(world).paid_until - before
    assert timedelta(days=21) <= paid_for < timedelta(days=21, minutes=1)


def test_the_bike_is_switched_off_when_its_days_are_over_and_on_again_when_paid(world, clock):
    serial = bike(world)
    pay(world, serial, "BIKE00000004", "700")
    assert is_on(world, serial, until=True)

    clock.ahead = timedelta(days=7, minutes=1)
    assert is_on(world, serial, until=False) is False

    pay(world, serial, "BIKE00000005", "700")
    assert is_on(world, serial, until=True)


def test_a_bike_that_is_paid_off_is_never_switched_off(world, clock):
    serial = bike(world, instalments=1)
    payment = pay(world, serial, "BIKE00000006", "2800")
    assert [token["kind"] for token in payment["tokens"]] == ["unlock"]

    clock.ahead = timedelta(days=400)
    world.services.switches.work_on(the_switch(world).id)

    assert is_on(world, serial, until=True)
    for _ in range(500):  # a call that was out at the jump has the bike asked once more
        if the_switch(world).next_at is None:
            break
        time.sleep(0.02)
    assert (the_switch(world).is_on, the_switch(world).next_at) == (True, None)


def test_a_vendor_that_does_not_answer_is_asked_again_until_the_bike_is_off(world, clock):
    serial = bike(world)
    pay(world, serial, "BIKE00000007", "700")
    world.simulators["daly"].set_fault("error_500", serial=serial)
    clock.ahead = timedelta(days=8)
    for _ in range(500):
        if the_switch(world).failures:
            break
        time.sleep(0.02)
    assert the_switch(world).is_on is None

    world.simulators["daly"].clear_faults()
    clock.ahead = timedelta(days=9)

    assert is_on(world, serial, until=False) is False


def test_a_bike_that_a_lost_order_switched_on_is_switched_off_when_nothing_was_granted(
    world, clock
):
    """Found by the whole machine: only what was granted was ever switched off again."""
    serial, daly = bike(world), world.simulators["daly"]
    daly.set_fault("lose_answer", serial=serial)
    world.payers["vodacom"].pay(
        SimulatedPayment(
            reference="BIKE00000008",
            serial=serial,
            amount=world.money("700"),
            msisdn="255781234567",
        )
    )
    assert world.wait_for("BIKE00000008", ["unknown"])["status"] == "unknown"
    assert is_on(world, serial, until=True)

    daly.clear_faults()
    daly.set_fault("no_permission", serial=serial)
    clock.ahead = timedelta(minutes=2)
    assert order_is(world, "parked")
    daly.clear_faults()
    clock.ahead = timedelta(hours=1)

    assert is_on(world, serial, until=False) is False
    assert the_switch(world).paid_until is None


@pytest.mark.parametrize(
    ("was", "becomes", "looks_again"),
    [
        pytest.param(True, True, "when it runs out", id="on"),
        pytest.param(False, None, "now", id="off: the off may have come after the payment's on"),
        pytest.param(None, None, "now", id="being switched"),
    ],
)
def test_time_granted_to_a_bike_that_is_not_known_to_be_on_switches_it_on_once_more(
    world, clock, was, becomes, looks_again
):
    serial, now = bike(world), clock()
    d = t.devices.c
    week = Charge(kind=ChargeKind.TIME, money=world.money("700"), quantity=7, unit=Unit.DAY)
    with world.host.engines.write.begin() as connection:
        device = connection.execute(sa.select(d.id, d.company_id).where(d.serial == serial)).one()
        keep_switch(connection, device.company_id, device.id, now)
        connection.execute(sa.update(t.switches).values(is_on=was, paid_until=now, next_at=None))
        extend_switch(connection, device.id, week, now)
        row = connection.execute(sa.select(t.switches)).one()
    runs_out = now + timedelta(days=7)
    assert (row.is_on, row.paid_until, row.next_at) == (
        becomes,
        runs_out,
        now if looks_again == "now" else runs_out,
    )


def test_a_bike_that_is_sold_again_begins_with_nothing(world, clock):
    serial = bike(world, instalments=1)
    pay(world, serial, "BIKE00000008", "2800")
    assert is_on(world, serial, until=True)

    sell_again(world, serial)

    assert is_on(world, serial, until=False) is False
    pay(world, serial, "BIKE00000009", "700")
    assert is_on(world, serial, until=True)
    clock.ahead = timedelta(days=8)
    assert is_on(world, serial, until=False) is False
    with world.host.engines.read.connect() as connection:
        assert list(verify(connection)) == []
