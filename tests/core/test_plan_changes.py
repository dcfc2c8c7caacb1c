"""Changes of a plan after the sale: what was paid stays, what is open is divided anew."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.plans import Period, Plan, PlanChangeRefused, PlanRow, PriceBasis, price_basis
from mpm_core.plans.plan_changes import RescheduledPlan, change_row, change_total, reschedule
from mpm_core.plans.schedules import ScheduledRow
from tests.core.builders import row, shs

START = date(2026, 1, 31)


def plan_of(*rows: tuple[int, int]) -> Plan:
    """Return a plan of (cost, remaining), one every 30 days."""
    return shs(
        *(
            row(f"r{number}", START + timedelta(days=30 * number), cost, remaining)
            for number, (cost, remaining) in enumerate(rows)
        )
    )


FIVE_OF_200 = plan_of(*[(200, 200)] * 5)
THREE_OF_300 = plan_of(*[(300, 300)] * 3)
FIRST_OF_FIVE_PAID = plan_of((200, 0), *[(200, 200)] * 4)
ALL_TOUCHED = plan_of((200, 0), (200, 50))

TOTALS = {
    "E-63-T-29": (FIVE_OF_200, 1500, [(300, 300)] * 5),
    "E-64-T-30": (THREE_OF_300, 1000, [(333, 333), (333, 333), (334, 334)]),
    "E-65": (FIRST_OF_FIVE_PAID, 1200, [(200, 0)] + [(250, 250)] * 4),
    "T-31": (
        plan_of((200, 0), (200, 50), (200, 200), (200, 200)),
        1001,
        [(200, 0), (200, 50), (300, 300), (301, 301)],
    ),
    "nothing-left-to-share": (FIRST_OF_FIVE_PAID, 200, [(200, 0)]),
}


@pytest.mark.parametrize(("plan", "total", "rows"), TOTALS.values(), ids=TOTALS.keys())
def test_change_total_divides_the_difference_over_untouched_rows(plan, total, rows):
    changed = change_total(plan, total, "UGX")

    assert [(one.cost, one.remaining) for one in changed] == rows
    kept = plan.rows[: len(rows)]
    assert [(one.id, one.due_on) for one in changed] == [(one.id, one.due_on) for one in kept]


REFUSED_TOTALS = {
    "E-66-T-32": (
        plan_of((200, 0), (200, 0), (200, 200)),
        300,
        "total_below_paid",
        (
            "A total of 300 UGX is below the rows of plan 'shs' that are paid or partly paid; "
            "choose at least 400 UGX."
        ),
    ),
    "T-33": (
        ALL_TOUCHED,
        500,
        "no_untouched_row",
        (
            "Every row of plan 'shs' is paid or partly paid, so none can take another total; "
            "reschedule what is open and change the new rows one by one."
        ),
    ),
    "energy-as-a-service": (
        shs(price_per_day=100),
        500,
        "no_instalments",
        (
            "Plan 'shs' sells days at a price per day and has no instalments; "
            "change its price instead."
        ),
    ),
    "less-than-a-unit-each": (
        THREE_OF_300,
        2,
        "instalment_too_small",
        "2 minor units cannot be divided into 3 instalments; choose fewer.",
    ),
}


@pytest.mark.parametrize(
    ("plan", "total", "code", "message"), REFUSED_TOTALS.values(), ids=REFUSED_TOTALS.keys()
)
def test_change_total_refuses_what_would_touch_payments(plan, total, code, message):
    with pytest.raises(PlanChangeRefused) as caught:
        change_total(plan, total, "UGX")

    assert (caught.value.code, str(caught.value)) == (code, message)


def test_t_37_change_row_changes_the_plans_total():
    plan = plan_of((500, 500), (500, 500))

    changed = attrs.evolve(plan, rows=change_row(plan, "r1", 450))

    assert changed.total == 950
    assert [(one.id, one.cost, one.remaining) for one in changed.rows] == [
        ("r0", 500, 500),
        ("r1", 450, 450),
    ]


def test_change_row_to_0_takes_the_row_out():
    assert [one.id for one in change_row(THREE_OF_300, "r1", 0)] == ["r0", "r2"]


REFUSED_ROWS = {
    "T-38": (
        "r0",
        100,
        "row_already_paid",
        (
            "Row 'r0' of plan 'shs' is paid or partly paid and stays as it is; "
            "change a row nothing was paid on."
        ),
    ),
    "T-38-partly-paid": (
        "r1",
        100,
        "row_already_paid",
        (
            "Row 'r1' of plan 'shs' is paid or partly paid and stays as it is; "
            "change a row nothing was paid on."
        ),
    ),
    "unknown": ("x", 100, "unknown_row", "Plan 'shs' has no row 'x'; choose one of its rows."),
    "negative": (
        "r2",
        -1,
        "amount_invalid",
        "The cost of row 'r2' cannot be negative; choose 0 or more.",
    ),
}


@pytest.mark.parametrize(
    ("row_id", "cost", "code", "message"), REFUSED_ROWS.values(), ids=REFUSED_ROWS.keys()
)
def test_change_row_refuses_rows_with_payments_and_impossible_costs(row_id, cost, code, message):
    plan = plan_of((200, 0), (200, 50), (200, 200))

    with pytest.raises(PlanChangeRefused) as caught:
        change_row(plan, row_id, cost)

    assert (caught.value.code, str(caught.value)) == (code, message)


def test_t_34_reschedule_divides_what_is_open_after_the_latest_settled_row():
    plan = shs(
        row("paid", date(2026, 1, 31), 300, 0),
        row("open", date(2026, 2, 28), 600),
        row("last", date(2026, 3, 31), 600),
    )

    assert reschedule(plan, 3, Period.MONTHLY, start_on=START) == RescheduledPlan(
        kept=(row("paid", date(2026, 1, 31), 300, 0),),
        added=(
            ScheduledRow(due_on=date(2026, 2, 28), cost=400, remaining=400),
            ScheduledRow(due_on=date(2026, 3, 31), cost=400, remaining=400),
            ScheduledRow(due_on=date(2026, 4, 30), cost=400, remaining=400),
        ),
        period=Period.MONTHLY,
    )


def test_t_35_reschedule_to_weekly_steps_by_7_days_and_prices_a_day_at_a_seventh():
    plan = shs(
        row("paid", date(2026, 1, 1), 100, 0),
        row("open", date(2026, 2, 1), 300),
    )

    changed = reschedule(plan, 3, Period.WEEKLY, start_on=START)

    assert changed.period is Period.WEEKLY
    assert [one.due_on for one in changed.added] == [
        date(2026, 1, 8),
        date(2026, 1, 15),
        date(2026, 1, 22),
    ]
    assert price_basis(stored(plan, changed)).price_per_day == Fraction(100, 7)


def stored(plan: Plan, changed: RescheduledPlan) -> Plan:
    added = tuple(
        PlanRow(id=f"new{number}", due_on=one.due_on, cost=one.cost, remaining=one.remaining)
        for number, one in enumerate(changed.added)
    )
    return attrs.evolve(plan, rows=changed.kept + added)


def test_reschedule_follows_the_given_day_while_no_row_is_settled():
    changed = reschedule(THREE_OF_300, 1, Period.WEEKLY, start_on=date(2026, 5, 1))

    assert changed.kept == ()
    assert changed.added == (ScheduledRow(due_on=date(2026, 5, 8), cost=900, remaining=900),)


def test_reschedule_cuts_a_partly_paid_row_down_to_what_was_paid():
    changed = reschedule(ALL_TOUCHED, 1, Period.WEEKLY, start_on=START)

    assert [(one.id, one.cost, one.remaining) for one in changed.kept] == [
        ("r0", 200, 0),
        ("r1", 150, 0),
    ]
    assert [one.cost for one in changed.added] == [50]


def test_reschedule_puts_what_was_paid_of_a_row_before_the_new_ones():
    plan = shs(
        row("first", date(2026, 4, 1), 400, 300),
        row("last", date(2026, 5, 1), 400),
    )
    changed = reschedule(plan, 7, Period.WEEKLY, start_on=date(2026, 3, 1))

    assert changed.kept == (row("first", date(2026, 3, 1), 100, 0),)
    assert [one.due_on for one in changed.added] == [
        date(2026, 3, 8) + timedelta(weeks=week) for week in range(7)
    ]


def test_a_row_that_was_taken_out_dates_nothing():
    plan = shs(row("gone", date(2026, 6, 1), 0), row("open", date(2026, 4, 1), 400))
    [added] = reschedule(plan, 1, Period.WEEKLY, start_on=date(2026, 3, 1)).added

    assert added.due_on == date(2026, 3, 8)


@pytest.mark.parametrize(
    ("plan", "count", "code", "message"),
    [
        (
            THREE_OF_300,
            0,
            "count_invalid",
            "A plan of 0 instalments is not possible; choose 1 to 1000.",
        ),
        (
            plan_of((200, 0)),
            3,
            "plan_already_settled",
            "Plan 'shs' is paid off already; nothing is left to reschedule.",
        ),
        (
            shs(price_per_day=100),
            3,
            "no_instalments",
            (
                "Plan 'shs' sells days at a price per day and has no instalments; "
                "change its price instead."
            ),
        ),
    ],
    ids=["T-36", "settled", "energy-as-a-service"],
)
def test_reschedule_refuses_what_it_cannot_divide(plan, count, code, message):
    with pytest.raises(PlanChangeRefused) as caught:
        reschedule(plan, count, Period.MONTHLY, start_on=START)

    assert (caught.value.code, str(caught.value)) == (code, message)


row_states = st.integers(1, 1000).flatmap(
    lambda cost: st.tuples(st.just(cost), st.sampled_from([0, cost]) | st.integers(0, cost))
)
some_plan = st.lists(row_states, max_size=6).map(lambda rows: plan_of(*rows))


@given(some_plan, st.integers(0, 8000))
def test_change_total_reaches_the_total_and_moves_no_payment(plan, total):
    try:
        changed = attrs.evolve(plan, rows=change_total(plan, total, "UGX"))
    except PlanChangeRefused:
        return

    assert changed.total == total
    assert (
        paid_by_row(changed).items()
        >= {key: paid for key, paid in paid_by_row(plan).items() if paid}.items()
    )
    assert sum(paid_by_row(changed).values()) == sum(paid_by_row(plan).values())


def paid_by_row(plan: Plan) -> dict[str, int]:
    return {one.id: one.paid for one in plan.rows}


@given(some_plan, st.integers(1, 12), st.sampled_from(Period))
def test_reschedule_keeps_what_was_paid_and_what_is_open(plan, count, period):
    try:
        changed = stored(plan, reschedule(plan, count, period, start_on=START))
    except PlanChangeRefused:
        return

    assert changed.open_total == plan.open_total
    assert changed.total == plan.total
    assert len(changed.open_rows) == count


@given(some_plan, st.integers(2, 12))
def test_every_row_of_a_rescheduled_plan_buys_the_days_of_its_period(plan, count):
    """Whatever was paid before, and wherever in the plan."""
    try:
        changed = stored(plan, reschedule(plan, count, Period.WEEKLY, start_on=START))
    except PlanChangeRefused:
        return

    for _ in range(count):
        basis, payable = price_basis(changed), changed.open_rows[0]
        assert basis == PriceBasis(cost=payable.cost, gap_days=7)
        paid = attrs.evolve(payable, remaining=0)
        rows = (paid if one is payable else one for one in changed.rows)
        changed = attrs.evolve(changed, rows=tuple(rows))
