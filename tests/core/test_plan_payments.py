"""Paying one plan by its name: the plan's rows, and nothing else of the customer."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mpm_core.allocation import allocate
from mpm_core.allocation.accounts import Account, Options, Target
from mpm_core.allocation.plan_payments import allocate_to_plan
from mpm_core.devices import DeviceKind
from mpm_core.orders import ChargeKind
from mpm_core.plans import PlanChangeRefused, PlanKind, next_payable_amount
from tests.core.builders import (
    S1,
    TODAY,
    access,
    appliance,
    every,
    exactly,
    on,
    owes,
    row,
    shs,
)
from tests.core.strategies import SERIALS, accounts, amounts

STRICT = Options()
KINDS = {PlanKind.SHS: DeviceKind.SHS, PlanKind.E_BIKE: DeviceKind.E_BIKE}
TV = appliance(row("tv-1", on(10), 200), row("tv-2", on(40), 200), row("tv-3", on(70), 200))


def lines(allocation):
    return [(line.kind, line.amount, line.refers_to) for line in allocation.lines]


def test_a_plain_appliance_is_paid_row_by_row_before_they_are_due_and_credit_stays():
    account = owes(TV, access(500), credit=70)

    paid = allocate_to_plan(300, account, TV.id, None, TODAY, STRICT)

    assert lines(paid) == [("instalment", 200, "tv-1"), ("instalment", 100, "tv-2")]
    assert (paid.charge, paid.objections, paid.settled_plans) == (None, (), ())
    assert paid.account.credit == 70
    assert [debt.remaining for debt in paid.account.access_debts] == [500]


def test_paying_all_that_is_open_settles_the_plan():
    paid = allocate_to_plan(600, owes(TV), TV.id, None, TODAY, STRICT)

    assert paid.settled_plans == (TV.id,)


def test_energy_as_a_service_without_a_device_is_paid_as_use():
    fan = attrs.evolve(TV, rows=(), price_per_day=50, minimum_payment=100)

    paid = allocate_to_plan(120, owes(fan), fan.id, None, TODAY, STRICT)

    assert lines(paid) == [("eaas", 120, fan.id)]


@pytest.mark.parametrize(
    ("plan", "amount", "expected", "days"),
    [
        (every(30, 300, first=5), 600, [("instalment", 300), ("instalment", 300)], 60),
        (shs(price_per_day=100, minimum_payment=300), 300, [("eaas", 300)], 3),
        # what is overdue is debt and buys no days, unless the company chose otherwise
        (every(30, 300, first=-5), 450, [("instalment", 300), ("instalment", 150)], 15),
    ],
    ids=["instalments", "T-22", "overdue"],
)
def test_a_devices_plan_buys_days_like_a_payment_without_other_debts(plan, amount, expected, days):
    account = owes(plan, TV, access(500, due_on=on(-1)))

    paid = allocate_to_plan(amount, account, plan.id, S1, TODAY, STRICT)

    assert [(line.kind, line.amount) for line in paid.lines] == expected
    assert (paid.charge.kind, paid.charge.quantity) == (ChargeKind.TIME, days)


def test_paying_off_a_devices_plan_unlocks_it():
    plan = every(30, 300, first=5, count=2)

    paid = allocate_to_plan(600, owes(plan, TV), plan.id, S1, TODAY, STRICT)

    assert paid.charge.kind is ChargeKind.UNLOCK
    assert paid.settled_plans == (plan.id,)


def test_less_than_the_next_instalment_is_refused():
    message = exactly("199 UGX is too little for plan 'of tv-1'; take at least 200 UGX.")

    with pytest.raises(PlanChangeRefused, match=message) as refused:
        allocate_to_plan(199, owes(TV), TV.id, None, TODAY, STRICT)
    assert refused.value.code == "amount_below_minimum"


@pytest.mark.parametrize(
    ("account", "plan_id", "target", "message"),
    [
        (owes(TV), "other", None, "The account has no plan 'other'."),
        (owes(every(30, 300)), "shs", None, "Plan 'shs' is of device 'S1'; give that one."),
        (
            owes(every(30, 300)),
            "shs",
            Target(serial="S2", kind=DeviceKind.SHS),
            "Plan 'shs' is of device 'S1'; give that one.",
        ),
    ],
    ids=["no plan", "no device", "another device"],
)
def test_a_callers_mistake_is_told(account, plan_id, target, message):
    with pytest.raises(ValueError, match=exactly(message)):
        allocate_to_plan(300, account, plan_id, target, TODAY, STRICT)


@st.composite
def plan_payments(draw: st.DrawFn):
    account = draw(accounts())
    assume(account.plans)
    plan = draw(st.sampled_from(account.plans))
    near = {next_payable_amount(plan), plan.open_total} - {0}
    amount = draw(st.sampled_from(sorted(near))) if near and draw(st.booleans()) else draw(amounts)
    target = None
    if plan.kind is not PlanKind.APPLIANCE:
        kind = KINDS[plan.kind]
        target = Target(serial=SERIALS[kind], kind=kind)
    return amount, account, plan, target


def others(account: Account, plan_id: str) -> Account:
    return attrs.evolve(account, plans=tuple(plan for plan in account.plans if plan.id != plan_id))


@given(plan_payments())
def test_lines_sum_to_the_amount_and_touch_nothing_but_the_plan(payment):
    amount, account, plan, target = payment
    try:
        paid = allocate_to_plan(amount, account, plan.id, target, TODAY, STRICT)
    except PlanChangeRefused:
        return
    assert sum(line.amount for line in paid.lines) == amount
    if not paid.objections:
        assert others(paid.account, plan.id) == others(account, plan.id)
        assert (paid.charge is None) is (target is None or not sells(paid, plan, account, amount))


def sells(paid, plan, account, amount) -> bool:
    """Tell whether the same money bought something if nothing else were owed."""
    target = Target(serial=plan.device_serial, kind=KINDS[plan.kind])
    alone = Account(currency=account.currency, plans=(plan,))
    return allocate(amount, alone, target, TODAY, STRICT).charge is not None
