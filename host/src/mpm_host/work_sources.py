"""Which rows are work: the tables the relay looks at, and what it asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.database.import_tables import imports
from mpm_host.database.outbox_tables import pushes, tellings

__all__ = ["SOURCES", "WorkSource", "any_due", "oldest_due"]


@attrs.frozen(kw_only=True)
class WorkSource:
    """A table whose rows are work: due when `next_at` has come and `is_open` holds."""

    table: sa.Table
    is_open: sa.ColumnElement[bool]


SOURCES: Mapping[str, WorkSource] = {
    "orders": WorkSource(table=t.orders, is_open=t.orders.c.finished_at.is_(None)),
    "messages": WorkSource(table=t.messages, is_open=t.messages.c.status == "queued"),
    "devices": WorkSource(table=t.devices, is_open=t.devices.c.next_at.is_not(None)),
    "switches": WorkSource(table=t.switches, is_open=t.switches.c.next_at.is_not(None)),
    "pushes": WorkSource(table=pushes, is_open=pushes.c.next_at.is_not(None)),
    "imports": WorkSource(table=imports, is_open=imports.c.next_at.is_not(None)),
    "tellings": WorkSource(table=tellings, is_open=tellings.c.next_at.is_not(None)),
}


def oldest_due() -> sa.Select[tuple[str, datetime]]:
    """Ask since when the oldest work of each kind is due; in the future if none is."""
    asked = [
        sa.select(
            sa.literal(kind).label("kind"), sa.func.min(source.table.c.next_at).label("since")
        ).where(source.is_open)
        for kind, source in SOURCES.items()
    ]
    kinds = sa.union_all(*asked).subquery()
    return sa.select(kinds.c.kind, kinds.c.since)


def any_due(now: datetime) -> sa.Select[tuple[str]]:
    """Ask which kinds of work are due: one cheap question, all that an idle host asks."""
    asked = []
    for kind, source in SOURCES.items():
        columns = source.table.c
        due = sa.select(columns.id).where(source.is_open, columns.next_at <= now)
        asked.append(sa.select(sa.literal(kind).label("kind")).where(due.limit(1).exists()))
    kinds = sa.union_all(*asked).subquery()
    return sa.select(kinds.c.kind)
