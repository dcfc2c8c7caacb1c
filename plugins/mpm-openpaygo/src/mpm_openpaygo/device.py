"""A simulated device that takes OpenPAYGO codes, written from the standard's rules alone.

It shares no code with the package that makes the codes. In one point it is stricter than the
published simulators: every count up to its first one is taken for used, else a code of anyone who
knows the starting code would be accepted without the key (count 0 hashes nothing).
"""

from __future__ import annotations

import re
import threading

from mpm_openpaygo.siphash import siphash_2_4

__all__ = ["PaygoDevice", "starting_code_of"]

_DIGITS = re.compile(r"[0-9]{9}", re.ASCII)
_RESTRICTED = re.compile(r"[1-4]{15}", re.ASCII)
_VALUES = 1000  # the last three digits carry the value
_NUMBERS = 1_000_000_000
_TOO_LARGE_BY = 73_741_825  # 2**30 - _NUMBERS + 1, as the standard has it
_UNLOCK, _SYNC, _LARGEST = 998, 999, 995
_WINDOW, _SYNC_WINDOW, _OLDER = 64, 100, 16  # counts ahead, ahead for a sync, back for time added

_NOT_FOR_IT = "rejected: Not a code for this device."
_USED = "rejected: Used before, or older than one used."


def starting_code_of(key: bytes) -> int:
    """Return the starting code of a device that was given none."""
    return _fold(siphash_2_4(key, key))


def _fold(hash_: int) -> int:
    """Fold 64 bits into a number of nine digits."""
    number = ((hash_ >> 32) ^ (hash_ & 0xFFFFFFFF)) >> 2
    return number if number < _NUMBERS else number - _TOO_LARGE_BY


class PaygoDevice:
    """One device.

    Args:
        key: 16 bytes.
        starting_code: up to nine digits.
        count: the one it starts from.
        value_divider: units per day.
        restricted: its keypad has the digits 1 to 4 only.

    Attributes:
        units: it still has.
        unlocked: it never asks for codes again.
    """

    def __init__(
        self,
        *,
        key: bytes,
        starting_code: int,
        count: int = 1,
        value_divider: int = 1,
        restricted: bool = False,
    ) -> None:
        self.units = 0
        self.unlocked = False
        self._key = key
        self._starting_code = starting_code
        self._count = count
        self._used = set(range(count + 1))
        self._value_divider = value_divider
        self._restricted = restricted
        self._lock = threading.Lock()

    def enter(self, code: str) -> str:
        """Type a code; returns `accepted 7 days` and the like, or `rejected:` and why."""
        number = self._number(code)
        if number is None:
            return _NOT_FOR_IT
        with self._lock:
            counts = self._counts_of(number)
            fresh = [count for count in counts if self._is_fresh(count, self._value(number))]
            if not fresh:
                return _USED if counts else _NOT_FOR_IT
            return self._obey(fresh[0], self._value(number))

    def _number(self, code: str) -> int | None:
        """Return the nine digits a code stands for."""
        if not self._restricted:
            return int(code) if _DIGITS.fullmatch(code) else None
        if not _RESTRICTED.fullmatch(code):
            return None
        number = 0
        for digit in code:
            number = number * 4 + int(digit) - 1
        return number

    def _value(self, number: int) -> int:
        return (number - self._starting_code) % _VALUES

    def _counts_of(self, number: int) -> list[int]:
        """Return every count within reach at which this code would have been made."""
        ending = number % _VALUES
        reach = _SYNC_WINDOW if self._value(number) == _SYNC else _WINDOW
        step = self._starting_code - self._starting_code % _VALUES + ending
        found = []
        for count in range(self._count + reach + 1):
            if step - step % _VALUES + ending == number:
                found.append(count)
            step = _fold(siphash_2_4(self._key, step.to_bytes(4, "big") * 2))
        return found

    def _is_fresh(self, count: int, value: int) -> bool:
        if count in self._used:
            return False
        adds_time = count % 2 == 0
        if adds_time and value > _LARGEST:
            return False
        return count > self._count or (adds_time and count > self._count - _OLDER)

    def _obey(self, count: int, value: int) -> str:
        adds_time = count % 2 == 0
        # time that is added one by one may come out of order; every other code ends what was before
        self._used |= {count} if adds_time else set(range(count + 1))
        self._count = max(self._count, count)
        if adds_time:
            self.units += value
            return f"accepted {self._days(value)} days"
        if value == _SYNC:
            return "accepted counter"
        if value == _UNLOCK:
            self.unlocked = True
            return "accepted unlock"
        self.units = value
        return f"accepted {self._days(value)} days left"

    def _days(self, units: int) -> str:
        days, rest = divmod(units, self._value_divider)
        return f"{days} {rest}/{self._value_divider}" if rest else str(days)
