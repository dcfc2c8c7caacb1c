"""Evidence: answers that came too late or cannot be used, kept encrypted with their attempt.

They never reach a customer by themselves; a person may read them to decide.
"""

from __future__ import annotations

import json
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Grant, Secret
from mpm_host.database import tables as t
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.orders.order_store import OrderRecord

__all__ = ["keep_evidence"]

_LONGEST_TEXT = 1000


def keep_evidence(
    connection: Connection, vault: Vault, order: OrderRecord, answer: object, now: datetime
) -> None:
    """Add an answer to what is known of the order's attempt, and say so among the events.

    Args:
        connection: of the caller's transaction.
        vault: encrypts it.
        order: as it was when the answer was asked for.
        answer: a grant, or whatever else a plugin gave.
        now: when it was heard.
    """
    a = t.attempts.c
    query = sa.select(a.id, a.evidence).where(a.order_id == order.id, a.number == order.attempts)
    attempt = connection.execute(query).one_or_none()
    if attempt is None:
        return
    known = [] if attempt.evidence is None else json.loads(vault.open(attempt.evidence))
    described = _describe(answer)
    if described in known:
        return
    sealed = vault.seal(json.dumps([*known, described]))
    connection.execute(sa.update(t.attempts).where(a.id == attempt.id).values(evidence=sealed))
    connection.execute(
        sa.insert(t.events).values(
            id=new_identifier(),
            company_id=order.company_id,
            payment_id=order.payment_id,
            kind="evidence",
            detail=f"An answer to attempt {order.attempts} could not be used; it is kept unseen.",
            actor="",
            at=now,
        )
    )


def _describe(answer: object) -> object:
    """Write an answer as JSON; of strange things only their kind."""
    if isinstance(answer, Grant):
        return {
            "codes": [_text(code) for code in answer.codes],
            "quantity": _text(answer.quantity),
            "unit": _text(answer.unit),
            "vendor_reference": _text(answer.vendor_reference),
            "device_serial": _text(answer.device_serial),
        }
    return {"answer": _text(answer)}


def _text(value: object) -> str:
    """Write what a plugin may have put anywhere; its own methods are not called."""
    if isinstance(value, Secret):
        value = value.reveal()
    if type(value) in {str, int, bool, type(None)}:
        return str(value)[:_LONGEST_TEXT]
    return str.__str__(value) if isinstance(value, str) else f"<{type(value).__name__[:80]}>"
