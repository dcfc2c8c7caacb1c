"""What a client asks of PostgreSQL, read from the bytes on their way to it.

Message formats: PostgreSQL documentation, *Frontend/Backend Protocol*. A statement is sent once and
then named, so what a name stands for is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

__all__ = ["Questions"]

_LENGTH = 4  # bytes of a message's length, which counts itself
_QUERY, _PARSE, _BIND = b"Q", b"P", b"B"


@attrs.define
class Questions:
    """Reads one connection's bytes, in whatever pieces they come."""

    _rest: bytes = b""
    _has_begun: bool = False
    _named: dict[bytes, str] = attrs.field(factory=dict)

    def read(self, data: bytes) -> Iterator[str]:
        """Yield the statements that are carried out, as soon as their last byte is there."""
        self._rest += data
        while (message := self._next()) is not None:
            kind, body = message
            statement = self._statement(kind, body)
            if statement is not None:
                yield statement

    def _next(self) -> tuple[bytes, bytes] | None:
        """Take one whole message from what has come; the first of a connection has no kind."""
        kind = 1 if self._has_begun else 0
        start = kind + _LENGTH
        if len(self._rest) < start:
            return None
        end = kind + int.from_bytes(self._rest[kind:start])
        if len(self._rest) < end:
            return None
        message = self._rest[:kind], self._rest[start:end]
        self._rest = self._rest[end:]
        self._has_begun = True
        return message

    def _statement(self, kind: bytes, body: bytes) -> str | None:
        """Return what a message has carried out; preparing a statement does nothing yet."""
        if kind == _QUERY:
            return _text(body)
        if kind == _PARSE:
            name, _, rest = body.partition(b"\0")
            self._named[name] = _text(rest)
        elif kind == _BIND:
            _, _, rest = body.partition(b"\0")
            return self._named.get(rest.partition(b"\0")[0], "")
        return None


def _text(body: bytes) -> str:
    return body.partition(b"\0")[0].decode()
