"""Telling a database that is gone, hangs or is damaged from a statement of ours that is wrong."""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["is_outage"]


def is_outage(error: sa.exc.SQLAlchemyError) -> bool:
    """Tell whether somebody must look after the database, rather than after our code.

    A damaged SQLite file raises `DatabaseError` itself; its other kinds are about the statement.
    """
    if isinstance(error, (sa.exc.OperationalError, sa.exc.TimeoutError)):
        return True
    return type(error) is sa.exc.DatabaseError
