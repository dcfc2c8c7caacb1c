"""A database with many devices and a long history, made inside the database by copying real ones.

What is copied was registered and booked by the real host, so that the copies look like it; orders
and messages of the copies are finished, as old ones are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_host.database import tables as t
from tests.benchmarks.settling import settle

__all__ = ["copy_customers", "copy_history"]

_TEMPLATES = 200
_OFFSET = 10_000_000  # these digits after a zero replace the beginning of an id
_REST = 10  # the character of an id that is kept first; what follows is unique enough
_IDS = {"id", "payment_id", "order_id", "journal_id"}
_FINISHED: Mapping[str, Mapping[str, object]] = {
    "mpm_payment": {"status": "settled"},
    "mpm_order": {"status": "issued", "next_at": None, "finished_at": 1},
    "mpm_message": {"status": "sent", "next_at": None, "sent_at": 1},
    "mpm_device": {"next_at": None},
}
_COPIED = (t.payments, t.entries, t.orders, t.messages)


def copy_customers(engine: Engine, *, devices: int) -> None:
    """Add so many customers with a device each, copies of those that are there."""
    c = t.customers.c
    with engine.begin() as connection:
        query = sa.select(c.id).order_by(c.id).limit(_TEMPLATES)
        templates = connection.execute(query).scalars().all()
        rounds = devices // len(templates)
        connection.execute(_copy(t.customers, c.id.in_(templates), 0, rounds))
        owned = t.devices.c.customer_id.in_(templates)
        connection.execute(_copy(t.devices, owned, 0, rounds, owners=True))
    settle(engine)


def copy_history(engine: Engine, *, prefix: str, first: int, payments: int) -> None:
    """Add so many settled payments.

    Args:
        engine: of the database.
        prefix: of the references of the payments to copy; a few hundred are enough.
        first: number of the first copy; the ranges of several calls must not overlap.
        payments: how many to add.
    """
    with engine.begin() as connection:
        p = t.payments.c
        query = sa.select(p.id).where(p.reference.startswith(prefix)).limit(_TEMPLATES)
        templates = connection.execute(query).scalars().all()
        rounds = payments // len(templates)
        for table in _COPIED:
            key = table.c.id if table is t.payments else table.c.payment_id
            connection.execute(_copy(table, key.in_(templates), first, rounds))
    settle(engine)


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
    if column.name == "number":
        return column + 10_000_000 + n * _TEMPLATES * 10
    return column


def _plain(column: sa.Column[object]) -> sa.types.TypeEngine[object]:
    """Return the type a literal has in the database, without our own conversions."""
    inner: sa.types.TypeEngine[object] = getattr(column.type, "impl", column.type)
    return inner
