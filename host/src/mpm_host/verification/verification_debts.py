"""Checks of debts (I3): what is left of each is its cost less what its owner paid on it."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.payments.ledger import LedgerAccount
from mpm_host.verification.verification_values import Check, Difference, write_money

__all__ = ["DEBT_CHECKS"]


def _debts_equal_their_entries(
    table: sa.Table, cost: sa.Column[int], accounts: tuple[LedgerAccount, ...], name: str
) -> Check:
    """What is left of a debt is its cost less what was paid on it, and within its cost."""
    e = t.entries.c
    paid = (
        sa.select(e.refers_to, sa.func.sum(e.amount).label("paid"))
        .where(e.account.in_([account.value for account in accounts]))
        .group_by(e.refers_to)
        .subquery()
    )
    left = cost - sa.func.coalesce(paid.c.paid, 0)
    query = (
        sa.select(
            table.c.company_id, table.c.id, t.companies.c.currency, left.label("expected"),
            table.c.remaining,
        )
        .select_from(
            table.join(t.companies, t.companies.c.id == table.c.company_id).outerjoin(
                paid, paid.c.refers_to == table.c.id
            )
        )
        .where(sa.or_(left != table.c.remaining, table.c.remaining < 0, table.c.remaining > cost))
    )  # fmt: skip
    return Check(
        query=query,
        company=table.c.company_id,
        tell=lambda row, company: Difference(
            rule="I3",
            company=company,
            subject=f"{name} {row.id}",
            fact="remaining",
            expected=write_money(row.expected, row.currency),
            found=write_money(row.remaining, row.currency),
        ),
    )


def _entries_refer_to_debts(table: sa.Table, account: LedgerAccount, name: str) -> Check:
    """What an entry paid is there, and owed by the customer who paid it."""
    e = t.entries.c
    anothers = table.c.customer_id.is_distinct_from(e.customer_id)
    query = (
        sa.select(e.company_id, e.id, e.refers_to)
        .select_from(t.entries.outerjoin(table, table.c.id == e.refers_to))
        .where(e.account == account.value, sa.or_(table.c.id.is_(None), anothers))
    )
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I3",
            company=company,
            subject=f"entry {row.id}",
            fact="what it refers to",
            expected=f"one of its customer's {name}s",
            found=row.refers_to or "nothing",
        ),
    )


def _rows_are_their_plans_customers() -> Check:
    r, p = t.plan_rows.c, t.plans.c
    query = (
        sa.select(r.company_id, r.id, r.customer_id, p.customer_id.label("owner"))
        .join(t.plans, p.id == r.plan_id)
        .where(r.customer_id != p.customer_id)
    )
    return Check(
        query=query,
        company=r.company_id,
        tell=lambda row, company: Difference(
            rule="I3",
            company=company,
            subject=f"plan row {row.id}",
            fact="who owes it",
            expected=f"{row.owner}, as the plan says",
            found=row.customer_id,
        ),
    )


DEBT_CHECKS: tuple[Check, ...] = (
    _debts_equal_their_entries(
        t.plan_rows,
        t.plan_rows.c.cost,
        (LedgerAccount.INSTALMENT, LedgerAccount.DOWN_PAYMENT),
        "plan row",
    ),
    _debts_equal_their_entries(
        t.access_debts, t.access_debts.c.amount, (LedgerAccount.ACCESS_RATE,), "access debt"
    ),
    _entries_refer_to_debts(t.plan_rows, LedgerAccount.INSTALMENT, "plan row"),
    _entries_refer_to_debts(t.plan_rows, LedgerAccount.DOWN_PAYMENT, "plan row"),
    _entries_refer_to_debts(t.access_debts, LedgerAccount.ACCESS_RATE, "access debt"),
    _entries_refer_to_debts(t.plans, LedgerAccount.EAAS, "plan"),
    _rows_are_their_plans_customers(),
)
