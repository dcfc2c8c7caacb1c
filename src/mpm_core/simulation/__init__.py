"""The other side of a protocol, for the demo, the sandbox and tests.

A plugin ships an honest simulator of its vendor or telecom. Two shapes exist, and one simulator may
have both: a *server* answers our outbound calls; a *caller* makes the telecom's inbound calls.
A simulator never works in production mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import attrs

from mpm_core.money import Money

__all__ = [
    "GrantCounter",
    "SimulatedCall",
    "SimulatedPayment",
    "SimulatedReply",
    "SimulatedRequest",
    "Simulator",
]


@attrs.frozen(kw_only=True)
class SimulatedRequest:
    """An HTTP request that reached a simulator.

    Attributes:
        path: below the simulator's base URL, without slashes at either end.
        query: what follows the question mark, still encoded; some vendors want credentials in it.
        headers: names in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = attrs.field(default="", repr=False)


@attrs.frozen(kw_only=True)
class SimulatedReply:
    """What a simulator answers, faults included.

    Attributes:
        delay: seconds before the first byte.
        drop: close the connection without an answer (the lost answer).
        trickle: seconds between single bytes of the body (slow loris); 0 sends it at once.
    """

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    delay: float = 0.0
    drop: bool = False
    trickle: float = 0.0


@attrs.frozen(kw_only=True)
class SimulatedCall:
    """One inbound call a simulated telecom wants to make.

    Attributes:
        path: below the callback URL, such as `c2b/validate`.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


@attrs.frozen(kw_only=True)
class SimulatedPayment:
    """What a customer types on the phone of a simulated telecom."""

    reference: str
    serial: str
    amount: Money
    msisdn: str


class Simulator(Protocol):
    """The other side. Give the methods of the shape it has not an empty answer (404, `None`)."""

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return settings of an instance that talks to this simulator at a base URL."""
        ...

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request as the vendor would. Called from several threads."""
        ...

    def faults(self) -> tuple[str, ...]:
        """Name the fault switches."""
        ...

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Turn a fault on: for one serial or all, for the next `times` requests or until cleared.

        Raises:
            ValueError: no such fault.
        """
        ...

    def clear_faults(self) -> None:
        """Turn every fault off."""
        ...

    def knows(self, serial: str) -> None:
        """Make a device known to the vendor, as a delivery of hardware would."""
        ...

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return the telecom's validation call, signed as the operator does; `None`: no telecom."""
        ...

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return the process call after our `validation` answer; `None` if that answer was a no."""
        ...

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return the enquiry the telecom sends when our answer to process was lost."""
        ...

    def use_token(self, serial: str, code: str) -> str:
        """Type a code into the simulated device.

        Returns:
            What the device shows: `accepted 7.6 kWh`, or why it refused.
        """
        ...


@runtime_checkable
class GrantCounter(Protocol):
    """What a manufacturer's simulator has besides: the proof that nothing is sold twice.

    The contract kit needs it of every manufacturer whose plugin calls out.
    """

    def grants(self, serial: str) -> int:
        """Return how often the vendor gave a device something new.

        A repeat that changes nothing (the same key, the same target) does not count.
        """
        ...
