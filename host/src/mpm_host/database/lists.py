"""Asking for many values of a column with one parameter: one statement for any number of them.

A list of parameters would be another statement for every number of values, each to be parsed and
planned anew. An array (PostgreSQL) or a JSON text (SQLite) is one parameter, so statements that use
it can be made once, when the module is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["among", "as_list"]


def among(column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    """Ask for the rows with any of the values that the parameter of this name holds.

    Args:
        column: of text or whole numbers.
        name: of the parameter; what is given for it is made by `as_list`.
    """
    return _Among(column, sa.bindparam(name, type_=_List(column.type)))


def as_list(values: Iterable[Any]) -> Sequence[Any]:
    """Return what `among` takes: each value once, and in order, whatever they came in."""
    return sorted(set(values))


class _Among(FunctionElement[bool]):
    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: OperatorType | None = None) -> Self:
        """Stand as it is: SQLite would not use an index for a condition compared with 1."""
        del against
        return self


class _List(TypeDecorator[Sequence[Any]]):
    """Values of one column, as one parameter."""

    impl = sa.JSON
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        # of no length: PostgreSQL would cut a longer text off, and find what was not asked for
        self.item = sa.String() if isinstance(item, sa.String) else item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(self.item))
        return dialect.type_descriptor(sa.JSON())


@compiles(_Among)
def _compile_for_arrays(element: _Among, compiler: SQLCompiler, **options: object) -> str:
    column, values = _written(element, compiler, options)
    return f"{column} = ANY ({values})"


@compiles(_Among, "sqlite")
def _compile_for_json(element: _Among, compiler: SQLCompiler, **options: object) -> str:
    column, values = _written(element, compiler, options)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both written by the compiler


def _written(
    element: _Among, compiler: SQLCompiler, options: Mapping[str, object]
) -> Iterator[str]:
    """Return the column and the parameter as the statement writes them."""
    return (compiler.process(clause, **options) for clause in element.clauses)
