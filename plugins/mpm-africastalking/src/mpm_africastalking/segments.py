"""How many SMS a text is cut into (3GPP TS 23.038, alphabets, and TS 23.040, concatenation). Pure.

A text whose characters are all in the GSM alphabet takes 7 bits for each, 14 for the few of the
extension table; any other text takes 16 bits for each. A text that does not fit into one SMS loses
room in each part to the header that joins them; no character is cut in two.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import attrs

__all__ = ["Alphabet", "Segments", "count_segments"]

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
_LAST_OF_ONE_UNIT = 0xFFFF


class Alphabet(StrEnum):
    """How the characters are sent."""

    GSM_7_BIT = "GSM 7-bit"
    UCS_2 = "UCS-2"


@attrs.frozen(kw_only=True)
class Segments:
    """What a text takes.

    Attributes:
        units: septets of the GSM alphabet, or 16-bit units.
        count: SMS; an empty text is one too.
    """

    alphabet: Alphabet
    units: int
    count: int


_ROOM = {Alphabet.GSM_7_BIT: (160, 153), Alphabet.UCS_2: (70, 67)}  # alone, and in a part


def count_segments(text: str) -> Segments:
    """Count the SMS of a text."""
    characters = set(text)
    fits = characters <= _BASIC | _EXTENSION
    alphabet = Alphabet.GSM_7_BIT if fits else Alphabet.UCS_2
    sizes = [_size(character, alphabet) for character in text]
    alone, part = _ROOM[alphabet]
    units = sum(sizes)
    return Segments(
        alphabet=alphabet, units=units, count=1 if units <= alone else _parts(sizes, part)
    )


def _size(character: str, alphabet: Alphabet) -> int:
    if alphabet is Alphabet.GSM_7_BIT:
        return 2 if character in _EXTENSION else 1
    return 2 if ord(character) > _LAST_OF_ONE_UNIT else 1


def _parts(sizes: Iterable[int], room: int) -> int:
    parts, used = 1, 0
    for size in sizes:
        if used + size > room:
            parts, used = parts + 1, 0
        used += size
    return parts
