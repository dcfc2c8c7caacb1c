"""What a plan asks for next and what days on it cost."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.plans import (
    Plan,
    PlanChangeRefused,
    PlanRow,
    PriceBasis,
    check_staff_payment,
    next_payable_amount,
    price_basis,
)
from tests.core.builders import exactly, row, shs


def monthly(*rows: tuple[int, int]) -> Plan:
    """Return a plan of (cost, remaining), 30 days apart."""
    start = date(2026, 1, 1)
    return shs(
        *(
            row(f"r{number}", start + timedelta(days=30 * number), cost, remaining)
            for number, (cost, remaining) in enumerate(rows)
        )
    )


def dated(*rows: tuple[date, int]) -> Plan:
    """Return a plan of (due date, remaining of 700)."""
    return shs(*(row(f"r{n}", due_on, 700, left) for n, (due_on, left) in enumerate(rows)))


def after_down_payment(paid_on: date, *due: date) -> Plan:
    """Return a plan of a down payment, first in order, and open rows of 700."""
    down_payment = attrs.evolve(row("d", paid_on, 700, PAID), is_down_payment=True)
    return shs(down_payment, *(row(f"r{n}", day, 700, OPEN) for n, day in enumerate(due)))


PAID, OPEN = 0, 700
T_01 = monthly((40, 0), (495, 0), (385, 385), (385, 385))
T_02 = monthly((385, 0), (385, 100), (385, 385))
T_03 = monthly((385, 0), (385, 0))


@pytest.mark.parametrize(
    ("plan", "payable", "basis"),
    [(T_01, 385, 385), (T_02, 100, 385), (T_03, 0, 0)],
    ids=["T-01", "T-02", "T-03"],
)
def test_next_payable_is_what_is_left_of_the_next_row_and_its_cost_the_basis(plan, payable, basis):
    assert next_payable_amount(plan) == payable
    assert price_basis(plan).cost == basis


@pytest.mark.parametrize("left", [35, 700], ids=["T-04", "T-05"])
def test_800_buy_8_days_whatever_is_left_of_the_current_row(left):
    plan = dated((date(2026, 9, 1), left), (date(2026, 9, 8), OPEN))

    assert price_basis(plan).exact_days(800) == 8


@pytest.mark.parametrize(
    ("plan", "gap"),
    [
        (dated((date(2026, 7, 30), PAID), (date(2026, 9, 1), OPEN), (date(2026, 10, 1), OPEN)), 30),
        (dated((date(2026, 9, 1), OPEN), (date(2026, 9, 8), OPEN)), 7),
        (dated((date(2026, 9, 1), OPEN)), 30),
        (
            dated(
                (date(2026, 7, 1), PAID),
                (date(2026, 8, 1), PAID),
                (date(2026, 8, 8), OPEN),
                (date(2026, 8, 15), OPEN),
            ),
            7,
        ),
        (
            dated(
                (date(2026, 8, 1), PAID),
                (date(2026, 8, 8), PAID),
                (date(2026, 9, 8), OPEN),
                (date(2026, 10, 8), OPEN),
            ),
            30,
        ),
        (dated((date(2026, 9, 1), PAID), (date(2026, 9, 8), PAID), (date(2026, 9, 15), OPEN)), 7),
        (dated((date(2026, 9, 1), OPEN), (date(2026, 9, 1), OPEN)), 30),
        (dated((date(2026, 9, 8), PAID), (date(2026, 9, 1), OPEN)), 7),
        (after_down_payment(date(2026, 9, 15), date(2026, 9, 1)), 14),
        (after_down_payment(date(2026, 9, 15), date(2026, 9, 1), date(2026, 9, 8)), 7),
    ],
    ids=[
        "T-06",
        "T-07",
        "T-08",
        "T-09",
        "T-10",
        "T-11",
        "same-day",
        "paid-neighbour-follows",
        "before-the-down-payment",
        "first-of-two-before-the-down-payment",
    ],
)
def test_gap_reaches_to_the_next_row_else_back_else_is_30_days(plan, gap):
    assert price_basis(plan).gap_days == gap


def test_rows_are_kept_in_due_order_whatever_order_they_come_in():
    late, early = row("a", date(2026, 9, 8), 700), row("b", date(2026, 9, 1), 700)

    assert shs(late, early).rows == (early, late)


def test_a_day_of_energy_as_a_service_costs_its_price():
    plan = shs(price_per_day=100, minimum_payment=300)

    assert price_basis(plan) == PriceBasis(cost=100, gap_days=1)
    assert next_payable_amount(plan) == 300
    assert plan.is_energy_service
    assert not plan.is_settled


def test_price_per_day_is_exact():
    assert PriceBasis(cost=100, gap_days=7).price_per_day == Fraction(100, 7)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 100)), max_size=6))
def test_plan_sums_are_those_of_its_rows(rows):
    parts = [(cost, cost * percent // 100) for cost, percent in rows]
    plan = monthly(*parts)

    assert plan.total == sum(cost for cost, _ in parts)
    assert plan.open_total == sum(left for _, left in parts)
    assert plan.is_settled == (not any(left for _, left in parts))
    assert [one.remaining for one in plan.open_rows] == [left for _, left in parts if left]


@pytest.mark.parametrize("remaining", [-1, 701])
def test_row_refuses_a_remainder_outside_its_cost(remaining):
    message = f"Row 'r' has {remaining} remaining of 700; it must be between 0 and its cost."
    with pytest.raises(ValueError, match=exactly(message)):
        PlanRow(id="r", due_on=date(2026, 9, 1), cost=700, remaining=remaining)


ONE_OF_1000 = monthly((1000, 0), (1000, 1000))
TWO_OF_385 = monthly((385, 385), (385, 385))

TAKEN = {
    "E-34-T-12": (TWO_OF_385, 385),
    "the-whole-plan": (TWO_OF_385, 770),
    "T-15": (monthly((385, 0), (385, 100)), 100),
    "T-21": (shs(price_per_day=100), 500),
    "T-22": (shs(price_per_day=100, minimum_payment=300), 300),
}

REFUSED = {
    "E-33": (
        ONE_OF_1000,
        1500,
        "amount_above_maximum",
        "1500 UGX is more than is open on plan 'shs'; take at most 1000 UGX.",
    ),
    "E-35-T-13": (
        TWO_OF_385,
        384,
        "amount_below_minimum",
        "384 UGX is too little for plan 'shs'; take at least 385 UGX.",
    ),
    "T-14": (
        monthly((385, 0), (385, 385)),
        386,
        "amount_above_maximum",
        "386 UGX is more than is open on plan 'shs'; take at most 385 UGX.",
    ),
    "T-23": (
        shs(price_per_day=100, minimum_payment=500),
        100,
        "amount_below_minimum",
        "100 UGX is too little for plan 'shs'; take at least 500 UGX.",
    ),
    "T-24": (
        shs(price_per_day=100),
        0,
        "amount_below_minimum",
        "0 UGX is too little for plan 'shs'; take more than 0.",
    ),
    "settled": (
        T_03,
        100,
        "plan_already_settled",
        "Plan 'shs' is paid off already; nothing can be paid on it.",
    ),
}


@pytest.mark.parametrize(("plan", "amount"), TAKEN.values(), ids=TAKEN.keys())
def test_staff_may_take_from_the_next_payable_amount_to_all_that_is_open(plan, amount):
    check_staff_payment(plan, amount, "UGX")


@pytest.mark.parametrize(
    ("plan", "amount", "code", "message"), REFUSED.values(), ids=REFUSED.keys()
)
def test_staff_payment_outside_the_rule_is_refused(plan, amount, code, message):
    with pytest.raises(PlanChangeRefused) as caught:
        check_staff_payment(plan, amount, "UGX")

    assert (caught.value.code, str(caught.value)) == (code, message)
