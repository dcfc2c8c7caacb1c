"""Another access rate of a tariff that meters have: the old one is closed, the new one begins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.tests.api.worlds import Shop
from mpm_host.database import tables as t
from mpm_host.payments.access_accrual import AccessAccrual
from mpm_host.verification.verification import verify

TODAY = date(2026, 3, 2)
WEEKLY = {"amount": "100", "period_days": 7}
DAILY = {"amount": "10", "period_days": 1}
SERIAL = "47001234567"


@pytest.fixture
def shop(umeme):
    return Shop(umeme)


@pytest.fixture(autouse=True)
def the_ledger_adds_up_afterwards(installation):
    yield
    with installation.host.engines.read.connect() as connection:
        assert list(verify(connection)) == []


def change(shop, tariff, rate):
    return shop.api.ok("PATCH", f"/tariffs/{tariff}", {"access_rate": rate})


def accrue(installation):
    return AccessAccrual(
        engines=installation.host.engines,
        clock=installation.clock,
        directory=lambda: installation.host.house.directory,
    ).run()


def debts(installation, serial=SERIAL):
    a = t.access_debts.c
    query = (
        sa.select(a.due_on, a.amount)
        .join(t.devices, t.devices.c.id == a.device_id)
        .where(t.devices.c.serial == serial)
        .order_by(a.due_on)
    )
    with installation.host.engines.read.connect() as connection:
        return [(row.due_on, row.amount // 100) for row in connection.execute(query)]


def next_due(shop, serial=SERIAL):
    return shop.api.ok("GET", "/devices", serial=serial)["items"][0]["next_access_rate_on"]


def on(days):
    return TODAY + timedelta(days=days)


def test_what_the_old_rate_came_to_is_booked_and_the_new_one_begins_today(
    installation, shop, clock
):
    tariff = shop.tariff(access_rate=WEEKLY)
    shop.meter(tariff_id=tariff)
    clock.move(days=15)  # 7 and 14 days have passed, nobody looked

    changed = change(shop, tariff, DAILY)

    assert (changed["version"], changed["access_rate"]) == (2, DAILY)
    assert debts(installation) == [(on(7), 100), (on(14), 100)]
    assert next_due(shop) == str(on(16))
    clock.move(days=3)
    assert accrue(installation) == 3
    assert debts(installation)[2:] == [(on(16), 10), (on(17), 10), (on(18), 10)]
    assert accrue(installation) == 0


def test_a_boundary_of_today_is_the_old_rates(installation, shop, clock):
    tariff = shop.tariff(access_rate=WEEKLY)
    shop.meter(tariff_id=tariff)
    clock.move(days=7)
    change(shop, tariff, DAILY)
    assert debts(installation) == [(on(7), 100)]
    assert next_due(shop) == str(on(8))


@pytest.mark.parametrize(
    ("rate", "days"), [pytest.param(DAILY, 1, id="daily"), pytest.param(WEEKLY, 9, id="weekly")]
)
@pytest.mark.parametrize("what", ["tariff", "device"])
def test_days_charged_by_a_clock_that_was_ahead_are_not_charged_again(
    installation, shop, clock, rate, days, what
):
    tariff, other = shop.tariff(access_rate=rate), shop.tariff("Other", access_rate=rate)
    shop.meter(tariff_id=tariff)
    clock.move(days=days)
    assert accrue(installation) == 1
    [(charged, _)] = debts(installation)
    clock.move(days=-days)

    if what == "tariff":
        change(shop, tariff, {**rate, "amount": "30"})
    else:
        [device] = shop.api.ok("GET", "/devices", serial=SERIAL)["items"]
        shop.api.ok("PATCH", f"/devices/{device['id']}", {"tariff_id": other})

    period = timedelta(days=rate["period_days"])
    assert next_due(shop) == str(charged + period)
    clock.move(days=days + rate["period_days"])
    accrue(installation)
    assert [day for day, _ in debts(installation)] == [charged, charged + period]


def test_removing_the_rate_ends_accrual(installation, shop, clock):
    tariff = shop.tariff(access_rate=WEEKLY)
    shop.meter(tariff_id=tariff)
    clock.move(days=8)
    change(shop, tariff, None)
    clock.move(days=100)
    assert (accrue(installation), next_due(shop)) == (0, None)
    assert debts(installation) == [(on(7), 100)]


def test_a_rate_begins_for_meters_that_had_none(installation, shop, clock):
    tariff = shop.tariff()
    shop.meter(tariff_id=tariff)
    clock.move(days=30)
    change(shop, tariff, WEEKLY)
    assert (debts(installation), next_due(shop)) == ([], str(on(37)))


def test_another_price_leaves_the_rate_running(installation, shop, clock):
    tariff = shop.tariff(access_rate=WEEKLY)
    shop.meter(tariff_id=tariff)
    clock.move(days=8)
    shop.api.ok("PATCH", f"/tariffs/{tariff}", {"price_per_kwh": "120", "access_rate": WEEKLY})
    assert (debts(installation), next_due(shop)) == ([], str(on(7)))


def test_only_the_meters_of_the_tariff_are_touched(installation, shop, clock):
    tariff = shop.tariff(access_rate=WEEKLY)
    shop.meter(tariff_id=tariff)
    shop.meter("47001234568", tariff_id=shop.tariff("Other", access_rate=WEEKLY))
    clock.move(days=8)
    change(shop, tariff, None)
    assert (debts(installation, "47001234568"), next_due(shop, "47001234568")) == ([], str(on(7)))


def test_payments_clear_the_debts_that_a_change_booked(installation, shop, clock):
    tariff = shop.tariff(access_rate=WEEKLY)
    meter = shop.meter(tariff_id=tariff)
    clock.move(days=8)
    change(shop, tariff, DAILY)
    clock.move(days=2)
    installation.pay(SERIAL, "1000", "R1")
    owner = shop.api.ok("GET", f"/customers/{meter['customer']['id']}")
    assert owner["access_debts"] == []
    [payment] = shop.api.ok("GET", "/payments")["items"]
    lines = shop.api.ok("GET", f"/payments/{payment['id']}")["lines"]
    assert [(line["kind"], line["amount"]) for line in lines] == [
        ("access_rate", "100"),
        ("access_rate", "10"),
        ("access_rate", "10"),
        ("energy", "880"),
    ]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 20),
            st.sampled_from([None, ("100", 7), ("10", 1), ("30", 5)]),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_however_often_a_rate_changes_each_passed_boundary_is_owed_once(
    installation, shop, clock, steps
):
    serial = f"4700{next(NUMBERS):07}"
    tariff = shop.tariff(f"Tariff {serial}")
    shop.meter(serial, tariff_id=tariff)
    expected, rate, due = [], None, None
    for days, new, looked in steps:
        clock.move(days=days)
        today = clock().date()
        while rate and due <= today:
            expected.append((due, int(rate[0])))
            due += timedelta(days=rate[1])
        if looked:
            accrue(installation)
        change(shop, tariff, new and {"amount": new[0], "period_days": new[1]})
        if new != rate:
            rate, due = new, new and today + timedelta(days=new[1])
    accrue(installation)
    assert debts(installation, serial) == expected


NUMBERS = iter(range(1, 10_000))


def test_a_meter_that_joins_at_the_same_moment_is_found_by_the_change(installation, shop, clock):
    """However the two meet: the meter's rate runs from today."""
    tariff = shop.tariff()
    bodies = [shop.meter_body(f"4700123460{n}", tariff_id=tariff) for n in range(6)]
    with ThreadPoolExecutor(4) as pool:
        registered = pool.map(lambda body: shop.api("POST", "/registrations", body), bodies)
        changed = pool.submit(change, shop, tariff, WEEKLY)
        assert {answer.status_code for answer in registered} == {201}
        changed.result()
    devices = shop.api.ok("GET", "/devices")["items"]
    assert [each["next_access_rate_on"] for each in devices] == [str(on(7))] * 6
