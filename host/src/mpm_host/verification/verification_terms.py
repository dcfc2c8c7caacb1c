"""Checks of what was agreed: a plan's cost and down payment, and the days that money bought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import sqlalchemy as sa

from mpm_core import ChargeKind
from mpm_host.database import tables as t
from mpm_host.payments.ledger import LedgerAccount
from mpm_host.verification.verification_values import Check, Difference, FoundRow, write_money

__all__ = ["TERMS_CHECKS"]

# A sale that was taken back keeps its terms as they were, and loses the rows nobody paid.
_STANDS = t.plans.c.deleted_at.is_(None)


def _plans_cost_what_their_rows_cost() -> Check:
    """A plan with instalments costs the sum of its rows, the down payment among them."""
    p, r = t.plans.c, t.plan_rows.c
    total = sa.func.coalesce(sa.func.sum(r.cost), 0)
    query = (
        sa.select(p.company_id, p.id, p.currency, p.cost.label("found"), total.label("expected"))
        .select_from(t.plans.outerjoin(t.plan_rows, r.plan_id == p.id))
        .where(_STANDS, p.price_per_day.is_(None))
        .group_by(p.company_id, p.id, p.currency, p.cost)
        .having(total != p.cost)
    )
    return _plan_check(query, "cost")


def _down_payments_equal_their_rows() -> Check:
    """What was agreed to be paid down is the cost of the row that is marked so."""
    p, r = t.plans.c, t.plan_rows.c
    marked = sa.and_(r.plan_id == p.id, r.is_down_payment)
    total = sa.func.coalesce(sa.func.sum(r.cost), 0)
    query = (
        sa.select(
            p.company_id, p.id, p.currency, p.down_payment.label("found"), total.label("expected")
        )
        .select_from(t.plans.outerjoin(t.plan_rows, marked))
        .where(_STANDS)
        .group_by(p.company_id, p.id, p.currency, p.down_payment)
        .having(total != p.down_payment)
    )
    return _plan_check(query, "down payment")


def _rows_are_paid_as_what_they_are() -> Check:
    """Money on the row of a down payment is booked as one, and on no other row (E-62)."""
    e, r = t.entries.c, t.plan_rows.c
    booked_as_one = e.account == LedgerAccount.DOWN_PAYMENT.value
    rows = [LedgerAccount.DOWN_PAYMENT.value, LedgerAccount.INSTALMENT.value]
    query = (
        sa.select(e.company_id, e.id, e.account, r.is_down_payment)
        .join(t.plan_rows, r.id == e.refers_to)
        .where(e.account.in_(rows), booked_as_one != r.is_down_payment)
    )
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I3",
            company=company,
            subject=f"entry {row.id}",
            fact="what it paid",
            expected="a down payment" if row.is_down_payment else "an instalment",
            found=row.account,
        ),
    )


def _plan_check(query: sa.Select[*tuple[object, ...]], fact: str) -> Check:
    return Check(
        query=query,
        company=t.plans.c.company_id,
        tell=lambda row, company: Difference(
            rule="I3",
            company=company,
            subject=f"plan {row.id}",
            fact=fact,
            expected=write_money(row.expected, row.currency),
            found=write_money(row.found, row.currency),
        ),
    )


def _days_are_those_that_were_priced() -> Check:
    """Days are the exact quotient of their stored price, rounded up."""
    o = t.orders.c
    query = sa.select(
        o.company_id, o.id, o.quantity, o.money, o.currency, o.calculation
    ).where(o.kind == ChargeKind.TIME.value)  # fmt: skip
    return Check(
        query=query,
        company=o.company_id,
        is_wrong=lambda row: bool(_wrong_days(row)),
        tell=lambda row, company: Difference(
            rule="I9",
            company=company,
            subject=f"order {row.id}",
            fact="what its days cost",
            expected=_wrong_days(row),
            found=f"{row.quantity} days for {write_money(row.money, row.currency)}",
        ),
    )


def _wrong_days(row: FoundRow) -> str:
    """Say what the order should have been, or nothing if it is right."""
    calculation = row.calculation
    if not calculation:  # a retry or reissue of a sale says nothing new
        return ""
    try:
        return _other_days(row, calculation)
    except (KeyError, ValueError, ZeroDivisionError, TypeError):
        return "a readable calculation"


def _other_days(row: FoundRow, calculation: Mapping[str, str]) -> str:
    used, days = int(calculation["used"]), int(calculation["days"])
    if math.ceil(Fraction(calculation["exact_days"])) == days == row.quantity:
        return "" if used == row.money else write_money(used, row.currency)
    return f"{calculation['exact_days']} days, rounded up"


def _plans_end_paid_or_taken_back() -> Check:
    """A sale that collects nothing any more is paid off, unless it was taken back."""
    p, r = t.plans.c, t.plan_rows.c
    left = sa.func.coalesce(sa.func.sum(r.remaining), 0)
    is_service = p.price_per_day.is_not(None)
    query = (
        sa.select(p.company_id, p.id, p.currency, p.live, left.label("remaining"))
        .select_from(t.plans.outerjoin(t.plan_rows, r.plan_id == p.id))
        .where(p.live == p.deleted_at.is_not(None))
        .group_by(p.company_id, p.id, p.currency, p.live, p.price_per_day)
        .having(sa.or_(p.live, is_service, left != 0))
    )
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I3",
            company=company,
            subject=f"plan {row.id}",
            fact="whether it collects",
            expected="no, as it was taken back" if row.live else "yes, as it is not paid off",
            found=f"{'yes' if row.live else 'no'}, with "
            f"{write_money(row.remaining, row.currency)} open",
        ),
    )


TERMS_CHECKS: tuple[Check, ...] = (
    _plans_end_paid_or_taken_back(),
    _plans_cost_what_their_rows_cost(),
    _down_payments_equal_their_rows(),
    _rows_are_paid_as_what_they_are(),
    _days_are_those_that_were_priced(),
)
