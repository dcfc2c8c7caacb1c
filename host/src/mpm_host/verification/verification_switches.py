"""Checks of what the host counts itself: paid time of e-bikes, and the next access rate (I12)."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from mpm_core import ChargeKind
from mpm_host.database import tables as t
from mpm_host.database.column_types import Instant
from mpm_host.verification.verification_values import Check, Difference

__all__ = ["SWITCH_CHECKS"]

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
# Two machines that grant one after the other may not agree on the moment.
_CLOCKS_DIFFER = timedelta(minutes=1) // _MICROSECOND


def _bikes_are_paid_until_what_was_granted() -> Check:
    """Granted days follow one another, or begin at the grant if nothing was left by then.

    So the end is the latest of: a grant's moment, with its days and those of all later grants.
    Grants are put in the order of their ids, for they are made under the device's lock; those from
    before the host began to count for the device, or for its last sale, do not count.
    """
    s, ends = t.switches.c, _ends_of_grants()
    found = sa.type_coerce(s.paid_until, sa.BigInteger)
    expected = sa.func.coalesce(ends.c.ends, 0)
    unlocked = sa.func.coalesce(ends.c.unlocked, 0) == 1
    wrong = sa.or_(
        sa.func.abs(sa.func.coalesce(found, 0) - expected) > _CLOCKS_DIFFER,
        s.unlocked != unlocked,
    )
    query = (
        sa.select(s.company_id, s.device_id, s.paid_until, s.unlocked,
                  sa.type_coerce(ends.c.ends, Instant).label("ends"),
                  unlocked.label("granted"))
        .select_from(t.switches.outerjoin(ends, ends.c.switch_id == s.id))
        .where(wrong)
    )  # fmt: skip
    return Check(
        query=query,
        company=s.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"device {row.device_id}",
            fact="paid until",
            expected=_words(row.ends, unlocked=bool(row.granted)),
            found=_words(row.paid_until, unlocked=bool(row.unlocked)),
        ),
    )


def _ends_of_grants() -> sa.Subquery:
    k, o, s = t.tokens.c, t.orders.c, t.switches.c
    days = sa.func.coalesce(o.quantity, 0)
    later = sa.func.sum(days).over(partition_by=s.id, order_by=k.id.desc(), rows=(None, 0))
    issued = sa.type_coerce(k.issued_at, sa.BigInteger)
    grants = (
        sa.select(
            s.id.label("switch_id"),
            sa.cast(issued + later * _DAY, sa.BigInteger).label("ends"),
            sa.case((k.kind == ChargeKind.UNLOCK.value, 1), else_=0).label("unlocked"),
        )
        .join(t.tokens, sa.and_(k.device_id == s.device_id, k.id > s.id, k.id > s.counted_after))
        .join(t.orders, o.id == k.order_id)
        .where(k.kind.in_([ChargeKind.TIME.value, ChargeKind.UNLOCK.value]))
        .subquery("grants")
    )
    g = grants.c
    return (
        sa.select(
            g.switch_id,
            sa.func.max(g.ends).label("ends"),
            sa.func.max(g.unlocked).label("unlocked"),
        )
        .group_by(g.switch_id)
        .subquery("ends")
    )


def _words(until: object, *, unlocked: bool) -> str:
    return f"{until or 'nothing'}{', unlocked' if unlocked else ''}"


def _next_access_rates_come_after_those_that_were_charged() -> Check:
    d, a = t.devices.c, t.access_debts.c
    last = sa.func.max(a.due_on)
    query = (
        sa.select(d.company_id, d.id, d.access_due_on, last.label("last"))
        .join(t.access_debts, a.device_id == d.id)
        .where(d.access_due_on.is_not(None))
        .group_by(d.company_id, d.id, d.access_due_on)
        .having(last >= d.access_due_on)
    )
    return Check(
        query=query,
        company=d.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"device {row.id}",
            fact="when its next access rate falls due",
            expected=f"after {row.last}, which was charged",
            found=str(row.access_due_on),
        ),
    )


SWITCH_CHECKS: tuple[Check, ...] = (
    _bikes_are_paid_until_what_was_granted(),
    _next_access_rates_come_after_those_that_were_charged(),
)
