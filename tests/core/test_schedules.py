"""How instalments are made, with the numbers of the specification's examples."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.plans import Period, PlanChangeRefused
from mpm_core.plans.schedules import (
    SaleTerms,
    ScheduledRow,
    down_payment_row,
    due_dates,
    instalments_by_cost,
    instalments_by_count,
    read_period,
    split_by_cost,
    split_by_count,
)

SOLD_ON = date(2026, 1, 31)


def terms(cost: int, down_payment: int = 0, **more) -> SaleTerms:
    return SaleTerms(
        cost=cost, down_payment=down_payment, period=Period.MONTHLY, sold_on=SOLD_ON, **more
    )


@pytest.mark.parametrize(
    ("rows", "costs"),
    [
        (instalments_by_count(terms(1000, 200), 5), [160] * 5),
        (instalments_by_count(terms(1000), 3), [333, 333, 334]),
        (instalments_by_cost(terms(1000, 100), 250), [250, 250, 250, 150]),
    ],
    ids=["E-57", "E-58", "E-59"],
)
def test_sale_is_divided_as_in_the_example(rows, costs):
    assert [one.cost for one in rows] == costs
    assert [one.remaining for one in rows] == costs


def test_e_57_down_payment_is_a_paid_row_of_the_sale_date():
    assert down_payment_row(terms(1000, 200)) == ScheduledRow(
        due_on=SOLD_ON, cost=200, remaining=0, is_down_payment=True
    )
    assert down_payment_row(terms(1000)) is None


@pytest.mark.parametrize(
    ("sale", "days"),
    [
        (terms(900), [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]),
        (
            terms(900, first_due_on=date(2026, 3, 1)),
            [date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)],
        ),
    ],
    ids=["E-60", "E-61"],
)
def test_sale_is_due_as_in_the_example(sale, days):
    assert [one.due_on for one in instalments_by_count(sale, 3)] == days


def test_e_62_the_down_payment_is_no_part_of_the_instalments():
    assert sum(one.remaining for one in instalments_by_count(terms(1000, 200), 5)) == 800


def test_a_sale_paid_at_once_has_no_instalments():
    assert instalments_by_count(terms(1000, 1000), 5) == ()
    assert instalments_by_cost(terms(1000, 1000), 250) == ()


@pytest.mark.parametrize("down_payment", [-1, 1001])
def test_a_down_payment_outside_the_cost_is_refused(down_payment):
    with pytest.raises(PlanChangeRefused) as caught:
        terms(1000, down_payment)

    assert caught.value.code == "down_payment_invalid"
    assert str(caught.value) == ("The down payment must be between 0 and the cost of what is sold.")


REFUSALS = {
    "T-36-count-0": (
        lambda: split_by_count(1000, 0),
        "count_invalid",
        "A plan of 0 instalments is not possible; choose 1 to 1000.",
    ),
    "count-1001": (
        lambda: split_by_count(10_000, 1001),
        "count_invalid",
        "A plan of 1001 instalments is not possible; choose 1 to 1000.",
    ),
    "too-many-by-cost": (
        lambda: split_by_cost(1001, 1),
        "count_invalid",
        "A plan of 1001 instalments is not possible; choose 1 to 1000.",
    ),
    "instalments-of-nothing": (
        lambda: split_by_count(2, 3),
        "instalment_too_small",
        "2 minor units cannot be divided into 3 instalments; choose fewer.",
    ),
    "instalment-0": (
        lambda: split_by_cost(1000, 0),
        "instalment_too_small",
        "An instalment must be more than 0.",
    ),
    "T-36-daily": (
        lambda: read_period("daily"),
        "period_unknown",
        "'daily' is not a period; choose weekly or monthly.",
    ),
}


@pytest.mark.parametrize(("attempt", "code", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_schedule_that_is_not_possible_is_refused(attempt, code, message):
    with pytest.raises(PlanChangeRefused) as caught:
        attempt()

    assert (caught.value.code, str(caught.value)) == (code, message)


@pytest.mark.parametrize("word", ["weekly", "monthly"])
def test_read_period_knows_the_words_of_the_interface(word):
    assert read_period(word).value == word


@given(st.integers(1, 10**9), st.integers(1, 1000))
def test_split_by_count_gives_that_many_nearly_equal_parts_of_the_total(total, count):
    if count > total:
        with pytest.raises(PlanChangeRefused):
            split_by_count(total, count)
        return
    parts = split_by_count(total, count)

    assert (len(parts), sum(parts)) == (count, total)
    assert set(parts[:-1]) <= {total // count}
    assert total // count <= parts[-1] < total // count + count


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_split_by_cost_keeps_the_chosen_instalment_and_the_total(total, instalment):
    if total > 1000 * instalment:
        with pytest.raises(PlanChangeRefused):
            split_by_cost(total, instalment)
        return
    parts = split_by_cost(total, instalment)

    assert sum(parts) == total
    assert set(parts[:-1]) <= {instalment}
    assert 0 < parts[-1] <= instalment


days = st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1))


@given(days, st.integers(0, 60))
def test_monthly_due_dates_keep_the_day_of_the_base_or_take_the_last_of_the_month(base, count):
    dates = due_dates(count, Period.MONTHLY, base_on=base)

    months = [base.year * 12 + base.month + number for number in range(1, count + 1)]
    assert [day.year * 12 + day.month for day in dates] == months
    for day in dates:
        is_last_of_month = (day + timedelta(days=1)).day == 1
        assert day.day == base.day or (is_last_of_month and day.day < base.day)


@given(days, st.integers(0, 60))
def test_weekly_due_dates_are_seven_days_apart_and_begin_a_week_after_the_base(base, count):
    dates = due_dates(count, Period.WEEKLY, base_on=base)

    assert [(day - base).days for day in dates] == [7 * (n + 1) for n in range(count)]


@given(days, st.integers(1, 20), st.sampled_from(Period))
def test_a_chosen_first_due_date_is_the_base_of_all(first, count, period):
    dates = due_dates(count, period, base_on=date(1999, 1, 1), first_due_on=first)

    assert dates == (first, *due_dates(count - 1, period, base_on=first))
