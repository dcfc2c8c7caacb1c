"""The quick reader of phone numbers says what the library says, or nothing."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpm_core.plain_numbers import PlainNumber, read_plain_number

COUNTRIES = sorted(phonenumbers.SUPPORTED_REGIONS)
USUAL = {
    "with-plus": ("+255754123489", "TZ", PlainNumber("+255754123489", 255)),
    "as-telecoms-write": ("255754123489", "TZ", PlainNumber("+255754123489", 255)),
    "with-zero": ("0754123489", "TZ", PlainNumber("+255754123489", 255)),
    "national-as-airtel-writes": ("754123489", "TZ", PlainNumber("+255754123489", 255)),
    "no-national-prefix": ("258841234567", "MZ", PlainNumber("+258841234567", 258)),
}
LEFT = {
    "national-like-the-country-code": ("255123456", "TZ"),
    "zero-after-code": ("+2550754123489", "TZ"),
    "another-country": ("+254712345678", "TZ"),
    "dialled-abroad": ("000254712345678", "TZ"),
    "dialled-abroad-as-long-as-national": ("1195312345", "CU"),
    "blanks": ("0754 123 489", "TZ"),
    "other-digits": ("٠٧٥٤١٢٣٤٨٩", "TZ"),
    "too-short": ("075412348", "TZ"),
    "code-of-several-countries": ("+12025550123", "US"),
    "unknown-country": ("0754123489", "XX"),
}


def read_by_the_library(text, country):
    """Read as `Msisdn.parse` does when it asks the library."""
    candidates = [text]
    if text.startswith(str(phonenumbers.country_code_for_region(country))):
        candidates.insert(0, f"+{text}")
    for candidate in candidates:
        try:
            number = phonenumbers.parse(candidate, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            return PlainNumber(e164, number.country_code)
    return None


@pytest.mark.parametrize(("text", "country", "number"), USUAL.values(), ids=USUAL.keys())
def test_usual_spellings_are_read(text, country, number):
    assert read_plain_number(text, country) == number


@pytest.mark.parametrize(("text", "country"), LEFT.values(), ids=LEFT.keys())
def test_what_is_less_plain_is_left_to_the_library(text, country):
    assert read_plain_number(text, country) is None


@st.composite
def spellings(draw):
    """Draw a country and digits that may be a number of it, with one of the beginnings."""
    country = draw(st.sampled_from(COUNTRIES))
    code = str(phonenumbers.country_code_for_region(country))
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
    prefix = metadata.national_prefix_for_parsing or ""
    beginnings = [f"+{code}", code, prefix if prefix.isdigit() else "0", "", "+", "00"]
    lengths = st.sampled_from(sorted(metadata.general_desc.possible_length)) | st.integers(3, 15)
    length = draw(lengths)
    digits = draw(st.text("0123456789", min_size=length, max_size=length))
    return draw(st.sampled_from(beginnings)) + digits, country


@settings(max_examples=3000)
@given(spellings())
def test_what_is_read_is_what_the_library_reads(spelling):
    text, country = spelling
    read = read_plain_number(text, country)
    if read is not None:
        assert read == read_by_the_library(text, country)
