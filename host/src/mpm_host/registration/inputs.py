"""What people type: names, serials, phones, days and amounts, checked once at the edge."""

from __future__ import annotations

from datetime import date

from mpm_core import Money, Msisdn
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["check_amount_given", "check_day", "read_name", "read_phone", "read_serial"]

_NAME_LENGTH = 200  # of the columns
_SERIAL_LENGTH = 64
_SHOWN = 40  # characters of a wrong value that enter a message
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 12, 31)  # outside of them it is a typing error


def read_name(text: str, what: str) -> str:
    """Return a name without surrounding blanks.

    Args:
        text: as typed.
        what: whose name, for the message, such as `name` or `cluster`.

    Raises:
        ServiceRefused: blank, too long, or with characters that cannot be written.
    """
    name = text.strip()
    if not name:
        raise ServiceRefused(RefusalCode.NAME_INVALID, f"The {what} is empty; write a name.")
    if len(name) > _NAME_LENGTH:
        raise ServiceRefused(
            RefusalCode.NAME_INVALID,
            f"The {what} {name[:_SHOWN]!r}… is too long; use {_NAME_LENGTH} characters at most.",
        )
    if not name.isprintable():
        raise ServiceRefused(
            RefusalCode.NAME_INVALID,
            f"The {what} {name[:_SHOWN]!r} has characters that cannot be shown; remove them.",
        )
    return name


def read_serial(text: str) -> str:
    """Return a serial without surrounding blanks, else byte for byte.

    The manufacturer's own rules come later, from its manifest.

    Raises:
        ServiceRefused: empty, longer than 64 characters, or not printable.
    """
    serial = text.strip()
    if not serial:
        raise ServiceRefused(RefusalCode.SERIAL_INVALID, "The serial is empty; write the device's.")
    if len(serial) > _SERIAL_LENGTH or not serial.isprintable():
        raise ServiceRefused(
            RefusalCode.SERIAL_INVALID,
            f"The serial {serial[:_SHOWN]!r} cannot be one; write what is printed on the device, "
            f"{_SERIAL_LENGTH} characters at most.",
        )
    return serial


def read_phone(text: str, country: str) -> Msisdn:
    """Return a phone number by the company's country.

    Raises:
        ServiceRefused: it cannot be one; the message does not repeat it.
    """
    try:
        return Msisdn.parse(text, country)
    except ValueError as error:
        raise ServiceRefused(
            RefusalCode.PHONE_INVALID, f"The phone cannot be used: {error}"
        ) from None


def check_day(day: date, what: str) -> date:
    """Return a day that somebody may have meant.

    Raises:
        ServiceRefused: before 2000 or after 2100.
    """
    if not _EARLIEST <= day <= _LATEST:
        raise ServiceRefused(
            RefusalCode.DATE_INVALID,
            f"{what} is {day}; write a day between {_EARLIEST} and {_LATEST}.",
        )
    return day


def check_amount_given(amount: Money, currency: str, what: str) -> int:
    """Return an amount's minor units.

    Raises:
        ServiceRefused: negative, or in another currency than the company's.
    """
    if amount.currency != currency:
        raise ServiceRefused(
            RefusalCode.AMOUNT_INVALID,
            f"The {what} is in {amount.currency}; the company's currency is {currency}.",
        )
    if amount.minor < 0:
        raise ServiceRefused(
            RefusalCode.AMOUNT_INVALID, f"The {what} is {amount}; it must be 0 or more."
        )
    return amount.minor
