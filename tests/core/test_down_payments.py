"""Down payments that are still open: owed at once, first of their plan, and worth no day (E-62)."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given

from mpm_core.allocation import allocate
from mpm_core.allocation.accounts import Options
from mpm_core.allocation.plan_payments import allocate_to_plan
from mpm_core.orders import ChargeKind
from mpm_core.plans import Period, PlanChangeRefused, next_payable_amount, price_basis
from mpm_core.plans.plan_changes import change_total, reschedule
from mpm_core.plans.schedules import SaleTerms, down_payment_row
from tests.core.builders import S1, TODAY, appliance, every, on, owes, row, shs
from tests.core.strategies import accounts, amounts

STRICT = Options()


def down(row_id, due_on, cost, remaining=None):
    return attrs.evolve(row(row_id, due_on, cost, remaining), is_down_payment=True)


# E-57 as it is sold online: 200 down, still open, and 5 x 160.
TELEVISION = appliance(
    down("down", TODAY, 200), *(row(f"tv-{n}", on(30 * n), 160) for n in range(1, 6))
)


def lines(allocation):
    return [(line.kind.value, line.amount, line.refers_to) for line in allocation.lines]


def left(allocation):
    return [each.remaining for plan in allocation.account.plans for each in plan.rows]


def test_e_62_the_money_is_the_down_payment_and_leaves_the_instalments_untouched():
    paid = allocate_to_plan(200, owes(TELEVISION), TELEVISION.id, None, TODAY, STRICT)
    assert lines(paid) == [("down_payment", 200, "down")]
    assert left(paid) == [0, 160, 160, 160, 160, 160]


def test_what_is_more_than_the_down_payment_pays_instalments():
    paid = allocate_to_plan(300, owes(TELEVISION), TELEVISION.id, None, TODAY, STRICT)
    assert lines(paid) == [("down_payment", 200, "down"), ("instalment", 100, "tv-1")]


def test_an_open_down_payment_is_owed_on_the_very_day_of_the_sale():
    assert next_payable_amount(TELEVISION) == 200
    assert [each.id for each in TELEVISION.rows if each.is_outstanding(TODAY)] == ["down"]


@pytest.mark.parametrize("arrears_buy_time", [False, True])
def test_a_down_payment_buys_no_day_whatever_arrears_do(arrears_buy_time):
    plan = shs(down("down", TODAY, 200), *every(30, 300, first=30).rows)
    paid = allocate(500, owes(plan), S1, TODAY, Options(arrears_buy_time=arrears_buy_time))
    assert lines(paid) == [("down_payment", 200, "down"), ("instalment", 300, "shs-1")]
    assert (paid.charge.kind, paid.charge.quantity) == (ChargeKind.TIME, 30)
    alone = allocate(200, owes(plan), S1, TODAY, Options(arrears_buy_time=arrears_buy_time))
    assert (lines(alone), alone.charge, alone.objections) == (
        [("down_payment", 200, "down")],
        None,
        (),
    )


def test_a_plan_is_not_settled_before_its_down_payment_is():
    plan = shs(down("down", TODAY, 200), row("shs-1", on(30), 300, 0))
    assert not plan.is_settled
    paid = allocate(200, owes(plan), S1, TODAY)
    assert (paid.charge.kind, paid.settled_plans) == (ChargeKind.UNLOCK, ("shs",))


def test_days_are_priced_by_instalments_also_while_only_the_down_payment_is_open():
    plan = shs(down("down", TODAY, 200), row("shs-1", on(30), 300, 0), row("shs-2", on(60), 300, 0))
    assert (price_basis(plan).cost, price_basis(plan).gap_days) == (300, 30)


def test_another_total_leaves_an_open_down_payment_as_it_was_agreed():
    rows = change_total(TELEVISION, 700, "UGX")
    assert sorted((each.id, each.cost) for each in rows)[:2] == [("down", 200), ("tv-1", 100)]
    with pytest.raises(PlanChangeRefused, match="below the rows"):
        change_total(TELEVISION, 199, "UGX")


def test_rescheduling_divides_the_instalments_and_keeps_an_open_down_payment():
    new = reschedule(TELEVISION, 4, Period.MONTHLY, start_on=TODAY)
    assert new.kept == (TELEVISION.rows[0],)
    assert [each.cost for each in new.added] == [200, 200, 200, 200]


def test_there_is_nothing_to_reschedule_but_the_down_payment():
    plan = appliance(down("down", TODAY, 200), row("tv-1", on(30), 160, 0))
    with pytest.raises(PlanChangeRefused) as refusal:
        reschedule(plan, 2, Period.WEEKLY, start_on=TODAY)
    assert refusal.value.code == "plan_already_settled"
    assert str(refusal.value) == (
        f"Plan {plan.id!r} is paid off already but for its down payment; nothing is left to "
        "reschedule."
    )


def test_a_down_payment_that_is_asked_for_is_open():
    terms = SaleTerms(cost=1000, down_payment=200, period=Period.MONTHLY, sold_on=TODAY)
    asked = down_payment_row(terms, is_paid=False)
    assert (asked.cost, asked.remaining, asked.is_down_payment) == (200, 200, True)


@given(account=accounts(), amount=amounts)
def test_no_row_but_a_down_payment_is_booked_as_one(account, amount):
    agreed = {row.id for plan in account.plans for row in plan.rows if row.is_down_payment}
    result = allocate(amount, account, S1, TODAY)
    for line in result.lines:
        if line.kind.value in {"down_payment", "instalment"}:
            assert (line.kind.value == "down_payment") is (line.refers_to in agreed)
