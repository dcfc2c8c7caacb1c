"""Reading agents' entries and receipts; they are never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.agents.agent_receipts import Receipt
from mpm_host.agents.agent_rules import EntryKind
from mpm_host.database.agent_tables import agent_entries, agent_receipts

__all__ = ["AgentEntry", "list_entries", "list_receipts"]

_RECEIPT_COLUMNS = [agent_receipts.c[field.name] for field in attrs.fields(Receipt)]


@attrs.frozen(kw_only=True)
class AgentEntry:
    """What moved an agent's balance and commission, in minor units, and what they were after it."""

    id: str
    kind: EntryKind
    amount: int
    commission: int
    balance_after: int
    commission_after: int
    plan_id: str | None
    payment_id: str | None
    agent_receipt_id: str | None
    actor: str
    at: datetime


_ENTRY_COLUMNS = [agent_entries.c[field.name] for field in attrs.fields(AgentEntry)]


def list_entries(
    connection: Connection, company_id: str, agent_id: str, *, limit: int, after: str | None
) -> Sequence[AgentEntry]:
    """Return an agent's entries, newest first, those before `after`."""
    query = sa.select(*_ENTRY_COLUMNS)
    rows = connection.execute(_page(query, agent_entries, company_id, agent_id, limit, after))
    return [AgentEntry(**{**row, "kind": EntryKind(row["kind"])}) for row in rows.mappings()]


def list_receipts(
    connection: Connection, company_id: str, agent_id: str, *, limit: int, after: str | None
) -> Sequence[Receipt]:
    """Return what an agent handed over, newest first, receipts before `after`."""
    query = sa.select(*_RECEIPT_COLUMNS)
    rows = connection.execute(_page(query, agent_receipts, company_id, agent_id, limit, after))
    return [Receipt(**row) for row in rows.mappings()]


def _page(  # noqa: PLR0913, PLR0917 - what, where, whose, how much
    query: sa.Select[*tuple[object, ...]],
    table: sa.Table,
    company_id: str,
    agent_id: str,
    limit: int,
    after: str | None,
) -> sa.Select[*tuple[object, ...]]:
    query = (
        query.where(table.c.company_id == company_id, table.c.agent_id == agent_id)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return query if after is None else query.where(table.c.id < after)
