"""Phone numbers in the usual spellings, read without the library's general reader.

That reader understands every way to write a number and takes longer than all other work on a
payment's call. Nearly all numbers that arrive are plain digits of the company's own country; for
these the library's numbering plans alone decide, and the answer is the same. Whatever is less plain
is left to the reader.
"""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

__all__ = ["PlainNumber", "read_plain_number"]

_DIGITS = re.compile(r"\+?[0-9]{5,17}")


@attrs.frozen
class PlainNumber:
    """A number that was read.

    Attributes:
        e164: with plus and country code.
        country_code: of E.164, such as 255.
    """

    e164: str
    country_code: int


@attrs.frozen
class _NumberingPlan:
    """What decides on plain numbers of a country.

    Attributes:
        country_code: as digits.
        lengths: a national number may have, without prefix.
        prefix: dialled before national numbers, mostly 0; empty where there is none.
        abroad: what dials out of the country.
    """

    country_code: str
    lengths: frozenset[int]
    prefix: str
    abroad: re.Pattern[str]


def read_plain_number(text: str, country: str) -> PlainNumber | None:
    """Read plain digits: with country code, with or without plus, or national ones.

    Args:
        text: without surrounding blanks.
        country: ISO 3166 alpha-2 of the company.

    Returns:
        What the library's reader would make of it, or `None` if that must be asked.
    """
    plan = _numbering_plan(country)
    if plan is None or not _DIGITS.fullmatch(text):
        return None
    digits = text.removeprefix("+")
    if digits.startswith(plan.country_code):
        national = digits.removeprefix(plan.country_code)
    elif digits is not text or plan.abroad.match(text):
        return None
    elif _has_national_prefix(text, plan):
        national = text.removeprefix(plan.prefix)
    else:
        national = text
    if len(national) not in plan.lengths or national.startswith(("0", plan.prefix or "0")):
        return None
    return PlainNumber(f"+{plan.country_code}{national}", int(plan.country_code))


def _has_national_prefix(text: str, plan: _NumberingPlan) -> bool:
    """Tell whether digits that dial nobody abroad are a national number with its prefix."""
    return bool(plan.prefix) and text.startswith(plan.prefix) and len(text) not in plan.lengths


@lru_cache(maxsize=256)
def _numbering_plan(country: str) -> _NumberingPlan | None:
    """Return a country's plan, if it is the only one of its code and has no special prefixes."""
    import phonenumbers  # noqa: PLC0415 - loads large tables; only needed once a number is read

    metadata = phonenumbers.PhoneMetadata.metadata_for_region(country, None)
    if metadata is None or metadata.general_desc is None or metadata.country_code is None:
        return None
    prefix = metadata.national_prefix_for_parsing or ""
    code = metadata.country_code
    shares_code = phonenumbers.region_codes_for_country_code(code) != (country,)
    if shares_code or (prefix and not prefix.isdigit()) or metadata.national_prefix_transform_rule:
        return None
    return _NumberingPlan(
        country_code=str(code),
        lengths=frozenset(metadata.general_desc.possible_length),
        prefix=prefix,
        abroad=re.compile(metadata.international_prefix or "(?!)"),
    )
