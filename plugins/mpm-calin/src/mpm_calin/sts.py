"""STS tokens (IEC 62055-41): 20 digits to fields and back, with the EA07 cipher.

A token is a 66-bit number: a 64-bit block, and two class bits that travel in clear at positions 28
and 27; the block bits they displace travel at positions 65 and 64. Credit and management tokens
(classes 0 and 2) are encrypted under the meter's decoder key; their checksum is inside. Only the
simulator mints with this; the plugin itself never has a key and reads the class alone.

Facts: the public vectors of the `nxt-sts` project and of the STS class 1 test tokens.
"""

from __future__ import annotations

import re

import attrs

from mpm_calin.sta import decrypt, encrypt

__all__ = [
    "LARGEST_TENTHS",
    "PUBLISHED_TEST_KEY",
    "InvalidTokenError",
    "StsToken",
    "decode_amount",
    "decode_token",
    "encode_amount",
    "encode_token",
    "token_class",
]

PUBLISHED_TEST_KEY = 0x0123456789ABCDEF  # printed in public test suites: worth nothing
DISPLAY_CLASS = 1

_TWENTY_DIGITS = re.compile(r"[0-9]{20}", re.ASCII)
_TOKEN_LIMIT = 1 << 66
_CLASS_SHIFT = 27
_CARRIER_SHIFT = 64
_TWO_BITS = 0b11
_MANTISSA_BITS = 14
_LARGEST_MANTISSA = (1 << _MANTISSA_BITS) - 1
_AMOUNT_BASES = (0, 16_384, 180_224, 1_818_624)  # tenths at which each exponent starts
_AMOUNT_STEPS = (1, 10, 100, 1000)  # tenths of one mantissa step
LARGEST_TENTHS = _AMOUNT_BASES[3] + 1000 * _LARGEST_MANTISSA


class InvalidTokenError(ValueError):
    """These digits are not a token, or not one for this key."""


def _bits(width: int) -> int:
    """Return an attrs field of an unsigned number of that many bits."""
    return attrs.field(validator=[attrs.validators.ge(0), attrs.validators.lt(1 << width)])


@attrs.frozen(kw_only=True)
class StsToken:
    """The fields of a token.

    Attributes:
        token_class: 0 credit, 1 display and test, 2 management.
        subclass: what of that class; credit 0 is electricity, management 1 clears credit.
        random: four bits that make two tokens of one minute differ.
        identifier: the TID, minutes since the base date of the meter.
        amount: the 16-bit field as it stands; see `decode_amount` for credit.
    """

    token_class: int = _bits(2)
    subclass: int = _bits(4)
    random: int = _bits(4)
    identifier: int = _bits(24)
    amount: int = _bits(16)


def encode_amount(tenths: int) -> int:
    """Write an energy in tenths of a kWh as the 16-bit amount field, rounded up to what fits.

    Raises:
        ValueError: negative, or more than 1 820 162.4 kWh.
    """
    if not 0 <= tenths <= LARGEST_TENTHS:
        raise ValueError(f"{tenths} tenths of a kWh do not fit into an STS token.")
    exponent = max(index for index, base in enumerate(_AMOUNT_BASES) if tenths >= base)
    mantissa = -(-(tenths - _AMOUNT_BASES[exponent]) // _AMOUNT_STEPS[exponent])
    if mantissa > _LARGEST_MANTISSA:  # rounding up reached the start of the next exponent
        return (exponent + 1) << _MANTISSA_BITS
    return exponent << _MANTISSA_BITS | mantissa


def decode_amount(field: int) -> int:
    """Read the 16-bit amount field as tenths of a kWh."""
    exponent, mantissa = divmod(field, 1 << _MANTISSA_BITS)
    return _AMOUNT_BASES[exponent] + mantissa * _AMOUNT_STEPS[exponent]


def token_class(code: str) -> int:
    """Read the class of a token without its key.

    Raises:
        InvalidTokenError: not 20 digits, or above 66 bits.
    """
    return _read_number(code) >> _CLASS_SHIFT & _TWO_BITS


def encode_token(token: StsToken, key: int) -> str:
    """Write a token as its 20 digits, leading zeros included."""
    data = token.subclass << 44 | token.random << 40 | token.identifier << 16 | token.amount
    block = data << 16 | _checksum(token.token_class, data)
    if token.token_class != DISPLAY_CLASS:
        block = encrypt(block, key)
    carried = block >> _CLASS_SHIFT & _TWO_BITS
    without_class = block & ~(_TWO_BITS << _CLASS_SHIFT)
    number = carried << _CARRIER_SHIFT | without_class | token.token_class << _CLASS_SHIFT
    return f"{number:020d}"


def decode_token(code: str, key: int) -> StsToken:
    """Read the 20 digits of a token under a key.

    Raises:
        InvalidTokenError: not a token, mistyped, or made for another key.
    """
    number = _read_number(code)
    kind = number >> _CLASS_SHIFT & _TWO_BITS
    carried = number >> _CARRIER_SHIFT
    block = number & ~(_TWO_BITS << _CLASS_SHIFT) & ((1 << _CARRIER_SHIFT) - 1)
    block |= carried << _CLASS_SHIFT
    if kind != DISPLAY_CLASS:
        block = decrypt(block, key)
    data, checksum = divmod(block, 1 << 16)
    if checksum != _checksum(kind, data):
        raise InvalidTokenError("The checksum is wrong: mistyped, or made for another meter.")
    return StsToken(
        token_class=kind,
        subclass=data >> 44,
        random=data >> 40 & 0xF,
        identifier=data >> 16 & 0xFFFFFF,
        amount=data & 0xFFFF,
    )


def _read_number(code: str) -> int:
    if not _TWENTY_DIGITS.fullmatch(code):
        raise InvalidTokenError("A token has exactly 20 digits.")
    number = int(code)
    if number >= _TOKEN_LIMIT:
        raise InvalidTokenError("No token has a number that large.")
    return number


def _checksum(kind: int, data: int) -> int:
    """Return the CRC-16 (reflected 0xA001, start 0xFFFF) over class and data, bytes swapped."""
    remainder = 0xFFFF
    for byte in (kind << 48 | data).to_bytes(7, "big"):
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (0xA001 if remainder & 1 else 0)
    return (remainder & 0xFF) << 8 | remainder >> 8
