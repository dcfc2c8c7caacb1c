"""What customers read: the text of every message, in one place.

Short enough for one or two SMS, in plain ASCII so that no gateway switches to a longer alphabet.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpm_core import Charge, ChargeKind, Grant, Money, Unit, format_kwh
from mpm_core.allocation.accounts import Line, LineKind

__all__ = ["pending_text", "receipt_text", "taken_back_text", "token_text", "unlock_text"]

_CODE_GROUP = 4
_STS_LENGTH = 20
_LINE_WORDS = {
    LineKind.DOWN_PAYMENT: "down payment",
    LineKind.INSTALMENT: "instalments",
    LineKind.ACCESS_RATE: "access rate",
    LineKind.ENERGY: "energy",
    LineKind.TIME: "days of use",
    LineKind.EAAS: "days of use",
}
_DEBTS = frozenset({LineKind.DOWN_PAYMENT, LineKind.INSTALMENT, LineKind.ACCESS_RATE})


def receipt_text(paid: Money, lines: Sequence[Line], *, credit: Money, debt: Money) -> str:
    """Say what a payment cleared when no token comes of it."""
    parts = [f"Payment of {paid} {paid.currency} received.", _cleared(lines, paid.currency)]
    if debt.minor > 0:
        parts.append(f"Still due: {debt} {debt.currency}.")
    if credit.minor > 0:
        parts.append(f"Your credit: {credit} {credit.currency}.")
    return " ".join(part for part in parts if part)


def token_text(
    paid: Money, lines: Sequence[Line], charge: Charge, grant: Grant, serial: str
) -> str:
    """Give the customer the token, and say what else the payment cleared."""
    told = _DEBTS if charge.kind is ChargeKind.ENERGY else _DEBTS - {LineKind.INSTALMENT}
    cleared = [line for line in lines if line.kind in told]
    parts = [
        f"Payment of {paid} {paid.currency} received.",
        _cleared(cleared, paid.currency),
        _granted_with_codes(grant, serial),
    ]
    return " ".join(part for part in parts if part)


def taken_back_text(paid: Money, grant: Grant, serial: str) -> str:
    """Give the customer a token that came while its payment was taken back: it stays sold."""
    return (
        f"Payment of {paid} {paid.currency} was taken back, but what it bought exists: "
        f"{_granted_with_codes(grant, serial)} "
        "It is yours; its price is collected from your next payment."
    )


def unlock_text(grant: Grant, serial: str) -> str:
    """Give the customer the token that unlocks another device than the one that was paid."""
    return _granted_with_codes(grant, serial)


def pending_text(paid: Money) -> str:
    """Calm a customer whose token takes long; without money when none was paid for it."""
    if not paid.minor:
        return "Your token is on its way."
    return f"Payment of {paid} {paid.currency} received. Your token is on its way."


def _cleared(lines: Sequence[Line], currency: str) -> str:
    sums: dict[str, int] = {}
    for line in lines:
        if word := _LINE_WORDS.get(line.kind):
            sums[word] = sums.get(word, 0) + line.amount
    if not sums:
        return ""
    listed = ", ".join(f"{word} {Money(total, currency)}" for word, total in sums.items())
    return f"Paid: {listed}."


def _granted(grant: Grant, serial: str) -> str:
    if grant.quantity is None:
        return f"Device {serial} is paid off and unlocked."
    if grant.unit is Unit.DAY:
        days = "day" if grant.quantity == 1 else "days"
        return f"{grant.quantity} {days} for device {serial}."
    return f"{format_kwh(grant.quantity)} kWh for meter {serial}."


def _granted_with_codes(grant: Grant, serial: str) -> str:
    codes = (f"Token: {_grouped(code.reveal())}" for code in grant.codes)
    return " ".join((_granted(grant, serial), *codes))


def _grouped(code: str) -> str:
    """Write a 20-digit STS token in groups of four, as meters' manuals do; others as given."""
    if len(code) != _STS_LENGTH or not code.isdecimal():
        return code
    return " ".join(code[i : i + _CODE_GROUP] for i in range(0, _STS_LENGTH, _CODE_GROUP))
