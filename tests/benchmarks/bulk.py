"""A database with many devices and a long history, made inside the database by copying real ones.

What is copied was registered and booked by the real host, so that the copies look like it; orders
and messages of the copies are finished, as old ones are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from mpm_host.database import tables as t
from tests.benchmarks.settling import settle

__all__ = ["copy_customers", "copy_history"]

_TEMPLATES = 200
_MANY = 50_000  # rows of a table; fewer are added while a host runs, and nothing may be locked
_CHUNK = 1000  # rounds; as many times the templates are copied in one transaction
_OFFSET = 10_000_000  # these digits after a zero replace the beginning of an id
_REST = 10  # the character of an id that is kept first; what follows is unique enough
_IDS = {"id", "payment_id", "order_id", "journal_id", "digest"}
_FINISHED: Mapping[str, Mapping[str, object]] = {
    "mpm_payment": {"status": "settled"},
    "mpm_order": {"status": "issued", "next_at": None, "finished_at": 1},
    "mpm_message": {"status": "sent", "next_at": None, "sent_at": 1},
    "mpm_device": {"next_at": None},
}
_COPIED = (t.payments, t.entries, t.orders, t.attempts, t.tokens, t.messages)


def copy_customers(engine: Engine, *, devices: int) -> None:
    """Add so many customers with a device each, copies of those that are there."""
    c = t.customers.c
    with engine.connect() as connection:
        query = sa.select(c.id).order_by(c.id).limit(_TEMPLATES)
        templates = connection.execute(query).scalars().all()
    owned = t.devices.c.customer_id.in_(templates)
    with _indexes_made_afterwards(
        engine, (t.customers, t.devices), rows=devices, but="customer_id"
    ):
        for first, rounds in _chunks(0, devices // len(templates)):
            with _copying(engine) as connection:
                connection.execute(_copy(t.customers, c.id.in_(templates), first, rounds))
                connection.execute(_copy(t.devices, owned, first, rounds, owners=True))
    _settle(engine)


def copy_history(engine: Engine, *, prefix: str, first: int, payments: int) -> None:
    """Add so many settled payments.

    Args:
        engine: of the database.
        prefix: of the references of the payments to copy; a few hundred are enough.
        first: number of the first copy; the ranges of several calls must not overlap.
        payments: how many to add.
    """
    p = t.payments.c
    with engine.connect() as connection:
        # the real ones: ids of copies come before them
        query = sa.select(p.id).where(p.reference.startswith(prefix)).order_by(p.id.desc())
        templates = connection.execute(query.limit(_TEMPLATES)).scalars().all()
    with _indexes_made_afterwards(engine, _COPIED, rows=payments, but="payment_id"):
        for chunk, rounds in _chunks(first, payments // len(templates)):
            with _copying(engine) as connection:
                for table in _COPIED:
                    connection.execute(_copy(table, _belong_to(table, templates), chunk, rounds))
    _settle(engine)


def _belong_to(table: sa.Table, payments: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition that rows are these payments, or of them."""
    if table is t.payments:
        return table.c.id.in_(payments)
    if table is t.attempts:
        o = t.orders.c
        return table.c.order_id.in_(sa.select(o.id).where(o.payment_id.in_(payments)))
    return table.c.payment_id.in_(payments)


@contextlib.contextmanager
def _indexes_made_afterwards(
    engine: Engine, tables: Collection[sa.Table], *, rows: int, but: str
) -> Iterator[None]:
    """Let PostgreSQL make indexes in one go at the end: row by row takes several times as long.

    Args:
        engine: of the database.
        tables: whose; their keys stay.
        rows: how many are added to each.
        but: an index that begins with this column stays; what is copied is found by it.
    """
    if engine.dialect.name != "postgresql" or rows < _MANY:
        yield
        return
    of_all = [index for table in tables for index in table.indexes if not index.unique]
    indexes = [index for index in of_all if index.columns[0].name != but]
    with engine.begin() as connection:
        for index in indexes:
            index.drop(connection)
    yield
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL maintenance_work_mem = '1GB'"))
        for index in indexes:
            index.create(connection)


@contextlib.contextmanager
def _copying(engine: Engine) -> Iterator[Connection]:
    """Yield a transaction in which PostgreSQL does not look up what the copies refer to."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL session_replication_role = 'replica'"))
        yield connection


def _settle(engine: Engine) -> None:
    """Count what is there; SQLite has nothing to do, and would need the file's size once more."""
    if engine.dialect.name == "postgresql":
        settle(engine)


def _chunks(first: int, rounds: int) -> Iterator[tuple[int, int]]:
    """Cut rounds into transactions whose log a disk can hold."""
    for begin in range(first, first + rounds, _CHUNK):
        yield begin, min(_CHUNK, first + rounds - begin)


def _copy(
    table: sa.Table,
    chosen: sa.ColumnElement[bool],
    first: int,
    rounds: int,
    *,
    owners: bool = False,
) -> sa.Insert:
    """Write one INSERT that copies the chosen rows so many times under other keys.

    Args:
        owners: were copied as well, so that each copy belongs to a copy.
    """
    numbers = sa.select(sa.literal(first).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < first + rounds - 1))
    ids = _IDS | {"customer_id"} if owners else _IDS
    columns = [_column(table, column, numbers.c.n, ids) for column in table.c]
    source = sa.select(*columns).select_from(table.join(numbers, sa.true())).where(chosen)
    return sa.insert(table).from_select([column.name for column in table.c], source)


def _column(
    table: sa.Table, column: sa.Column[object], n: sa.ColumnElement[int], ids: set[str]
) -> sa.ColumnElement[Any]:
    number = sa.cast(_OFFSET + n, sa.String)
    finished = _FINISHED.get(table.name, {})
    if column.name in finished:
        return sa.cast(sa.literal(finished[column.name]), _plain(column))
    if column.name in ids:
        return sa.literal("0").concat(number).concat(sa.func.substr(column, _REST))
    if column.name == "serial" and table is t.devices:
        return column.concat("-").concat(number)
    if column.name in {"reference", "key"} and table is not t.access_debts:
        return column.concat(":").concat(number)
    if column.name == "number" and table is t.payments:
        return column + 10_000_000 + n * _TEMPLATES * 10
    return column


def _plain(column: sa.Column[object]) -> sa.types.TypeEngine[object]:
    """Return the type a literal has in the database, without our own conversions."""
    inner: sa.types.TypeEngine[object] = getattr(column.type, "impl", column.type)
    return inner
