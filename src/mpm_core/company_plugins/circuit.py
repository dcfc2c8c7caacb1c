"""A circuit breaker per instance: a vendor that is down is left alone for a while.

Pure: the caller says what happened and what time it is. Two things open it: calls that failed one
after the other, and refusals one after the other over several devices (a vendor that says no to
everybody is broken, and each no would park a customer's order). After the cool-down one trial call
decides.
"""

from __future__ import annotations

from enum import StrEnum

import attrs

__all__ = ["Circuit", "CircuitLimits", "Outcome", "Ticket"]


class Outcome(StrEnum):
    """What a call tells about the vendor's condition."""

    ANSWERED = "answered"
    REFUSED = "refused"  # a documented no
    FAILED = "failed"  # not sent, or unknown
    NEUTRAL = "neutral"  # says nothing: throttled, misconfigured, the plugin's own mistake


@attrs.frozen(kw_only=True)
class CircuitLimits:
    """When a circuit opens and for how long.

    Attributes:
        failures: failed calls in a row.
        refused_devices: different devices refused in a row.
        cool_down: seconds it stays open the first time; doubled each time the trial call fails.
        longest_cool_down: seconds, the end of the doubling.
    """

    failures: int = 5
    refused_devices: int = 5
    cool_down: float = 30.0
    longest_cool_down: float = 600.0


@attrs.frozen(kw_only=True)
class Ticket:
    """Leave to make one call; hand it back with the outcome.

    Attributes:
        trial: it is the call that decides whether the circuit closes.
    """

    trial: bool


@attrs.define(kw_only=True)
class Circuit:
    """The state of one instance's circuit; not thread-safe, its owner locks.

    Attributes:
        reason: why it is open, for messages; empty while closed.
        open_until: the instant the cool-down ends; `None` while closed.
    """

    limits: CircuitLimits = attrs.field(factory=CircuitLimits)
    reason: str = ""
    open_until: float | None = None
    _failures: int = attrs.field(default=0, init=False)
    _refused: set[str] = attrs.field(factory=set, init=False)
    _cool_down: float = attrs.field(default=0.0, init=False)
    _on_trial: bool = attrs.field(default=False, init=False)

    def admit(self, now: float) -> Ticket | None:
        """Give leave for a call, or none; once cooled down, one trial call at a time may go."""
        if self.open_until is None:
            return Ticket(trial=False)
        if now < self.open_until or self._on_trial:
            return None
        self._on_trial = True
        return Ticket(trial=True)

    def withdraw(self, ticket: Ticket) -> None:
        """Take a ticket back whose call was never made."""
        if ticket.trial:
            self._on_trial = False

    def seconds_left(self, now: float) -> float:
        """Return how long it stays open; 0 while closed or on trial."""
        return 0.0 if self.open_until is None else max(0.0, self.open_until - now)

    def record(self, ticket: Ticket, outcome: Outcome, now: float, *, serial: str = "") -> None:
        """Note how an admitted call ended.

        Args:
            ticket: as `admit` gave it.
            outcome: what it tells about the vendor.
            now: seconds, monotonic.
            serial: the device it was for, if it was for one.
        """
        self.withdraw(ticket)
        self._count(ticket, outcome, serial)
        if self._failures >= self.limits.failures:
            self._open(ticket, now, f"{self._failures} calls in a row failed")
        elif len(self._refused) >= self.limits.refused_devices:
            self._open(ticket, now, f"{len(self._refused)} devices in a row were refused")
        elif ticket.trial or outcome is Outcome.ANSWERED:
            self.open_until, self.reason = None, ""

    def _count(self, ticket: Ticket, outcome: Outcome, serial: str) -> None:
        if outcome is Outcome.FAILED:
            self._failures += 1
        elif outcome is Outcome.REFUSED:
            self._failures = 0
            self._refused.add(serial)
        elif outcome is Outcome.ANSWERED:
            self._failures = 0
            self._refused.clear()
        elif ticket.trial:  # it told nothing, so it closes; the next bad one opens again
            self._failures = min(self._failures, self.limits.failures - 1)
            self._refused = set(sorted(self._refused)[: self.limits.refused_devices - 1])

    def _open(self, ticket: Ticket, now: float, reason: str) -> None:
        if self.open_until is not None and not ticket.trial:
            return  # a call that was under way when it opened
        seconds = self._cool_down * 2 if ticket.trial else self.limits.cool_down
        self._cool_down = min(seconds, self.limits.longest_cool_down)
        self.open_until, self.reason = now + self._cool_down, reason
