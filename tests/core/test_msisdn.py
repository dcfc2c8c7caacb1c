"""Phone numbers: one form inside, masked wherever they are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.msisdn import Msisdn
from tests.core.builders import exactly

AS_WRITTEN = {
    "e164": ("+255754123489", "TZ", "+255754123489"),
    "without-plus": ("255754123489", "TZ", "+255754123489"),
    "national": ("0754123489", "TZ", "+255754123489"),
    "national-without-zero": ("754123489", "TZ", "+255754123489"),
    "blanks": (" 0754 123 489 ", "TZ", "+255754123489"),
    "hyphens": ("0754-123-489", "TZ", "+255754123489"),
    "of-another-country": ("+254712345678", "TZ", "+254712345678"),
    "kenya": ("0712345678", "KE", "+254712345678"),
    "mozambique": ("258841234567", "MZ", "+258841234567"),
    "double-zero": ("00255754123489", "TZ", "+255754123489"),
    "double-zero-where-people-dial-009": ("002348021234567", "NG", "+2348021234567"),
    "double-zero-and-blanks": ("00 234 802 123 4567", "NG", "+2348021234567"),
    "uganda": ("0772123456", "UG", "+256772123456"),
}


@pytest.mark.parametrize(("text", "country", "e164"), AS_WRITTEN.values(), ids=AS_WRITTEN.keys())
def test_parse_reads_numbers_as_people_and_telecoms_write_them(text, country, e164):
    assert Msisdn.parse(text, country).e164 == e164


@pytest.mark.parametrize("text", ["", "-", "abc", "12", "+", "0" * 40, "+9999999999999999"])
def test_parse_refuses_other_texts_without_repeating_them(text):
    message = f"a text of {len(text)} characters is not a phone number of TZ or in +… form."
    with pytest.raises(ValueError, match=exactly(message)):
        Msisdn.parse(text, "TZ")


@given(st.text(max_size=40))
def test_parse_answers_any_text_with_a_number_or_a_value_error(text):
    try:
        number = Msisdn.parse(text, "TZ")
    except ValueError:
        return

    assert number.e164.startswith("+")
    assert Msisdn.from_e164(number.e164) == number


NUMBER = Msisdn.parse("0754123489", "TZ")


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        (NUMBER, "+255•••••••89"),
        (Msisdn.parse("+254712345678", "TZ"), "+254•••••••78"),
    ],
    ids=["tanzania", "kenya"],
)
def test_number_is_shown_masked(number, masked):
    assert number.masked == masked
    assert str(number) == masked
    assert f"{number}" == masked
    assert repr(number) == f"Msisdn({masked})"


@given(st.integers(min_value=600_000_000, max_value=799_999_999))
def test_no_way_of_showing_a_number_has_more_than_its_last_two_digits(national):
    number = Msisdn.parse(f"+255{national}", "TZ")

    shown = f"{number} {number!r} {[number]}"
    assert str(national)[:-2] not in shown
    assert sum(character.isdigit() for character in number.masked) == len("255") + 2


def test_digits_are_the_number_without_the_plus():
    assert NUMBER.digits == "255754123489"


def test_the_same_number_written_differently_is_equal():
    assert Msisdn.parse("255754123489", "TZ") == NUMBER
    assert hash(Msisdn.parse("255754123489", "TZ")) == hash(NUMBER)
    assert Msisdn.parse("0754123488", "TZ") != NUMBER


def test_from_e164_takes_back_what_was_stored():
    assert Msisdn.from_e164(NUMBER.e164) == NUMBER


@pytest.mark.parametrize("text", ["", "0754123489", "abc"])
def test_from_e164_refuses_a_text_without_a_country(text):
    with pytest.raises(ValueError, match=exactly("the stored text is not an E.164 number.")):
        Msisdn.from_e164(text)
