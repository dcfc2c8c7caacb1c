"""An Airtel that pays: it makes the three calls and signs them as the operator does.

It only calls, so `handle` answers 404. Faults spoil the next calls; `process_without_validate` and
`ids_only` change what a process call carries, as markets differ.
"""

# ruff: noqa: ARG002 - the Simulator protocol has more arguments than a mere caller needs

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from mpm_airtel.authentication import signing_key
from mpm_airtel.mapping import ENQUIRY, PROCESS, VALIDATE
from mpm_airtel.settings import AuthenticationMode
from mpm_core import (
    FaultSwitches,
    Malformed,
    Money,
    Secret,
    SimulatedCall,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
    read_flat_xml,
    write_flat_xml,
)

__all__ = ["FAULTS", "AirtelSimulator"]

# Known to everybody who reads this: good for loopback only.
_SIMULATOR_SECRET = "airtel-simulator-only-3f9d2c7be1a84056b7c0d9e2f4a1885e6c3b7d90f2e4a6c8"  # noqa: S105 - published on purpose
_LIFETIME = timedelta(minutes=5)
_OVERSIZE = 65 * 1024  # over the host's cap of 64 KiB
_GOOD_STATUS = frozenset({"200", "SUCCESS"})
_BODY_FAULTS = ("doctype_body", "oversized_body", "malformed")
_PROOF_FAULTS = ("expired_jwt", "alg_none", "wrong_txn_id", "wrong_secret")
_CONTENT_FAULTS = ("amount_changed", "repeat_other_content")
_PROCESS_FAULTS = ("process_without_validate", "ids_only")
FAULTS = (*_PROOF_FAULTS, *_BODY_FAULTS, *_CONTENT_FAULTS, *_PROCESS_FAULTS)

_Fields = Sequence[tuple[str, str]]


def _now() -> datetime:
    return datetime.now(UTC)


class AirtelSimulator:
    """The caller's side of the C2B COMMAND interface.

    Args:
        clock: tells when a token expires; the system's unless a test has its own.
    """

    def __init__(self, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._switches = FaultSwitches(FAULTS)
        self._sent: set[tuple[str, str]] = set()  # (path, reference) of calls made
        self._lock = threading.Lock()

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return settings under which this simulator's calls are genuine."""
        return {"mode": str(AuthenticationMode.JWT_HS512), "jwt_secret": _SIMULATOR_SECRET}

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer 404: in this interface Airtel only calls."""
        return SimulatedReply(status=404, content_type="text/plain", body=b"Airtel only calls")

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
        return self._call(VALIDATE, payment, settings)

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return the process call; `None` if our answer was a no, unless told not to care."""
        skipped = self._switches.take(payment.serial, among=("process_without_validate",))
        if not skipped and not _is_yes(validation):
            return None
        return self._call(PROCESS, payment, settings)

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall:
        """Return the enquiry about a payment."""
        return self._call(ENQUIRY, payment, settings)

    def _call(
        self, path: str, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall:
        proof_fault, body_fault = (
            self._switches.take(payment.serial, among=names)
            for names in (_PROOF_FAULTS, _BODY_FAULTS)
        )
        fields = self._fields(path, self._content(path, payment))
        proof = _Proof(settings=settings, fault=proof_fault, now=self._clock())
        fields = [*fields, *proof.elements()]
        headers = {"content-type": "application/xml", **proof.headers(payment.reference)}
        return SimulatedCall(path=path, headers=headers, body=_body(fields, body_fault))

    def _content(self, path: str, payment: SimulatedPayment) -> SimulatedPayment:
        """Return the payment as this call tells it: a dishonest call adds a major unit."""
        with self._lock:
            is_repeat = (path, payment.reference) in self._sent
            self._sent.add((path, payment.reference))
        faults = [
            name
            for name, applies in (
                ("amount_changed", path == PROCESS),
                ("repeat_other_content", is_repeat),
            )
            if applies
        ]
        if not faults or not self._switches.take(payment.serial, among=faults):
            return payment
        more = payment.amount + Money.parse("1", payment.amount.currency)
        return attrs.evolve(payment, amount=more)

    def _fields(self, path: str, payment: SimulatedPayment) -> _Fields:
        if path == ENQUIRY:
            return [("TXNID", payment.reference)]
        ids = [("REFERENCE1", payment.reference)]
        if path == PROCESS:
            ids.append(("REFERENCE2", f"MP.{payment.reference}"[:64]))
            if self._switches.take(payment.serial, among=("ids_only",)):
                return [("TYPE", "C2B"), *ids]
        return [
            ("TYPE", "C2B"),
            ("CUSTOMERMSISDN", payment.msisdn),
            ("AMOUNT", str(payment.amount)),
            ("REFERENCE", payment.serial),
            *ids,
        ]


@attrs.frozen(kw_only=True)
class _Proof:
    """How one call proves that Airtel makes it, in the way the settings ask for."""

    settings: Mapping[str, object]
    fault: str | None
    now: datetime

    def elements(self) -> _Fields:
        elements: list[tuple[str, str]] = []
        if merchant := self._setting("merchant_msisdn"):
            elements.append(("MERCHANTMSISDN", merchant))
        if self._mode() is AuthenticationMode.BODY_CREDENTIALS:
            elements += [("USERNAME", self._setting("username")), ("PASSWORD", self._password())]
        return elements

    def headers(self, transaction_id: str) -> Mapping[str, str]:
        match self._mode():
            case AuthenticationMode.JWT_HS512:
                return {"authorization": f"Bearer {self._token(transaction_id)}"}
            case AuthenticationMode.BASIC:
                pair = f"{self._setting('username')}:{self._password()}"
                return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
            case AuthenticationMode.BEARER_STATIC:
                return {"authorization": f"Bearer {self._secret('bearer_token')}"}
            case AuthenticationMode.BODY_CREDENTIALS:
                return {}

    def _token(self, transaction_id: str) -> str:
        import jwt  # noqa: PLC0415 - loads cryptography; only this mode needs it

        lifetime = -_LIFETIME if self.fault == "expired_jwt" else _LIFETIME
        named = "ANOTHER-ID" if self.fault == "wrong_txn_id" else transaction_id
        claims = {
            "sub": "1",
            "exp": int((self.now + lifetime).timestamp()),
            "payload": {"txnId": named},
        }
        if self.fault == "alg_none":
            return jwt.encode(claims, "", algorithm="none")
        key = signing_key(Secret(self._secret("jwt_secret")))
        return jwt.encode(claims, key, algorithm="HS512")

    def _mode(self) -> AuthenticationMode:
        return AuthenticationMode(self._setting("mode") or AuthenticationMode.JWT_HS512)

    def _password(self) -> str:
        return self._secret("password")

    def _secret(self, name: str) -> str:
        wrong = "-wrong" if self.fault == "wrong_secret" else ""
        return self._setting(name) + wrong

    def _setting(self, name: str) -> str:
        value = self.settings.get(name)
        if isinstance(value, Secret):
            return value.reveal()
        return "" if value is None else str(value)


def _body(fields: _Fields, fault: str | None) -> bytes:
    body = write_flat_xml("COMMAND", fields)
    match fault:
        case "doctype_body":
            return b'<!DOCTYPE COMMAND [<!ENTITY me SYSTEM "file:///etc/hostname">]>' + body
        case "oversized_body":
            return body + b" " * _OVERSIZE
        case "malformed":
            return body[:-1]
        case _:
            return body


def _is_yes(reply: SimulatedReply) -> bool:
    try:
        status = read_flat_xml(reply.body, root="COMMAND").get("STATUS")
    except Malformed:
        return False
    return status in _GOOD_STATUS
