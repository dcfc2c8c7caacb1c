"""What is in the tables, to be compared before and after something that must change nothing."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_host.database import tables as t
from mpm_host.database.every_table import metadata
from mpm_host.verification.verification import verify

__all__ = ["differences", "money_tables", "table_contents"]

Contents = Mapping[str, list[tuple[object, ...]]]
MONEY = ("mpm_entry", "mpm_order", "mpm_attempt", "mpm_token", "mpm_message", "mpm_plan_row",
         "mpm_access_debt", "mpm_customer", "mpm_device")  # fmt: skip

# What workers move by themselves, whatever is asked of the desk.
_BACKGROUND = {"mpm_device": ("mapping", "next_at", "handed", "looked_up_at", "failures")}


def table_contents(engine: Engine, company_id: str | None = None) -> Contents:
    """Return every row of every table, of one company or of all, in the order of their keys."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(_rows(table, company_id))]
            for table in metadata.sorted_tables
        }


def money_tables(engine: Engine, company_id: str | None = None) -> Contents:
    """Return the rows that only a booking or a worker may touch: all but payments and events."""
    contents = table_contents(engine, company_id)
    return {name: contents[name] for name in MONEY}


def differences(engine: Engine, company_id: str | None = None) -> list[str]:
    """Return what `mpm verify` would print."""
    with engine.connect() as connection:
        return [str(difference) for difference in verify(connection, company_id)]


def _rows(table: sa.Table, company_id: str | None) -> sa.Select[tuple[object, ...]]:
    background = _BACKGROUND.get(table.name, ())
    columns = [column for column in table.c if column.name not in background]
    query = sa.select(*columns).order_by(*table.primary_key)
    if company_id is None:
        return query
    if table is t.companies:
        return query.where(table.c.id == company_id)
    return query.where(table.c.company_id == company_id) if "company_id" in table.c else query
