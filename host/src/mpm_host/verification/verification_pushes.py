"""The check of pushes: what the telecom said is paid is in the books."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.verification.verification_values import Check, Difference

__all__ = ["PUSH_CHECKS"]

_TAKEN = [
    *(status.value for status in PaymentStatus if status.is_booked),
    PaymentStatus.REVERSED.value,
]


def _paid_pushes_are_booked() -> Check:
    p, u = t.payments.c, pushes.c
    query = (
        sa.select(u.company_id, u.id, p.status, p.reference, u.key)
        .join(t.payments, p.id == u.payment_id)
        .where(
            u.status == PushStatus.PAID.value,
            sa.or_(
                p.status.not_in(_TAKEN),
                p.instance_id != u.instance_id,
                p.reference.is_distinct_from(u.key),
                p.amount.is_distinct_from(u.amount),
            ),
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
