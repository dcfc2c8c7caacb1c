"""Verification: recomputes what the ledger promises, and tells every difference.

Each check is one statement that the database evaluates, so each sees one moment even while payments
go on, and memory stays flat however many there are. The rules are those of *Invariants worth
testing* in the quality specification, and carry their numbers:

- I1 to I5 and I9 to I13 are checked here, on the stored rows;
- I6, I7, I8 and I14 compare one sequence of events, or one value, with another; no row keeps the
  other one. They are proven by properties: `tests/machine/test_reordering.py` (I6),
  `tests/core/test_allocation_properties.py` (I7, I8) and `tests/core/test_money.py` (I14);
- I15 follows for each payment from I2 and I5, because exports read the payment's own amount; the
  whole machine adds an export up and compares it (`tests/machine`).

What is not found, and why, is the table of `host/tests/test_verified_rows.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.payments.ledger import SOURCES, LedgerAccount
from mpm_host.verification.verification_agents import AGENT_CHECKS
from mpm_host.verification.verification_attempts import ATTEMPT_CHECKS
from mpm_host.verification.verification_channels import CHANNEL_CHECKS
from mpm_host.verification.verification_debts import DEBT_CHECKS
from mpm_host.verification.verification_money import MONEY_CHECKS
from mpm_host.verification.verification_orders import ORDER_CHECKS
from mpm_host.verification.verification_payments import PAYMENT_CHECKS
from mpm_host.verification.verification_pushes import PUSH_CHECKS
from mpm_host.verification.verification_references import REFERENCE_CHECKS
from mpm_host.verification.verification_sales import SALES_CHECKS
from mpm_host.verification.verification_switches import SWITCH_CHECKS
from mpm_host.verification.verification_terms import TERMS_CHECKS
from mpm_host.verification.verification_values import Check, Difference, write_money

__all__ = ["CHECKS", "Difference", "verify"]

_BOOKED = [status.value for status in PaymentStatus if status.is_booked]
_AT_ONCE = 500  # differences fetched together


def verify(connection: Connection, company_id: str | None = None) -> Iterator[Difference]:
    """Yield every difference between the ledger and what is kept beside it.

    Args:
        connection: to read with; nothing is written.
        company_id: only this company; `None` for all.
    """
    slugs = _slugs(connection)
    for check in CHECKS:
        query = check.query
        if company_id is not None:
            query = query.where(check.company == company_id)
        for row in connection.execute(query, execution_options={"yield_per": _AT_ONCE}):
            if check.is_wrong is None or check.is_wrong(row):
                yield check.tell(row, slugs.get(row.company_id, row.company_id))


def _slugs(connection: Connection) -> Mapping[str, str]:
    query = sa.select(t.companies.c.id, t.companies.c.slug)
    return {row.id: row.slug for row in connection.execute(query)}


def _journals_sum_to_zero() -> Check:
    e = t.entries.c
    total = sa.func.sum(e.amount)
    query = (
        sa.select(e.company_id, e.journal_id, e.currency, total.label("total"))
        .group_by(e.company_id, e.journal_id, e.currency)
        .having(total != 0)
    )
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I1",
            company=company,
            subject=f"journal {row.journal_id}",
            fact="sum of its entries",
            expected=write_money(0, row.currency),
            found=write_money(row.total, row.currency),
        ),
    )


def _payments_equal_their_lines() -> Check:
    """A booked payment's lines sum to its amount; every other one's to nothing."""
    p, e = t.payments.c, t.entries.c
    is_line = e.account.not_in(SOURCES)
    total = sa.func.coalesce(sa.func.sum(sa.case((is_line, e.amount), else_=0)), 0)
    expected = sa.case((p.status.in_(_BOOKED), sa.func.coalesce(p.amount, 0)), else_=0)
    query = (
        sa.select(p.company_id, p.id, p.status, p.currency, total.label("total"),
                  expected.label("expected"))
        .select_from(t.payments.outerjoin(t.entries, e.payment_id == p.id))
        .group_by(p.company_id, p.id, p.status, p.currency, p.amount)
        .having(total != expected)
    )  # fmt: skip
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I2",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact="sum of its lines",
            expected=write_money(row.expected, row.currency),
            found=write_money(row.total, row.currency),
        ),
    )


def _unbooked_payments_have_no_entries() -> Check:
    p, e = t.payments.c, t.entries.c
    unbooked = p.status.not_in([*_BOOKED, PaymentStatus.REVERSED.value])
    query = (
        sa.select(p.company_id, p.id, p.status, sa.func.count().label("count"))
        .join(t.entries, e.payment_id == p.id)
        .where(unbooked)
        .group_by(p.company_id, p.id, p.status)
    )
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I2",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact="number of its entries",
            expected="0",
            found=str(row.count),
        ),
    )


def _credits_equal_their_entries() -> Check:
    """The credit of customers is the sum of their credit entries."""
    c, e = t.customers.c, t.entries.c
    total = sa.func.coalesce(sa.func.sum(e.amount), 0)
    joined = t.customers.join(t.companies, t.companies.c.id == c.company_id).outerjoin(
        t.entries, sa.and_(e.customer_id == c.id, e.account == LedgerAccount.CREDIT.value)
    )
    query = (
        sa.select(c.company_id, c.id, c.credit, t.companies.c.currency, total.label("total"))
        .select_from(joined)
        .group_by(c.company_id, c.id, c.credit, t.companies.c.currency)
        .having(total != c.credit)
    )
    return Check(
        query=query,
        company=c.company_id,
        tell=lambda row, company: _credit_difference(row, company, expected=row.total),
    )


def _credits_are_negative_only_after_reversals() -> Check:
    c, p = t.customers.c, t.payments.c
    reversed_payment = sa.exists().where(
        p.customer_id == c.id, p.status == PaymentStatus.REVERSED.value
    )
    query = (
        sa.select(c.company_id, c.id, c.credit, t.companies.c.currency)
        .join(t.companies, t.companies.c.id == c.company_id)
        .where(c.credit < 0, sa.not_(reversed_payment))
    )
    return Check(
        query=query,
        company=c.company_id,
        tell=lambda row, company: attrs.evolve(
            _credit_difference(row, company, expected=0),
            expected="0 or more, as no payment was reversed",
        ),
    )


def _credit_difference(row: Row[*tuple[object, ...]], company: str, *, expected: int) -> Difference:
    return Difference(
        rule="I4",
        company=company,
        subject=f"customer {row.id}",
        fact="credit",
        expected=write_money(expected, row.currency),
        found=write_money(row.credit, row.currency),
    )


def _entries_stay_in_company_and_currency() -> Check:
    """No entry crosses companies, and none mixes currencies with its payment."""
    e, p = t.entries.c, t.payments.c
    query = (
        sa.select(
            e.company_id, e.id, e.currency, p.company_id.label("owner"),
            p.currency.label("payment_currency"),
        )
        .join(t.payments, p.id == e.payment_id)
        .where(sa.or_(e.company_id != p.company_id, e.currency != p.currency))
    )  # fmt: skip
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I11",
            company=company,
            subject=f"entry {row.id}",
            fact="company and currency",
            expected=f"those of its payment, {row.owner} and {row.payment_currency}",
            found=f"{row.company_id} and {row.currency}",
        ),
    )


_MAKERS: tuple[Callable[[], Check], ...] = (
    _journals_sum_to_zero,
    _payments_equal_their_lines,
    _unbooked_payments_have_no_entries,
    _credits_equal_their_entries,
    _credits_are_negative_only_after_reversals,
    _entries_stay_in_company_and_currency,
)

CHECKS: tuple[Check, ...] = (
    *(make() for make in _MAKERS),
    *DEBT_CHECKS,
    *MONEY_CHECKS,
    *TERMS_CHECKS,
    *CHANNEL_CHECKS,
    *PUSH_CHECKS,
    *ORDER_CHECKS,
    *SALES_CHECKS,
    *PAYMENT_CHECKS,
    *ATTEMPT_CHECKS,
    *REFERENCE_CHECKS,
    *SWITCH_CHECKS,
    *AGENT_CHECKS,
)
