"""Simulated OpenPAYGO devices; there is no vendor, for the plugin itself makes the codes."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from mpm_core import (
    FaultSwitches,
    SimulatedCall,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
)
from mpm_openpaygo.device import PaygoDevice, starting_code_of
from mpm_openpaygo.maker import SAMPLE_KEY, SAMPLE_STARTING_CODE
from mpm_openpaygo.settings import OpenPaygoDevice

__all__ = ["OpenPaygoSimulator"]


class OpenPaygoSimulator:
    """Devices that take codes; those `knows` delivers all have the published sample key."""

    def __init__(self) -> None:
        self._devices: dict[str, PaygoDevice] = {}
        self._lock = threading.Lock()
        self._switches = FaultSwitches(())

    def settings(self, base_url: str) -> Mapping[str, object]:  # noqa: ARG002 - nothing is called
        """Return the settings of an instance: it needs none."""
        return {}

    def details(self, serial: str) -> Mapping[str, object]:  # noqa: ARG002 - alike for all
        """Return what registration must be told of a device that `knows` delivered."""
        return {"secret_key": SAMPLE_KEY, "starting_code": SAMPLE_STARTING_CODE}

    def handle(self, request: SimulatedRequest) -> SimulatedReply:  # noqa: ARG002 - nobody asks
        """Answer 404: the plugin calls nobody."""
        return SimulatedReply(status=404, body=b'{"message":"There is no vendor to call"}')

    def faults(self) -> tuple[str, ...]:
        """Name the fault switches: there are none."""
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Refuse every fault: there is nobody to fail."""
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        """Do nothing: there are no faults."""
        self._switches.clear()

    def knows(self, serial: str) -> None:
        """Deliver a device with the published sample key."""
        details = self.details(serial)
        self.deliver(serial, OpenPaygoDevice(**details))  # type: ignore[arg-type]  # plain JSON values

    def deliver(self, serial: str, details: OpenPaygoDevice) -> None:
        """Deliver a device of its own; one that is there already stays as it is."""
        key = bytes.fromhex(details.secret_key.reveal())
        given = details.starting_code
        device = PaygoDevice(
            key=key,
            starting_code=starting_code_of(key) if given is None else int(given.reveal()),
            count=details.starting_count,
            value_divider=details.value_divider,
            restricted=details.restricted_digit_set,
        )
        with self._lock:
            self._devices.setdefault(serial, device)

    def device(self, serial: str) -> PaygoDevice:
        """Return a device that was delivered, to look at it."""
        return self._devices[serial]

    def use_token(self, serial: str, code: str) -> str:
        """Type a code into a device; returns what it shows."""
        device = self._devices.get(serial)
        return device.enter(code) if device else "rejected: There is no such device."

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: this is no telecom."""

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return nothing: this is no telecom."""

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: this is no telecom."""
