"""What holds for every payment, whatever the customer owes and whichever device is paid."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from fractions import Fraction

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mpm_core.allocation import Allocation, allocate, apply_lines
from mpm_core.allocation.accounts import Account, Line, LineKind, Options, Target
from mpm_core.devices import DeviceKind
from mpm_core.money import currency_exponent
from mpm_core.orders import ChargeKind
from mpm_core.plans import Plan, PlanKind, PlanRow
from tests.core.builders import access, on, owes, row, shs
from tests.core.strategies import (
    TODAY,
    Payment,
    accounts,
    amounts,
    outstanding,
    payments,
    targets,
)

EVERY_UNIT = math.inf  # an unlocked device is worth more than any number of days
STRICT = Options()


def pay(payment: Payment, **changes: object) -> Allocation:
    """Allocate a payment, or the same with some of its parts exchanged."""
    one = attrs.evolve(payment, **changes)
    return allocate(one.amount, one.account, one.target, TODAY, one.options)


def units(allocation: Allocation) -> float:
    if allocation.charge is None:
        return 0
    return EVERY_UNIT if allocation.charge.quantity is None else allocation.charge.quantity


def open_amounts(account: Account) -> dict[str, int]:
    rows = {row.id: row.remaining for plan in account.plans for row in plan.rows}
    return rows | {debt.id: debt.remaining for debt in account.access_debts}


@given(payments())
def test_lines_sum_to_the_amount_and_none_is_zero(payment):
    result = pay(payment)

    assert sum(line.amount for line in result.lines) == payment.amount
    assert all(line.amount for line in result.lines)


@given(payments())
def test_only_spent_credit_makes_a_negative_line_and_it_comes_first(payment):
    result, credit = pay(payment), payment.account.credit

    spent = [Line(kind=LineKind.CREDIT, amount=-credit)] if credit > 0 else []
    assert [line for line in result.lines if line.amount < 0] == spent
    assert list(result.lines[: len(spent)]) == spent


@given(payments())
def test_every_debt_falls_by_exactly_its_lines_and_never_below_zero(payment):
    result = pay(payment)

    expected = open_amounts(payment.account)
    for line in result.lines:
        if line.kind in {LineKind.INSTALMENT, LineKind.DOWN_PAYMENT, LineKind.ACCESS_RATE}:
            expected[line.refers_to] -= line.amount  # a stranger's row would be a KeyError
    assert open_amounts(result.account) == expected
    assert min(expected.values(), default=0) >= 0


@given(payments())
def test_credit_changes_by_its_lines_and_falls_below_zero_for_nobody(payment):
    result, credit = pay(payment), payment.account.credit

    change = sum(line.amount for line in result.lines if line.kind is LineKind.CREDIT)
    assert result.account.credit == credit + change
    assert result.account.credit >= min(0, credit)


@given(payments())
def test_taking_the_lines_back_restores_the_account(payment):
    result = pay(payment)

    counter = tuple(attrs.evolve(line, amount=-line.amount) for line in result.lines)
    assert apply_lines(result.account, counter) == payment.account


PAYS_OFF_ITS_DEVICE_BUT_NOT_A_LATER_ACCESS_RATE = Payment(
    amount=700,
    account=owes(shs(row("last", on(-2), 700)), access(200)),
    target=Target(serial="S1", kind=DeviceKind.SHS),
    options=STRICT,
)


@given(payments())
@example(PAYS_OFF_ITS_DEVICE_BUT_NOT_A_LATER_ACCESS_RATE)
def test_nothing_is_sold_or_kept_while_something_is_outstanding(payment):
    """A device that debts alone paid off is unlocked all the same, at no further charge."""
    result = pay(payment, options=STRICT)

    if any(outstanding(result.account).values()):
        assert result.account.credit <= 0
        assert units(result) in {0, EVERY_UNIT}
        assert result.charge is None or result.charge.money.minor == 0


@given(payments())
def test_device_and_access_debts_wait_for_appliances(payment):
    result = pay(payment)

    plans = payment.account.plans
    appliances = {row.id for plan in plans if plan.kind is PlanKind.APPLIANCE for row in plan.rows}
    if any(left for key, left in outstanding(result.account).items() if key in appliances):
        assert {line.refers_to for line in result.lines if line.refers_to} <= appliances


@given(payments())
def test_what_is_left_is_either_sold_or_objected_to(payment):
    result = pay(payment)

    assert len(result.objections) + (result.charge is not None) <= 1
    assert bool(result.calculation) == (result.charge is not None)
    if result.objections:
        assert result.lines[-1].kind is LineKind.CREDIT
    elif result.charge is None:
        assert result.account.credit <= 0


@given(payments())
def test_the_charge_is_paid_by_the_lines_that_clear_no_debt(payment):
    result = pay(payment, options=STRICT)

    debts = sum(outstanding(payment.account).values()) - sum(outstanding(result.account).values())
    value = sum(line.amount for line in result.lines if line.kind is not LineKind.CREDIT)
    assert value - debts == (result.charge.money.minor if result.charge else 0)


@given(payments())
def test_an_unlock_comes_exactly_with_settling_the_devices_plan(payment):
    result = pay(payment)

    own = payment.account.device_plan(payment.target.serial)
    settles = own is not None and own.id in result.settled_plans
    assert settles == (result.charge is not None and result.charge.kind is ChargeKind.UNLOCK)


def enough_for_debts(account: Account) -> int:
    return max(1, sum(outstanding(account).values()) - account.credit)


@given(accounts(), targets(kinds=(DeviceKind.METER,)), st.integers(0, 10**7))
def test_energy_is_the_most_whole_steps_the_money_buys(account, target, left):
    result = allocate(enough_for_debts(account) + left, account, target, TODAY)
    assume(result.charge is not None)

    step, quantity = target.energy_step or 1, result.charge.quantity
    price = Fraction(target.tariff.total_price) * 10 ** currency_exponent(account.currency) / 1000
    cost, available = result.charge.money.minor, int(result.calculation["available"])
    assert quantity > 0
    assert quantity % step == 0
    assert quantity * price <= cost < quantity * price + 1
    assert cost <= available < (quantity + step) * price


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

    result = allocate(enough_for_debts(account) + left, account, target, TODAY)

    if result.charge is None:
        assert [objection.code for objection in result.objections] == ["amount_below_minimum"]
    elif result.charge.kind is ChargeKind.TIME:
        exact = Fraction(result.charge.money.minor * gap, costs[0])
        assert Fraction(result.calculation["exact_days"]) == exact
        assert result.charge.quantity - 1 < exact <= result.charge.quantity
        assert exact >= 1


@given(payments(), st.randoms(use_true_random=False))
def test_the_order_of_storage_does_not_matter(payment, random):
    account = payment.account
    shuffled = attrs.evolve(
        account,
        plans=tuple(
            attrs.evolve(plan, rows=tuple(random.sample(plan.rows, len(plan.rows))))
            for plan in random.sample(account.plans, len(account.plans))
        ),
        access_debts=tuple(random.sample(account.access_debts, len(account.access_debts))),
    )

    first, second = pay(payment), pay(payment, account=shuffled)

    assert (first.lines, first.charge, first.objections, first.calculation) == (
        second.lines,
        second.charge,
        second.objections,
        second.calculation,
    )
    assert open_amounts(first.account) == open_amounts(second.account)
    assert sorted(first.settled_plans) == sorted(second.settled_plans)


little_or_much = st.integers(min_value=1, max_value=1_000) | amounts


@given(payments(), little_or_much)
def test_more_money_never_clears_less_and_never_sells_less(payment, more):
    """True without exception: what a minimum keeps unsold clears no less debt either."""
    less_paid = pay(payment)
    more_paid = pay(payment, amount=payment.amount + more)

    before, after = open_amounts(less_paid.account), open_amounts(more_paid.account)
    assert all(after[key] <= left for key, left in before.items())
    assert units(more_paid) >= units(less_paid)


@given(payments(), little_or_much)
def test_two_accepted_payments_leave_the_debts_of_their_sum(payment, second):
    one = pay(payment)
    two = pay(payment, amount=second, account=one.account)
    assume(not one.objections and not two.objections)

    both = pay(payment, amount=payment.amount + second)

    assert not both.objections
    assert open_amounts(two.account) == open_amounts(both.account)


@given(payments(), little_or_much)
def test_two_payments_clear_the_outstanding_debts_of_their_sum_even_if_objected_to(payment, second):
    one = pay(payment, options=STRICT)
    two = pay(payment, amount=second, account=one.account, options=STRICT)

    both = pay(payment, amount=payment.amount + second, options=STRICT)

    assert outstanding(two.account) == outstanding(both.account)


@given(payments())
def test_an_objection_names_amounts_that_work(payment):
    result = pay(payment)

    message = result.objections[0].message if result.objections else ""
    if exactly := re.search(r"exactly ([0-9.]+)", message):
        assert not pay(payment, amount=minor(exactly[1], payment)).objections
    if at_least := re.search(r"at least ([0-9.]+)", message):
        least = minor(at_least[1], payment)
        assert least > payment.amount
        assert pay(payment, amount=least).charge is not None
        assert pay(payment, amount=least - 1).charge is None


def minor(text: str, payment: Payment) -> int:
    return int(Fraction(text) * 10 ** currency_exponent(payment.account.currency))


@given(payments(), st.integers(max_value=0))
def test_an_amount_that_is_not_positive_is_an_error_of_the_caller(payment, amount):
    with pytest.raises(ValueError, match="a payment is more than 0"):
        pay(payment, amount=amount)
