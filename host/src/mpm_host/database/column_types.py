"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["Instant", "Remark"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware moment, stored as whole microseconds since 1970 in UTC.

    SQLite has no time zones; an integer is exact, sorts rightly and is the same in both databases.
    """

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """Refuse naive moments and turn aware ones into microseconds."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone.")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """Turn microseconds into an aware moment in UTC."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class Remark(TypeDecorator[str]):
    """A line of text for people to read, whoever wrote it: a vendor, a plugin, a telecom.

    What a database refuses to hold (NUL, half characters, more than fits) must not cost us the rest
    of what is written with it, a token perhaps: it becomes a space, or is cut off.
    """

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Make it one line that fits."""
        if value is None:
            return None
        line = value if value.isprintable() else "".join(map(_printable, value))
        return line[: self.length]


def _printable(character: str) -> str:
    return character if character.isprintable() else " "
