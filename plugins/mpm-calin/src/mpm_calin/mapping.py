"""Core values to the fields of Calin's v1 token API (`/tokennew`) and back. Pure.

The envelope of every answer is `result_code`, `reason`, `result`. Calin publishes no list of codes,
so a non-zero code is never translated: code and reason go to the operator word for word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import attrs

from mpm_calin.sts import InvalidTokenError, token_class
from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    NotSupported,
    OutcomeUnknown,
    Refused,
    Secret,
    Unit,
    format_kwh,
    hide_secrets,
)

__all__ = ["CREDIT_CLASS", "DEBUG_TOKEN", "ENERGY_STEP", "Token", "kwh_of", "read_token"]

ENERGY_STEP = 100  # watt-hours: the server takes one decimal of a kWh
CREDIT_CLASS = 0
# What MicroPowerManager's development mode hands out; no meter takes it, yet it passes every check.
DEBUG_TOKEN = "48725997619297311927"  # noqa: S105 - a public constant, not a credential

_CODE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_LONGEST_REASON = 200
_TOKEN_INSIDE = re.compile(r"(?:[0-9][ -]?){20}", re.ASCII)
_MAY_HAVE_SOLD = "Calin may have sold a token; look for the sale in Calin's own records."


@attrs.frozen(kw_only=True)
class Token:
    """A token as Calin sold it.

    Attributes:
        code: its 20 bare digits.
        token_class: its STS class; anything but 0 is not an energy credit.
    """

    code: Secret
    token_class: int


def kwh_of(charge: Charge) -> Decimal:
    """Return the kWh to ask for, exactly, with at most one decimal.

    Raises:
        NotSupported: not an energy charge.
        ContractViolation: no positive multiple of 0.1 kWh; the core rounds to the manifest's step.
    """
    if charge.kind is not ChargeKind.ENERGY or charge.unit is not Unit.WATT_HOUR:
        raise NotSupported(f"Calin v1 sells energy only, not {charge.kind}.")
    quantity = charge.quantity
    if not quantity or quantity < 0 or quantity % ENERGY_STEP:
        raise ContractViolation(
            f"Calin v1 sells energy in steps of 0.1 kWh, so {quantity} Wh cannot be asked for; "
            "whoever computed the charge must round it to the manifest's energy_step."
        )
    return Decimal(format_kwh(quantity))


def read_token(envelope: object, password: Secret) -> Token:
    """Read the token out of Calin's answer.

    Args:
        envelope: the answer's JSON.
        password: taken out of the reason, should Calin repeat it there.

    Raises:
        Refused: a well-formed answer with a non-zero code and no token.
        OutcomeUnknown: every other answer without exactly one good token.
    """
    if not isinstance(envelope, Mapping):
        raise OutcomeUnknown(f"Calin's answer is not a JSON object. {_MAY_HAVE_SOLD}")
    code = _read_code(envelope.get("result_code"))
    result = _read_result(envelope.get("result"))
    if code and not result:
        raise Refused(_read_reason(envelope.get("reason"), password), str(envelope["result_code"]))
    if code:
        raise OutcomeUnknown(f"Calin answered code {code} together with a token. {_MAY_HAVE_SOLD}")
    if not result:
        raise OutcomeUnknown(f"Calin answered code 0 without a token. {_MAY_HAVE_SOLD}")
    return _check_token(result)


def _read_code(value: object) -> int:
    """Read a code that is an integer, or a text of one (`"0"`)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _CODE.fullmatch(value):
        return int(value)
    raise OutcomeUnknown(f"Calin's answer has no readable result_code. {_MAY_HAVE_SOLD}")


def _read_result(value: object) -> str:
    """Read the token's text without blanks and dashes; missing, null and empty are no token."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OutcomeUnknown(f"Calin's result is not a text. {_MAY_HAVE_SOLD}")
    return "".join(value.split()).replace("-", "")


def _read_reason(value: object, password: Secret) -> str:
    reason = value.strip() if isinstance(value, str) else ""
    if _TOKEN_INSIDE.search(reason):
        raise OutcomeUnknown(f"Calin's reason contains what may be a token. {_MAY_HAVE_SOLD}")
    return hide_secrets(reason, password)[:_LONGEST_REASON] or "Calin gave no reason."


def _check_token(digits: str) -> Token:
    try:
        return Token(code=Secret(digits), token_class=token_class(digits))
    except InvalidTokenError as wrong:
        raise OutcomeUnknown(f"Calin's token cannot be one: {wrong} {_MAY_HAVE_SOLD}") from wrong
