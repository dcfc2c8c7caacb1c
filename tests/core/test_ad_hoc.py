"""Ad-hoc tokens: what staff give past all debts, and why not."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mpm_core.allocation.accounts import Account, Target
from mpm_core.allocation.ad_hoc import AdHocRefused, sell_ad_hoc
from mpm_core.allocation.ad_hoc_units import AdHocUnit, objection_to_unit
from mpm_core.devices import DeviceKind
from mpm_core.orders import ChargeKind
from mpm_core.plans import price_basis
from mpm_core.tariffs import price_of
from mpm_core.units import Unit, format_kwh
from tests.core.builders import S1, access, appliance, every, meter, on, owes, row, shs
from tests.core.strategies import accounts, amounts, targets

CURRENCY, KWH, DAYS = AdHocUnit.CURRENCY, AdHocUnit.KWH, AdHocUnit.DAYS
EVERYTHING = frozenset(ChargeKind)
DEBTS = (appliance(row("tv", on(-1), 300)), access(200))
SERVICE = shs(price_per_day=250, minimum_payment=5000)

GIVEN = {
    # account, device, amount, unit → money, lines, quantity and its unit
    "T-42": (owes(*DEBTS), meter(100), "500", CURRENCY, 500, [("energy", 500)], 5000),
    "T-42-days": (owes(SERVICE, *DEBTS), S1, "500", CURRENCY, 500, [("time", 500)], 2),
    "E-72-T-43": (owes(SERVICE, *DEBTS), S1, "4", DAYS, 1000, [("time", 1000)], 4),
    "E-73-T-44": (owes(*DEBTS), meter(120), "3", KWH, 360, [("energy", 360)], 3000),
    "T-45": (owes(SERVICE), S1, "7.25", DAYS, 1813, [("time", 1813)], 8),
    "of a plan": (owes(every(7, 700)), S1, "4", DAYS, 400, [("time", 400)], 4),
    "a week of 100": (owes(every(7, 100)), S1, "4", DAYS, 58, [("time", 58)], 4),
    "half a shilling more": (owes(), meter(500, step=1), "3.001", KWH, 1501, [("energy", 1501)],
                             3001),
    "the rest is credit": (owes(credit=7), meter(130, step=100), "500", CURRENCY, 500,
                           [("energy", 494), ("credit", 6)], 3800),
    "below the smallest purchase": (owes(), meter(100, minimum=1000), "100", CURRENCY, 100,
                                    [("energy", 100)], 1000),
}  # fmt: skip


@pytest.mark.parametrize(
    ("account", "target", "amount", "unit", "money", "lines", "quantity"),
    GIVEN.values(),
    ids=GIVEN.keys(),
)
def test_a_token_is_priced_like_what_customers_buy_and_clears_no_debt(
    account, target, amount, unit, money, lines, quantity
):
    sold = sell_ad_hoc(amount, unit, account, target, EVERYTHING)

    assert (sold.money.minor, sold.money.currency) == (money, "UGX")
    assert [(line.kind, line.amount) for line in sold.sale.lines] == lines
    assert sold.sale.charge.quantity == quantity
    assert sold.sale.charge.money.minor == lines[0][1]


def test_the_calculation_says_how_days_were_rounded():
    sold = sell_ad_hoc("7.25", DAYS, owes(SERVICE), S1, EVERYTHING)

    assert sold.sale.charge.unit_price == Decimal(250)
    assert sold.sale.calculation == {
        "cost": "250", "gap_days": "1", "used": "1813", "exact_days": "29/4", "rounding": "up",
        "days": "8",
    }  # fmt: skip


NO_TARIFF = attrs.evolve(meter(100), tariff=None)
SETTLED = shs(row("shs", on(-9), 700, 0))
OBJECTED = {
    "T-46-kWh": (KWH, owes(SERVICE), S1, EVERYTHING, "unit_not_supported",
                 "Device S1 is of kind shs and takes no kWh; use days or currency."),
    "T-46-days": (DAYS, owes(), meter(100), EVERYTHING, "unit_not_supported",
                  "Device M1 is of kind meter and takes no days; use kWh or currency."),
    "T-47-tariff": (KWH, owes(), NO_TARIFF, EVERYTHING, "no_tariff",
                    "Device M1 has no tariff; give it one first."),
    "T-47-plan": (DAYS, owes(), S1, EVERYTHING, "no_plan",
                  "Device S1 has no payment plan; sell it on one first."),
    "T-47-supported": (CURRENCY, owes(SERVICE), S1, {ChargeKind.ENERGY}, "unit_not_supported",
                       "The manufacturer's plugin of device S1 makes no tokens for time."),
    "price 0": (CURRENCY, owes(), meter(0), EVERYTHING, "no_price",
                "The tariff of device M1 has price 0; set a price first."),
    "price 0 per day": (CURRENCY, owes(shs(price_per_day=0)), S1, EVERYTHING, "no_price",
                        "The plan of device S1 has price 0 per day; set a price first."),
    "settled": (CURRENCY, owes(SETTLED), S1, EVERYTHING, "plan_already_settled",
                "Device S1 is paid off and needs no days any more."),
}  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "account", "target", "sells", "code", "message"), OBJECTED.values(), ids=OBJECTED
)
def test_an_impossible_unit_is_refused_with_the_reason_told_before(
    unit, account, target, sells, code, message
):
    objection = objection_to_unit(unit, account, target, sells)

    assert (objection.code, objection.message) == (code, message)
    with pytest.raises(AdHocRefused) as refused:
        sell_ad_hoc("1000", unit, account, target, sells)
    assert (refused.value.code, str(refused.value)) == (code, message)


REFUSED = {
    "T-49": ("0", CURRENCY, meter(100), "amount_invalid", "The amount 0 must be more than 0."),
    "no kWh": ("0", KWH, meter(100), "amount_invalid", "The amount 0 kWh must be more than 0."),
    "no days": ("0.0", DAYS, S1, "amount_invalid", "The amount 0.0 days must be more than 0."),
    "part of a shilling": ("1.5", CURRENCY, meter(100), "amount_invalid",
                           "The amount cannot be used: '1.5' has more decimals than UGX has (0)."),
    "words": ("four", DAYS, S1, "amount_invalid",
              "'four' is not a number of days; write digits such as 4 or 7.25."),
    "too fine": ("0.0001", KWH, meter(100), "amount_invalid",
                 "The amount cannot be used: '0.0001' kWh is finer than one watt-hour."),
    "between steps": ("3.05", KWH, meter(100, step=100), "amount_invalid",
                      "Device M1 takes energy in steps of 0.1 kWh; ask for 3 or 3.1 kWh."),
    "below a step": ("0.05", KWH, meter(100, step=100), "amount_invalid",
                     "Device M1 takes energy in steps of 0.1 kWh; ask for 0.1 kWh."),
    "money below a step": ("9", CURRENCY, meter(100, step=100), "amount_below_minimum",
                           ("What is left for device M1 is 9 UGX, but nothing is sold to it below "
                            "10 UGX. Pay at least 10 UGX.")),
    "money below a day": ("249", CURRENCY, S1, "amount_below_minimum",
                          "249 UGX is less than one day of device S1; give at least 250 UGX."),
    "part of a day": ("0.999", DAYS, S1, "amount_below_minimum",
                      "Devices count whole days, and less than one is none; give at least 1 day."),
    "a century": ("36500.001", DAYS, S1, "amount_above_maximum",
                  "That is more than 36500 days, the most of one token."),
    "a power station": ("1000000.1", KWH, meter(100), "amount_above_maximum",
                        "That is more than 1000000 kWh, the most of one token."),
    "all money": ("999999", KWH, meter(10**12), "amount_above_maximum",
                  "That is more than 1000000000000000 UGX, the most of one token."),
}  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "unit", "target", "code", "message"), REFUSED.values(), ids=REFUSED
)
def test_an_amount_that_makes_no_token_is_refused(amount, unit, target, code, message):
    with pytest.raises(AdHocRefused) as refused:
        sell_ad_hoc(amount, unit, owes(SERVICE), target, EVERYTHING)

    assert (refused.value.code, str(refused.value)) == (code, message)


@st.composite
def wishes(draw: st.DrawFn) -> tuple[str, AdHocUnit, Account, Target]:
    unit = draw(st.sampled_from(AdHocUnit))
    text = str(draw(amounts)) if unit is CURRENCY else format_kwh(draw(amounts))
    return text, unit, draw(accounts()), draw(targets())


@given(wishes())
def test_lines_sum_to_the_money_and_only_energy_leaves_a_rest(wish):
    try:
        sold = sell_ad_hoc(*wish, EVERYTHING)
    except AdHocRefused:
        return
    kinds = [line.kind.value for line in sold.sale.lines]
    assert sum(line.amount for line in sold.sale.lines) == sold.money.minor
    assert kinds in (["energy"], ["energy", "credit"], ["time"])
    assert all(line.amount > 0 for line in sold.sale.lines)


@given(wishes())
def test_nobody_gets_less_than_was_asked_for_nor_a_unit_more(wish):
    text, unit, account, target = wish
    try:
        charge = sell_ad_hoc(*wish, EVERYTHING).sale.charge
    except AdHocRefused:
        return
    if unit is KWH:
        assert (charge.quantity, charge.unit) == (Decimal(text) * 1000, Unit.WATT_HOUR)
        assert charge.money.minor == price_of(
            charge.quantity, target.tariff.total_price, account.currency
        )
    elif unit is DAYS:
        assert charge.quantity - 1 < Fraction(text) <= charge.quantity
        assert charge.money.minor == math.ceil(
            Fraction(text) * price_basis(account.device_plan(target.serial)).price_per_day
        )


@given(wishes(), st.sets(st.sampled_from(ChargeKind)))
def test_what_is_told_before_is_what_is_refused(wish, sells):
    objection = objection_to_unit(wish[1], wish[2], wish[3], sells)
    assume(objection is not None)

    with pytest.raises(AdHocRefused) as refused:
        sell_ad_hoc(*wish, sells)

    assert (refused.value.code, str(refused.value)) == (objection.code, objection.message)


def test_a_meter_of_another_kind_of_device_never_takes_its_unit():
    for kind in DeviceKind:
        wrong = DAYS if kind is DeviceKind.METER else KWH
        objection = objection_to_unit(wrong, owes(), Target(serial="X", kind=kind), EVERYTHING)
        assert objection.code == "unit_not_supported"
