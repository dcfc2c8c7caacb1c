"""SunKing's login and asset control, simulated, with devices that take the codes.

The keypad codes are a stand-in (see `keypad`): SunKing's own algorithm is not published.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote

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
from mpm_sunking.keypad import MOST_DAYS, Keypad, make_code

__all__ = ["SunKingSimulator", "Token"]

CLIENT_ID = "simulated-client"
CLIENT_SECRET = "simulated-sunking-secret"  # noqa: S105 - worth nothing outside this simulator
LIFETIME = timedelta(seconds=300)
LOGIN = "auth/realms/simulated/protocol/openid-connect/token"

_LOGIN_FAULTS = ("auth_down", "auth_error_500", "auth_without_token", "auth_400")
_TOKEN_FAULTS: Mapping[str, Callable[[str], Mapping[str, object]]] = {
    "missing_token": lambda _token: {},
    "empty_token": lambda _token: {"token": ""},
    "number_token": lambda token: {"token": int(token)},
    "long_token": lambda token: {"token": token * 10},
    "separated_token": lambda token: {"token": f"*{token[:4]} {token[4:8]} {token[8:]}#"},
}
_REPLIES: Mapping[str, tuple[int, str]] = {  # faults that answer instead of minting
    "expired_token": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "unknown_device": (404, "Device not found"),
    "wrong_path": (404, "No such route"),
    "bad_payload": (422, "payload must be a positive integer"),
}


@attrs.frozen(kw_only=True)
class Token:
    """One keypad token the simulated asset control minted; no days means unlock."""

    serial: str
    days: int | None
    code: str = attrs.field(repr=False)


class SunKingSimulator:
    """SunKing's side: `handle` logs in and mints, `use_token` types into the device.

    Args:
        clock: the server's time, by which access tokens expire.

    Attributes:
        tokens: every keypad token minted, in order: the proof that nothing is minted twice.
        logins: how often somebody logged in successfully.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.tokens: list[Token] = []
        self.logins = 0
        self._clock = clock
        self._keypads: dict[str, Keypad] = {}
        self._counters: dict[str, int] = {}
        self._accesses: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._api_faults = (*UNPROCESSED_FAULTS, *ANSWER_FAULTS, *_TOKEN_FAULTS, *_REPLIES)
        self._switches = FaultSwitches((*self._api_faults, *_LOGIN_FAULTS))

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return the settings of an instance that talks to this simulator."""
        return {
            "auth_url": f"{base_url}/{LOGIN}",
            "api_url": f"{base_url}/v2",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }

    def faults(self) -> tuple[str, ...]:
        """Name the fault switches; the README says what each does."""
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Turn a fault on: for one serial or all, for `times` requests or until cleared."""
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        """Turn every fault off."""
        self._switches.clear()

    def knows(self, serial: str) -> None:
        """Deliver a device: asset control knows it and it can be typed into."""
        with self._lock:
            self._keypads.setdefault(serial, Keypad(serial))

    def use_token(self, serial: str, code: str) -> str:
        """Type a code into a device; returns what it shows."""
        keypad = self._keypads.get(serial)
        return keypad.enter(code) if keypad else "rejected: There is no such device."

    def keypad(self, serial: str) -> Keypad:
        """Return a device that was delivered, to look at its days."""
        return self._keypads[serial]

    def grants(self, serial: str) -> int:
        """Return how often a device was given days, and one more if it was unlocked at all."""
        with self._lock:
            days = [token.days for token in self.tokens if token.serial == serial]
        return len([some for some in days if some is not None]) + (None in days)

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: SunKing is no telecom."""

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return nothing: SunKing is no telecom."""

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: SunKing is no telecom."""

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request: the login, `POST v2/token` or `GET v2/device_details/{serial}`."""
        path = request.path.strip("/")
        if (request.method, path) == ("POST", LOGIN):
            return self._log_in(request.body)
        fields = _read(request.body)
        details, _, named = path.partition("v2/device_details/")
        if request.method == "GET" and not details and named:
            serial = unquote(named)
            return self._behind_the_door(request, serial, lambda _fault: self._describe(serial))
        if (request.method, path) == ("POST", "v2/token"):
            serial = str(fields.get("device", ""))
            return self._behind_the_door(
                request, serial, lambda fault: self._mint(serial, fields, fault)
            )
        return _message(404, "No such route")

    def _log_in(self, body: bytes) -> SimulatedReply:
        fault = self._switches.take(None, among=_LOGIN_FAULTS)
        if fault == "auth_down":
            return UNPROCESSED_FAULTS["down"]
        if fault == "auth_error_500":
            return UNPROCESSED_FAULTS["error_500_before"]
        form = {name: values[-1] for name, values in parse_qs(body.decode("latin-1")).items()}
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if fault == "auth_400" or not known or form.get("grant_type") != "client_credentials":
            return _json(400 if fault else 401, _INVALID_CLIENT)
        return _json(200, {} if fault else self._give_access(form.get("scope", "")))

    def _give_access(self, scope: str) -> Mapping[str, object]:
        with self._lock:
            self.logins += 1
            access = f"simulated-access-{self.logins}"
            self._accesses[access] = self._clock() + LIFETIME
        return {
            "access_token": access,
            "expires_in": int(LIFETIME.total_seconds()),
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": scope,
        }

    def _behind_the_door(
        self, request: SimulatedRequest, serial: str, act: Callable[[str | None], SimulatedReply]
    ) -> SimulatedReply:
        fault = self._switches.take(serial, among=self._api_faults)
        if unprocessed := UNPROCESSED_FAULTS.get(fault or ""):
            return unprocessed
        access = request.headers.get("authorization", "").removeprefix("Bearer ")
        good_until = self._accesses.get(access)
        if good_until is None or good_until <= self._clock():
            return _message(401, "Unauthorized")
        if instead := _REPLIES.get(fault or ""):
            return _message(*instead)
        return spoil_answer(fault, act(fault))

    def _describe(self, serial: str) -> SimulatedReply:
        if serial not in self._keypads:
            return _message(404, "Device not found")
        return _json(200, {"device": _DETAILS})

    def _mint(self, serial: str, fields: Mapping[str, object], fault: str | None) -> SimulatedReply:
        if serial not in self._keypads:
            return _message(404, "Device not found")
        try:
            days = _read_days(fields)
        except ValueError as wrong:
            return _message(400, str(wrong))
        with self._lock:
            counter = self._counters[serial] = self._counters.get(serial, 0) + 1
            code = make_code(serial, counter, days)
            self.tokens.append(Token(serial=serial, days=days, code=code))
        change = _TOKEN_FAULTS.get(fault or "")
        return _json(200, change(code) if change else {"token": code})


_INVALID_CLIENT = {
    "error": "unauthorized_client",
    "error_description": "Invalid client or Invalid client credentials",
}
_DETAILS = {
    "code": "312",
    "name": "SK-312 Pro EasyBuy",
    "keypad_type": 2,
    "is_paygo": True,
    "is_gsm": False,
    "version": "2",
}


def _read(body: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {}


def _read_days(fields: Mapping[str, object]) -> int | None:
    """Return the days asked for, or `None` for an unlock.

    Raises:
        ValueError: neither is asked for properly; the text is the answer's message.
    """
    if fields.get("command") == "unlock":
        return None
    if fields.get("command") != "add_credit":
        raise ValueError("unknown command")
    if fields.get("time_unit") != "day":
        raise ValueError("time_unit must be day")
    days = fields.get("payload")
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MOST_DAYS:
        raise ValueError("payload must be a positive integer")
    return days


def _message(status: int, text: str) -> SimulatedReply:
    return _json(status, {"message": text})


def _json(status: int, fields: Mapping[str, object]) -> SimulatedReply:
    return SimulatedReply(status=status, body=json.dumps(fields).encode())
