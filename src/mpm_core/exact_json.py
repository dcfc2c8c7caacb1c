"""JSON as money needs it: fractions are `Decimal`, nothing is guessed, nothing is rounded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Never

__all__ = ["read_json", "write_json"]

_LARGEST_EXPONENT = 40  # a number such as 1e999999999 would eat all memory once it is an int


def write_json(value: object) -> bytes:
    """Write a value compactly, as ASCII; a `Decimal` becomes an exact plain number.

    Raises:
        TypeError: something JSON has no form for, or a `float`, which money never is.
        ValueError: a number that is not finite or not of a human size.
    """
    return _written(value).encode("ascii")


def _written(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(str(value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal):
        return _written_number(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(_written_member(*member) for member in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ",".join(_written(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no exact JSON form; give text, int or Decimal.")


def _written_member(name: object, value: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"JSON member names are text, not {type(name).__name__}.")
    return f"{json.dumps(str(name))}:{_written(value)}"


def _written_number(number: Decimal) -> str:
    if not number.is_finite() or not _is_of_human_size(number):
        raise ValueError("a number that is not finite, or far too large or small, is not sent.")
    return format(number, "f")


def read_json(text: str) -> object:
    """Read JSON strictly: `Decimal` for fractions, no NaN, no member twice.

    Raises:
        ValueError: not JSON, or JSON that two readers could understand differently; the message
            does not repeat the text.
    """
    try:
        return json.loads(
            text,
            parse_float=_read_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_read_members,
        )
    except json.JSONDecodeError as error:  # its own text is harmless, its `doc` is not
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _read_number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond what Decimal can hold
        raise ValueError("a number is far too large or small") from None
    if not _is_of_human_size(number):
        raise ValueError("a number is far too large or small")
    return number


def _is_of_human_size(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    size = number.adjusted()
    return (
        isinstance(exponent, int) and exponent >= -_LARGEST_EXPONENT and size <= _LARGEST_EXPONENT
    )


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


def _read_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in one object")
    return members
