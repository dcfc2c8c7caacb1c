"""The parts of an allocation that the tables of worked examples do not show."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from mpm_core.allocation import allocate, apply_lines
from mpm_core.allocation.accounts import Line, LineKind
from mpm_core.money import Money
from mpm_core.orders import Charge, ChargeKind
from mpm_core.units import Unit
from tests.core.builders import (
    S1,
    TODAY,
    TV,
    YESTERDAY,
    access,
    every,
    exactly,
    meter,
    on,
    owes,
    row,
    shs,
)


def test_energy_charge_and_its_calculation_are_complete():
    result = allocate(1000, owes(credit=12), meter(130, step=100), TODAY)

    assert result.charge == Charge(
        kind=ChargeKind.ENERGY,
        money=Money(1001, "UGX"),
        quantity=7700,
        unit=Unit.WATT_HOUR,
        unit_price=Decimal(130),
    )
    assert result.calculation == {
        "tariff_version": "2026-1",
        "price_per_kwh": "130",
        "energy_step": "100",
        "available": "1012",
        "exact_watt_hours": "101200/13",
        "rounding": "down",
        "watt_hours": "7700",
        "cost": "1001",
        "remainder": "11",
    }


def test_time_charge_and_its_calculation_are_complete():
    result = allocate(800_50, owes(every(7, 700_00), currency="TZS"), S1, TODAY)

    assert result.charge == Charge(
        kind=ChargeKind.TIME,
        money=Money(800_50, "TZS"),
        quantity=9,
        unit=Unit.DAY,
        unit_price=Decimal(100),
    )
    assert result.calculation == {
        "plan": "shs",
        "cost": "70000",
        "gap_days": "7",
        "used": "80050",
        "exact_days": "1601/200",
        "rounding": "up",
        "days": "9",
    }


@pytest.mark.parametrize(
    ("currency", "gap", "cost", "unit_price"),
    [
        ("UGX", 7, 700, Decimal(100)),
        ("TZS", 28, 1000_00, None),
        ("TZS", 8, 1_00, Decimal("0.125")),
        ("UGX", 1, 12_000, Decimal(12_000)),
    ],
    ids=["whole", "decimals-never-end", "finer-than-money", "whole-with-zeros"],
)
def test_time_charge_tells_its_price_per_day_only_if_it_is_exact(currency, gap, cost, unit_price):
    result = allocate(cost, owes(every(gap, cost), currency=currency), S1, TODAY)

    assert result.charge.unit_price == unit_price


def test_unlock_charge_is_worth_what_the_remainder_paid():
    plan = shs(row("a", YESTERDAY, 700), row("b", on(6), 700))

    result = allocate(1500, owes(plan), S1, TODAY)

    assert result.charge == Charge(kind=ChargeKind.UNLOCK, money=Money(700, "UGX"))
    assert result.calculation == {"plan": "shs", "used": "700"}
    assert result.account == owes(
        shs(row("a", YESTERDAY, 700, 0), row("b", on(6), 700, 0)), credit=100
    )


def test_unlock_charge_of_a_plan_that_debts_settled_is_worth_nothing():
    result = allocate(750, owes(shs(row("a", YESTERDAY, 700))), S1, TODAY)

    assert result.charge == Charge(kind=ChargeKind.UNLOCK, money=Money(0, "UGX"))


def test_plan_settled_by_a_payment_on_another_device_is_reported():
    result = allocate(1000, owes(shs(row("a", YESTERDAY, 700)), TV), meter(100), TODAY)

    assert result.settled_plans == ("shs", "of tv")


def test_prices_are_those_of_the_row_that_is_next_after_the_debts():
    plan = shs(row("late", YESTERDAY, 300), row("next", on(6), 700), row("then", on(13), 700))

    result = allocate(1000, owes(plan), S1, TODAY)

    assert result.charge.quantity == 7


def test_a_live_plan_is_chosen_before_a_settled_one_of_the_same_device():
    old = attrs.evolve(shs(row("old", on(-90), 500, 0)), id="first")

    result = allocate(700, owes(old, every(7, 700)), S1, TODAY)

    assert result.charge.quantity == 7


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            Line(kind=LineKind.INSTALMENT, amount=10, refers_to="x"),
            "The lines pay ['x'], which the account does not have.",
        ),
        (
            Line(kind=LineKind.ACCESS_RATE, amount=10, refers_to="tv"),
            "The lines pay ['tv'], which the account does not have.",
        ),
        (
            Line(kind=LineKind.INSTALMENT, amount=301, refers_to="tv"),
            "Row 'tv' has -1 remaining of 300; it must be between 0 and its cost.",
        ),
        (
            Line(kind=LineKind.INSTALMENT, amount=-1, refers_to="tv"),
            "Row 'tv' has 301 remaining of 300; it must be between 0 and its cost.",
        ),
    ],
    ids=["strange-row", "row-as-access-debt", "more-than-is-open", "more-than-was-paid"],
)
def test_apply_lines_refuses_lines_that_do_not_fit_the_account(line, message):
    with pytest.raises(ValueError, match=exactly(message)):
        apply_lines(owes(TV), (line,))


def test_apply_lines_adds_up_several_lines_of_one_row():
    half = Line(kind=LineKind.INSTALMENT, amount=150, refers_to="tv")

    assert apply_lines(owes(TV), (half, half)).plans[0].is_settled


@pytest.mark.parametrize(
    ("debts", "message"),
    [
        ((TV, TV), "The account has two of plan 'of tv'; ids must be unique."),
        (
            (TV, shs(row("tv", YESTERDAY, 5))),
            "The account has two of row 'tv'; ids must be unique.",
        ),
        (
            (access(1), access(2)),
            "The account has two of access debt 'access M1'; ids must be unique.",
        ),
    ],
    ids=["plan", "row", "access-debt"],
)
def test_account_refuses_ids_that_are_not_unique(debts, message):
    with pytest.raises(ValueError, match=exactly(message)):
        owes(*debts)


def test_allocate_leaves_the_account_it_was_given_alone():
    account = owes(TV, every(7, 700), access(200), credit=5)
    same = owes(TV, every(7, 700), access(200), credit=5)

    allocate(2000, account, S1, TODAY)

    assert account == same
