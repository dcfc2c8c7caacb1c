"""The vendor, simulated: it keeps the end of units' credit, and makes keycodes for it."""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import attrs

from mpm_core import (
    ANSWER_FAULTS,
    UNPROCESSED_FAULTS,
    FaultSwitches,
    SimulatedCall,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
    spoil_answer,
)

__all__ = ["AngazaSimulator"]

CLIENT_ID = "simulated"
CLIENT_SECRET = "simulated-angaza-secret"  # noqa: S105 - worth nothing outside this simulator
STARTUP_CREDIT = timedelta(days=30)  # what a unit leaves the factory with
_WANTED = f"Basic {b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"
_SPOILT_KEYCODES = {"missing_token": "", "short_token": "1234"}


@attrs.frozen(kw_only=True)
class Keycode:
    """One keycode the simulated vendor made: it sets a unit's credit to a target, once."""

    serial: str
    target: str
    code: str = attrs.field(repr=False)


def _system_time() -> datetime:
    return datetime.now(UTC)


class AngazaSimulator:
    """The vendor's side: `handle` keeps units' credit, `use_token` types into the unit.

    Args:
        clock: the vendor's, aware.

    Attributes:
        targets: where each unit's credit ends, as the vendor keeps it.
        keycodes: every keycode made, oldest first; a repeat brings a newer one for the same end.
    """

    def __init__(self, clock: Callable[[], datetime] = _system_time) -> None:
        self.targets: dict[str, str] = {}
        self.keycodes: list[Keycode] = []
        self._clock = clock
        self._changes: Counter[str] = Counter()
        self._shown: dict[str, str] = {}  # where each unit's credit ends, as the unit knows it
        self._typed: dict[str, int] = {}  # the newest keycode each unit took
        self._lock = threading.Lock()
        self._switches = FaultSwitches(
            (*UNPROCESSED_FAULTS, *ANSWER_FAULTS, *_SPOILT_KEYCODES, "other_serial", "refused")
        )

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return settings of an instance that buys from this simulator."""
        return {"api_url": base_url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request as the vendor would."""
        if request.headers.get("authorization") != _WANTED:
            return _refusal(401, "Invalid credentials")
        what = (request.method, request.path)
        if what == ("GET", "unit_credit"):
            return self._credit(dict(parse_qsl(request.query)).get("unit_number", ""))
        if what == ("PUT", "unit_credit"):
            return self._sale(_read(request.body))
        return _json(404, {})

    def _credit(self, serial: str) -> SimulatedReply:
        target = self.targets.get(serial)
        if target is None:
            return _refusal(200, "Invalid unit number")
        return _json(
            200, {"unit_number": serial, "state": {"desired": {"credit_until_dt": target}}}
        )

    def _sale(self, fields: Mapping[str, object]) -> SimulatedReply:
        serial = str(fields.get("unit_number", ""))
        fault = self._switches.take(serial)
        if unprocessed := UNPROCESSED_FAULTS.get(fault or ""):
            return unprocessed
        target = _target(fields)
        if fault == "refused" or serial not in self.targets:
            return _refusal(200, "Invalid unit number")
        if target is None:
            return _refusal(400, "Invalid credit_until_dt")
        keycode = self._set_credit(serial, target)
        named = "SERIAL-999" if fault == "other_serial" else serial
        return spoil_answer(fault, _answer(_SPOILT_KEYCODES.get(fault or "", keycode), named))

    def _set_credit(self, serial: str, target: str) -> str:
        with self._lock:
            if self.targets[serial] != target:
                self._changes[serial] += 1
                self.targets[serial] = target
            code = _code(len(self.keycodes), serial)
            self.keycodes.append(Keycode(serial=serial, target=target, code=code))
            return code

    def use_token(self, serial: str, code: str) -> str:
        """Type a code into a unit; returns what it shows."""
        with self._lock:
            number = next((n for n, one in enumerate(self.keycodes) if one.code == code), None)
            if number is None or self.keycodes[number].serial != serial:
                return "rejected: wrong code"
            if number <= self._typed.get(serial, -1):
                return "rejected: used before, or older than one used"
            self._typed[serial] = number
            target = self.keycodes[number].target
            before, self._shown[serial] = self._shown[serial], target
        return f"accepted {_gain(before, target, self._clock())}"

    def grants(self, serial: str) -> int:
        """Return how often a unit got another end of credit; a repeat of one does not count."""
        with self._lock:
            return self._changes[serial]

    def knows(self, serial: str) -> None:
        """Deliver a unit, with some credit to start with."""
        until = (self._clock().replace(microsecond=0) + STARTUP_CREDIT).isoformat()
        with self._lock:
            self.targets.setdefault(serial, until)
            self._shown.setdefault(serial, until)

    def faults(self) -> tuple[str, ...]:
        """Name the fault switches."""
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Turn a fault on: for one serial or all, for `times` requests or until cleared."""
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        """Turn every fault off."""
        self._switches.clear()

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: a manufacturer is no telecom."""

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return nothing: a manufacturer is no telecom."""

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: a manufacturer is no telecom."""


def _target(fields: Mapping[str, object]) -> str | None:
    """Return the end of credit that is asked for, or nothing if it is none."""
    state = fields.get("state")
    desired = state.get("desired") if isinstance(state, dict) else None
    target = desired.get("credit_until_dt") if isinstance(desired, dict) else None
    if target == "UNLOCKED":
        return "UNLOCKED"
    try:
        moment = datetime.fromisoformat(str(target))
    except ValueError:
        return None
    return moment.isoformat() if moment.tzinfo else None


def _gain(before: str, target: str, now: datetime) -> str:
    """Return what a unit shows when its credit is set anew: whole days, rounded."""
    if target == "UNLOCKED":
        return "for good"
    start = now if before == "UNLOCKED" else max(now, datetime.fromisoformat(before))
    return f"{round((datetime.fromisoformat(target) - start) / timedelta(days=1))} days"


def _code(number: int, serial: str) -> str:
    digest = hashlib.sha256(f"{serial} {number}".encode()).hexdigest()
    digits = f"{number:04d}{int(digest, 16) % 10**8:08d}"
    return f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"


def _read(body: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {}


def _answer(keycode: str, serial: str) -> SimulatedReply:
    return _json(
        200, {"unit_number": serial, "_embedded": {"latest_keycode": {"keycode": keycode}}}
    )


def _refusal(status: int, reason: str) -> SimulatedReply:
    return _json(status, {"context": {"reason": reason}})


def _json(status: int, answer: object) -> SimulatedReply:
    return SimulatedReply(status=status, body=json.dumps(answer).encode())
