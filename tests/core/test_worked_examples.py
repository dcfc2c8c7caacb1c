"""The worked examples of the specification, by their numbers: what a payment becomes.

Amounts are Ugandan shillings, which have no smaller unit, unless an example needs decimals.
"""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from mpm_core.allocation import allocate
from mpm_core.allocation.accounts import Account, Options, Target
from mpm_core.devices import DeviceKind
from mpm_core.orders import ChargeKind
from mpm_core.tariffs import PriceComponent
from tests.core.builders import (
    S1,
    TODAY,
    TV,
    YESTERDAY,
    access,
    appliance,
    every,
    meter,
    on,
    owes,
    row,
    shs,
)

ARREARS = Options(arrears_buy_time=True)
TWO_OF_FOUR_OVERDUE = every(31, 1000, first=-40)
TV_SHS_AND_ACCESS = owes(
    appliance(row("tv", on(-9), 300)), shs(row("shs-1", on(-8), 700)), access(200, due_on=on(-7))
)

Lines = list[tuple[str, int] | tuple[str, int, str]]


@attrs.frozen
class Example:
    """Who pays what for which device, and the lines and what the device gets.

    `gets` is watt-hours, days, `UNLOCK`, or `None`.
    """

    account: Account
    target: Target
    paid: int
    lines: Lines
    gets: int | str | None
    objection: tuple[str, str] | None = None
    options: Options = attrs.field(factory=Options)


UNLOCK = "unlock"

METERS_WITHOUT_DEBT = {
    "E-01": Example(owes(), meter(100), 1000, [("energy", 1000)], 10_000),
    "E-02": Example(
        owes(),
        meter(100, components=(PriceComponent(name="VAT", price_per_kwh=Decimal(25)),)),
        1000,
        [("energy", 1000)],
        8_000,
    ),
    "E-03": Example(owes(), meter(130, step=100), 1000, [("energy", 988), ("credit", 12)], 7_600),
    "E-04": Example(owes(), meter(300), 1000, [("energy", 1000)], 3_333),
    "E-04-with-cents": Example(
        owes(currency="TZS"), meter(300), 1000_00, [("energy", 999_90), ("credit", 10)], 3_333
    ),
    "E-05": Example(
        owes(),
        meter(100, minimum=500),
        400,
        [("credit", 400)],
        None,
        (
            "amount_below_minimum",
            (
                "What is left for device M1 is 400 UGX, but nothing is sold to it below 500 UGX. "
                "Pay at least 500 UGX."
            ),
        ),
    ),
    "E-06": Example(owes(), meter(100, minimum=500), 500, [("energy", 500)], 5_000),
    "E-07-price-0": Example(
        owes(),
        meter(0),
        1000,
        [("credit", 1000)],
        None,
        (
            "no_price",
            "The tariff of device M1 has price 0. Its company must set a price.",
        ),
    ),
    "E-07-tariff-missing": Example(
        owes(),
        Target(serial="M1", kind=DeviceKind.METER, energy_step=100),
        1000,
        [("credit", 1000)],
        None,
        ("no_tariff", "Device M1 has no tariff. Its company must give it one."),
    ),
    "E-74": Example(
        owes(credit=12),
        meter(130, step=100),
        1000,
        [("credit", -12), ("energy", 1001), ("credit", 11)],
        7_700,
    ),
}

METERS_WITH_DEBTS = {
    "E-08": Example(
        owes(TV), meter(100), 1000, [("instalment", 300, "tv"), ("energy", 700)], 7_000
    ),
    "E-09": Example(
        owes(access(200)),
        meter(100),
        1000,
        [("access_rate", 200, "access M1"), ("energy", 800)],
        8_000,
    ),
    "E-10": Example(
        owes(access(200)),
        meter(100, minimum=100),
        1000,
        [("access_rate", 200, "access M1"), ("energy", 800)],
        8_000,
    ),
    "E-11": Example(owes(access(500)), meter(100), 300, [("access_rate", 300, "access M1")], None),
    "E-12": Example(
        owes(access(500)), meter(100, minimum=100), 300, [("access_rate", 300, "access M1")], None
    ),
    "E-13": Example(
        owes(appliance(row("mill", YESTERDAY, 15_000)), access(2_000)),
        meter(1000),
        20_000,
        [("instalment", 15_000, "mill"), ("access_rate", 2_000, "access M1"), ("energy", 3_000)],
        3_000,
    ),
    "E-14": Example(
        owes(appliance(row("tv-1", on(-40), 400), row("tv-2", on(-10), 400))),
        meter(100),
        500,
        [("instalment", 400, "tv-1"), ("instalment", 100, "tv-2")],
        None,
    ),
    "E-15": Example(
        owes(appliance(row("a", YESTERDAY, 300), row("b", TODAY, 300))),
        meter(100),
        700,
        [("instalment", 300, "a"), ("energy", 400)],
        4_000,
    ),
    "E-16": Example(owes(TV), meter(100), 300, [("instalment", 300, "tv")], None),
    "E-17": Example(
        owes(appliance(row("tv", YESTERDAY, 900))),
        meter(100, minimum=200),
        1000,
        [("instalment", 900, "tv"), ("credit", 100)],
        None,
        (
            "amount_below_minimum",
            (
                "What is left for device M1 is 100 UGX, but nothing is sold to it below 200 UGX. "
                "Pay exactly 900 UGX to clear what is owed, or at least 1100 UGX."
            ),
        ),
    ),
    "E-18": Example(
        owes(appliance(row("tv", YESTERDAY, 900))),
        meter(100, minimum=200),
        900,
        [("instalment", 900, "tv")],
        None,
    ),
    "E-19": Example(
        owes(shs(row("shs-1", YESTERDAY, 700))),
        meter(100),
        1000,
        [("instalment", 700, "shs-1"), ("energy", 300)],
        3_000,
    ),
    "E-20": Example(
        TV_SHS_AND_ACCESS,
        meter(100),
        1500,
        [
            ("instalment", 300, "tv"),
            ("instalment", 700, "shs-1"),
            ("access_rate", 200, "access M1"),
            ("energy", 300),
        ],
        3_000,
    ),
    "E-21": Example(
        TV_SHS_AND_ACCESS,
        meter(100),
        900,
        [("instalment", 300, "tv"), ("instalment", 600, "shs-1")],
        None,
    ),
    "E-22": Example(
        owes(access(150, serial="M2")),
        meter(100),
        500,
        [("access_rate", 150, "access M2"), ("energy", 350)],
        3_500,
    ),
    "E-23": Example(
        owes(access(199_50), currency="TZS"),
        meter(100),
        1000_00,
        [("access_rate", 199_50, "access M1"), ("energy", 800_50)],
        8_005,
    ),
    # A stranger's debt cannot be paid: an account holds one customer's debts only.
    "E-24": Example(owes(), meter(100), 1000, [("energy", 1000)], 10_000),
}

INSTALMENT_PLANS = {
    "E-25": Example(owes(every(7, 700)), S1, 700, [("instalment", 700, "shs-1")], 7),
    "E-26": Example(
        owes(every(7, 700)),
        S1,
        800,
        [("instalment", 700, "shs-1"), ("instalment", 100, "shs-2")],
        8,
    ),
    "E-27": Example(
        owes(shs(row("a", TODAY, 700, 35), row("b", on(7), 700), row("c", on(14), 700))),
        S1,
        800,
        [("instalment", 35, "a"), ("instalment", 700, "b"), ("instalment", 65, "c")],
        8,
    ),
    "E-28": Example(owes(every(7, 150)), S1, 150, [("instalment", 150, "shs-1")], 7),
    "E-29-strict": Example(
        owes(TWO_OF_FOUR_OVERDUE),
        S1,
        1500,
        [("instalment", 1000, "shs-1"), ("instalment", 500, "shs-2")],
        None,
    ),
    "E-29-arrears-buy-time": Example(
        owes(TWO_OF_FOUR_OVERDUE),
        S1,
        1500,
        [("instalment", 1000, "shs-1"), ("instalment", 500, "shs-2")],
        47,
        options=ARREARS,
    ),
    "E-30-strict": Example(
        owes(TWO_OF_FOUR_OVERDUE),
        S1,
        2500,
        [
            ("instalment", 1000, "shs-1"),
            ("instalment", 1000, "shs-2"),
            ("instalment", 500, "shs-3"),
        ],
        16,
    ),
    "E-30-arrears-buy-time": Example(
        owes(TWO_OF_FOUR_OVERDUE),
        S1,
        2500,
        [
            ("instalment", 1000, "shs-1"),
            ("instalment", 1000, "shs-2"),
            ("instalment", 500, "shs-3"),
        ],
        78,
        options=ARREARS,
    ),
    "E-31": Example(
        owes(shs(row("first", on(-25), 1000, 0), row("last", on(5), 1000))),
        S1,
        1000,
        [("instalment", 1000, "last")],
        UNLOCK,
    ),
    "E-32": Example(
        owes(shs(row("first", on(-25), 1000, 0), row("last", on(5), 1000))),
        S1,
        1500,
        [("instalment", 1000, "last"), ("credit", 500)],
        UNLOCK,
    ),
    "E-36": Example(owes(every(7, 385, count=2)), S1, 384, [("instalment", 384, "shs-1")], 7),
    "E-37": Example(
        owes(every(7, 700), TV),
        S1,
        1000,
        [("instalment", 300, "tv"), ("instalment", 700, "shs-1")],
        7,
    ),
    "E-38": Example(
        owes(every(7, 700), access(200)),
        S1,
        900,
        [("access_rate", 200, "access M1"), ("instalment", 700, "shs-1")],
        7,
    ),
    "E-39": Example(
        owes(shs(row("a", on(-20), 700, 0))),
        S1,
        100,
        [("credit", 100)],
        None,
        ("plan_already_settled", "Device S1 is paid off already."),
    ),
    "E-39-no-rows": Example(
        owes(shs()),
        S1,
        100,
        [("credit", 100)],
        None,
        ("plan_already_settled", "Device S1 is paid off already."),
    ),
    "E-40": Example(
        owes(),
        S1,
        500,
        [("credit", 500)],
        None,
        ("no_plan", "Device S1 has no payment plan. Its company must sell it on one."),
    ),
}

ENERGY_AS_A_SERVICE = {
    "E-41": Example(owes(shs(price_per_day=100)), S1, 500, [("eaas", 500, "shs")], 5),
    "E-42": Example(owes(shs(price_per_day=100)), S1, 550, [("eaas", 550, "shs")], 6),
    "E-43": Example(
        owes(shs(price_per_day=100, minimum_payment=300)),
        S1,
        100,
        [("credit", 100)],
        None,
        (
            "amount_below_minimum",
            (
                "What is left for device S1 is 100 UGX, but nothing is sold to it below 300 UGX. "
                "Pay at least 300 UGX."
            ),
        ),
    ),
    "E-44": Example(
        owes(shs(price_per_day=0)),
        S1,
        500,
        [("credit", 500)],
        None,
        (
            "no_price",
            "The plan of device S1 has price 0 per day. Its company must set a price.",
        ),
    ),
    "E-45": Example(
        owes(shs(price_per_day=100), TV),
        S1,
        500,
        [("instalment", 300, "tv"), ("eaas", 200, "shs")],
        2,
    ),
}

BEYOND_THE_NUMBERED = {
    "debts-alone-settle-the-plan": Example(
        owes(shs(row("last", YESTERDAY, 700))), S1, 700, [("instalment", 700, "last")], UNLOCK
    ),
    "debts-alone-settle-the-plan-with-money-left": Example(
        owes(shs(row("last", YESTERDAY, 700))),
        S1,
        750,
        [("instalment", 700, "last"), ("credit", 50)],
        UNLOCK,
    ),
    "arrears-that-settle-the-plan": Example(
        owes(shs(row("last", YESTERDAY, 700))),
        S1,
        750,
        [("instalment", 700, "last"), ("credit", 50)],
        UNLOCK,
        options=ARREARS,
    ),
    "less-than-a-day-buys-none": Example(
        owes(every(7, 700)),
        S1,
        99,
        [("credit", 99)],
        None,
        (
            "amount_below_minimum",
            (
                "What is left for device S1 is 99 UGX, but nothing is sold to it below 100 UGX. "
                "Pay at least 100 UGX."
            ),
        ),
    ),
    "less-than-a-day-settles-the-plan": Example(
        owes(shs(row("a", on(-7), 700, 0), row("b", TODAY, 700, 9))),
        S1,
        9,
        [("instalment", 9, "b")],
        UNLOCK,
    ),
    "less-energy-than-a-step": Example(
        owes(),
        meter(130, step=100),
        12,
        [("credit", 12)],
        None,
        (
            "amount_below_minimum",
            (
                "What is left for device M1 is 12 UGX, but nothing is sold to it below 13 UGX. "
                "Pay at least 13 UGX."
            ),
        ),
    ),
    "no-tariff-but-a-debt": Example(
        owes(TV),
        Target(serial="M1", kind=DeviceKind.METER),
        1000,
        [("instalment", 300, "tv"), ("credit", 700)],
        None,
        (
            "no_tariff",
            (
                "Device M1 has no tariff. Its company must give it one. "
                "Pay exactly 300 UGX to clear what is owed."
            ),
        ),
    ),
    "no-tariff-and-nothing-left": Example(
        owes(TV),
        Target(serial="M1", kind=DeviceKind.METER),
        300,
        [("instalment", 300, "tv")],
        None,
    ),
    "credit-pays-debt-too": Example(
        owes(TV, credit=100), meter(100), 200, [("credit", -100), ("instalment", 300, "tv")], None
    ),
    "credit-lowers-what-must-be-paid": Example(
        owes(credit=50),
        meter(100, minimum=500),
        400,
        [("credit", -50), ("credit", 450)],
        None,
        (
            "amount_below_minimum",
            (
                "What is left for device M1 is 450 UGX, but nothing is sold to it below 500 UGX. "
                "Pay at least 450 UGX."
            ),
        ),
    ),
    "what-a-reversal-left-owing-comes-first": Example(
        owes(TV, credit=-50),
        meter(100),
        1000,
        [("credit", 50), ("instalment", 300, "tv"), ("energy", 650)],
        6_500,
    ),
    "what-a-reversal-left-owing-takes-all": Example(
        owes(TV, credit=-50), meter(100), 40, [("credit", 40)], None
    ),
    "less-than-a-day-of-a-service-buys-none": Example(
        owes(shs(price_per_day=100)),
        S1,
        99,
        [("credit", 99)],
        None,
        (
            "amount_below_minimum",
            (
                "What is left for device S1 is 99 UGX, but nothing is sold to it below 100 UGX. "
                "Pay at least 100 UGX."
            ),
        ),
    ),
    "appliances-are-cleared-oldest-first-whatever-their-ids": Example(
        owes(appliance(row("a", on(-1), 300)), appliance(row("b", on(-2), 300))),
        meter(100),
        400,
        [("instalment", 300, "b"), ("instalment", 100, "a")],
        None,
    ),
    "device-debts-are-cleared-oldest-first-whatever-their-kinds": Example(
        owes(shs(row("a", on(-1), 300)), access(300, due_on=on(-2))),
        meter(100),
        400,
        [("access_rate", 300, "access M1"), ("instalment", 100, "a")],
        None,
    ),
    "debts-of-the-same-day-are-cleared-by-id": Example(
        owes(appliance(row("b", on(-1), 300)), appliance(row("a", on(-1), 300))),
        meter(100),
        400,
        [("instalment", 300, "a"), ("instalment", 100, "b")],
        None,
    ),
    "access-rate-comes-last-on-the-same-day": Example(
        owes(access(200, due_on=YESTERDAY), shs(row("shs-1", YESTERDAY, 700))),
        meter(100),
        800,
        [("instalment", 700, "shs-1"), ("access_rate", 100, "access M1")],
        None,
    ),
    "access-rate-of-tomorrow-is-no-debt": Example(
        owes(access(200, due_on=on(1))), meter(100), 500, [("energy", 500)], 5_000
    ),
}

EXAMPLES = (
    METERS_WITHOUT_DEBT
    | METERS_WITH_DEBTS
    | INSTALMENT_PLANS
    | ENERGY_AS_A_SERVICE
    | BEYOND_THE_NUMBERED
)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_payment_becomes_the_lines_and_the_charge_of_the_example(example):
    result = allocate(example.paid, example.account, example.target, TODAY, example.options)

    assert [shown(line) for line in result.lines] == example.lines
    assert got(result.charge) == example.gets
    assert [(one.code, one.message) for one in result.objections] == (
        [example.objection] if example.objection else []
    )


def shown(line):
    parts = (line.kind.value, line.amount)
    return (*parts, line.refers_to) if line.refers_to else parts


def got(charge):
    if charge is None:
        return None
    return UNLOCK if charge.kind is ChargeKind.UNLOCK else charge.quantity


# (period in days, instalment): dividing these in binary floating point buys one day too many.
FLOATS_OVERSHOOT = [
    *[(7, cost) for cost in (75, 150, 300, 600, 1200)],
    *[(31, cost) for cost in (100, 200, 400, 800, 1050)],
    (30, 550),
    *[(28, cost) for cost in (150, 600, 15_000)],
]


@pytest.mark.parametrize(("gap", "cost"), FLOATS_OVERSHOOT)
def test_e_28_one_instalment_buys_exactly_its_period(gap, cost):
    result = allocate(cost, owes(every(gap, cost)), S1, TODAY)

    assert result.charge.quantity == gap
