"""A mobile number of a country, as telecoms and people write it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mpm_core.testing.subjects import Subject

if TYPE_CHECKING:  # large tables, only once a number is needed
    from phonenumbers import PhoneNumber

__all__ = ["example_phone", "phone_spellings"]


@functools.cache
def phone_spellings(country: str) -> Sequence[str]:
    """Return one number with country code, with a plus, with a leading zero, and bare."""
    number = _example(country)
    prefix, national = str(number.country_code), str(number.national_number)
    return (f"{prefix}{national}", f"+{prefix}{national}", f"0{national}", national)


def example_phone(subject: Subject) -> str:
    """Return a number of the case's country in E.164."""
    return phone_spellings(subject.country)[1]


def _example(country: str) -> PhoneNumber:
    import phonenumbers  # noqa: PLC0415 - as above

    number = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    if number is None:
        raise ValueError(f"{country!r} has no mobile numbers; set `country` in the contract test.")
    return number
