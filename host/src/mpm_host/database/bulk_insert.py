"""Inserting many rows of one table at the driver's own speed.

SQLite takes an INSERT with a list of rows. PostgreSQL takes a COPY: one statement, however many the
rows, where a list of rows would be as many statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeEngine

from mpm_host.database.column_types import Instant

if TYPE_CHECKING:
    from psycopg import Cursor

__all__ = ["bulk_insert", "take_copies"]

_COPY = "COPY "


@attrs.frozen(kw_only=True)
class _Statement:
    """An INSERT or COPY as the driver takes it.

    Attributes:
        names: of the columns, in the order of the statement.
        conversions: what our types make of the values of the columns at some positions.
        defaults: of columns that the rows leave to them.
    """

    text: str
    names: tuple[str, ...]
    conversions: Mapping[int, Callable[[object], object]]
    defaults: Mapping[str, object]

    def parameters(self, rows: Sequence[Mapping[str, object]]) -> list[tuple[object, ...]]:
        """Turn rows into what the driver takes, a whole column at a time."""
        if self.defaults:
            rows = [{**self.defaults, **row} for row in rows]
        picked = map(itemgetter(*self.names), rows)
        columns: list[Sequence[object]] = list(zip(*picked, strict=True))
        for position, convert in self.conversions.items():
            columns[position] = [convert(value) for value in columns[position]]
        return list(zip(*columns, strict=True))


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


def take_copies(engine: sa.Engine) -> None:
    """Let an engine of PostgreSQL carry out the COPYs of `bulk_insert`.

    They go through the engine like any other statement, so their errors are what others raise.
    """

    @sa.event.listens_for(engine, "do_executemany")
    def take_rows(
        cursor: Cursor[object], statement: str, rows: Sequence[Sequence[object]], _context: object
    ) -> bool:
        return _copied(cursor, statement, rows)

    @sa.event.listens_for(engine, "do_execute")
    def take_row(
        cursor: Cursor[object], statement: str, row: Sequence[object], _context: object
    ) -> bool:
        return _copied(cursor, statement, [row])


def _copied(cursor: Cursor[object], statement: str, rows: Sequence[Sequence[object]]) -> bool:
    """Carry a statement out if it is a COPY."""
    if not statement.startswith(_COPY):
        return False
    with cursor.copy(statement.encode()) as lines:
        for row in rows:
            lines.write_row(row)
    return True


@lru_cache(maxsize=256)
def _statement(table: sa.Table, names: tuple[str, ...], dialect: Dialect) -> _Statement:
    compiled = sa.insert(table).compile(dialect=dialect, column_keys=list(names))
    order = tuple(compiled.positiontup or compiled.binds)
    converts = [_conversion(table.c[name].type, dialect) for name in order]
    if dialect.name == "postgresql":
        quote = dialect.identifier_preparer
        columns = ", ".join(quote.format_column(table.c[name]) for name in order)
        text = f"{_COPY}{quote.format_table(table)} ({columns}) FROM STDIN"
    else:
        text = str(compiled)
    return _Statement(
        text=text,
        names=order,
        conversions={n: convert for n, convert in enumerate(converts) if convert is not None},
        defaults={name: _default(table.c[name]) for name in order if name not in names},
    )


def _conversion(kind: TypeEngine[object], dialect: Dialect) -> Callable[[object], object] | None:
    """Return what a column's type makes of its values; days and moments come again and again."""
    convert = kind.dialect_impl(dialect).bind_processor(dialect)
    if convert is not None and isinstance(kind, sa.Date | Instant):
        return lru_cache(maxsize=1024)(convert)
    return convert


def _default(column: sa.Column[object]) -> object:
    if not isinstance(column.default, sa.ColumnDefault) or not column.default.is_scalar:
        raise KeyError(column.name)
    return column.default.arg
