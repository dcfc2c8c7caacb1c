"""SipHash-2-4 after its authors' paper (Aumasson and Bernstein, 2012).

The simulated devices use it instead of the package that makes the codes, so that an error in one of
the two is seen.
"""

from __future__ import annotations

import functools

__all__ = ["siphash_2_4"]

_WORD = (1 << 64) - 1
_BLOCK = 8  # bytes


def siphash_2_4(key: bytes, message: bytes) -> int:
    """Return the 64-bit hash of a message under a key of 16 bytes."""
    low, high = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    state = (
        low ^ 0x736F6D6570736575,  # "somepseudorandomlygeneratedbytes", as the paper says
        high ^ 0x646F72616E646F6D,
        low ^ 0x6C7967656E657261,
        high ^ 0x7465646279746573,
    )
    for word in _words(message):
        state = _absorb(state, word)
    a, b, c, d = state
    state = (a, b, c ^ 0xFF, d)
    for _round in range(4):
        state = _mix(state)
    return functools.reduce(lambda one, other: one ^ other, state)


_State = tuple[int, int, int, int]


def _words(message: bytes) -> list[int]:
    """Cut a message into words; the last one ends with the message's length."""
    padding = bytes(_BLOCK - 1 - len(message) % _BLOCK)
    padded = message + padding + bytes([len(message) % 256])
    return [
        int.from_bytes(padded[start : start + _BLOCK], "little")
        for start in range(0, len(padded), _BLOCK)
    ]


def _absorb(state: _State, word: int) -> _State:
    a, b, c, d = state
    a, b, c, d = _mix(_mix((a, b, c, d ^ word)))
    return a ^ word, b, c, d


def _mix(state: _State) -> _State:
    a, b, c, d = state
    a, c = (a + b) & _WORD, (c + d) & _WORD
    b, d = _turn(b, 13) ^ a, _turn(d, 16) ^ c
    a, c = (_turn(a, 32) + d) & _WORD, (c + b) & _WORD
    d, b = _turn(d, 21) ^ a, _turn(b, 17) ^ c
    return a, b, _turn(c, 32), d


def _turn(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (64 - bits))) & _WORD
