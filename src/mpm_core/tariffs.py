"""Tariffs of meters: what energy costs, what money buys, and when access rates fall due.

All arithmetic is exact; a price is rounded once, where money is turned into energy.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import attrs

from mpm_core.money import currency_exponent
from mpm_core.units import WATT_HOURS_PER_KWH

__all__ = [
    "AccessRate",
    "EnergySale",
    "PriceComponent",
    "Tariff",
    "exact_watt_hours",
    "next_boundary",
    "passed_boundaries",
    "price_energy",
    "price_of",
]

_PRICE_DECIMALS = 6
_LARGEST_PRICE = Decimal(10) ** 12  # far above any price, so that sums of prices stay exact


def _is_price(instance: object, attribute: attrs.Attribute[Decimal], value: object) -> None:
    """Refuse a price that is not a plain number of major units per kWh (attrs validator)."""
    owner = f"{type(instance).__name__}.{attribute.name}"
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError(f"{owner} is {value!r}; it must be a finite Decimal, such as 130.25.")
    if not 0 <= value <= _LARGEST_PRICE:
        raise ValueError(f"{owner} is {value}; a price per kWh is between 0 and 10^12.")
    if value != round(value, _PRICE_DECIMALS):
        raise ValueError(f"{owner} is {value}; a price has at most {_PRICE_DECIMALS} decimals.")


@attrs.frozen(kw_only=True)
class PriceComponent:
    """A named part of the price per kWh, such as a tax, on top of the tariff's own price."""

    name: str
    price_per_kwh: Decimal = attrs.field(validator=_is_price)


@attrs.frozen(kw_only=True)
class AccessRate:
    """A fee that falls due again and again, whether energy is bought or not.

    Attributes:
        amount: minor units that become a debt at every boundary.
        period_days: whole days from one boundary to the next.
    """

    amount: int = attrs.field(validator=attrs.validators.ge(0))
    period_days: int = attrs.field(validator=attrs.validators.ge(1))


@attrs.frozen(kw_only=True)
class Tariff:
    """What a meter's energy costs.

    Attributes:
        version: names this state of the tariff; stored with every order that was priced by it.
        price_per_kwh: major units, at most 6 decimals.
        components: further parts of the price.
        minimum_purchase: minor units; less than this (but more than nothing) buys no energy.
        access_rate: the recurring fee, if there is one.
    """

    version: str
    price_per_kwh: Decimal = attrs.field(validator=_is_price)
    components: tuple[PriceComponent, ...] = ()
    minimum_purchase: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    access_rate: AccessRate | None = None

    @property
    def total_price(self) -> Decimal:
        """The price of one kWh in major units: the tariff's own and all components."""
        return sum((part.price_per_kwh for part in self.components), start=self.price_per_kwh)


@attrs.frozen(kw_only=True)
class EnergySale:
    """What an amount of money buys.

    Attributes:
        watt_hours: a whole number of the plugin's steps; 0 if the money buys none.
        cost: minor units, never above the money that was there.
        remainder: minor units that are left.
    """

    watt_hours: int
    cost: int
    remainder: int


def price_energy(available: int, price: Decimal, step: int, currency: str) -> EnergySale:
    """Sell as much energy as the money buys, in whole steps.

    The energy is rounded down to the step, its cost up to the minor unit. The cost cannot exceed
    the money: energy rounded down costs at most `available`, which is a whole number itself.

    Args:
        available: minor units.
        price: major units per kWh, above 0.
        step: watt-hours; what the manufacturer's plugin can sell at the finest.
        currency: of the money.

    Raises:
        ValueError: negative money, a price that is not positive, or a step below one watt-hour.
    """
    if available < 0:
        raise ValueError(f"There is {available} to buy energy with; it must be 0 or more.")
    if step < 1:
        raise ValueError(f"The energy step is {step} Wh; it must be 1 Wh or more.")
    steps = exact_watt_hours(available, price, currency) // step
    cost = price_of(steps * step, price, currency)
    return EnergySale(watt_hours=steps * step, cost=cost, remainder=available - cost)


def exact_watt_hours(available: int, price: Decimal, currency: str) -> Fraction:
    """Return how many watt-hours the money is worth, before any rounding.

    Raises:
        ValueError: the price is not above 0.
    """
    return available / _minor_per_watt_hour(price, currency)


def price_of(watt_hours: int, price: Decimal, currency: str) -> int:
    """Return what energy costs in minor units, rounded up.

    Raises:
        ValueError: the price is not above 0.
    """
    return -(-watt_hours * _minor_per_watt_hour(price, currency) // 1)


@lru_cache(maxsize=1024)  # asked several times for each of many payments on few tariffs
def _minor_per_watt_hour(price: Decimal, currency: str) -> Fraction:
    if price <= 0:
        raise ValueError(f"The price per kWh is {price}; energy is sold only above 0.")
    minor_per_kwh: Fraction = Fraction(price) * 10 ** currency_exponent(currency)
    return minor_per_kwh / WATT_HOURS_PER_KWH


def passed_boundaries(next_due: date, period_days: int, today: date) -> tuple[date, ...]:
    """Return every boundary of an access rate that has come, oldest first.

    Counted from `next_due`, however long nobody looked: each one is a debt of its own, payable on
    its day.

    Raises:
        ValueError: a period below one day.
    """
    count = _boundaries_until(next_due, period_days, today)
    return tuple(next_due + timedelta(days=period_days * number) for number in range(count))


def next_boundary(next_due: date, period_days: int, today: date) -> date:
    """Return the first boundary of an access rate after today, counted from `next_due`.

    Raises:
        ValueError: a period below one day.
    """
    count = _boundaries_until(next_due, period_days, today)
    return next_due + timedelta(days=period_days * count)


def _boundaries_until(next_due: date, period_days: int, today: date) -> int:
    if period_days < 1:
        raise ValueError(f"The access rate's period is {period_days} days; it must be 1 or more.")
    return max(0, (today - next_due).days // period_days + 1)
