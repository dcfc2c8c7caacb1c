"""Inserting many rows of one table at the driver's own speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect

__all__ = ["bulk_insert"]


@attrs.frozen(kw_only=True)
class _Statement:
    """An INSERT as the driver takes it.

    Attributes:
        names: of the columns, in the order of the statement.
        conversions: what our types make of the values of the columns at some positions.
    """

    text: str
    names: tuple[str, ...]
    conversions: Mapping[int, Callable[[object], object]]
    by_position: bool

    def parameters(self, rows: Sequence[Mapping[str, object]]) -> list[object]:
        """Turn rows into what the driver takes, a whole column at a time."""
        columns: list[Sequence[object]] = list(
            zip(*map(itemgetter(*self.names), rows), strict=True)
        )
        for position, convert in self.conversions.items():
            columns[position] = [convert(value) for value in columns[position]]
        values = zip(*columns, strict=True)
        return (
            list(values)
            if self.by_position
            else [dict(zip(self.names, v, strict=True)) for v in values]
        )


def bulk_insert(
    connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Insert rows that name the same columns, at least two; no defaults are filled in.

    The same as `connection.execute(sa.insert(table), rows)` without its work per row, where
    hundreds of rows go at once.

    Raises:
        KeyError: a row lacks a column of the first one.
    """
    if not rows:
        return
    statement = _statement(table, tuple(rows[0]), connection.dialect)
    connection.exec_driver_sql(statement.text, statement.parameters(rows))


@lru_cache(maxsize=256)
def _statement(table: sa.Table, names: tuple[str, ...], dialect: Dialect) -> _Statement:
    compiled = sa.insert(table).compile(dialect=dialect, column_keys=list(names))
    order = tuple(compiled.positiontup or names)
    converts = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in order]
    return _Statement(
        text=str(compiled),
        names=order,
        conversions={n: convert for n, convert in enumerate(converts) if convert is not None},
        by_position=compiled.positional,
    )
