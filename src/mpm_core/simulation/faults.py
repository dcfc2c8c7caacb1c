"""Fault switches and the faults every HTTP vendor can have, shared by the plugins' simulators.

Two families, for they are handled differently by whoever calls: after an *unprocessed* fault the
simulated vendor has surely done nothing; an *answer* fault spoils an answer to work already done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

import attrs

from mpm_core.simulation import SimulatedReply

__all__ = ["ANSWER_FAULTS", "UNPROCESSED_FAULTS", "FaultSwitches", "spoil_answer"]

HANG_SECONDS = 300.0  # longer than any deadline; the server cuts it short when it stops
SLOW_SECONDS = 2.0
TRICKLE_SECONDS = 1.0
RETRY_AFTER_SECONDS = 7
HUGE_BODY = 4 << 20  # over the outbound client's size cap of 1 MiB

_HTML = "text/html; charset=utf-8"


def _page(title: str) -> bytes:
    return f"<html><head><title>{title}</title></head><body>{title}</body></html>".encode()


def _retry_later(status: int) -> SimulatedReply:
    return SimulatedReply(
        status=status,
        body=b'{"message":"Too many requests"}',
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


UNPROCESSED_FAULTS: Mapping[str, SimulatedReply] = {
    "down": SimulatedReply(drop=True),
    "error_500_before": SimulatedReply(
        status=500, content_type=_HTML, body=_page("Server Error in '/' Application")
    ),
    "throttled": _retry_later(429),
    "unavailable": _retry_later(503),
}


def _lose(reply: SimulatedReply) -> SimulatedReply:
    return attrs.evolve(reply, drop=True)


def _hang(reply: SimulatedReply) -> SimulatedReply:
    return attrs.evolve(reply, delay=HANG_SECONDS, drop=True)


def _slow(reply: SimulatedReply) -> SimulatedReply:
    return attrs.evolve(reply, delay=SLOW_SECONDS)


def _crash(_reply: SimulatedReply) -> SimulatedReply:
    return UNPROCESSED_FAULTS["error_500_before"]


def _gateway(_reply: SimulatedReply) -> SimulatedReply:
    return SimulatedReply(status=502, content_type=_HTML, body=_page("502 Bad Gateway"))


def _login_page(_reply: SimulatedReply) -> SimulatedReply:
    return SimulatedReply(content_type=_HTML, body=_page("Please log in"))


def _malform(reply: SimulatedReply) -> SimulatedReply:
    return attrs.evolve(reply, body=b"<!-- debug -->" + reply.body)


def _truncate(reply: SimulatedReply) -> SimulatedReply:
    # The announced length stays: the connection breaks in the middle of the body.
    headers = {**reply.headers, "Content-Length": str(len(reply.body))}
    return attrs.evolve(reply, body=reply.body[: len(reply.body) // 2], headers=headers)


def _swell(reply: SimulatedReply) -> SimulatedReply:
    return attrs.evolve(reply, body=reply.body + b" " * HUGE_BODY)


def _redirect(_reply: SimulatedReply) -> SimulatedReply:
    return SimulatedReply(status=302, headers={"Location": "http://elsewhere.invalid/login"})


def _trickle(reply: SimulatedReply) -> SimulatedReply:
    return attrs.evolve(reply, trickle=TRICKLE_SECONDS)


ANSWER_FAULTS: Mapping[str, Callable[[SimulatedReply], SimulatedReply]] = {
    "lose_answer": _lose,
    "timeout_after_mint": _hang,
    "slow": _slow,
    "error_500": _crash,
    "bad_gateway": _gateway,
    "html": _login_page,
    "malformed_json": _malform,
    "truncated": _truncate,
    "huge": _swell,
    "redirect": _redirect,
    "slow_loris": _trickle,
}


def spoil_answer(fault: str | None, reply: SimulatedReply) -> SimulatedReply:
    """Let an answer fault spoil an answer; any other fault, or none, leaves it as it is."""
    spoil = ANSWER_FAULTS.get(fault or "")
    return spoil(reply) if spoil else reply


@attrs.define
class _Switch:
    fault: str
    serial: str | None
    left: int | None


class FaultSwitches:
    """The faults that are turned on in one simulator; safe to use from several threads.

    Args:
        names: the faults this simulator knows.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._switches: list[_Switch] = []
        self._lock = threading.Lock()

    def turn_on(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Turn a fault on: for one serial or all, for the next `times` requests or until cleared.

        Raises:
            ValueError: no such fault, or `times` is not positive.
        """
        if fault not in self.names:
            raise ValueError(
                f"There is no fault {fault!r}; the faults are: {', '.join(self.names)}."
            )
        if times is not None and times < 1:
            raise ValueError(f"A fault happens 1 time or more, not {times}.")
        with self._lock:
            self._switches.append(_Switch(fault, serial, times))

    def clear(self) -> None:
        """Turn every fault off."""
        with self._lock:
            self._switches.clear()

    def take(self, serial: str | None, *, among: Iterable[str] | None = None) -> str | None:
        """Return the fault that strikes a request about a serial, and count it down.

        Args:
            serial: the device the request is about, if it names one.
            among: the faults that can strike this kind of request; all of them if not given.

        Returns:
            The fault turned on first, or `None`.
        """
        allowed = frozenset(self.names if among is None else among)
        with self._lock:
            for switch in self._switches:
                if switch.fault in allowed and switch.serial in {None, serial}:
                    self._count_down(switch)
                    return switch.fault
        return None

    def _count_down(self, switch: _Switch) -> None:
        if switch.left is None:
            return
        switch.left -= 1
        if not switch.left:
            self._switches.remove(switch)
