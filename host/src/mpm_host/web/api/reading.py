"""Reading requests strictly: what is not exactly as declared is refused, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from mpm_core import Secret
from mpm_core.exact_json import read_json
from mpm_host.web.api.problems import ApiCode, ProblemError

__all__ = ["BODY_LIMIT", "FILE_LIMIT", "check_content_type", "read_body", "read_query"]

BODY_LIMIT = 256 * 1024
FILE_LIMIT = 32 * 1024 * 1024

Value = TypeVar("Value")

_MISSING = re.compile(r"missing required field `(\w+)`")
_PATH = re.compile(r" - at `(?:key in )?\$(.*)`$")
# Facts with a code of their own in the public interface.
_MISSING_CODES = {"village_id": ApiCode.VILLAGE_REQUIRED}


def check_content_type(given: str, wanted: str) -> None:
    """Refuse a body of another kind.

    Raises:
        ProblemError: `content_type_unsupported`.
    """
    kind, _, parameters = given.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != wanted or charset not in {"", "charset=utf-8"}:
        raise ProblemError(
            code=ApiCode.CONTENT_TYPE_UNSUPPORTED,
            detail=f"Send the body as {wanted} in UTF-8.",
        )


def read_body(content: bytes, kind: type[Value]) -> Value:
    """Read a JSON body.

    Raises:
        ProblemError: `body_malformed` when it is not JSON, `body_invalid` when it is not what the
            operation takes.
    """
    try:
        value = read_json(content.decode())
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if not _is_storable(value):
        raise _malformed("a text has characters that are none")
    try:
        return msgspec.convert(value, type=kind, strict=True, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def read_query(pairs: Sequence[tuple[str, str]], kind: type | None) -> object:
    """Read what stands behind the question mark.

    Raises:
        ProblemError: `query_invalid`.
    """
    given: Mapping[str, str] = dict(pairs)
    if len(given) != len(pairs):
        raise _wrong_query("a parameter stands twice")
    if kind is None:
        if given:
            raise _wrong_query(f"{next(iter(given))[:40]!r} is unknown here")
        return None
    if not _is_storable(list(given.items())):
        raise _wrong_query("a value has characters that are none")
    try:
        return msgspec.convert(given, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _wrong_query(_PATH.sub(r" (\1)", str(error))) from None


def _is_storable(value: object) -> bool:
    """Tell whether every text can be stored: no NUL, no half characters."""
    match value:
        case str():
            return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
        case dict():
            return all(_is_storable(part) for pair in value.items() for part in pair)
        case list() | tuple():
            return all(_is_storable(part) for part in value)
        case _:
            return True


def _decode(kind: type, value: object) -> object:
    if kind is object:
        return _plain(value)
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


def _plain(value: object) -> object:
    """Write fractions as text, which settings read exactly and JSON columns can hold."""
    match value:
        case Decimal():
            return f"{value:f}"
        case list():
            return [_plain(item) for item in value]
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case _:
            return value


def _malformed(what: str) -> ProblemError:
    return ProblemError(
        code=ApiCode.BODY_MALFORMED, detail=f"The body cannot be read as JSON: {what}."
    )


def _invalid(text: str) -> ProblemError:
    missing = _MISSING.search(text)
    path = _PATH.search(text)
    pointer = path.group(1).replace("[", ".").replace("]", "").replace(".", "/") if path else ""
    if missing:
        pointer += f"/{missing.group(1)}"
    return ProblemError(
        code=_MISSING_CODES.get(missing.group(1) if missing else "", ApiCode.BODY_INVALID),
        detail=f"The body is not what is taken here: {_PATH.sub('', text)}.",
        pointer=pointer or "/",
    )


def _wrong_query(what: str) -> ProblemError:
    return ProblemError(code=ApiCode.QUERY_INVALID, detail=f"The query is wrong: {what}.")
