"""Messages as users see them: recipients masked, bodies only where they may be shown."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import MessageStatus
from mpm_host.database import tables as t
from mpm_host.encryption import Vault
from mpm_host.payments.payment_views import JsonObject, masked

__all__ = ["list_messages"]


def list_messages(
    connection: Connection,
    company_id: str,
    *,
    limit: int = 50,
    status: MessageStatus | None = None,
    bodies: Vault | None = None,
) -> Iterator[JsonObject]:
    """Yield a company's messages, newest first.

    Args:
        connection: to read with.
        company_id: whose messages.
        limit: how many.
        status: only those that stand so.
        bodies: decrypts the bodies, which hold tokens; `None` leaves them out.
    """
    m = t.messages.c
    query = (
        sa.select(
            m.id,
            m.payment_id,
            m.phone,
            m.body,
            m.status,
            m.detail,
            m.created_at,
            m.sent_at,
            m.segments,
            m.cost,
        )
        .where(m.company_id == company_id)
        .order_by(m.id.desc())
        .limit(limit)
    )
    if status is not None:
        query = query.where(m.status == status)
    for row in connection.execute(query):
        yield {
            "id": row.id,
            "payment": row.payment_id,
            "to": masked(row.phone),
            "body": None if bodies is None else bodies.open(row.body),
            "status": row.status,
            "detail": row.detail,
            "segments": row.segments,
            "cost": row.cost,
            "created_at": row.created_at.isoformat(),
            "sent_at": row.sent_at.isoformat() if row.sent_at else None,
        }
