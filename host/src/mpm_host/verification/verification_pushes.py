"""The check of pushes: what the telecom said is paid is in the books.

A telecom may say that another amount was paid: then the payment has that one, and a conflict.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes
from mpm_host.pushes.push_rules import UNBOOKABLE, PushStatus
from mpm_host.verification.verification_values import Check, Difference

__all__ = ["PUSH_CHECKS"]

_TAKEN = [
    *(status.value for status in PaymentStatus if status.is_booked),
    PaymentStatus.REVERSED.value,
]


def _paid_pushes_are_booked() -> Check:
    p, u = t.payments.c, pushes.c
    is_taken = p.status.in_(_TAKEN)
    has_another_amount = sa.and_(p.amount.is_distinct_from(u.amount), sa.not_(p.conflict))
    is_wrong = sa.or_(
        sa.not_(is_taken),
        p.instance_id != u.instance_id,
        p.reference.is_distinct_from(u.key),
        has_another_amount,
    )
    query = (
        sa.select(u.company_id, u.id, p.status, p.reference, u.key)
        .join(t.payments, p.id == u.payment_id)
        .where(
            sa.or_(
                sa.and_(u.status == PushStatus.PAID.value, is_wrong),
                sa.and_(u.detail.startswith(UNBOOKABLE), sa.not_(is_taken)),
            )
        )
    )
    return Check(
        query=query,
        company=u.company_id,
        tell=lambda row, company: Difference(
            rule="I5",
            company=company,
            subject=f"push {row.id}, which is paid",
            fact="its payment",
            expected=f"booked under {row.key} with its amount",
            found=f"{row.status} under {row.reference}",
        ),
    )


PUSH_CHECKS: tuple[Check, ...] = (_paid_pushes_are_booked(),)
