"""The rules of agents' money: examples E-67 to E-71, cases T-73 to T-78, and what always holds."""

from __future__ import annotations

from fractions import Fraction

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_host.agents.agent_rules import (
    AgentAccount,
    CommissionRate,
    EntryKind,
    Movement,
    collect,
    hand_over,
)
from mpm_host.refusals import ServiceRefused

LARGE = 10**13
RATES = st.integers(0, 10**8).map(lambda part: f"{part // 10**8}.{part % 10**8:08}")


def account(balance=0, commission=0, rate="0.10", risk_balance=1_000_000, currency="TZS"):
    """An account; amounts are minor units."""
    return AgentAccount(
        currency=currency,
        rate=CommissionRate.parse(rate),
        risk_balance=risk_balance,
        balance=balance,
        commission=commission,
    )


def refusal(act, *arguments):
    with pytest.raises(ServiceRefused) as refused:
        act(*arguments)
    return refused.value.code, str(refused.value)


def test_e_67_a_sale_raises_balance_and_commission():
    before = account()
    after = before.after(collect(before, 300_000, EntryKind.PAYMENT))
    assert (after.balance, after.commission, after.due) == (300_000, 30_000, 270_000)


def test_e_68_handing_over_what_is_due_leaves_nothing():
    before = account(balance=300_000, commission=30_000)
    movements = hand_over(before, 270_000)
    assert movements == (
        Movement(kind=EntryKind.HANDED_OVER, amount=-270_000),
        Movement(kind=EntryKind.COMMISSION_PAID, amount=-30_000, commission=-30_000),
    )
    after = before.after(*movements)
    assert (after.balance, after.commission) == (0, 0)


def test_e_69_a_sale_above_the_risk_balance_is_refused():
    held = account(balance=280_000, risk_balance=300_000)
    assert refusal(collect, held, 30_000, EntryKind.PAYMENT) == (
        "agent_limit",
        (
            "The agent holds 2800 TZS and may hold 3000 TZS; 300 TZS more is too much. "
            "Hand cash over to the company first."
        ),
    )
    assert collect(held, 20_000, EntryKind.PAYMENT).amount == 20_000


@pytest.mark.parametrize("amount", [0, -50_000], ids=["nothing", "E-70"])
@pytest.mark.parametrize("act", [lambda of, much: collect(of, much, EntryKind.PAYMENT), hand_over])
def test_e_70_an_amount_of_nothing_or_less_is_refused(act, amount):
    code, message = refusal(act, account(balance=100), amount)
    assert code == "amount_invalid"
    assert message == f"The amount is {amount // 100} TZS; it must be more than 0."


def test_e_71_minor_units_are_kept():
    before = account()
    assert before.after(collect(before, 99_990, EntryKind.PAYMENT)).balance == 99_990


def test_t_75_and_t_76_commission_is_paid_once():
    before = account(rate="0.05")
    sold = before.after(collect(before, 10_000, EntryKind.PAYMENT))
    first = hand_over(sold, 5_000)
    assert sum(each.amount for each in first) == -5_500
    assert sum(each.commission for each in first) == -500
    once = sold.after(*first)
    assert once.balance == 4_500

    start = sold.after(*hand_over(sold, 4_000))
    second = hand_over(start, 3_000)
    assert second == (Movement(kind=EntryKind.HANDED_OVER, amount=-3_000),)
    assert start.after(*second).balance == 2_500


@pytest.mark.parametrize(
    ("held", "amount", "expected"),
    [
        pytest.param(
            account(balance=10_000),
            20_000,
            (
                "receipt_above_due",
                (
                    "The receipt of 200 TZS is above what the agent owes, 100 TZS; write what was "
                    "handed over."
                ),
            ),
            id="T-77 above due",
        ),
        pytest.param(
            account(balance=10_000, commission=500),
            9_501,
            (
                "receipt_above_due",
                (
                    "The receipt of 95.01 TZS is above what the agent owes, 95 TZS; write what was "
                    "handed over."
                ),
            ),
            id="above what is left after the commission",
        ),
        pytest.param(
            account(),
            100,
            (
                "nothing_due",
                (
                    "The agent holds 0 TZS of the company's cash and has earned 0 TZS: there is "
                    "nothing to hand over."
                ),
            ),
            id="T-77 no activity",
        ),
    ],
)
def test_t_77_a_receipt_that_nothing_is_due_for_is_refused(held, amount, expected):
    assert refusal(hand_over, held, amount) == expected


@pytest.mark.parametrize("text", ["0", "1", "1.0", "0.10", " 0.12345678 ", "0000"])
def test_a_commission_rate_is_a_decimal_from_0_to_1(text):
    assert CommissionRate.parse(text).text == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "1.00000001",
        "2",
        "-0.1",
        "",
        "0,1",
        "1e-1",
        "0.123456789",
        "ten",
        "½",
        "\u0660.\u0661",
        ".1",
        "10%",
    ],
)
def test_t_78_another_commission_rate_is_refused(text):
    code, message = refusal(CommissionRate.parse, text)
    assert (code, message) == (
        "commission_rate_invalid",
        (
            f"The commission rate {text!r} cannot be used; write a decimal from 0 to 1 with at "
            "most 8 decimals, such as 0.10 for a tenth."
        ),
    )


@given(rate=RATES, amounts=st.lists(st.integers(1, LARGE), max_size=20))
@example(rate="0.10", amounts=[9, 9, 9])
def test_commissions_together_never_exceed_the_rate_of_the_total(rate, amounts):
    earned = [CommissionRate.parse(rate).of(amount) for amount in amounts]
    assert sum(earned) <= Fraction(rate) * sum(amounts)
    assert all(
        0 <= Fraction(rate) * amount - each < 1
        for amount, each in zip(amounts, earned, strict=True)
    )


@given(
    rate=RATES,
    limit=st.integers(0, 10_000),
    steps=st.lists(st.tuples(st.booleans(), st.integers(-10, 5_000)), max_size=30),
)
def test_an_agent_never_holds_more_than_the_limit_nor_less_than_nothing(rate, limit, steps):
    now = account(rate=rate, risk_balance=limit)
    taken = handed = paid = 0
    for takes, amount in steps:
        try:
            moves = (collect(now, amount, EntryKind.PAYMENT),) if takes else hand_over(now, amount)
        except ServiceRefused:
            continue
        now = now.after(*moves)
        taken += sum(each.amount for each in moves if each.kind is EntryKind.PAYMENT)
        handed -= sum(each.amount for each in moves if each.kind is EntryKind.HANDED_OVER)
        paid -= sum(each.amount for each in moves if each.kind is EntryKind.COMMISSION_PAID)
        assert 0 <= now.commission <= now.balance <= limit
    assert now.balance == taken - handed - paid
    assert paid + now.commission <= Fraction(rate) * taken


def test_after_a_reversal_of_paid_commission_the_agent_owes_it():
    owing = attrs.evolve(account(), balance=0, commission=-500)
    assert owing.due == 500
    movements = hand_over(owing, 500)
    after = owing.after(*movements)
    assert (after.balance, after.commission) == (0, 0)
