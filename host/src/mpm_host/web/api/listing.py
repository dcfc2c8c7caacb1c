"""Finding and listing rows of the asking company; every query names it."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_host.refusals import ServiceRefused
from mpm_host.web.api.operation import Call, page_of
from mpm_host.web.api.values import Page, PageQuery

__all__ = ["AnyRow", "find_row", "list_page", "view_of"]

Kind = TypeVar("Kind")
AnyRow = Row[*tuple[object, ...]]


def view_of(kind: type[Kind], row: object) -> Kind:
    """Make an answer of an object whose attributes have the names of its fields."""
    return msgspec.convert(row, type=kind, from_attributes=True)


def find_row(
    call: Call,
    connection: Connection,
    table: sa.FromClause,
    identifier: str,
    code: str,
    *conditions: sa.ColumnElement[bool],
) -> AnyRow:
    """Return a row of the company that meets all conditions.

    Raises:
        ServiceRefused: with `code`, which is one of an unknown thing.
    """
    query = sa.select(table).where(
        table.c.company_id == call.company.id, table.c.id == identifier, *conditions
    )
    row = connection.execute(query).first()
    if row is None:
        what = code.removeprefix("unknown_").replace("_", " ")
        raise ServiceRefused(code, f"The company has no {what} with id {identifier[:64]!r}.")
    return row


def list_page(
    call: Call,
    connection: Connection,
    table: sa.FromClause,
    kind: type[Kind],
    *conditions: sa.ColumnElement[bool],
) -> Page[Kind]:
    """Return a page of the company's rows, newest first."""
    paging = call.query_as(PageQuery)
    query = (
        sa.select(table)
        .where(table.c.company_id == call.company.id, *conditions)
        .order_by(table.c.id.desc())
        .limit(paging.limit + 1)
    )
    if paging.cursor is not None:
        query = query.where(table.c.id < paging.cursor)
    rows = list(connection.execute(query))
    return page_of(rows, paging.limit, lambda row: view_of(kind, row), lambda row: str(row.id))
