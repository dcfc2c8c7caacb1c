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
    """A table whose rows are work: due when `next_at` has come and `is_open` holds.

    Attributes:
        table: of the rows.
        is_open: holds until a row's work has ended.
        owner: the plugin instance or the company a row's work is for: whoever may be slow.
    """

    table: sa.Table
    is_open: sa.ColumnElement[bool]
    owner: sa.ColumnElement[str]


def _source(table: sa.Table, owner: str, is_open: sa.ColumnElement[bool]) -> WorkSource:
    return WorkSource(table=table, is_open=is_open, owner=table.c[owner])


def _while_due(table: sa.Table, owner: str) -> WorkSource:
    return _source(table, owner, table.c.next_at.is_not(None))


SOURCES: Mapping[str, WorkSource] = {
    "orders": _source(t.orders, "instance_id", t.orders.c.finished_at.is_(None)),
    "messages": _source(t.messages, "company_id", t.messages.c.status == "queued"),
    "devices": _while_due(t.devices, "instance_id"),
    "switches": _while_due(t.switches, "company_id"),
    "pushes": _while_due(pushes, "instance_id"),
    "imports": _while_due(imports, "company_id"),
    "tellings": _while_due(tellings, "instance_id"),
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
