"""The Standard Transfer Algorithm (EA07): the 64-bit block cipher of STS keypad tokens.

Sixteen rounds; in each, every nibble passes one of two tables that a key bit chooses, then all 64
bits are permuted. The tables are the operational ones, not those of the standard's worked example.
"""

from __future__ import annotations

__all__ = ["decrypt", "encrypt"]

_ROUNDS = 16
_WIDTH = 64
_MASK = (1 << _WIDTH) - 1
_KEY_ROTATION = 12
_FIRST = (14, 10, 7, 9, 12, 3, 2, 5, 13, 0, 15, 1, 4, 8, 6, 11)
_SECOND = (12, 8, 2, 13, 7, 6, 1, 3, 11, 5, 9, 15, 0, 4, 10, 14)
_MOVES = (  # bit i of the substituted block moves to bit _MOVES[i]
    *(55, 42, 10, 18, 24, 21, 44, 35, 2, 22, 56, 43, 27, 58, 9, 50),
    *(6, 36, 12, 61, 37, 38, 53, 16, 62, 3, 7, 4, 32, 20, 63, 25),
    *(51, 52, 54, 33, 49, 19, 46, 29, 48, 31, 23, 30, 41, 28, 13, 5),
    *(40, 60, 39, 11, 15, 17, 1, 0, 57, 34, 59, 8, 47, 14, 45, 26),
)


def _inverse(table: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(table.index(value) for value in range(len(table)))


_TABLES = (_FIRST, _SECOND)
_INVERSE_TABLES = (_inverse(_FIRST), _inverse(_SECOND))
_INVERSE_MOVES = _inverse(_MOVES)


def encrypt(block: int, key: int) -> int:
    """Encrypt a 64-bit block under a 64-bit decoder key."""
    for round_key in _round_keys(key):
        block = _permute(_substitute(block, round_key, _TABLES), _MOVES)
    return block


def decrypt(block: int, key: int) -> int:
    """Undo `encrypt`; a wrong key gives another block, never an error."""
    for round_key in reversed(_round_keys(key)):
        block = _substitute(_permute(block, _INVERSE_MOVES), round_key, _INVERSE_TABLES)
    return block


def _rotate_left(value: int, places: int) -> int:
    return (value << places | value >> (_WIDTH - places)) & _MASK


def _round_keys(key: int) -> list[int]:
    start = _rotate_left(~key & _MASK, _WIDTH - _KEY_ROTATION)
    return [_rotate_left(start, places) for places in range(_ROUNDS)]


def _substitute(block: int, round_key: int, tables: tuple[tuple[int, ...], tuple[int, ...]]) -> int:
    result = 0
    for shift in range(0, _WIDTH, 4):
        table = tables[round_key >> (shift + 3) & 1]  # bit 3 of the key's nibble chooses
        result |= table[block >> shift & 0xF] << shift
    return result


def _permute(block: int, moves: tuple[int, ...]) -> int:
    return sum((block >> source & 1) << target for source, target in enumerate(moves))
