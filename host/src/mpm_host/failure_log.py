"""Failures of what is tried again and again, in the log: the same one seldom.

An outage would fill a log with nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import structlog

from mpm_host.database.outages import error_facts

__all__ = ["FailureLog"]

_REPEATED = 10.0  # seconds after which the same failure is told again


class FailureLog:
    """Logs what goes wrong in one loop; for one thread.

    Args:
        event: of the lines.
    """

    def __init__(self, event: str) -> None:
        self._log = structlog.get_logger(__name__)
        self._event = event
        self._told: tuple[Mapping[str, str], float] = ({}, 0.0)

    def tell(self, error: Exception) -> None:
        """Log a failure, unless it is the one that was told a moment ago.

        Only its kind is told: its text may hold secrets.
        """
        facts, now = error_facts(error), time.monotonic()
        told, at = self._told
        if facts != told or now - at >= _REPEATED:
            self._told = (facts, now)
            self._log.error(self._event, **facts)
