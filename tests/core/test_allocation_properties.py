"""What holds for every payment, whatever the customer owes and whichever device is paid."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mpm_core.accounts import Account, Line, LineKind, Options, Target
from mpm_core.allocation import Allocation, allocate, apply_lines
from mpm_core.devices import DeviceKind
from mpm_core.money import currency_exponent
from mpm_core.orders import ChargeKind
from mpm_core.plans import Plan, PlanKind, PlanRow
from tests.core.strategies import TODAY, accounts, amounts, options, targets

EVERY_UNIT = math.inf  # an unlocked device is worth more than any number of days


def pay(amount: int, account: Account, target: Target, chosen: Options | None = None) -> Allocation:
    return allocate(amount, account, target, TODAY, chosen or Options())


def units(allocation: Allocation) -> float:
    if allocation.charge is None:
        return 0
    return EVERY_UNIT if allocation.charge.quantity is None else allocation.charge.quantity


def open_amounts(account: Account) -> dict[str, int]:
    rows = {row.id: row.remaining for plan in account.plans for row in plan.rows}
    return rows | {debt.id: debt.remaining for debt in account.access_debts}


def outstanding(account: Account) -> dict[str, int]:
    rows = {
        row.id: row.remaining
        for plan in account.plans
        for row in plan.rows
        if row.is_outstanding(TODAY)
    }
    return rows | {
        debt.id: debt.remaining for debt in account.access_debts if debt.is_payable(TODAY)
    }


def sold(allocation: Allocation) -> bool:
    return allocation.charge is not None and allocation.charge.money.minor > 0


@given(amounts, accounts(), targets(), options)
def test_lines_sum_to_the_amount_and_none_is_zero(amount, account, target, chosen):
    result = pay(amount, account, target, chosen)

    assert sum(line.amount for line in result.lines) == amount
    assert all(line.amount for line in result.lines)


@given(amounts, accounts(), targets(), options)
def test_only_spent_credit_makes_a_negative_line_and_it_comes_first(
    amount, account, target, chosen
):
    result = pay(amount, account, target, chosen)

    negative = [line for line in result.lines if line.amount < 0]
    spent = [Line(kind=LineKind.CREDIT, amount=-account.credit)] if account.credit > 0 else []
    assert negative == spent
    assert list(result.lines[: len(spent)]) == spent


@given(amounts, accounts(), targets(), options)
def test_every_debt_falls_by_exactly_its_lines_and_never_below_zero(
    amount, account, target, chosen
):
    result = pay(amount, account, target, chosen)

    expected = open_amounts(account)
    for line in result.lines:
        if line.kind in {LineKind.INSTALMENT, LineKind.ACCESS_RATE}:
            expected[line.refers_to] -= line.amount  # a stranger's row would be a KeyError
    assert open_amounts(result.account) == expected
    assert min(expected.values(), default=0) >= 0


@given(amounts, accounts(), targets(), options)
def test_credit_changes_by_its_lines_and_falls_below_zero_for_nobody(
    amount, account, target, chosen
):
    result = pay(amount, account, target, chosen)

    change = sum(line.amount for line in result.lines if line.kind is LineKind.CREDIT)
    assert result.account.credit == account.credit + change
    assert result.account.credit >= min(0, account.credit)


@given(amounts, accounts(), targets(), options)
def test_taking_the_lines_back_restores_the_account(amount, account, target, chosen):
    result = pay(amount, account, target, chosen)

    counter = tuple(attrs.evolve(line, amount=-line.amount) for line in result.lines)
    assert apply_lines(result.account, counter) == account


@given(amounts, accounts(), targets())
def test_nothing_is_sold_while_something_is_outstanding(amount, account, target):
    result = pay(amount, account, target)

    if any(outstanding(result.account).values()):
        assert not sold(result)
        assert result.account.credit <= 0


@given(amounts, accounts(), targets())
def test_device_and_access_debts_wait_for_appliances(amount, account, target):
    result = pay(amount, account, target)

    appliances = {
        row.id for plan in account.plans if plan.kind is PlanKind.APPLIANCE for row in plan.rows
    }
    still_open = {key for key, left in outstanding(result.account).items() if left}
    if still_open & appliances:
        paid = {line.refers_to for line in result.lines if line.refers_to}
        assert paid <= appliances


@given(amounts, accounts(), targets(), options)
def test_what_is_left_is_either_sold_or_objected_to(amount, account, target, chosen):
    result = pay(amount, account, target, chosen)

    assert len(result.objections) + (result.charge is not None) <= 1
    assert bool(result.calculation) == (result.charge is not None)
    if result.objections:
        assert result.lines[-1].kind is LineKind.CREDIT
    elif result.charge is None:
        assert result.account.credit <= 0


@given(accounts(), targets(kinds=(DeviceKind.METER,)), st.integers(0, 10**7))
def test_energy_is_the_most_whole_steps_the_money_buys(account, target, left):
    amount = enough_for_debts(account) + left
    result = pay(amount, account, target)
    assume(result.charge is not None)

    step, quantity = target.energy_step or 1, result.charge.quantity
    price = Fraction(target.tariff.total_price) * 10 ** currency_exponent(account.currency) / 1000
    cost, available = result.charge.money.minor, int(result.calculation["available"])
    assert quantity > 0
    assert quantity % step == 0
    assert quantity * price <= cost < quantity * price + 1
    assert cost <= available < (quantity + step) * price


def enough_for_debts(account: Account) -> int:
    return max(1, sum(outstanding(account).values()) - account.credit)


@given(
    accounts(),
    st.integers(min_value=1, max_value=45),
    st.lists(st.integers(min_value=1, max_value=10**6), min_size=2, max_size=4),
    st.data(),
)
def test_days_are_the_exact_quotient_rounded_up_and_worth_a_day(account, gap, costs, data):
    rows = tuple(
        PlanRow(id=f"n{number}", due_on=TODAY + timedelta(gap * number), cost=cost, remaining=cost)
        for number, cost in enumerate(costs)
    )
    plan = Plan(id="new", kind=PlanKind.SHS, device_serial="S9", rows=rows)
    account = attrs.evolve(account, plans=(*account.plans, plan))
    left = data.draw(st.integers(min_value=1, max_value=sum(costs)), label="left for the device")
    target = Target(serial="S9", kind=DeviceKind.SHS)

    result = pay(enough_for_debts(account) + left, account, target)

    if result.charge is None:
        assert [objection.code for objection in result.objections] == ["amount_below_minimum"]
    elif result.charge.kind is ChargeKind.TIME:
        exact = Fraction(result.charge.money.minor * gap, costs[0])
        assert Fraction(result.calculation["exact_days"]) == exact
        assert result.charge.quantity - 1 < exact <= result.charge.quantity
        assert exact >= 1


@given(amounts, accounts(), targets(), options)
def test_the_charge_is_paid_by_the_lines_of_the_sale(amount, account, target, chosen):
    result = pay(amount, account, target, chosen)
    assume(result.charge is not None)

    debts = sum(outstanding(account).values()) - sum(outstanding(result.account).values())
    value_lines = sum(line.amount for line in result.lines if line.kind is not LineKind.CREDIT)
    if not chosen.arrears_buy_time:
        assert result.charge.money.minor == value_lines - debts


@given(amounts, accounts(), targets(), options)
def test_an_unlock_comes_exactly_with_settling_the_devices_plan(amount, account, target, chosen):
    result = pay(amount, account, target, chosen)

    own = account.device_plan(target.serial)
    settles = own is not None and own.id in result.settled_plans
    unlocks = result.charge is not None and result.charge.kind is ChargeKind.UNLOCK
    assert settles == unlocks


@given(amounts, accounts(), targets(), options, st.randoms(use_true_random=False))
def test_the_order_of_storage_does_not_matter(amount, account, target, chosen, random):
    shuffled = attrs.evolve(
        account,
        plans=tuple(
            attrs.evolve(plan, rows=tuple(random.sample(plan.rows, len(plan.rows))))
            for plan in random.sample(account.plans, len(account.plans))
        ),
        access_debts=tuple(random.sample(account.access_debts, len(account.access_debts))),
    )

    first, second = pay(amount, account, target, chosen), pay(amount, shuffled, target, chosen)

    assert (first.lines, first.charge, first.objections, first.calculation) == (
        second.lines,
        second.charge,
        second.objections,
        second.calculation,
    )
    assert open_amounts(first.account) == open_amounts(second.account)
    assert sorted(first.settled_plans) == sorted(second.settled_plans)


@given(amounts, amounts, accounts(), targets(), options)
def test_more_money_never_clears_less_and_never_sells_less(amount, more, account, target, chosen):
    """True without exception: what a minimum keeps unsold clears no less debt either."""
    less_paid = pay(amount, account, target, chosen)
    more_paid = pay(amount + more, account, target, chosen)

    before, after = open_amounts(less_paid.account), open_amounts(more_paid.account)
    assert all(after[key] <= left for key, left in before.items())
    assert units(more_paid) >= units(less_paid)


@given(amounts, amounts, accounts(), targets(), options)
def test_two_accepted_payments_leave_the_debts_of_their_sum(first, second, account, target, chosen):
    one = pay(first, account, target, chosen)
    two = pay(second, one.account, target, chosen)
    assume(not one.objections and not two.objections)

    both = pay(first + second, account, target, chosen)

    assert not both.objections
    assert open_amounts(two.account) == open_amounts(both.account)


@given(amounts, amounts, accounts(), targets())
def test_two_payments_leave_the_outstanding_debts_of_their_sum_even_if_objected_to(
    first, second, account, target
):
    one = pay(first, account, target)
    two = pay(second, one.account, target)

    both = pay(first + second, account, target)

    assert outstanding(two.account) == outstanding(both.account)


@given(amounts, accounts(), targets(), options)
def test_an_objection_names_amounts_that_work(amount, account, target, chosen):
    result = pay(amount, account, target, chosen)
    assume(result.objections)

    message = result.objections[0].message
    if exactly := re.search(r"exactly ([0-9.]+)", message):
        assert not pay(minor(exactly[1], account), account, target, chosen).objections
    if at_least := re.search(r"at least ([0-9.]+)", message):
        least = minor(at_least[1], account)
        assert pay(least, account, target, chosen).charge is not None
        assert least > amount
        assert units(pay(least - 1, account, target, chosen)) == 0


def minor(text: str, account: Account) -> int:
    return int(Fraction(text.rstrip(".")) * 10 ** currency_exponent(account.currency))


@given(accounts(), targets(), st.integers(max_value=0))
def test_an_amount_that_is_not_positive_is_an_error_of_the_caller(account, target, amount):
    with pytest.raises(ValueError, match="a payment is more than 0"):
        pay(amount, account, target)
