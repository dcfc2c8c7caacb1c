"""A Vodacom that pays: it makes the three calls with key and, where set, signature.

It only calls, so `handle` answers 404. Faults spoil the next calls.
"""

# ruff: noqa: ARG002 - the Simulator protocol has more arguments than a mere caller needs

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from mpm_core import (
    FaultSwitches,
    Money,
    Secret,
    SimulatedCall,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
)
from mpm_core.exact_json import read_json, write_json
from mpm_vodacom.authentication import SIGNATURE_HEADER, sign
from mpm_vodacom.mapping import PROCESS, QUERY, VALIDATE
from mpm_vodacom.wire import json_amount

__all__ = ["FAULTS", "VodacomSimulator"]

# Known to everybody who reads this: good for loopback only.
_SIMULATOR_KEY = "vodacom-simulator-only-7c1e5a94d2b84f0f9e63"
_REQUEST_IDS = uuid.UUID("8b0c2f6e-5d3a-4e1f-9c47-2a6d1b7e0f35")  # ours, to derive request ids from
_NEVER_VALIDATED = "VOD-TXN-999999"
_OVERSIZE = 65 * 1024  # over the host's cap of 64 KiB
_LATE = timedelta(days=1)
_PROOF_FAULTS = ("wrong_secret", "stale_signature")
_BODY_FAULTS = ("oversized_body", "malformed", "repeated_key")
_CONTENT_FAULTS = ("amount_changed", "repeat_other_content")
FAULTS = (*_PROOF_FAULTS, *_BODY_FAULTS, *_CONTENT_FAULTS, "process_without_validate")

_Body = Mapping[str, object]


def _now() -> datetime:
    return datetime.now(UTC)


class VodacomSimulator:
    """The caller's side of the JSON contract.

    Args:
        clock: tells when a call is signed; the system's unless a test has its own.
    """

    def __init__(self, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._switches = FaultSwitches(FAULTS)
        self._sent: set[tuple[str, str]] = set()  # (path, reference) of calls made
        self._lock = threading.Lock()

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return settings under which this simulator's calls are genuine."""
        return {"api_key": _SIMULATOR_KEY}

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer 404: in this contract Vodacom only calls."""
        return SimulatedReply(status=404, content_type="text/plain", body=b"Vodacom only calls")

    def faults(self) -> tuple[str, ...]:
        """Name the fault switches."""
        return FAULTS

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Turn a fault on."""
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        """Turn every fault off."""
        self._switches.clear()

    def knows(self, serial: str) -> None:
        """Nothing: a telecom knows no devices."""

    def use_token(self, serial: str, code: str) -> str:
        """Say that a telecom has no devices."""
        return "a telecom has no devices"

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall:
        """Return the validation call."""
        body = {
            "reference": payment.serial,
            "amount": json_amount(self._amount(VALIDATE, payment)),
            "request_id": str(uuid.uuid5(_REQUEST_IDS, payment.reference)),
            "payerPhoneNumber": payment.msisdn,
        }
        return self._call(VALIDATE, payment, settings, body)

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return the process call; `None` if our answer was a no, unless told not to care."""
        skipped = self._switches.take(payment.serial, among=("process_without_validate",))
        transaction_id = _NEVER_VALIDATED if skipped else _transaction_id(validation)
        if transaction_id is None:
            return None
        body = {
            "referenceId": payment.reference,
            "transactionId": transaction_id,
            "amount": json_amount(self._amount(PROCESS, payment)),
            "mpesaReceipt": f"MPESA-{payment.reference}",
        }
        return self._call(PROCESS, payment, settings, body)

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall:
        """Return the query about a payment."""
        return self._call(QUERY, payment, settings, {"referenceId": payment.reference})

    def _amount(self, path: str, payment: SimulatedPayment) -> Money:
        """Return the amount this call tells: a dishonest call adds a major unit."""
        with self._lock:
            is_repeat = (path, payment.reference) in self._sent
            self._sent.add((path, payment.reference))
        applies = {"amount_changed": path == PROCESS, "repeat_other_content": is_repeat}
        faults = [name for name, now in applies.items() if now]
        if not faults or not self._switches.take(payment.serial, among=faults):
            return payment.amount
        return payment.amount + Money.parse("1", payment.amount.currency)

    def _call(
        self, path: str, payment: SimulatedPayment, settings: Mapping[str, object], body: _Body
    ) -> SimulatedCall:
        written = _spoilt(write_json(body), self._switches.take(payment.serial, among=_BODY_FAULTS))
        fault = self._switches.take(payment.serial, among=_PROOF_FAULTS)
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {_secret(settings, 'api_key', fault)}",
            **self._signature(settings, written, fault),
        }
        return SimulatedCall(path=path, headers=headers, body=written)

    def _signature(
        self, settings: Mapping[str, object], body: bytes, fault: str | None
    ) -> Mapping[str, str]:
        if settings.get("signature_secret") is None:
            return {}
        late = _LATE if fault == "stale_signature" else timedelta()
        signed_at = int((self._clock() - late).timestamp())
        value = sign(Secret(_secret(settings, "signature_secret", fault)), signed_at, body)
        return {SIGNATURE_HEADER: f"t={signed_at},v1={value}"}


def _secret(settings: Mapping[str, object], name: str, fault: str | None) -> str:
    value = settings.get(name, "")
    text = value.reveal() if isinstance(value, Secret) else str(value)
    return f"{text}-wrong" if fault == "wrong_secret" else text


def _spoilt(body: bytes, fault: str | None) -> bytes:
    match fault:
        case "oversized_body":
            return body + b" " * _OVERSIZE
        case "malformed":
            return body[:-1]
        case "repeated_key":
            return body[:-1] + b"," + body[1:]
        case _:
            return body


def _transaction_id(reply: SimulatedReply) -> str | None:
    """Return the id under which we validated; `None` if our answer was a no."""
    try:
        answer = read_json(reply.body.decode("utf-8"))
    except ValueError:
        return None
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or data.get("success") is not True:
        return None
    transaction_id = data.get("transactionId")
    return transaction_id if isinstance(transaction_id, str) else None
