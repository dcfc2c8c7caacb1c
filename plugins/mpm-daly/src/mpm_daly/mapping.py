"""Core values to the fields of Daly's `Monitor` calls and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus

import attrs

from mpm_core import Secret, hide_secrets

__all__ = ["Envelope", "facts_of", "find_row", "read_envelope", "state_query", "switch_command"]

SWITCH = "8500_004"

_SUCCESSES = (HTTPStatus.OK, HTTPStatus.CREATED)
_LONGEST_TEXT = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_FACTS: Mapping[str, str] = {  # Daly's name -> ours; where the bike is stays out, it is a person's
    "ReceiveTime": "received_at",
    "Mileage": "mileage",
    "Speed": "speed",
    "BatteryLevel": "battery_level",
    "BatteryVoltage": "battery_voltage",
    "SOH": "state_of_health",
}


@attrs.frozen(kw_only=True)
class Envelope:
    """What every answer of Daly holds.

    Attributes:
        status: Daly's own, in the body.
        message: its words.
        data: `response.Data`; `None` if there is none.
        success: Daly did what it was asked.
        refused: Daly says that it did not; an answer can be neither.
    """

    status: int | None
    message: str
    data: object
    success: bool
    refused: bool


def switch_command(serial: str, *, on: bool) -> Mapping[str, object]:
    """Return the fields that switch a bike: `ACC` is its ignition."""
    data = {"CmdKey": SWITCH, "Code": serial, "ACC": 1 if on else 0}
    return {"cmdKey": SWITCH, "data": data}


def state_query(serial: str) -> Mapping[str, object]:
    """Return the fields that ask for the state of one bike."""
    return {"codes": [serial]}


def read_envelope(body: object, *secrets: Secret) -> Envelope | None:
    """Read an answer, or `None` if it is none of Daly's; our secrets are taken out of its words.

    Failures have `response` false, or another status than 200 and 201.
    """
    if not isinstance(body, Mapping):
        return None
    status = body.get("status")
    if isinstance(status, bool) or not isinstance(status, int):
        return None
    response = body.get("response")
    is_good = status in _SUCCESSES
    return Envelope(
        status=status,
        message=_text(body.get("msg"), *secrets) or _text(body.get("message"), *secrets),
        data=response.get("Data") if isinstance(response, Mapping) else None,
        success=is_good and isinstance(response, Mapping) and body.get("success") is not False,
        refused=not is_good or response is False,
    )


def find_row(data: object, serial: str) -> Mapping[str, object] | None:
    """Return the row of one bike."""
    rows = data if isinstance(data, list) else []
    return next(
        (row for row in rows if isinstance(row, Mapping) and row.get("Code") == serial), None
    )


def facts_of(row: Mapping[str, object]) -> Mapping[str, str]:
    """Return what a row tells about a bike, as texts for people."""
    facts = {ours: _text(row.get(theirs)) for theirs, ours in _FACTS.items()}
    status = _text(row.get("Status")).upper()
    switched = {"switched": "on"} if "ACCON" in status else {}
    if "ACCOFF" in status:
        switched = {"switched": "off"}
    return switched | {name: text for name, text in facts.items() if text}


def _text(value: object, *secrets: Secret) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return _CONTROL.sub(" ", hide_secrets(str(value), *secrets)).strip()[:_LONGEST_TEXT]
