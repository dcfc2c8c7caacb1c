"""A keypad meter that accepts each credit token once, as the simulator's proof of what was sold.

It remembers the last 50 token identifiers, the size usually given for STS meters: a remembered one
is a replay, one older than all of them is too old.
"""

from __future__ import annotations

import threading

from mpm_calin.sts import (
    PUBLISHED_TEST_KEY,
    InvalidTokenError,
    StsToken,
    decode_amount,
    decode_token,
)
from mpm_core import format_kwh

__all__ = ["Meter"]

REMEMBERED = 50
WATT_HOURS_PER_TENTH = 100
_CREDIT_CLASS = 0
_ELECTRICITY = 0


class Meter:
    """One simulated meter.

    Attributes:
        credit: watt-hours ever accepted.
    """

    def __init__(self, key: int = PUBLISHED_TEST_KEY) -> None:
        self.credit = 0
        self._key = key
        self._remembered = [0] * REMEMBERED  # identifier 0 is the base date: older than any token
        self._lock = threading.Lock()

    def enter(self, code: str) -> str:
        """Type a code, with or without blanks and dashes.

        Returns:
            What the display shows: `accepted 7.6 kWh`, or `rejected:` and why.
        """
        digits = code.replace(" ", "").replace("-", "")
        try:
            token = decode_token(digits, self._key)
        except InvalidTokenError as wrong:
            return f"rejected: {wrong}"
        with self._lock:
            return self._take(token)

    def _take(self, token: StsToken) -> str:
        if (token.token_class, token.subclass) != (_CREDIT_CLASS, _ELECTRICITY):
            return "rejected: Not an electricity credit."
        if token.identifier in self._remembered:
            return "rejected: Used before."
        if token.identifier < self._remembered[0]:
            return "rejected: Too old."
        self._remembered = sorted([*self._remembered[1:], token.identifier])
        energy = decode_amount(token.amount) * WATT_HOURS_PER_TENTH
        self.credit += energy
        return f"accepted {format_kwh(energy)} kWh"
