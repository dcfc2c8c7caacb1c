"""Core values to the fields of `POST /version1/messaging` and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

import attrs

from mpm_africastalking.settings import AfricasTalkingSettings
from mpm_core import Message, ResultCode

__all__ = ["RESULT_CODES", "SendResult", "form_of", "meaning_of", "read_balance", "read_result"]

_SOURCE = "Africa's Talking SMS documentation, status codes of a recipient"
_TABLE = (
    (100, "Processed", "accepted"),
    (101, "Sent", "accepted"),
    (102, "Queued", "accepted"),
    (401, "RiskHold", "refused"),
    (402, "InvalidSenderId", "misconfigured"),
    (403, "InvalidPhoneNumber", "refused"),
    (404, "UnsupportedNumberType", "refused"),
    (405, "InsufficientBalance", "misconfigured"),
    (406, "UserInBlacklist", "refused"),
    (407, "CouldNotRoute", "refused"),
    (409, "DoNotDisturbRejection", "refused"),
    (500, "InternalServerError", "unknown"),
    (501, "GatewayError", "unknown"),
    (502, "RejectedByGateway", "refused"),
)
_MEANINGS = {code: meaning for code, _word, meaning in _TABLE}
_WORDS = {code: word for code, word, _meaning in _TABLE}
_CODES = {word.lower(): code for code, word, _meaning in _TABLE} | {"success": 101}

RESULT_CODES = tuple(
    ResultCode(
        code=str(code), meaning=meaning, text=word, source=_SOURCE, seen_on=date(2026, 11, 21)
    )
    for code, word, meaning in _TABLE
)

_REFERENCE = re.compile(r"[!-~]{1,100}", re.ASCII)
_COST = re.compile(r"[A-Z]{3} [0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_BALANCE = re.compile(r"[A-Z]{3} -?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_NO_REFERENCE = "None"  # written where nothing was sent
_MOST_PARTS = 255


@attrs.frozen(kw_only=True)
class SendResult:
    """What became of a message, as far as the answer says.

    Attributes:
        code: of the recipient; `None` if it is none of the documented ones.
        word: the documented word for it.
        reference: of the message, for delivery reports.
        cost: with its currency: `KES 0.8000`.
        parts: SMS it was cut into.
    """

    code: int | None
    word: str = ""
    reference: str = ""
    cost: str = ""
    parts: int | None = None


def form_of(message: Message, settings: AfricasTalkingSettings) -> Mapping[str, str]:
    """Return the fields that ask for a message to one phone."""
    form = {"username": settings.username, "to": message.to.e164, "message": message.body}
    return form if settings.sender_id is None else form | {"from": settings.sender_id}


def meaning_of(code: int) -> str:
    """Return what a documented code means for us, as `ResultCode.meaning`."""
    return _MEANINGS[code]


def read_result(body: object, number: str) -> SendResult | None:
    """Read the answer about one number, or `None` if it says nothing about that one.

    Where no number was tried at all, the answer's own message is the word: `InvalidSenderId`.
    """
    data = body.get("SMSMessageData") if isinstance(body, Mapping) else None
    recipients = data.get("Recipients") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(recipients, list):
        return None
    if not recipients:
        return _named(data.get("Message"))
    if len(recipients) != 1 or not isinstance(recipients[0], Mapping):
        return None
    return _recipient(recipients[0], number)


def _recipient(fields: Mapping[str, object], number: str) -> SendResult | None:
    if fields.get("number") != number:
        return None
    code = _code(fields)
    return SendResult(
        code=code,
        word=_WORDS.get(code or 0, ""),
        reference=_reference(fields.get("messageId")),
        cost=_matching(fields.get("cost"), _COST),
        parts=_parts(fields.get("messageParts")),
    )


def _code(fields: Mapping[str, object]) -> int | None:
    """Return the documented code; older answers have only the word."""
    given = fields.get("statusCode")
    if given is None:
        named = _named(fields.get("status"))
        return named.code if named else None
    if isinstance(given, bool) or not isinstance(given, int):
        return None
    return given if given in _MEANINGS else None


def _named(word: object) -> SendResult | None:
    code = _CODES.get(word.strip().lower()) if isinstance(word, str) else None
    return None if code is None else SendResult(code=code, word=_WORDS[code])


def _parts(count: object) -> int | None:
    if isinstance(count, bool) or not isinstance(count, int):
        return None
    return count if 1 <= count <= _MOST_PARTS else None


def _reference(text: object) -> str:
    found = _matching(text, _REFERENCE)
    return "" if found == _NO_REFERENCE else found


def _matching(text: object, pattern: re.Pattern[str]) -> str:
    return text if isinstance(text, str) and pattern.fullmatch(text) else ""


def read_balance(body: object) -> str:
    """Return the account's balance with its currency, or nothing if the answer has none."""
    data = body.get("UserData") if isinstance(body, Mapping) else None
    balance = data.get("balance") if isinstance(data, Mapping) else None
    return _matching(balance.strip() if isinstance(balance, str) else balance, _BALANCE)
