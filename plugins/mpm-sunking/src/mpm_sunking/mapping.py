"""Core values to the fields of SunKing's asset control (`POST /token`) and back. Pure.

A token is an opaque text: SunKing publishes neither its length nor its alphabet, so it is shown as
it came, without blanks around it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mpm_core import Charge, ChargeKind, ContractViolation, NotSupported, Secret, Unit, hide_secrets

__all__ = ["DEVICE_NOT_FOUND", "command_of", "read_message", "read_token"]

DEVICE_NOT_FOUND = "Device not found"  # the only sign that tells an unknown device from a wrong URL

_TOKEN = re.compile(r"[ -~]{1,64}", re.ASCII)
_LONGEST_MESSAGE = 200


def command_of(serial: str, charge: Charge) -> Mapping[str, object]:
    """Return the fields that ask for a charge.

    Raises:
        NotSupported: neither days nor an unlock.
        ContractViolation: not a whole, positive number of days.
    """
    if charge.kind is ChargeKind.UNLOCK:
        return {"device": serial, "command": "unlock"}
    if charge.kind is not ChargeKind.TIME or charge.unit is not Unit.DAY:
        raise NotSupported(f"SunKing sells days and unlocks only, not {charge.kind}.")
    days = charge.quantity
    if days is None or days < 1:
        raise ContractViolation(
            f"SunKing sells one day or more, not {days}; whoever computed the charge must not send "
            "an order worth less than a day."
        )
    return {"device": serial, "command": "add_credit", "payload": days, "time_unit": "day"}


def read_token(body: object) -> Secret | None:
    """Return the token of an answer, or `None` if it holds none that a keypad could take."""
    token = body.get("token") if isinstance(body, Mapping) else None
    if isinstance(token, str) and _TOKEN.fullmatch(text := token.strip(" ")):
        return Secret(text)
    return None


def read_message(body: object, *secrets: Secret) -> str:
    """Return SunKing's own words from an error's body, or nothing if it has none.

    Our secrets are taken out of them. A body with anything in `token` is no plain error and counts
    as one without words.
    """
    if not isinstance(body, Mapping) or body.get("token") is not None:
        return ""
    message = body.get("message")
    words = message.strip() if isinstance(message, str) else ""
    return hide_secrets(words, *secrets)[:_LONGEST_MESSAGE]
