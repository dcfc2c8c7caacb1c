"""What a company says of itself, wherever it says it: `mpm.toml`, command line or sign-up."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from mpm_core import Company, is_currency, setting

__all__ = ["CompanyDetails", "only_zone"]

_LONGEST_NAME = 200
_SHOWN = 40


@attrs.frozen(kw_only=True)
class CompanyDetails:
    """A company's own words, checked.

    Attributes:
        timezone: that of its country if not said, where the country has one only.
    """

    name: str = setting(help="Name as customers know it.", example="Umeme Vijijini")
    country: str = setting(help="ISO 3166 code; phone numbers belong to it.", example="TZ")
    currency: str = setting(help="ISO 4217 code; every amount is in it.", example="TZS")
    timezone: str | None = setting(
        help="IANA name; today is this zone's date.", default=None, example="Africa/Dar_es_Salaam"
    )
    arrears_buy_time: bool = setting(
        help="Paying late instalments of a solar home system buys days too.", default=False
    )
    demand_mapping: bool = setting(
        help="Only devices that their manufacturer knows are registered and can be paid.",
        default=False,
    )

    def __attrs_post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _LONGEST_NAME:
            raise ValueError(f"name must have 1 to {_LONGEST_NAME} characters.")
        if not self.name.isprintable():  # a tab or a new line would break every list
            raise ValueError(
                f"name {self.name[:_SHOWN]!r} has characters that cannot be shown; remove them."
            )
        if self.country not in _countries():
            raise ValueError(
                f"country {self.country[:_SHOWN]!r} is no ISO 3166 code; write two capitals such "
                "as TZ."
            )
        if not is_currency(self.currency):
            raise ValueError(
                f"currency {self.currency[:_SHOWN]!r} is no ISO 4217 code; write three capitals "
                "such as TZS."
            )
        self.zone()

    def zone(self) -> str:
        """Return the name of the time zone.

        Raises:
            ValueError: it is none, or must be said because the country has several.
        """
        name = _zone_of(self.country) if self.timezone is None else self.timezone
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"timezone {name[:_SHOWN]!r} is no IANA time zone; write one such as "
                "Africa/Dar_es_Salaam."
            ) from None
        return name

    def company(self, slug: str) -> Company:
        """Return the company as plugins see it."""
        return Company(
            slug=slug,
            name=self.name,
            country=self.country,
            currency=self.currency,
            timezone=self.zone(),
        )


@cache
def _countries() -> frozenset[str]:
    import phonenumbers  # noqa: PLC0415 - large tables, only for those who have companies

    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def only_zone(country: str) -> str | None:
    """Return the IANA name of a country's time zone; `None` if it has several, or is none."""
    import phonenumbers  # noqa: PLC0415 - as above
    from phonenumbers.tzdata import TIMEZONE_DATA  # noqa: PLC0415 - as above

    zones = TIMEZONE_DATA.get(str(phonenumbers.country_code_for_region(country)), ())
    return str(zones[0]) if len(zones) == 1 else None


def _zone_of(country: str) -> str:
    zone = only_zone(country)
    if zone is None:
        raise ValueError(
            f"timezone is missing, and {country} has several; write one such as "
            "Africa/Dar_es_Salaam."
        )
    return zone
