"""Amounts: exact, in one currency, and written so that they are read back unchanged."""

from __future__ import annotations

import operator
from decimal import Decimal

import iso4217
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_core.money import Money, currency_exponent, is_currency
from tests.core.builders import exactly

EVERY_CURRENCY = sorted(one.code for one in iso4217.Currency if one.exponent is not None)
currencies = st.sampled_from(EVERY_CURRENCY)
minor_units = st.integers(min_value=0, max_value=10**15)


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [("TZS", 2), ("UGX", 0), ("KES", 2), ("MZN", 2), ("XOF", 0), ("MGA", 2), ("BHD", 3)],
)
def test_currency_exponent_is_that_of_iso_4217(currency, exponent):
    assert currency_exponent(currency) == exponent


@pytest.mark.parametrize("code", ["TSH", "tzs", "", "XAU", "TZS "])
def test_a_text_that_is_no_currency_with_a_minor_unit_is_refused(code):
    assert not is_currency(code)
    message = f"{code!r} is not an ISO 4217 currency code, such as TZS or KES."
    with pytest.raises(ValueError, match=exactly(message)):
        currency_exponent(code)


def test_is_currency_knows_what_we_book_in():
    assert all(is_currency(code) for code in EVERY_CURRENCY)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1000", "TZS", 100_000),
        ("1000", "UGX", 1000),
        ("199.50", "TZS", 19_950),
        ("199.5", "TZS", 19_950),
        ("1000.00", "UGX", 1000),
        ("0.001", "BHD", 1),
        ("-12.34", "TZS", -1234),
        ("007", "UGX", 7),
    ],
)
def test_parse_reads_plain_decimals_exactly(text, currency, minor):
    assert Money.parse(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    "text",
    [
        *["", " 1", "1 ", "1\n", "1,000", "1_000", "1.", ".5"],
        *["+1", "--1", "1e3", "NaN", "inf", "0x10", "١٢", "1" * 16],
    ],
)
def test_parse_refuses_what_is_not_a_plain_decimal(text):
    message = f"{text[:40]!r} is not an amount; write digits such as 1000 or 199.50."
    with pytest.raises(ValueError, match=exactly(message)):
        Money.parse(text, "TZS")


@pytest.mark.parametrize(
    ("text", "currency", "message"),
    [
        ("1.001", "TZS", "'1.001' has more decimals than TZS has (2)."),
        ("1.5", "UGX", "'1.5' has more decimals than UGX has (0)."),
        ("999999999999999", "TZS", "'999999999999999' is larger than any amount we handle."),
    ],
    ids=["finer-than-a-cent", "finer-than-a-shilling", "too-large"],
)
def test_parse_refuses_amounts_that_cannot_be_booked(text, currency, message):
    with pytest.raises(ValueError, match=exactly(message)):
        Money.parse(text, currency)


@given(st.integers(-(10**15) + 1, 10**15 - 1), currencies)
@example(minor=10**15 - 1, currency="ISK")  # one more has a digit too many to be read
def test_what_is_written_is_read_back_as_the_same_amount(minor, currency):
    money = Money(minor, currency)

    assert Money.parse(str(money), currency) == money
    assert Decimal(str(money)) == money.to_decimal()


@given(st.from_regex(r"-?[0-9]{1,13}(\.[0-9]{1,4})?", fullmatch=True), currencies)
def test_no_text_that_is_accepted_changes_its_value(text, currency):
    try:
        money = Money.parse(text, currency)
    except ValueError:
        return

    assert money.to_decimal() == Decimal(text)


@given(st.text(max_size=30), currencies)
def test_parse_answers_any_text_with_an_amount_or_a_value_error(text, currency):
    try:
        money = Money.parse(text, currency)
    except ValueError:
        return

    assert money.currency == currency


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(100_000, "TZS"), "1000"),
        (Money(19_950, "TZS"), "199.50"),
        (Money(5, "TZS"), "0.05"),
        (Money(-5, "TZS"), "-0.05"),
        (Money(0, "TZS"), "0"),
        (Money(1000, "UGX"), "1000"),
        (Money(1, "BHD"), "0.001"),
    ],
)
def test_money_is_written_without_decimals_when_whole_else_with_all(money, text):
    assert str(money) == text


@given(minor_units, minor_units, currencies)
def test_money_counts_and_compares_like_its_minor_units(first, second, currency):
    one, other = Money(first, currency), Money(second, currency)

    assert one + other == Money(first + second, currency)
    assert one - other == Money(first - second, currency)
    assert -one == Money.zero(currency) - one
    assert (one < other, one <= other) == (first < second, first <= second)
    assert (one > other, one >= other) == (first > second, first >= second)


@pytest.mark.parametrize(
    "combine",
    [operator.add, operator.sub, operator.lt, operator.le, operator.gt, operator.ge],
)
def test_money_of_two_currencies_is_never_combined(combine):
    with pytest.raises(ValueError, match=exactly("Cannot mix UGX with TZS.")):
        combine(Money(1, "UGX"), Money(1, "TZS"))


def test_equal_numbers_of_two_currencies_are_not_equal():
    assert Money(0, "UGX") != Money(0, "TZS")


@pytest.mark.parametrize("minor", [1.0, Decimal(1), "1"])
def test_money_is_made_of_whole_minor_units_only(minor):
    with pytest.raises(TypeError, match="'minor' must be <class 'int'>"):
        Money(minor, "TZS")
