"""Prices of energy and the boundaries of access rates."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.money import currency_exponent
from mpm_core.tariffs import (
    AccessRate,
    EnergySale,
    PriceComponent,
    Tariff,
    next_boundary,
    passed_boundaries,
    price_energy,
    price_of,
)
from tests.core.builders import exactly
from tests.core.strategies import currencies


@pytest.mark.parametrize(
    ("available", "price", "step", "currency", "sale"),
    [
        (1000, "130", 100, "UGX", (7_600, 988, 12)),
        (1012, "130", 100, "UGX", (7_700, 1001, 11)),
        (1000_00, "130", 100, "TZS", (7_600, 988_00, 12_00)),
        (1000, "300", 1, "UGX", (3_333, 1000, 0)),
        (12, "130", 100, "UGX", (0, 0, 12)),
        (0, "130", 100, "UGX", (0, 0, 0)),
        (1, "0.000001", 1, "UGX", (10**9, 1, 0)),
        (1_000, "0.333333", 1000, "BHD", (3_000, 1_000, 0)),
    ],
    ids=[
        "rounds-energy-down",
        "sells-the-next-step-exactly",
        "cents-change-nothing",
        "rounds-the-cost-up",
        "less-than-a-step",
        "nothing",
        "smallest-price",
        "three-decimals",
    ],
)
def test_price_energy_sells_whole_steps_and_returns_the_rest(
    available, price, step, currency, sale
):
    watt_hours, cost, remainder = sale
    assert price_energy(available, Decimal(price), step, currency) == EnergySale(
        watt_hours=watt_hours, cost=cost, remainder=remainder
    )


positive_prices = st.decimals(min_value="0.000001", max_value=100_000, places=6)
any_step = st.integers(min_value=1, max_value=10_000)
any_money = st.integers(min_value=0, max_value=10**12)


@given(any_money, positive_prices, any_step, currencies)
def test_price_energy_uses_up_the_money_to_less_than_a_step(available, price, step, currency):
    sale = price_energy(available, price, step, currency)

    per_watt_hour = Fraction(price) * 10 ** currency_exponent(currency) / 1000
    assert sale.watt_hours % step == 0
    assert sale.cost + sale.remainder == available
    assert sale.cost - 1 < sale.watt_hours * per_watt_hour <= sale.cost
    assert available < (sale.watt_hours + step) * per_watt_hour


@given(any_money, positive_prices, any_step, currencies)
def test_price_energy_sells_the_same_for_exactly_its_cost(available, price, step, currency):
    sale = price_energy(available, price, step, currency)

    again = price_energy(sale.cost, price, step, currency)
    assert (again.watt_hours, again.remainder) == (sale.watt_hours, 0)


@given(st.integers(0, 10**9), positive_prices, currencies)
def test_price_of_a_quantity_buys_that_quantity_and_a_unit_less_does_not(
    watt_hours, price, currency
):
    cost = price_of(watt_hours, price, currency)

    assert price_energy(cost, price, 1, currency).watt_hours >= watt_hours
    if cost:
        assert price_energy(cost - 1, price, 1, currency).watt_hours < watt_hours


@pytest.mark.parametrize(
    ("available", "price", "step", "message"),
    [
        (-1, "1", 1, "There is -1 to buy energy with; it must be 0 or more."),
        (1, "1", 0, "The energy step is 0 Wh; it must be 1 Wh or more."),
        (1, "0", 1, "The price per kWh is 0; energy is sold only above 0."),
    ],
    ids=["negative-money", "no-step", "no-price"],
)
def test_price_energy_refuses_what_makes_no_sense(available, price, step, message):
    with pytest.raises(ValueError, match=exactly(message)):
        price_energy(available, Decimal(price), step, "UGX")


def test_total_price_is_the_price_and_all_components():
    components = (
        PriceComponent(name="VAT", price_per_kwh=Decimal("25.5")),
        PriceComponent(name="fund", price_per_kwh=Decimal("0.000001")),
    )
    tariff = Tariff(version="1", price_per_kwh=Decimal(100), components=components)

    assert tariff.total_price == Decimal("125.500001")
    assert Tariff(version="1", price_per_kwh=Decimal(100)).total_price == Decimal(100)


@pytest.mark.parametrize(
    ("price", "message"),
    [
        (
            Decimal("0.0000001"),
            "Tariff.price_per_kwh is 1E-7; a price has at most 6 decimals.",
        ),
        (Decimal(-1), "Tariff.price_per_kwh is -1; a price per kWh is between 0 and 10^12."),
        (
            Decimal("1E13"),
            "Tariff.price_per_kwh is 1E+13; a price per kWh is between 0 and 10^12.",
        ),
        (
            Decimal("NaN"),
            "Tariff.price_per_kwh is Decimal('NaN'); it must be a finite Decimal, such as 130.25.",
        ),
        (1.5, "Tariff.price_per_kwh is 1.5; it must be a finite Decimal, such as 130.25."),
    ],
    ids=["seven-decimals", "negative", "too-large", "not-a-number", "float"],
)
def test_tariff_refuses_what_is_not_a_price(price, message):
    with pytest.raises(ValueError, match=exactly(message)):
        Tariff(version="1", price_per_kwh=price)


def test_price_component_is_checked_like_a_price():
    with pytest.raises(ValueError, match=r"^PriceComponent\.price_per_kwh is -1; a price per kWh"):
        PriceComponent(name="VAT", price_per_kwh=Decimal(-1))


@pytest.mark.parametrize(
    "make",
    [
        lambda: AccessRate(amount=-1, period_days=7),
        lambda: AccessRate(amount=100, period_days=0),
        lambda: Tariff(version="1", price_per_kwh=Decimal(1), minimum_purchase=-1),
    ],
    ids=["amount", "period", "minimum"],
)
def test_tariff_refuses_negative_amounts_and_periods_below_a_day(make):
    with pytest.raises(ValueError, match="must be >="):
        make()


# The accrual example: 100 every 7 days, assigned on 1 March, so first due on 8 March.


@pytest.mark.parametrize(
    ("next_due", "today", "passed", "then"),
    [
        (date(2026, 3, 8), date(2026, 3, 7), [], date(2026, 3, 8)),
        (date(2026, 3, 8), date(2026, 3, 8), [date(2026, 3, 8)], date(2026, 3, 15)),
        (
            date(2026, 3, 15),
            date(2026, 3, 30),
            [date(2026, 3, 15), date(2026, 3, 22), date(2026, 3, 29)],
            date(2026, 4, 5),
        ),
    ],
    ids=["before-the-first-due-date", "on-the-boundary", "catch-up-after-three"],
)
def test_access_rate_accrues_as_in_the_example(next_due, today, passed, then):
    assert list(passed_boundaries(next_due, 7, today)) == passed
    assert next_boundary(next_due, 7, today) == then


near = st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 1, 1))


@given(near, st.integers(1, 400), near)
def test_boundaries_are_those_a_daily_loop_would_find(next_due, period, today):
    expected, boundary = [], next_due
    while boundary <= today:
        expected.append(boundary)
        boundary += timedelta(days=period)

    assert list(passed_boundaries(next_due, period, today)) == expected
    assert next_boundary(next_due, period, today) == boundary


@given(near, st.integers(1, 400), near, near)
def test_looking_in_between_finds_the_same_boundaries(next_due, period, day, other):
    earlier, later = sorted((day, other))
    in_between = next_boundary(next_due, period, earlier)

    assert passed_boundaries(next_due, period, later) == (
        passed_boundaries(next_due, period, earlier) + passed_boundaries(in_between, period, later)
    )
    assert next_boundary(next_due, period, later) == next_boundary(in_between, period, later)


@pytest.mark.parametrize("boundaries", [passed_boundaries, next_boundary])
def test_boundaries_need_a_period_of_a_day_or_more(boundaries):
    message = exactly("The access rate's period is 0 days; it must be 1 or more.")
    with pytest.raises(ValueError, match=message):
        boundaries(date(2026, 3, 8), 0, date(2026, 3, 8))
