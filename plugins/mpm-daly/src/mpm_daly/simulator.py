"""Daly's battery platform, simulated, with bikes that are on or off."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

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
from mpm_daly.mapping import SWITCH

__all__ = ["Bike", "DalySimulator", "Switch"]

USERNAME = "simulated-user"
PASSWORD = "simulated-daly-password"  # noqa: S105 - worth nothing outside this simulator
LIFETIME = timedelta(days=1)
LOGIN = "api/Login/Authenticate"

_LOGIN_FAULTS = ("auth_down", "auth_error_500", "auth_refused", "auth_without_token")
_FRONT: Mapping[str, tuple[int, str]] = {  # HTTP statuses before the platform looks at anything
    "expired_token": (401, "Unauthorized"),
    "forbidden": (403, "Forbidden"),
    "wrong_path": (404, "Not Found"),
}
_FAILURES: Mapping[str, tuple[int, str]] = {  # the platform's own no; the bike stays as it is
    "expired_in_body": (401, "token expired"),
    "offline": (200, "terminal offline"),
    "no_permission": (200, "no permission for this terminal"),
    "bad_request": (400, "parameter error"),
    "platform_error": (500, "system busy"),
    "no_words": (200, ""),
}
_CHANGED: Mapping[str, Mapping[str, object]] = {  # spoiled answers to a switch that was done
    "without_response": {"response": None},
    "no_success": {"success": False},
    "without_status": {"status": None},
    "created": {"status": 201},
}


@attrs.define
class Bike:
    """One simulated bike.

    Attributes:
        on: its ignition can be used.
        changes: how often it was switched from one state to the other.
    """

    on: bool = False
    changes: int = 0

    def switch(self, *, on: bool) -> None:
        """Switch it; to the state it has, nothing changes."""
        self.changes += self.on != on
        self.on = on


@attrs.frozen(kw_only=True)
class Switch:
    """One switch the simulated platform did."""

    serial: str
    on: bool


class DalySimulator:
    """Daly's side: `handle` logs in, switches and lists.

    Args:
        clock: the server's time, by which access tokens expire.

    Attributes:
        switches: every switch that was done, in order, repeats included.
        logins: how often somebody logged in successfully.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.switches: list[Switch] = []
        self.logins = 0
        self._clock = clock
        self._bikes: dict[str, Bike] = {}
        self._accesses: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._api_faults = (*UNPROCESSED_FAULTS, *ANSWER_FAULTS, *_FRONT, *_FAILURES, *_CHANGED)
        self._faults = FaultSwitches((*self._api_faults, *_LOGIN_FAULTS))

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return the settings of an instance that talks to this simulator."""
        return {"api_url": f"{base_url}/api", "username": USERNAME, "password": PASSWORD}

    def faults(self) -> tuple[str, ...]:
        """Name the fault switches; the README says what each does."""
        return self._faults.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Turn a fault on: for one serial or all, for `times` requests or until cleared."""
        self._faults.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        """Turn every fault off."""
        self._faults.clear()

    def knows(self, serial: str) -> None:
        """Deliver a bike, switched off."""
        with self._lock:
            self._bikes.setdefault(serial, Bike())

    def bike(self, serial: str) -> Bike:
        """Return a bike that was delivered, to look at it."""
        return self._bikes[serial]

    def grants(self, serial: str) -> int:
        """Return how often a bike was really switched."""
        return self._bikes[serial].changes if serial in self._bikes else 0

    def use_token(self, serial: str, code: str) -> str:  # noqa: ARG002 - bikes have no keypad
        """Refuse: a bike takes no codes."""
        return "rejected: A bike has no keypad."

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: Daly is no telecom."""

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return nothing: Daly is no telecom."""

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: Daly is no telecom."""

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request: the login, `POST api/Monitor/Send` or `POST api/Monitor/Refresh`."""
        asked = (request.method, request.path.strip("/"))
        if asked == ("POST", LOGIN):
            return self._log_in(request.query)
        fields = _read(request.body)
        if asked == ("POST", "api/Monitor/Refresh"):
            codes = _codes(fields)
            serial = codes[0] if codes else ""
            return self._behind_the_door(request, serial, lambda: self._list(codes))
        if asked == ("POST", "api/Monitor/Send"):
            command = fields.get("data")
            data = command if isinstance(command, dict) else {}
            serial = str(data.get("Code", ""))
            return self._behind_the_door(request, serial, lambda: self._switch(fields, data))
        return _page(*_FRONT["wrong_path"])

    def _log_in(self, query: str) -> SimulatedReply:
        fault = self._faults.take(None, among=_LOGIN_FAULTS)
        if fault == "auth_down":
            return UNPROCESSED_FAULTS["down"]
        if fault == "auth_error_500":
            return UNPROCESSED_FAULTS["error_500_before"]
        given = {name: values[-1] for name, values in parse_qs(query).items()}
        known = (given.get("Username"), given.get("Password")) == (USERNAME, PASSWORD)
        if fault == "auth_refused" or not known:
            return _json({"status": 400, "message": "user or password error"})
        access = {} if fault else self._give_access()
        return _json({"status": 200, "message": "ok", "response": access})

    def _give_access(self) -> Mapping[str, object]:
        with self._lock:
            self.logins += 1
            access = f"simulated-access-{self.logins}"
            self._accesses[access] = self._clock() + LIFETIME
        return {"token": access, "expires_in": int(LIFETIME.total_seconds())}

    def _behind_the_door(
        self,
        request: SimulatedRequest,
        serial: str,
        act: Callable[[], Mapping[str, object]],
    ) -> SimulatedReply:
        fault = self._faults.take(serial, among=self._api_faults)
        if unprocessed := UNPROCESSED_FAULTS.get(fault or ""):
            return unprocessed
        access = request.headers.get("authorization", "").removeprefix("Bearer ")
        good_until = self._accesses.get(access)
        if good_until is None or good_until <= self._clock():
            return _page(*_FRONT["expired_token"])
        if front := _FRONT.get(fault or ""):
            return _page(*front)
        if failure := _FAILURES.get(fault or ""):
            return _json(_failure(*failure))
        changed = _CHANGED.get(fault or "", {})
        return spoil_answer(fault, _json({**act(), **changed}))

    def _list(self, codes: list[str]) -> Mapping[str, object]:
        rows = [_row(code, self._bikes[code]) for code in codes if code in self._bikes]
        return _success(rows)

    def _switch(
        self, fields: Mapping[str, object], data: Mapping[str, object]
    ) -> Mapping[str, object]:
        bike = self._bikes.get(str(data.get("Code", "")))
        position = data.get("ACC")
        if fields.get("cmdKey") != SWITCH or data.get("CmdKey") != SWITCH or position not in {0, 1}:
            return _failure(400, "parameter error")
        if bike is None:
            return _failure(200, "terminal not found")
        with self._lock:
            bike.switch(on=position == 1)
            self.switches.append(Switch(serial=str(data["Code"]), on=bike.on))
        return _success({})


def _row(code: str, bike: Bike) -> Mapping[str, object]:
    return {
        "Code": code,
        "ReceiveTime": "2026-01-15 11:00:00",
        "Lat": -6.8,
        "Lng": 39.28,
        "Speed": 0,
        "Mileage": 1234.5,
        "Status": "ACCON,GPS" if bike.on else "ACCOFF,GPS",
        "SOH": 97,
        "BatteryLevel": 81,
        "BatteryVoltage": 51.2,
    }


def _success(data: object) -> Mapping[str, object]:
    return {"status": 200, "success": True, "msg": "ok", "response": {"Data": data}}


def _failure(status: int, words: str) -> Mapping[str, object]:
    return {"status": status, "success": False, "msg": words, "response": False}


def _read(body: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {}


def _codes(fields: Mapping[str, object]) -> list[str]:
    codes = fields.get("codes")
    return [str(code) for code in codes] if isinstance(codes, list) else []


def _json(fields: Mapping[str, object]) -> SimulatedReply:
    return SimulatedReply(body=json.dumps(fields).encode())


def _page(status: int, title: str) -> SimulatedReply:
    body = f"<html><body>{title}</body></html>".encode()
    return SimulatedReply(status=status, content_type="text/html; charset=utf-8", body=body)
