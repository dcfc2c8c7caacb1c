"""Stand-in keypad codes and the simulated solar home system that takes them.

SunKing's own algorithm is not published. These codes are ours: four digits of a counter, four of
days (0000 unlocks), four of a checksum over both and the serial. They open no real device.
"""

from __future__ import annotations

import hashlib
import re
import threading

__all__ = ["MOST_DAYS", "Keypad", "make_code"]

MOST_DAYS = 9999
_MOST_CODES = 9999
_UNLOCK = 0
_CODE = re.compile(r"([0-9]{4})([0-9]{4})([0-9]{4})", re.ASCII)


def make_code(serial: str, counter: int, days: int | None) -> str:
    """Return the code for a device's counter; no days means unlock.

    Raises:
        ValueError: the counter or the days do not fit into four digits.
    """
    if not (1 <= counter <= _MOST_CODES and (days is None or 1 <= days <= MOST_DAYS)):
        raise ValueError(f"Counter {counter} and {days} days do not fit into a stand-in code.")
    content = f"{counter:04d}{days or _UNLOCK:04d}"
    return content + _checksum(serial, content)


class Keypad:
    """One simulated device: it accepts each newer code once.

    Attributes:
        days: days ever accepted.
        unlocked: it never asks for codes again.
    """

    def __init__(self, serial: str) -> None:
        self.days = 0
        self.unlocked = False
        self._serial = serial
        self._newest = 0
        self._lock = threading.Lock()

    def enter(self, code: str) -> str:
        """Type a code; returns `accepted 7 days`, `accepted unlock`, or `rejected:` and why."""
        match = _CODE.fullmatch(code)
        if not match or _checksum(self._serial, match[1] + match[2]) != match[3]:
            return "rejected: Not a code for this device."
        with self._lock:
            return self._take(int(match[1]), int(match[2]))

    def _take(self, counter: int, days: int) -> str:
        if counter <= self._newest:
            return "rejected: Used before, or older than one used."
        self._newest = counter
        if days == _UNLOCK:
            self.unlocked = True
            return "accepted unlock"
        self.days += days
        return f"accepted {days} days"


def _checksum(serial: str, content: str) -> str:
    digest = hashlib.sha256(f"{serial}/{content}".encode()).digest()
    return f"{int.from_bytes(digest[:4], 'big') % 10_000:04d}"
