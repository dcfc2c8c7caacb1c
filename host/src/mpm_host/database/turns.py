"""Turns: transactions that wait for each other without locking a row that others need."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

__all__ = ["wait_for_turn"]


def wait_for_turn(connection: Connection, what: str) -> None:
    """Wait until no other transaction does this; whoever has the turn keeps it until its end.

    It is no row's lock, so it takes no part in the order in which rows are locked. SQLite has one
    writer at a time anyway.

    Args:
        connection: in a transaction that writes.
        what: the work and whose it is; only a number made of it is compared, so two that differ
            may wait for each other once in a very long while, and nothing worse.

    Raises:
        sqlalchemy.exc.OperationalError: the turn did not come within the lock timeout.
    """
    if connection.dialect.name != "postgresql":
        return
    number = sa.func.hashtextextended(what, 0)
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
