"""Checks of payments' channels: what only a telecom's payment has, and what ad-hoc tokens pay."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.payments.ledger import SOURCES, LedgerAccount
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.verification.verification_values import Check, Difference

__all__ = ["CHANNEL_CHECKS"]

_STAFF = [channel.value for channel in PaymentChannel if channel is not PaymentChannel.TELECOM]
_AD_HOC_LINES = [
    LedgerAccount.ENERGY.value,
    LedgerAccount.TIME.value,
    LedgerAccount.CREDIT.value,
]


def _channels_fit_instances() -> Check:
    """A telecom's payment came through an instance, and no other one did."""
    p = t.payments.c
    fits = sa.or_(
        sa.and_(p.channel == PaymentChannel.TELECOM.value, p.instance_id.is_not(None)),
        sa.and_(p.channel.in_(_STAFF), p.instance_id.is_(None)),
    )
    return Check(
        query=sa.select(p.company_id, p.id, p.channel, p.instance_id).where(sa.not_(fits)),
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I5",
            company=company,
            subject=f"payment {row.id}",
            fact="channel and instance",
            expected=f"telecom with an instance, or {' or '.join(_STAFF)} without",
            found=f"{row.channel} and {row.instance_id or 'none'}",
        ),
    )


def _ad_hoc_tokens_pay_no_debts() -> Check:
    """An ad-hoc token is given past all debts: no line of it is for one."""
    p, e = t.payments.c, t.entries.c
    query = (
        sa.select(p.company_id, p.id, p.status, e.account)
        .join(t.entries, e.payment_id == p.id)
        .where(
            p.channel == PaymentChannel.AD_HOC.value,
            p.status != PaymentStatus.REVERSED.value,
            e.account.not_in([*SOURCES, *_AD_HOC_LINES]),
        )
    )
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I5",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact="what its token was booked as",
            expected="energy or time, with credit at most",
            found=row.account,
        ),
    )


CHANNEL_CHECKS: tuple[Check, ...] = (_channels_fit_instances(), _ad_hoc_tokens_pay_no_debts())
