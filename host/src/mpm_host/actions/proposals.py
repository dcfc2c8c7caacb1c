"""Proposals: what one person wants and another must approve, because it may cost a second token.

A proposal is about an order as it was; when that moves on, the proposal means nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.orders.order_store import OrderRecord

__all__ = [
    "Proposal",
    "ProposalKind",
    "close_proposals",
    "decide",
    "is_meaningful",
    "open_proposal",
    "proposals_of",
    "propose",
]


class ProposalKind(StrEnum):
    """What is proposed."""

    REISSUE = "reissue"
    NOT_MINTED = "not_minted"


@attrs.frozen(kw_only=True)
class Proposal:
    """One open proposal."""

    id: str
    order_id: str
    kind: ProposalKind
    proposed_by: str


def is_meaningful() -> sa.ColumnElement[bool]:
    """Return the condition that a proposal is open and its order still as it was then.

    For statements that join the order.
    """
    x, o = t.proposals.c, t.orders.c
    in_doubt = o.status.in_([OrderStatus.UNKNOWN.value, OrderStatus.PARKED.value])
    as_it_was = sa.or_(
        sa.and_(x.kind == ProposalKind.NOT_MINTED.value, in_doubt),
        sa.and_(x.kind == ProposalKind.REISSUE.value, o.status == OrderStatus.ISSUED.value),
    )
    return sa.and_(x.decided_at.is_(None), x.attempts == o.attempts, as_it_was)


def open_proposal(connection: Connection, payment_id: str) -> Proposal | None:
    """Return what waits for an approval, or `None`."""
    x = t.proposals.c
    query = (
        sa.select(x.id, x.order_id, x.kind, x.proposed_by)
        .join(t.orders, t.orders.c.id == x.order_id)
        .where(x.payment_id == payment_id, is_meaningful())
        .order_by(x.id)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Proposal(
        id=row.id,
        order_id=row.order_id,
        kind=ProposalKind(row.kind),
        proposed_by=row.proposed_by,
    )


def proposals_of(
    connection: Connection, payment_ids: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    """Return what waits for an approval, by payment, as plain JSON values."""
    x = t.proposals.c
    query = (
        sa.select(x.payment_id, x.kind, x.proposed_by, x.proposed_at, x.reason)
        .join(t.orders, t.orders.c.id == x.order_id)
        .where(x.payment_id.in_(payment_ids), is_meaningful())
        .order_by(x.id.desc())
    )
    return {
        row.payment_id: {
            "kind": row.kind,
            "proposed_by": row.proposed_by,
            "proposed_at": row.proposed_at.isoformat(),
            "reason": row.reason,
        }
        for row in connection.execute(query)
    }


def propose(connection: Connection, order: OrderRecord, kind: ProposalKind, actor: Actor) -> bool:
    """Propose something about a locked order.

    Returns:
        Whether it is new; the same proposal that is still open stays as it is.
    """
    known = open_proposal(connection, order.payment_id)
    if known is not None and (known.order_id, known.kind) == (order.id, kind):
        return False
    close_proposals(connection, order.payment_id, actor)
    connection.execute(
        sa.insert(t.proposals).values(
            id=new_identifier(),
            company_id=order.company_id,
            payment_id=order.payment_id,
            order_id=order.id,
            kind=kind,
            attempts=order.attempts,
            proposed_by=actor.name,
            proposed_at=actor.at,
            reason=actor.reason,
        )
    )
    return True


def decide(connection: Connection, proposal: Proposal, actor: Actor) -> None:
    """Approve an open proposal."""
    _decide(connection, t.proposals.c.id == proposal.id, actor, approved=True)


def close_proposals(connection: Connection, payment_id: str, actor: Actor) -> None:
    """End the payment's open proposals without approval: something else was done."""
    _decide(connection, t.proposals.c.payment_id == payment_id, actor, approved=False)


def _decide(
    connection: Connection, which: sa.ColumnElement[bool], actor: Actor, *, approved: bool
) -> None:
    connection.execute(
        sa.update(t.proposals)
        .where(which, t.proposals.c.decided_at.is_(None))
        .values(decided_by=actor.name, decided_at=actor.at, approved=approved)
    )
