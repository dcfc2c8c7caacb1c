"""Access rates accrue by a worker: each passed boundary once, whoever else accrues too."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from mpm_core import SimulatedPayment
from mpm_host.clock import system_clock
from mpm_host.database import tables as t
from mpm_host.demo.simulated_world import simulated_world
from mpm_host.identifiers import new_identifier
from mpm_host.payments.access_accrual import AccessAccrual
from mpm_host.payments.customer_accounts import AccountMovedError


class MovableClock:
    def __init__(self):
        self.ahead = timedelta(0)

    def __call__(self):
        return system_clock() + self.ahead


@pytest.fixture(scope="module")
def clock():
    return MovableClock()


@pytest.fixture(scope="module")
def world(tmp_path_factory, clock):
    with simulated_world(tmp_path_factory.mktemp("world"), clock=clock) as world:
        yield world


def debts_of(world, serial):
    a = t.access_debts.c
    query = (
        sa.select(a.due_on, a.amount, a.remaining)
        .join(t.devices, t.devices.c.id == a.device_id)
        .where(t.devices.c.serial == serial)
        .order_by(a.due_on)
    )
    with world.host.engines.read.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def accrual(world):
    return AccessAccrual(
        engines=world.host.engines,
        clock=world.host.clock,
        directory=lambda: world.host.house.directory,
    )


def test_every_passed_boundary_becomes_one_debt_however_often_the_worker_runs(world, clock):
    tariff = world.tariff("With access rate", "100", access_rate="200")
    world.customer_with_meter("Amina", "+255781230051", "47000124603", tariff, days_ago=22)
    start = world.today - timedelta(days=22)

    made = [accrual(world).run(), accrual(world).run()]

    assert made == [3, 0]
    assert debts_of(world, "47000124603") == [
        (start + timedelta(days=days), 20000, 20000) for days in (7, 14, 21)
    ]
    clock.ahead = timedelta(days=7)
    assert accrual(world).run() == 1
    clock.ahead = timedelta(0)


def test_a_meter_before_its_first_boundary_owes_nothing(world):
    tariff = world.tariff("Fresh", "100", access_rate="200")
    world.customer_with_meter("Bahati", "+255781230052", "47000124611", tariff, days_ago=6)

    accrual(world).run()

    assert debts_of(world, "47000124611") == []


def test_a_payment_after_the_worker_clears_the_debt_it_made(world):
    tariff = world.tariff("Paid", "100", access_rate="200")
    world.customer_with_meter("Chausiku", "+255781230053", "47000124629", tariff, days_ago=8)
    accrual(world).run()

    world.payers["airtel"].pay(
        SimulatedPayment(
            reference="ACCRUAL00001",
            serial="47000124629",
            amount=world.money("1000"),
            msisdn="255781234567",
        )
    )
    payment = world.wait_for("ACCRUAL00001")

    assert [(line["kind"], line["amount"]) for line in payment["lines"]] == [
        ("access_rate", "200"),
        ("energy", "800"),
    ]
    assert [debt[2] for debt in debts_of(world, "47000124629")] == [0]


def test_a_meter_that_changes_hands_meanwhile_is_left_to_the_next_run(world, monkeypatch):
    tariff = world.tariff("With access rate, too", "100", access_rate="200")
    world.customer_with_meter("Zawadi", "+255781230052", "47000124686", tariff, days_ago=8)

    def moved(*_what, **_how):
        raise AccountMovedError("somebody")

    with monkeypatch.context() as patch:
        patch.setattr("mpm_host.payments.access_accrual.load_accounts", moved)
        assert accrual(world).run() == 0

    accrual(world).run()  # or the host's own, if it was faster
    assert len(debts_of(world, "47000124686")) == 1


def test_a_meter_whose_rows_cannot_be_holds_up_no_other(world):
    tariff = world.tariff("Odd", "100", access_rate="200")
    serials = ["47000124637", "47000124645", "47000124652"]
    for number, serial in enumerate(serials):
        phone = f"+25578123006{number}"
        world.customer_with_meter("Dalili", phone, serial, tariff, days_ago=8)
    charge_already(world, serials[1])

    with capture_logs() as logged:
        assert accrual(world).run() == 2

    assert [len(debts_of(world, serial)) for serial in serials] == [1, 1, 1]
    d = t.devices.c
    with world.host.engines.read.connect() as connection:
        odd = connection.scalar(sa.select(d.id).where(d.serial == serials[1]))
    assert logged == [
        {"event": "accrual_failed", "log_level": "error", "device": odd, "error": "IntegrityError"}
    ]
    forget_charge(world, serials[1])
    assert accrual(world).run() == 1


def charge_already(world, serial):
    """Write the debt that is to come, as nobody may."""
    d = t.devices.c
    with world.host.engines.write.begin() as connection:
        meter = connection.execute(sa.select(t.devices).where(d.serial == serial)).one()
        connection.execute(
            sa.insert(t.access_debts).values(
                id=new_identifier(), company_id=meter.company_id, customer_id=meter.customer_id,
                device_id=meter.id, due_on=meter.access_due_on, amount=1, remaining=1,
                currency="TZS",
            )
        )  # fmt: skip


def forget_charge(world, serial):
    a, d = t.access_debts.c, t.devices.c
    meter = sa.select(d.id).where(d.serial == serial)
    with world.host.engines.write.begin() as connection:
        connection.execute(sa.delete(t.access_debts).where(a.device_id == meter.scalar_subquery()))
