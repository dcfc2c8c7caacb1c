"""Checks of what payments say of themselves: suspense, moments, sales, and who must look."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.payments.ledger import SOURCES, LedgerAccount
from mpm_host.verification.verification_values import Check, Difference, write_money

__all__ = ["PAYMENT_CHECKS"]

_BOOKED = [status.value for status in PaymentStatus if status.is_booked]
_UNMATCHED = PaymentStatus.UNMATCHED.value
_REVERSED = PaymentStatus.REVERSED.value
_FOR_PEOPLE = [OrderStatus.REFUSED.value, OrderStatus.PARKED.value]


def _suspense_holds_what_is_unmatched() -> Check:
    """Money is in suspense, all of it, exactly as long as nobody knows whose it is."""
    p, e = t.payments.c, t.entries.c
    is_line = sa.and_(e.payment_id == p.id, e.account.not_in(SOURCES))
    is_suspense = e.account == LedgerAccount.SUSPENSE.value
    total = sa.func.coalesce(sa.func.sum(sa.case((is_suspense, e.amount), else_=0)), 0)
    lines = sa.func.coalesce(sa.func.sum(e.amount), 0)
    expected = sa.case((p.status == _UNMATCHED, lines), else_=0)
    query = (
        sa.select(p.company_id, p.id, p.status, p.currency, total.label("found"),
                  expected.label("expected"))
        .select_from(t.payments.outerjoin(t.entries, is_line))
        .where(p.status.in_(_BOOKED))
        .group_by(p.company_id, p.id, p.status, p.currency)
        .having(total != expected)
    )  # fmt: skip
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I2",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact="what is in suspense of it",
            expected=write_money(row.expected, row.currency),
            found=write_money(row.found, row.currency),
        ),
    )


def _people_are_asked_where_they_must_decide() -> Check:
    """Whatever only a person can go on with is marked for one."""
    p, o, later = t.payments.c, t.orders.c, t.orders.alias("later")
    followed = sa.exists().where(later.c.payment_id == o.payment_id, later.c.follows_id == o.id)
    stuck = sa.select(o.payment_id).where(o.status.in_(_FOR_PEOPLE), sa.not_(followed))
    query = sa.select(p.company_id, p.id, p.status).where(
        sa.not_(p.needs_person),
        p.status != _REVERSED,
        sa.or_(p.status == _UNMATCHED, p.id.in_(stuck)),
    )
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact="whether a person must decide",
            expected="yes",
            found="no",
        ),
    )


def _payments_say_when() -> Check:
    """What happened to a payment has its moment, and the day that its debts were counted by."""
    p = t.payments.c
    taken = p.status.in_([*_BOOKED, _REVERSED])
    missing = sa.case(
        (sa.and_(taken, p.accepted_at.is_(None)), "when it was accepted"),
        (sa.and_(taken, p.booked_on.is_(None)), "the day it was booked on"),
        (
            sa.and_(p.status == PaymentStatus.SETTLED.value, p.settled_at.is_(None)),
            "when it was settled",
        ),
        (
            sa.and_(p.status == _REVERSED, p.reversing_at.is_(None)),
            "when somebody took it back",
        ),
        else_=None,
    )
    query = sa.select(p.company_id, p.id, p.status, missing.label("missing"))
    return Check(
        query=query.where(missing.is_not(None)),
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact=str(row.missing),
            expected="known",
            found="unknown",
        ),
    )


def _payments_for_a_sale_pay_that_sale() -> Check:
    """Money for a sale pays nothing else; what a person matched pays what its customer owes."""
    p, e, r, s = t.payments.c, t.entries.c, t.plan_rows.c, t.entries.alias("suspense").c
    rows = [LedgerAccount.INSTALMENT.value, LedgerAccount.DOWN_PAYMENT.value]
    was_matched = sa.exists().where(s.payment_id == p.id, s.account == LedgerAccount.SUSPENSE.value)
    query = (
        sa.select(e.company_id, e.id, p.plan_id, r.plan_id.label("paid"))
        .join(t.payments, p.id == e.payment_id)
        .join(t.plan_rows, r.id == e.refers_to)
        .where(
            p.plan_id.is_not(None),
            e.account.in_(rows),
            p.plan_id != r.plan_id,
            sa.not_(was_matched),
        )
    )
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I3",
            company=company,
            subject=f"entry {row.id}",
            fact="the plan it paid",
            expected=f"that of its payment, {row.plan_id}",
            found=row.paid,
        ),
    )


PAYMENT_CHECKS: tuple[Check, ...] = (
    _suspense_holds_what_is_unmatched(),
    _people_are_asked_where_they_must_decide(),
    _payments_say_when(),
    _payments_for_a_sale_pay_that_sale(),
)
