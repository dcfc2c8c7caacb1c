"""Checks of what was tried: an order counts its attempts, and one that is sent has an open one."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import ChargeKind, Delivery
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import AttemptOutcome, OrderStatus
from mpm_host.verification.verification_values import Check, Difference

__all__ = ["ATTEMPT_CHECKS"]


def _orders_count_their_attempts() -> Check:
    """An order's attempts are numbered from 1; the last is open exactly while the order is sent."""
    o, a = t.orders.c, t.attempts.c
    count, last = sa.func.count(a.id), sa.func.coalesce(sa.func.max(a.number), 0)
    is_open = a.outcome == AttemptOutcome.SENT.value
    open_ones = sa.func.coalesce(sa.func.sum(sa.case((is_open, 1), else_=0)), 0)
    may_be_open = sa.case((o.status == OrderStatus.SENT.value, 1), else_=0)
    query = (
        sa.select(o.company_id, o.id, o.status, o.attempts, count.label("count"),
                  open_ones.label("open"))
        .select_from(t.orders.outerjoin(t.attempts, a.order_id == o.id))
        .group_by(o.company_id, o.id, o.status, o.attempts)
        .having(sa.or_(count != o.attempts, last != o.attempts, open_ones != may_be_open))
    )  # fmt: skip
    return Check(
        query=query,
        company=o.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"order {row.id} ({row.status})",
            fact="its attempts",
            expected=f"{row.attempts}, "
            + ("the last open" if row.status == OrderStatus.SENT.value else "none open"),
            found=f"{row.count}, {row.open} open",
        ),
    )


def _keypad_tokens_have_codes() -> Check:
    """What a customer must type in is there: energy and days leave a digest of their codes."""
    k = t.tokens.c
    counted = [ChargeKind.ENERGY.value, ChargeKind.TIME.value]
    query = sa.select(k.company_id, k.id).where(
        k.delivery == Delivery.KEYPAD.value, k.kind.in_(counted), k.digest.is_(None)
    )
    return Check(
        query=query,
        company=k.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"token {row.id} (keypad)",
            fact="its codes",
            expected="some to type in",
            found="none",
        ),
    )


ATTEMPT_CHECKS: tuple[Check, ...] = (_orders_count_their_attempts(), _keypad_tokens_have_codes())
