"""Energy: whole watt-hours inside, kWh for people."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.units import format_kwh, parse_kwh
from tests.core.builders import exactly


@pytest.mark.parametrize(
    ("watt_hours", "text"),
    [
        (7600, "7.6"),
        (10_000, "10"),
        (0, "0"),
        (1, "0.001"),
        (1010, "1.01"),
        (-500, "-0.5"),
        (-2000, "-2"),
        (100_000, "100"),
    ],
)
def test_format_kwh_writes_no_trailing_zeros(watt_hours, text):
    assert format_kwh(watt_hours) == text


@given(st.integers(min_value=0, max_value=999_999_999_999))
def test_energy_that_is_written_is_read_back_unchanged(watt_hours):
    assert parse_kwh(format_kwh(watt_hours)) == watt_hours


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_format_kwh_keeps_the_value(watt_hours):
    assert Decimal(format_kwh(watt_hours)) == Decimal(watt_hours) / 1000


@pytest.mark.parametrize("text", ["", "-1", "+1", "1e3", " 1", "1,5", "1.", "kWh", "1" * 10, "1\n"])
def test_parse_kwh_refuses_what_is_not_a_plain_decimal(text):
    message = f"{text[:40]!r} is not an energy in kWh; write digits such as 7.6."
    with pytest.raises(ValueError, match=exactly(message)):
        parse_kwh(text)


def test_parse_kwh_refuses_parts_of_a_watt_hour():
    with pytest.raises(ValueError, match=exactly("'0.0001' kWh is finer than one watt-hour.")):
        parse_kwh("0.0001")


@given(st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,6})?", fullmatch=True))
def test_no_energy_that_is_accepted_changes_its_value(text):
    try:
        watt_hours = parse_kwh(text)
    except ValueError:
        return

    assert Decimal(watt_hours) / 1000 == Decimal(text)
