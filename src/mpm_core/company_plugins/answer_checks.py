"""What an answer must hold beyond its type, before the host believes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from types import MappingProxyType

from mpm_core.calls import Reply
from mpm_core.devices import Device
from mpm_core.money import Money
from mpm_core.orders import Charge, ChargeKind, Delivery, Grant, Pending, Prepared
from mpm_core.payments import ProcessRequest, ValidationRequest
from mpm_core.secrets import Secret
from mpm_core.simulation import Simulator

__all__ = ["OTHER_DEVICE", "AnswerCheck", "check_grant", "check_of"]

AnswerCheck = Callable[[object, Mapping[str, object]], str]
"""Takes an answer of the right type and the call's arguments; says what is wrong, or nothing."""

OTHER_DEVICE = "the grant names another device than it was asked for"
_MOST_CODES = 10
_LONGEST_CODE = 64
_LARGEST_QUANTITY = 2**63 - 1  # what databases count
_LARGEST_REPLY = 1 << 20
_LARGEST_TEXTS = 16 * 1024
_COUNTED = frozenset({ChargeKind.ENERGY, ChargeKind.TIME})
_SIMULATOR_METHODS = tuple(name for name in vars(Simulator) if not name.startswith("_"))


def check_grant(
    grant: Grant, charge: Charge | None, device: Device, token_pattern: re.Pattern[str] | None
) -> str:
    """Say what is wrong with a grant, or nothing; never with a code in it.

    Args:
        grant: as the plugin answered it.
        charge: what was asked for; `None` for a switch, which sells nothing.
        device: which device it was asked for.
        token_pattern: what the plugin's manifest says every code matches, if it says so.
    """
    return (
        _kinds_problem(grant)
        or _codes_problem(grant, token_pattern)
        or _quantity_problem(grant, charge)
        or _device_problem(grant, device)
    )


def _kinds_problem(grant: Grant) -> str:
    delivery: object = grant.delivery  # as the plugin gave them, whatever their annotations say
    reference: object = grant.vendor_reference
    if not isinstance(delivery, Delivery):
        return "the grant's delivery is not a Delivery"
    if not isinstance(reference, str):
        return "the grant's vendor_reference is not text"
    return ""


def _codes_problem(grant: Grant, token_pattern: re.Pattern[str] | None) -> str:
    codes: object = grant.codes  # as the plugin gave it, whatever its annotation says
    if not isinstance(codes, tuple) or not all(isinstance(code, Secret) for code in codes):
        return "the grant's codes are not a tuple of Secret"
    if grant.delivery is Delivery.KEYPAD and not grant.codes:
        return "the grant is for the keypad but holds no code"
    if len(grant.codes) > _MOST_CODES:
        return f"the grant holds {len(grant.codes)} codes, more than {_MOST_CODES}"
    for position, code in enumerate(grant.codes, start=1):
        if problem := _text_problem(code.reveal(), token_pattern):
            return f"code {position} of the grant {problem}"
    return ""


def _text_problem(text: str, token_pattern: re.Pattern[str] | None) -> str:
    if not (1 <= len(text) <= _LONGEST_CODE and text.isascii() and text.isprintable()):
        return f"is not 1 to {_LONGEST_CODE} printable characters"
    if text != text.strip():
        return "begins or ends with a blank"
    if token_pattern is not None and not token_pattern.fullmatch(text):
        return f"does not match {token_pattern.pattern}, the plugin's token_pattern"
    return ""


def _quantity_problem(grant: Grant, charge: Charge | None) -> str:
    if charge is None:
        return ""
    if problem := _number_problem(grant.quantity):
        return f"the grant's quantity {problem}"
    if charge.kind in _COUNTED and grant.quantity is None:
        return f"the grant does not say how much {charge.kind} was granted"
    if grant.unit is not charge.unit:
        return f"the grant is counted in {grant.unit}, the charge in {charge.unit}"
    return ""


def _number_problem(quantity: object) -> str:
    if quantity is None:
        return ""
    if not isinstance(quantity, int) or isinstance(quantity, bool):
        return "is not a whole number"
    if quantity <= 0:
        return f"is {quantity}, not above zero"
    return "" if quantity <= _LARGEST_QUANTITY else f"is more than {_LARGEST_QUANTITY}"


def _device_problem(grant: Grant, device: Device) -> str:
    if grant.device_serial not in {None, device.serial}:
        return OTHER_DEVICE
    return ""


def _grant_problem(
    token_pattern: re.Pattern[str] | None, answer: object, arguments: Mapping[str, object]
) -> str:
    if isinstance(answer, Pending):
        return _wait_problem(answer)
    if not isinstance(answer, Grant):  # not found
        return ""
    charge, device = arguments.get("charge"), arguments["device"]
    if not isinstance(device, Device):
        raise TypeError("`device` must be a Device.")
    asked = charge if isinstance(charge, Charge) else None
    return check_grant(answer, asked, device, token_pattern)


def _wait_problem(pending: Pending) -> str:
    after: object = pending.after
    return "" if isinstance(after, timedelta) else "the answer's `after` is not a timedelta"


def _reply_problem(answer: object, _arguments: Mapping[str, object]) -> str:
    if not isinstance(answer, Reply) or not isinstance(answer.body, bytes):
        return "the reply's body is not bytes"
    if len(answer.body) > _LARGEST_REPLY:
        return f"the reply is larger than {_LARGEST_REPLY} bytes"
    return ""


def _request_problem(currency: str, answer: object, arguments: Mapping[str, object]) -> str:
    return _amount_problem(currency, answer) or _details_problem(answer, arguments)


def _amount_problem(currency: str, answer: object) -> str:
    """Say what is wrong with what is paid; what a notice says is compared with what was asked."""
    if not isinstance(answer, ValidationRequest | ProcessRequest):
        return ""
    amount: object = answer.amount
    if amount is None and isinstance(answer, ProcessRequest):  # the validation has it
        return ""
    if not isinstance(amount, Money):
        return "the request's amount is not Money"
    if amount.currency != currency:
        return f"the request's amount is in {amount.currency}, the company's in {currency}"
    return ""


def _details_problem(answer: object, _arguments: Mapping[str, object]) -> str:
    return _texts_problem("details", getattr(answer, "details", {}))


def _prepared_problem(answer: object, _arguments: Mapping[str, object]) -> str:
    if not isinstance(answer, Prepared):
        return ""
    return _texts_problem("inputs", answer.inputs) or (
        "" if answer.state is None else _texts_problem("state", answer.state)
    )


def _texts_problem(name: str, texts: object) -> str:
    if not isinstance(texts, Mapping):
        return f"`{name}` is not a mapping"
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        return f"`{name}` holds something else than texts"
    if sum(len(text) for pair in texts.items() for text in pair) > _LARGEST_TEXTS:
        return f"`{name}` is larger than {_LARGEST_TEXTS} characters"
    return ""


def _simulator_problem(answer: object, _arguments: Mapping[str, object]) -> str:
    missing = [name for name in _SIMULATOR_METHODS if not callable(getattr(answer, name, None))]
    return f"the simulator has no method {', '.join(missing)}" if missing else ""


_CHECKS: Mapping[str, AnswerCheck] = MappingProxyType(
    {
        "mpm_write_reply": _reply_problem,
        "mpm_prepare_order": _prepared_problem,
        "mpm_push_payment": _details_problem,
        "mpm_query_payment": _details_problem,
        "mpm_simulator": _simulator_problem,
    }
)


_GRANTING = frozenset(
    {"mpm_generate_token", "mpm_find_token", "mpm_clear_device", "mpm_switch_device"}
)


def check_of(hook: str, token_pattern: re.Pattern[str] | None, currency: str) -> AnswerCheck:
    """Return the check of a hook's answers.

    Args:
        hook: its name.
        token_pattern: of the plugin's manifest.
        currency: of the company that the instance works for.
    """
    if hook in _GRANTING:
        return partial(_grant_problem, token_pattern)
    if hook == "mpm_read_call":
        return partial(_request_problem, currency)
    return _CHECKS.get(hook, _no_problem)


def _no_problem(_answer: object, _arguments: Mapping[str, object]) -> str:
    return ""
