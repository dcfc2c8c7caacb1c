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
        defaults: of columns that the rows leave to them.
    """

    text: str
    names: tuple[str, ...]
    conversions: Mapping[int, Callable[[object], object]]
    defaults: Mapping[str, object]
    by_position: bool

    def parameters(self, rows: Sequence[Mapping[str, object]]) -> list[object]:
        """Turn rows into what the driver takes, a whole column at a time."""
        if self.defaults:
            rows = [{**self.defaults, **row} for row in rows]
        picked = map(itemgetter(*self.names), rows)
        columns: list[Sequence[object]] = list(zip(*picked, strict=True))
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
    """Insert rows that name the same columns, at least two.

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
    order = tuple(compiled.positiontup or compiled.binds)
    converts = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in order]
    return _Statement(
        text=str(compiled),
        names=order,
        conversions={n: convert for n, convert in enumerate(converts) if convert is not None},
        defaults={name: _default(table.c[name]) for name in order if name not in names},
        by_position=compiled.positional,
    )


def _default(column: sa.Column[object]) -> object:
    if not isinstance(column.default, sa.ColumnDefault) or not column.default.is_scalar:
        raise KeyError(column.name)
    return column.default.arg
