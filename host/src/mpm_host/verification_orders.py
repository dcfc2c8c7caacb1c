"""Checks of orders, tokens and what payments say about them."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.order_rules import AttemptOutcome, OrderStatus
from mpm_host.verification_values import Check, Difference

__all__ = ["ORDER_CHECKS"]

_NO_ORDER = "none"
# What a payment may say while its newest order stands so; a reversal waits for open orders.
_AGREED = {
    OrderStatus.QUEUED.value: [PaymentStatus.TOKEN_PENDING],
    OrderStatus.SENT.value: [PaymentStatus.TOKEN_PENDING],
    OrderStatus.UNKNOWN.value: [PaymentStatus.UNKNOWN],
    OrderStatus.PARKED.value: [PaymentStatus.UNKNOWN],
    OrderStatus.REFUSED.value: [PaymentStatus.HELD, PaymentStatus.REVERSED],
    OrderStatus.ISSUED.value: [PaymentStatus.SETTLED, PaymentStatus.REVERSED],
    OrderStatus.CANCELLED.value: [PaymentStatus.SETTLED, PaymentStatus.REVERSED],
    _NO_ORDER: [
        PaymentStatus.VALIDATED,
        PaymentStatus.REJECTED,
        PaymentStatus.DENIED,
        PaymentStatus.UNMATCHED,
        PaymentStatus.SETTLED,
        PaymentStatus.REVERSED,
    ],
}


def _payments_agree_with_their_orders() -> Check:
    p, o = t.payments.c, t.orders.c
    newest = sa.select(sa.func.max(o.id).label("id")).group_by(o.payment_id).subquery()
    joined = t.payments.outerjoin(t.orders.join(newest, newest.c.id == o.id), o.payment_id == p.id)
    order_status = sa.func.coalesce(o.status, _NO_ORDER)
    agreed = sa.or_(
        *(
            sa.and_(order_status == order, p.status.in_([status.value for status in statuses]))
            for order, statuses in _AGREED.items()
        )
    )
    query = (
        sa.select(p.company_id, p.id, p.status, order_status.label("order_status"))
        .select_from(joined)
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
            expected=_expected_status(row.order_status),
            found=row.status,
        ),
    )


def _expected_status(order_status: str) -> str:
    words = " or ".join(_AGREED.get(order_status, []))
    if order_status == _NO_ORDER:
        return f"{words}, as it has no order"
    return f"{words}, as its order is {order_status}" if words else "one of an order"


def _payments_have_one_token() -> Check:
    k = t.tokens.c
    count = sa.func.count()
    query = (
        sa.select(k.company_id, k.payment_id, count.label("count"))
        .group_by(k.company_id, k.payment_id)
        .having(count > 1)
    )
    return Check(
        query=query,
        company=k.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"payment {row.payment_id}",
            fact="number of its tokens",
            expected="1 at most",
            found=str(row.count),
        ),
    )


def _tokens_have_their_order() -> Check:
    """A token belongs to an issued order of the same payment, device and company."""
    k, o = t.tokens.c, t.orders.c
    same = sa.and_(
        o.id == k.order_id,
        o.payment_id == k.payment_id,
        o.device_id == k.device_id,
        o.company_id == k.company_id,
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
    _issued_orders_have_a_token(),
)
