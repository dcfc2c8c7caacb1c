"""From JSON members to the host's requests: pure, strict, unknown members ignored.

Member rules: JSON contract (validate, process, query), fields. All mistakes of one call are
reported together, by member name and never with a value: values may be phone numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

import attrs

from mpm_core import (
    Company,
    EnquiryRequest,
    Malformed,
    Money,
    Msisdn,
    ProcessRequest,
    ProviderRequest,
    ValidationRequest,
)
from mpm_vodacom.serial_patterns import LONGEST_TEXT
from mpm_vodacom.wire import read_number

__all__ = ["PROCESS", "QUERY", "VALIDATE", "CallMapping"]

VALIDATE, PROCESS, QUERY = "transactions/validate", "transactions/process", "transactions/query"

_PLAIN_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_REFERENCE = re.compile(r"[A-Za-z0-9-]{5,20}", re.ASCII)
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_ITU_PREFIX = "00"  # written for the plus; phone tables know only each country's own prefix


@attrs.frozen(kw_only=True)
class CallMapping:
    """Reads the three calls for one company.

    Attributes:
        company: national phone numbers are of its country, amounts in its currency.
        serial_pattern: what a serial must match, whole.
    """

    company: Company
    serial_pattern: re.Pattern[str]

    def read(self, path: str, body: Mapping[str, object]) -> ProviderRequest:
        """Read the call that was made to a path.

        Raises:
            Malformed: the path is none of ours (no `fields`), or members are missing or unreadable.
        """
        members = _Members(body)
        match path:
            case "transactions/validate":
                request: ProviderRequest = self._read_validation(members)
            case "transactions/process":
                request = self._read_process(members)
            case "transactions/query":
                request = _read_query(members)
            case _:
                raise Malformed("there is no such service")
        members.refuse_mistakes()
        return request

    def _read_validation(self, members: _Members) -> ValidationRequest:
        return ValidationRequest(
            intent=members.matching("request_id", _REQUEST_ID, "is not a UUID"),
            serial=members.matching("reference", self.serial_pattern, "is not a serial"),
            amount=self._amount(members, members.value("amount", required=True)),
            payer=self._payer(members),
        )

    def _read_process(self, members: _Members) -> ProcessRequest:
        value = members.value("amount")
        return ProcessRequest(
            reference=members.reference(required=True) or "",
            number=members.number(required=True),
            amount=None if value is None else self._amount(members, value),
            receipt=members.text("mpesaReceipt") or None,
        )

    def _amount(self, members: _Members, value: object) -> Money:
        """Read a number or a plain decimal text; zero is readable, the host refuses it."""
        currency = self.company.currency
        text = _plain(value)
        try:
            if _PLAIN_AMOUNT.fullmatch(text):
                return Money.parse(text, currency)
        except ValueError:
            pass  # the same mistake
        if value is not None:  # else it is noted as missing
            members.mistake("amount", f"is no amount in {currency}")
        return Money.zero(currency)  # never used: the mistake refuses the call

    def _payer(self, members: _Members) -> Msisdn | None:
        text = members.text("payerPhoneNumber")
        if not text:
            return None
        dialled = f"+{text[len(_ITU_PREFIX) :]}" if text.startswith(_ITU_PREFIX) else text
        for candidate in dict.fromkeys((text, dialled)):
            try:
                return Msisdn.parse(candidate, self.company.country)
            except ValueError:
                continue
        members.mistake("payerPhoneNumber", "is not a phone number")
        return None


def _read_query(members: _Members) -> EnquiryRequest:
    """Read a query; an *unknown* makes nobody give money back, so it is not final."""
    reference, number = members.reference(required=False), members.number(required=False)
    members.require_any("referenceId", "transactionId")
    return EnquiryRequest(reference=reference, number=number, final=False)


def _plain(value: object) -> str:
    """Return the digits of a number or text; an exponent stays visible and is refused."""
    if isinstance(value, bool):
        return ""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | Decimal) else ""


class _Members:
    """The members of one body, and what was found wrong with them."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = body
        self._mistakes: dict[str, str] = {}

    def mistake(self, name: str, what: str) -> None:
        """Note what is wrong with a member."""
        self._mistakes[name] = what

    def refuse_mistakes(self) -> None:
        """Raise `Malformed` with every mistake noted so far."""
        if self._mistakes:
            sentence = ", ".join(f"{name} {what}" for name, what in self._mistakes.items())
            raise Malformed(sentence, tuple(self._mistakes))

    def require_any(self, *names: str) -> None:
        """Note that at least one of these members must be given."""
        if not any(self.text(name) for name in names) and not self._mistakes:
            for name in names:
                self.mistake(name, "is missing")

    def value(self, name: str, *, required: bool = False) -> object:
        """Return a member as it is; null counts as missing."""
        value = self._body.get(name)
        if value is None and required:
            self.mistake(name, "is missing")
        return value

    def text(self, name: str, *, required: bool = False) -> str:
        """Return a text without surrounding blanks; empty if it is missing or unfit."""
        value = self.value(name, required=required)
        text = value.strip() if isinstance(value, str) else None
        if text is not None and len(text) <= LONGEST_TEXT and text.isprintable():
            if required and not text:
                self.mistake(name, "is missing")
            return text
        if value is not None:
            self.mistake(name, f"is not a text of 1 to {LONGEST_TEXT} printable characters")
        return ""

    def matching(self, name: str, pattern: re.Pattern[str], otherwise: str) -> str:
        """Return a required text that matches a pattern as a whole."""
        text = self.text(name, required=True)
        if text and not pattern.fullmatch(text):
            self.mistake(name, otherwise)
        return text

    def reference(self, *, required: bool) -> str | None:
        """Return `referenceId`, if it is given."""
        text = self.text("referenceId", required=required)
        if text and not _REFERENCE.fullmatch(text):
            self.mistake("referenceId", "is not 5 to 20 letters, digits and hyphens")
        return text or None

    def number(self, *, required: bool) -> int | None:
        """Return our running number from `transactionId`, if it is given."""
        text = self.text("transactionId", required=required)
        number = read_number(text)
        if text and number is None:
            self.mistake("transactionId", "is not one of ours (VOD-TXN-000001)")
        return number
