"""The host's clock: injected everywhere, so that tests and the demo can move time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "system_clock"]


class Clock(Protocol):
    """Returns the present moment, aware."""

    def __call__(self) -> datetime:
        """Return now."""
        ...


def system_clock() -> datetime:
    """Return the system's time in UTC."""
    return datetime.now(UTC)
