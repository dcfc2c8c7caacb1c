"""A Calin v1 token server that mints real STS tokens, and the meters that accept them once.

Tokens are made under the published test key, so no real meter takes them. Codes and texts of the
refusals are guesses where Calin documents none; a client must not depend on them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import attrs

from mpm_calin.mapping import DEBUG_TOKEN
from mpm_calin.meter import Meter
from mpm_calin.sts import (
    LARGEST_TENTHS,
    PUBLISHED_TEST_KEY,
    StsToken,
    encode_amount,
    encode_token,
)
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

__all__ = ["CalinSimulator", "Sale"]

USER_ID = "1001"
API_KEY = "simulated-calin-key"  # worth nothing outside this simulator
BASE_DATE = datetime(2014, 1, 1, tzinfo=UTC)
_IDENTIFIERS = 1 << 24

_OK, _INVALID, _WRONG_KEY, _NO_METER, _NO_BALANCE = range(5)

# Faults of Calin's envelope: what becomes of the token in an answer to a completed sale.
_RESULT_FAULTS: Mapping[str, Callable[[str], Mapping[str, object]]] = {
    "string_codes": lambda token: {"result_code": "0", "result": token},
    "spaced_token": lambda token: {
        "result": "-".join((token[:4], token[4:12])) + f" {token[12:]} "
    },
    "code_0_without_result": lambda _token: {"result": None},
    "code_with_token": lambda token: {"result_code": 9, "reason": "busy", "result": token},
    "missing_code": lambda _token: {"result_code": None},
    "wrong_length": lambda token: {"result": token[:-1]},
    "letters": lambda token: {"result": "O" + token[1:]},
    "too_large": lambda _token: {"result": "9" * 20},
    "two_hundred_digits": lambda token: {"result": token * 10},
    "number_token": lambda token: {"result": int(token)},
    "debug_token": lambda _token: {"result": DEBUG_TOKEN},
}
_SELLING_FAULTS = (
    "same_token",
    "wrong_class",
    "balance_exhausted",
    "unknown_device",
    "not_found_page",
)


@attrs.frozen(kw_only=True)
class Sale:
    """One token the simulated server sold.

    Attributes:
        watt_hours: what it was asked for.
        identifier: the token's TID.
    """

    serial: str
    watt_hours: int
    identifier: int
    code: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class _Asked:
    """The fields of one request, numbers as text where Calin's older clients sent numbers."""

    user_id: str
    password: str
    serial: str
    token_type: str
    amount: object


class _RefusedError(Exception):
    """The simulated server's own no."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class CalinSimulator:
    """Calin's side: `handle` sells, `use_token` types into the meter.

    Args:
        clock: the server's time, which token identifiers count in minutes.

    Attributes:
        sales: every token sold, in order: the proof that nothing is sold twice.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.sales: list[Sale] = []
        self._clock = clock
        self._meters: dict[str, Meter] = {}
        self._identifiers: dict[str, int] = {}
        self._lock = threading.Lock()
        self._switches = FaultSwitches(
            (*UNPROCESSED_FAULTS, *ANSWER_FAULTS, *_RESULT_FAULTS, *_SELLING_FAULTS)
        )

    def settings(self, base_url: str) -> Mapping[str, object]:
        """Return the settings of an instance that buys from this simulator."""
        return {"api_url": f"{base_url}/api", "user_id": USER_ID, "api_key": API_KEY}

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
        """Deliver a meter: the server sells for it and it can be typed into."""
        with self._lock:
            self._meters.setdefault(serial, Meter())

    def use_token(self, serial: str, code: str) -> str:
        """Type a code into a meter; returns what its display shows."""
        meter = self._meters.get(serial)
        return meter.enter(code) if meter else "rejected: There is no such meter."

    def credit(self, serial: str) -> int:
        """Return the watt-hours a meter has accepted."""
        return self._meters[serial].credit

    def grants(self, serial: str) -> int:
        """Return how many tokens were sold for a meter."""
        with self._lock:
            return sum(sale.serial == serial for sale in self.sales)

    def validate_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: Calin is no telecom."""

    def process_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object], validation: SimulatedReply
    ) -> SimulatedCall | None:
        """Return nothing: Calin is no telecom."""

    def enquiry_call(
        self, payment: SimulatedPayment, settings: Mapping[str, object]
    ) -> SimulatedCall | None:
        """Return nothing: Calin is no telecom."""

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request; only `POST api/tokennew` sells."""
        if (request.method, request.path.strip("/")) != ("POST", "api/tokennew"):
            return _page(404, "Not Found")
        asked = _read(request.body)
        fault = self._switches.take(asked.serial)
        if unprocessed := UNPROCESSED_FAULTS.get(fault or ""):
            return unprocessed
        if fault == "not_found_page":
            return _page(404, "Not Found")
        return spoil_answer(fault, self._answer(asked, fault))

    def _answer(self, asked: _Asked, fault: str | None) -> SimulatedReply:
        try:
            with self._lock:
                token = self._sell(asked, fault)
        except _RefusedError as no:
            return _envelope({"result_code": no.code, "reason": str(no), "result": None})
        change = _RESULT_FAULTS.get(fault or "")
        changed = change(token) if change else {}
        return _envelope({"result_code": _OK, "reason": "OK", "result": token} | dict(changed))

    def _sell(self, asked: _Asked, fault: str | None) -> str:
        if (asked.user_id, asked.password) != (USER_ID, API_KEY):
            raise _RefusedError(_WRONG_KEY, "authentication failed")
        if asked.serial not in self._meters or fault == "unknown_device":
            raise _RefusedError(_NO_METER, "meter not found")
        tenths = _read_tenths(asked)
        if fault == "balance_exhausted":
            raise _RefusedError(_NO_BALANCE, "insufficient balance")
        if fault == "same_token" and self.sales:
            return self.sales[-1].code
        return self._mint(asked.serial, tenths, token_class=2 if fault == "wrong_class" else 0)

    def _mint(self, serial: str, tenths: int, token_class: int) -> str:
        identifier = self._next_identifier(serial)
        token = StsToken(
            token_class=token_class,
            subclass=0,
            random=len(self.sales) % 16,
            identifier=identifier,
            amount=encode_amount(tenths),
        )
        code = encode_token(token, PUBLISHED_TEST_KEY)
        self.sales.append(
            Sale(serial=serial, watt_hours=tenths * 100, identifier=identifier, code=code)
        )
        return code

    def _next_identifier(self, serial: str) -> int:
        """Return this minute, or the next free one: a meter takes only one token of a minute."""
        minute = int((self._clock() - BASE_DATE).total_seconds()) // 60
        identifier = max(minute, self._identifiers.get(serial, 0) + 1) % _IDENTIFIERS
        self._identifiers[serial] = identifier
        return identifier


def _read(body: bytes) -> _Asked:
    try:
        fields = json.loads(body, parse_float=Decimal)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    return _Asked(
        user_id=str(fields.get("user_id", "")),
        password=str(fields.get("password", "")),
        serial=str(fields.get("meter_id", "")),
        token_type=str(fields.get("token_type", "")),
        amount=fields.get("amount"),
    )


def _read_tenths(asked: _Asked) -> int:
    """Read the amount in tenths of a kWh; more than one decimal is refused."""
    if asked.token_type != "CreditToken":  # noqa: S105 - a type of token, not a token
        raise _RefusedError(_INVALID, "invalid token type")
    if isinstance(asked.amount, bool) or not isinstance(asked.amount, int | Decimal):
        raise _RefusedError(_INVALID, "invalid amount")
    tenths = Decimal(asked.amount) * 10
    if tenths != tenths.to_integral_value() or not 0 < tenths <= LARGEST_TENTHS:
        raise _RefusedError(_INVALID, "invalid amount")
    return int(tenths)


def _envelope(fields: Mapping[str, object]) -> SimulatedReply:
    return SimulatedReply(body=json.dumps(fields).encode())


def _page(status: int, title: str) -> SimulatedReply:
    body = f"<html><body>{title}</body></html>".encode()
    return SimulatedReply(status=status, content_type="text/html; charset=utf-8", body=body)
