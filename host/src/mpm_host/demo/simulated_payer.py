"""A customer with a phone: a telecom's simulator pays against a running host over real HTTP."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from mpm_core import SimulatedCall, SimulatedPayment, SimulatedReply, Simulator

if TYPE_CHECKING:
    import httpx

__all__ = ["CallMade", "SimulatedPayer"]

_PATIENCE_SECONDS = 30.0


@attrs.frozen(kw_only=True)
class CallMade:
    """One call of the telecom and what the host answered."""

    path: str
    reply: SimulatedReply


class SimulatedPayer:
    """Pays through one telecom instance.

    Args:
        simulator: of the telecom.
        callback_url: of the instance, as `mpm company callback-url` prints it.
        settings: raw settings of the instance, with its credentials, to sign the calls with.
    """

    def __init__(
        self, simulator: Simulator, callback_url: str, settings: Mapping[str, object]
    ) -> None:
        import httpx  # noqa: PLC0415 - 0.3 s of import, only to pay

        self._simulator = simulator
        self.callback_url = callback_url.rstrip("/")
        self._settings = settings
        self._http: httpx.Client = httpx.Client(timeout=_PATIENCE_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def pay(self, payment: SimulatedPayment) -> tuple[CallMade, ...]:
        """Validate and, if we agree, process; returns the calls that were made."""
        validation = self.validate(payment)
        process = self._simulator.process_call(payment, self._settings, validation.reply)
        if process is None:
            return (validation,)
        return (validation, self._make(process))

    def validate(self, payment: SimulatedPayment) -> CallMade:
        """Ask whether the serial may be paid."""
        call = self._simulator.validate_call(payment, self._settings)
        if call is None:
            raise ValueError("This simulator is no telecom; choose a telecom's instance.")
        return self._make(call)

    def process(self, payment: SimulatedPayment, validation: CallMade) -> CallMade | None:
        """Say that the money has moved; again and again if need be."""
        call = self._simulator.process_call(payment, self._settings, validation.reply)
        return None if call is None else self._make(call)

    def enquire(self, payment: SimulatedPayment) -> CallMade | None:
        """Ask what became of the payment."""
        call = self._simulator.enquiry_call(payment, self._settings)
        return None if call is None else self._make(call)

    def curl(self, payment: SimulatedPayment) -> str:
        """Return a command line that makes the validation call of a payment."""
        call = self._simulator.validate_call(payment, self._settings)
        if call is None:
            raise ValueError("This simulator is no telecom; choose a telecom's instance.")
        headers = " ".join(
            f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()
        )
        data = shlex.quote(call.body.decode())
        return f"curl -X {call.method} {headers} -d {data} {self.callback_url}/{call.path}"

    def _make(self, call: SimulatedCall) -> CallMade:
        answer = self._http.request(
            call.method,
            f"{self.callback_url}/{call.path}",
            headers=dict(call.headers),
            content=call.body,
        )
        reply = SimulatedReply(
            status=answer.status_code,
            content_type=answer.headers.get("content-type", ""),
            body=answer.content,
        )
        return CallMade(path=call.path, reply=reply)
