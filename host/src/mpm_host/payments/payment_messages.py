"""Queueing what a customer is told of a payment: once per fact."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core.allocation.accounts import Line, LineKind
from mpm_host.database import tables as t
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.messages.texts import pending_text
from mpm_host.payments.ledger import SOURCES
from mpm_host.payments.payment_locks import LockedPayment

__all__ = ["DELAYED", "lines_of", "queue_message", "tell_delay"]

DELAYED = ":delayed"  # the end of the key of a message that calms


def queue_message(  # noqa: PLR0913 - what is told, to whom, of what
    connection: Connection,
    vault: Vault,
    payment: LockedPayment,
    text: str,
    *,
    key: str,
    now: datetime,
) -> None:
    """Queue a message, unless the customer was told the fact of this key before."""
    known = sa.select(t.messages.c.id).where(t.messages.c.key == key)
    if connection.execute(known).first() is not None:
        return
    connection.execute(
        sa.insert(t.messages).values(
            id=new_identifier(),
            company_id=payment.company_id,
            payment_id=payment.id,
            key=key,
            phone=payment.phone,
            body=vault.seal(text),
            status="queued",
            next_at=now,
            created_at=now,
        )
    )


def tell_delay(connection: Connection, vault: Vault, payment: LockedPayment, now: datetime) -> None:
    """Calm the customer, once per payment."""
    text, key = pending_text(payment.paid), f"{payment.id}{DELAYED}"
    queue_message(connection, vault, payment, text, key=key, now=now)


def lines_of(connection: Connection, payment_id: str) -> list[Line]:
    """Return what a payment was for."""
    e = t.entries.c
    query = (
        sa.select(e.account, e.amount, e.refers_to)
        .where(e.payment_id == payment_id, e.account.not_in(SOURCES))
        .order_by(e.position)
    )
    return [
        Line(kind=LineKind(row.account), amount=row.amount, refers_to=row.refers_to)
        for row in connection.execute(query)
    ]
