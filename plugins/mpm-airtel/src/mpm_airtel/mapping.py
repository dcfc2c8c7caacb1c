"""From the fields of a COMMAND to the host's requests: pure, strict, no field trusted.

Field rules: C2B COMMAND interface, request fields. All mistakes of one call are reported
together, by field name and never with a value: values may be phone numbers.
"""

from __future__ import annotations

import re

import attrs

from mpm_core import (
    Company,
    EnquiryRequest,
    FlatDocument,
    Malformed,
    Money,
    Msisdn,
    ProcessRequest,
    ProviderRequest,
    ValidationRequest,
)

__all__ = ["ENQUIRY", "FIELDS", "PROCESS", "VALIDATE", "CommandMapping"]

VALIDATE, PROCESS, ENQUIRY = "c2b/validate", "c2b/process", "c2b/enquiry"
FIELDS = frozenset(  # that requests are made of
    {
        "TYPE",
        "CUSTOMERMSISDN",
        "MERCHANTMSISDN",
        "AMOUNT",
        "REFERENCE",
        "REFERENCE1",
        "REFERENCE2",
        "TXNID",
    }
)

_TYPE = "C2B"
_LONGEST = 64  # characters of a serial, a reference or a phone number
_AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_PHONE = re.compile(r"\+?[0-9 ]*[0-9][0-9 ]*", re.ASCII)
_ITU_PREFIX = "00"  # written for the plus; phone tables know only each country's own prefix


@attrs.frozen(kw_only=True)
class CommandMapping:
    """Reads the three calls for one company.

    Attributes:
        company: national phone numbers are of its country, amounts in its currency.
        merchant: our merchant number, if calls for another one shall be refused.
    """

    company: Company
    merchant: str | None = None

    def read(self, path: str, command: FlatDocument, bound_to: str | None) -> ProviderRequest:
        """Read the call that was made to a path.

        Args:
            path: below the callback key.
            command: its fields.
            bound_to: the transaction id the caller's proof is good for, if it is for one only.

        Raises:
            Malformed: the path is none of ours (no `fields`), or fields are missing or unreadable.
        """
        fields = _Fields(command)
        match path:
            case "c2b/validate":
                return self._read_validation(fields, bound_to)
            case "c2b/process":
                return self._read_process(fields, bound_to)
            case "c2b/enquiry":
                return _read_enquiry(fields, bound_to)
            case _:
                raise Malformed("There is no such service.")

    def _read_validation(self, fields: _Fields, bound_to: str | None) -> ValidationRequest:
        reference = fields.reference("REFERENCE1", bound_to)
        fields.check_type(required=True)
        self._check_merchant(fields, required=True)
        serial = fields.text("REFERENCE", required=True)
        amount = self._amount(fields, fields.text("AMOUNT", required=True))
        payer = self._payer(fields, required=True)
        fields.refuse_mistakes()
        return ValidationRequest(serial=serial, amount=amount, reference=reference, payer=payer)

    def _read_process(self, fields: _Fields, bound_to: str | None) -> ProcessRequest:
        reference = fields.reference("REFERENCE1", bound_to)
        fields.check_type(required=False)
        self._check_merchant(fields, required=False)
        serial = fields.text("REFERENCE")
        receipt = fields.text("REFERENCE2")
        amount = self._amount(fields, text) if (text := fields.text("AMOUNT")) else None
        payer = self._payer(fields)
        fields.refuse_mistakes()
        return ProcessRequest(
            reference=reference,
            serial=serial or None,
            receipt=receipt or None,
            amount=amount,
            payer=payer,
        )

    def _amount(self, fields: _Fields, text: str) -> Money:
        """Read plain digits; zero is readable, the host refuses it."""
        currency = self.company.currency
        try:
            if _AMOUNT.fullmatch(text):
                return Money.parse(text, currency)
        except ValueError:
            pass  # the same mistake
        if text:  # else it is noted as missing
            fields.mistake("AMOUNT", f"is no amount in {currency}")
        return Money.zero(currency)  # never used: the mistake refuses the call

    def _payer(self, fields: _Fields, *, required: bool = False) -> Msisdn | None:
        """Read a phone number; digits that are none are no reason to refuse a payment."""
        text = fields.text("CUSTOMERMSISDN", required=required)
        if not text:
            return None
        if not _PHONE.fullmatch(text):
            fields.mistake("CUSTOMERMSISDN", "is not written in digits")
            return None
        return self._subscriber(text)

    def _subscriber(self, text: str) -> Msisdn | None:
        dialled = f"+{text[len(_ITU_PREFIX) :]}" if text.startswith(_ITU_PREFIX) else text
        for candidate in dict.fromkeys((text, dialled)):
            try:
                return Msisdn.parse(candidate, self.company.country)
            except ValueError:
                continue
        return None

    def _check_merchant(self, fields: _Fields, *, required: bool) -> None:
        if self.merchant is None:
            return
        text = fields.text("MERCHANTMSISDN", required=required)
        if text and not self._is_our_merchant(text, self.merchant):
            fields.mistake("MERCHANTMSISDN", "is not ours")

    def _is_our_merchant(self, text: str, ours: str) -> bool:
        if text == ours:
            return True
        theirs = self._subscriber(text) if _PHONE.fullmatch(text) else None
        return theirs is not None and theirs == self._subscriber(ours)


def _read_enquiry(fields: _Fields, bound_to: str | None) -> EnquiryRequest:
    """Read an enquiry; Airtel gives the money back after a *no*, so ours is final."""
    reference = fields.reference("TXNID", bound_to)
    fields.refuse_mistakes()
    return EnquiryRequest(reference=reference, final=True)


class _Fields:
    """The fields of one command, and what was found wrong with them."""

    def __init__(self, command: FlatDocument) -> None:
        self._command = command
        self._mistakes: dict[str, str] = {}

    def mistake(self, name: str, what: str) -> None:
        """Note what is wrong with a field."""
        self._mistakes[name] = what

    def refuse_mistakes(self) -> None:
        """Raise `Malformed` with every mistake noted so far."""
        if self._mistakes:
            sentence = ", ".join(f"{name} {what}" for name, what in self._mistakes.items())
            raise Malformed(f"{sentence}.", tuple(self._mistakes))

    def text(self, name: str, *, required: bool = False) -> str:
        """Return a field without surrounding blanks; empty if it is missing or unfit."""
        value = self._command.get(name)
        if not value and required:
            self.mistake(name, "is missing")
        if len(value) > _LONGEST or not value.isprintable():
            self.mistake(name, f"is not 1 to {_LONGEST} printable characters")
            return ""
        return value

    def reference(self, name: str, bound_to: str | None) -> str:
        """Return the transaction id, which must be the one the caller's proof is good for."""
        value = self.text(name, required=True)
        if value and bound_to is not None and value != bound_to:
            raise Malformed("Access token contains wrong reference1/txnId", (name,))
        return value

    def check_type(self, *, required: bool) -> None:
        """Note a TYPE that is another service's, such as LOOKUP."""
        value = self.text("TYPE", required=required)
        if value and value != _TYPE:
            self.mistake("TYPE", f"is not {_TYPE}")
