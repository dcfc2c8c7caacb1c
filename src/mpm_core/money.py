"""Money: an integer number of minor units with its currency, and its written form.

Storage digits come from ISO 4217 (TZS 2, UGX 0). What a telecom may send can be coarser (whole
shillings); that is its plugin's *payment step*, not money's business.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal

import attrs

__all__ = ["Money", "currency_exponent", "is_currency"]

_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_LARGEST_MINOR = 10**15  # far above any payment, far below a signed 64-bit column


@functools.cache
def currency_exponent(currency: str) -> int:
    """Return the number of decimal digits of a currency's minor unit, from ISO 4217.

    Raises:
        ValueError: the code is not a currency of ISO 4217 with a minor unit.
    """
    import iso4217  # noqa: PLC0415 - reads the ISO table (30 ms), only once money is used

    try:
        exponent = iso4217.Currency(currency).exponent
    except ValueError:
        exponent = None
    if exponent is None:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency code, such as TZS or KES.")
    return int(exponent)


def is_currency(code: str) -> bool:
    """Tell whether a text is a currency code we can book in."""
    try:
        currency_exponent(code)
    except ValueError:
        return False
    return True


@attrs.frozen(order=False)
class Money:
    """An amount in minor units (`Money(100000, "TZS")` is 1,000 shillings). May be negative.

    Arithmetic and comparison refuse to mix currencies. Written with `str()` as users see it: no
    decimals when whole, else exactly the currency's (`1000`, `199.50`).
    """

    minor: int = attrs.field(validator=attrs.validators.instance_of(int))
    currency: str

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return no money of a currency."""
        return cls(0, currency)

    @classmethod
    def parse(cls, text: str, currency: str) -> Money:
        """Read a plain decimal such as `1000` or `199.50`; exponents and separators are refused.

        Raises:
            ValueError: not a plain decimal, or more decimals than the currency has.
        """
        if not _PLAIN_DECIMAL.fullmatch(text):
            raise ValueError(
                f"{text[:40]!r} is not an amount; write digits such as 1000 or 199.50."
            )
        scaled = Decimal(text).scaleb(currency_exponent(currency))
        if scaled != scaled.to_integral_value():
            raise ValueError(
                f"{text!r} has more decimals than {currency} has ({currency_exponent(currency)})."
            )
        if abs(scaled) > _LARGEST_MINOR:
            raise ValueError(f"{text!r} is larger than any amount we handle.")
        return cls(int(scaled), currency)

    def to_decimal(self) -> Decimal:
        """Return the amount in major units, exactly."""
        return Decimal(self.minor).scaleb(-currency_exponent(self.currency))

    def __str__(self) -> str:
        digits = currency_exponent(self.currency)
        major, rest = divmod(abs(self.minor), 10**digits)
        sign = "-" if self.minor < 0 else ""
        return f"{sign}{major}.{rest:0{digits}d}" if rest else f"{sign}{major}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(f"Cannot mix {self.currency} with {other.currency}.")
        return other.minor
