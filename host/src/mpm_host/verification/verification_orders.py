"""Checks of orders, tokens and what payments say about them."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.actions.proposals import ProposalKind
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import AttemptOutcome, OrderStatus
from mpm_host.orders.order_store import OrderPurpose
from mpm_host.verification.verification_values import Check, Difference

__all__ = ["ORDER_CHECKS"]

# A payment says what the most worrying of its orders says; one whose place another took does not
# count. Ranks are what the database can compare; -1 is a payment without orders.
_NO_ORDERS, _ENDED, _OPEN, _REFUSED, _IN_DOUBT = -1, 0, 1, 2, 3
_RANKS = {
    OrderStatus.ISSUED: _ENDED,
    OrderStatus.CANCELLED: _ENDED,
    OrderStatus.QUEUED: _OPEN,
    OrderStatus.SENT: _OPEN,
    OrderStatus.REFUSED: _REFUSED,
    OrderStatus.UNKNOWN: _IN_DOUBT,
    OrderStatus.PARKED: _IN_DOUBT,
}
_AGREED = {
    _NO_ORDERS: (
        "as it has no order",
        [
            PaymentStatus.VALIDATED,
            PaymentStatus.REJECTED,
            PaymentStatus.DENIED,
            PaymentStatus.UNMATCHED,
            PaymentStatus.SETTLED,
            PaymentStatus.REVERSED,
        ],
    ),
    _ENDED: ("as its orders ended well", [PaymentStatus.SETTLED, PaymentStatus.REVERSED]),
    _OPEN: ("as an order is open", [PaymentStatus.TOKEN_PENDING]),
    # A reversal waits only for orders that may still bring a token.
    _REFUSED: ("as an order was refused", [PaymentStatus.HELD, PaymentStatus.REVERSED]),
    _IN_DOUBT: ("as an order is in doubt", [PaymentStatus.UNKNOWN]),
}


def _payments_agree_with_their_orders() -> Check:
    p = t.payments.c
    ranks = _ranks_of_payments()
    rank = sa.func.coalesce(ranks.c.rank, _NO_ORDERS)
    agreed = sa.or_(
        *(
            sa.and_(rank == number, p.status.in_([status.value for status in statuses]))
            for number, (_, statuses) in _AGREED.items()
        )
    )
    query = (
        sa.select(p.company_id, p.id, p.status, rank.label("rank"))
        .select_from(t.payments.outerjoin(ranks, ranks.c.payment_id == p.id))
        .where(sa.not_(agreed))
    )
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"payment {row.id}",
            fact="status",
            expected=_expected_status(row.rank),
            found=row.status,
        ),
    )


def _ranks_of_payments() -> sa.Subquery:
    """Return the rank of each payment's most worrying order that counts."""
    o, later = t.orders.c, t.orders.alias("later")
    followed = sa.exists().where(
        later.c.payment_id == o.payment_id,  # by the index; orders follow within a payment
        later.c.follows_id == o.id,
    )
    ranks = {status.value: rank for status, rank in _RANKS.items()}
    rank = sa.func.max(sa.case(ranks, value=o.status, else_=_IN_DOUBT)).label("rank")
    query = sa.select(o.payment_id, rank).where(sa.not_(followed)).group_by(o.payment_id)
    return query.subquery()


def _expected_status(rank: int) -> str:
    because, statuses = _AGREED[rank]
    return f"{' or '.join(statuses)}, {because}"


def _payments_have_one_token() -> Check:
    """A device gets one token of a payment, and one more for each that people ordered again."""
    k, o = t.tokens.c, t.orders.c
    again = sa.func.sum(sa.case((o.purpose == OrderPurpose.REISSUE.value, 1), else_=0))
    count = sa.func.count()
    query = (
        sa.select(
            k.company_id, k.payment_id, k.device_id, count.label("count"), again.label("again")
        )
        .join(t.orders, o.id == k.order_id)
        .group_by(k.company_id, k.payment_id, k.device_id)
        .having(count > 1 + again)
    )
    return Check(
        query=query,
        company=k.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"payment {row.payment_id}",
            fact=f"number of its tokens for device {row.device_id}",
            expected=f"{1 + int(row.again)} at most",
            found=str(row.count),
        ),
    )


def _reissues_were_approved() -> Check:
    """Every order for another token was proposed by one person and approved by another.

    One that repeats a refused order of the kind needs no further approval.
    """
    o, x, before = t.orders.c, t.proposals.c, t.orders.alias("before")
    by_two = sa.exists().where(
        x.payment_id == o.payment_id,
        x.order_id == before.c.id,
        x.kind == ProposalKind.REISSUE.value,
        x.approved,
        sa.func.lower(x.proposed_by) != sa.func.lower(x.decided_by),
    )
    count, approved = sa.func.count(), sa.func.sum(sa.case((by_two, 1), else_=0))
    query = (
        sa.select(o.company_id, o.payment_id, count.label("count"), approved.label("approved"))
        .join(before, before.c.id == o.follows_id)
        .where(o.purpose == OrderPurpose.REISSUE.value, before.c.status == OrderStatus.ISSUED.value)
        .group_by(o.company_id, o.payment_id)
        .having(count > approved)
    )
    return Check(
        query=query,
        company=o.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"payment {row.payment_id}",
            fact="number of its tokens that were ordered again",
            expected=f"{row.approved}, as two people approved",
            found=str(row.count),
        ),
    )


def _tokens_have_their_order() -> Check:
    """A token belongs to an issued order of the same payment, device, kind and company."""
    k, o = t.tokens.c, t.orders.c
    same = sa.and_(
        o.id == k.order_id,
        o.payment_id == k.payment_id,
        o.device_id == k.device_id,
        o.company_id == k.company_id,
        o.kind == k.kind,
        o.status == OrderStatus.ISSUED.value,
    )
    query = sa.select(k.company_id, k.id, k.order_id).where(sa.not_(sa.exists().where(same)))
    return Check(
        query=query,
        company=k.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"token {row.id}",
            fact="its order",
            expected="an issued one of the same payment and device",
            found=f"{row.order_id}, which is not",
        ),
    )


def _tokens_have_an_attempt() -> Check:
    """A token comes of an attempt that brought it, or may have: the vendor told it later."""
    k, a = t.tokens.c, t.attempts.c
    able = [AttemptOutcome.ISSUED.value, AttemptOutcome.UNKNOWN.value]
    tried = sa.exists().where(a.order_id == k.order_id, a.outcome.in_(able))
    query = sa.select(k.company_id, k.id).where(sa.not_(tried))
    return Check(
        query=query,
        company=k.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"token {row.id}",
            fact="number of attempts that can have brought it",
            expected="1 at least",
            found="0",
        ),
    )


def _issued_orders_have_a_token() -> Check:
    o, k = t.orders.c, t.tokens.c
    query = sa.select(o.company_id, o.id).where(
        o.status == OrderStatus.ISSUED.value,
        sa.not_(sa.exists().where(k.order_id == o.id)),
    )
    return Check(
        query=query,
        company=o.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"order {row.id} (issued)",
            fact="number of its tokens",
            expected="1",
            found="0",
        ),
    )


ORDER_CHECKS: tuple[Check, ...] = (
    _payments_agree_with_their_orders(),
    _payments_have_one_token(),
    _tokens_have_their_order(),
    _tokens_have_an_attempt(),
    _reissues_were_approved(),
    _issued_orders_have_a_token(),
)
