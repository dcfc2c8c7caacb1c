"""Checks of agents' money: their balance and commission are the sums of their entries."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.agents.agent_rules import EntryKind
from mpm_host.database import tables as t
from mpm_host.database.agent_tables import agent_entries, agent_receipts, agents
from mpm_host.verification.verification_values import Check, Difference, write_money

__all__ = ["AGENT_CHECKS"]


def _sums_equal_their_entries(cached: sa.Column[int], summed: sa.Column[int], name: str) -> Check:
    """What an agent's row keeps is the sum of the agent's entries (I12)."""
    a, e = agents.c, agent_entries.c
    total = sa.func.coalesce(sa.func.sum(summed), 0)
    query = (
        sa.select(a.company_id, a.id, a.currency, cached.label("found"), total.label("expected"))
        .select_from(agents.outerjoin(agent_entries, e.agent_id == a.id))
        .group_by(a.company_id, a.id, a.currency, cached)
        .having(total != cached)
    )
    return Check(
        query=query,
        company=a.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"agent {row.id}",
            fact=name,
            expected=write_money(row.expected, row.currency),
            found=write_money(row.found, row.currency),
        ),
    )


def _receipts_equal_their_entries() -> Check:
    """A receipt took its amount and the commission that was kept from the agent's balance."""
    r, e = agent_receipts.c, agent_entries.c
    booked = sa.func.coalesce(sa.func.sum(-e.amount), 0)
    expected = r.amount + r.commission_paid
    query = (
        sa.select(r.company_id, r.id, r.currency, booked.label("found"), expected.label("expected"))
        .select_from(agent_receipts.outerjoin(agent_entries, e.agent_receipt_id == r.id))
        .group_by(r.company_id, r.id, r.currency, r.amount, r.commission_paid)
        .having(booked != expected)
    )
    return Check(
        query=query,
        company=r.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"agent receipt {row.id}",
            fact="what it took from the balance",
            expected=write_money(row.expected, row.currency),
            found=write_money(row.found, row.currency),
        ),
    )


def _receipts_say_what_they_left() -> Check:
    r = agent_receipts.c
    left = r.balance_before - r.amount - r.commission_paid
    query = sa.select(
        r.company_id, r.id, r.currency, r.balance_after.label("found"), left.label("expected")
    ).where(left != r.balance_after)
    return Check(
        query=query,
        company=r.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"agent receipt {row.id}",
            fact="the balance it left",
            expected=write_money(row.expected, row.currency),
            found=write_money(row.found, row.currency),
        ),
    )


def _entries_continue_one_another(
    amount: sa.Column[int], after: sa.Column[int], name: str
) -> Check:
    """What an entry left is its amount more than another one left, or than nothing.

    Whichever that was: entries are not put in order, because machines' clocks differ.
    """
    e, other = agent_entries.c, agent_entries.alias("other")
    begun_by = after - amount
    continues = sa.exists().where(
        other.c.agent_id == e.agent_id, other.c.id != e.id, other.c[after.name] == begun_by
    )
    query = sa.select(
        e.company_id, e.id, e.currency, after.label("found"), begun_by.label("began")
    ).where(begun_by != 0, sa.not_(continues))
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"agent entry {row.id}",
            fact=name,
            expected=f"another one that left {write_money(row.began, row.currency)} before it",
            found=write_money(row.found, row.currency),
        ),
    )


def _cash_equals_what_was_paid(
    table: sa.Table, source: sa.Column[str], paid: sa.Column[int], kind: EntryKind
) -> Check:
    """The cash an agent took is what the ledger booked: the payment, or the down payment."""
    e = agent_entries.c
    query = (
        sa.select(e.company_id, e.id, e.currency, e.amount, paid.label("paid"))
        .select_from(agent_entries.outerjoin(table, table.c.id == source))
        .where(
            e.kind == kind.value,
            sa.or_(paid.is_(None), paid != e.amount, table.c.company_id != e.company_id),
        )
    )
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"agent entry {row.id} ({kind.value})",
            fact="cash taken",
            expected=write_money(row.paid or 0, row.currency),
            found=write_money(row.amount, row.currency),
        ),
    )


def _entries_are_what_they_say() -> Check:
    """Each kind of entry has its own source and sign; a reversal takes back what was taken."""
    e, taken = agent_entries.c, agent_entries.alias("taken")
    by_kind = {
        EntryKind.PAYMENT: sa.and_(e.payment_id.is_not(None), e.amount > 0),
        EntryKind.DOWN_PAYMENT: sa.and_(e.plan_id.is_not(None), e.amount > 0),
        EntryKind.HANDED_OVER: sa.and_(e.agent_receipt_id.is_not(None), e.commission == 0),
        EntryKind.COMMISSION_PAID: sa.and_(
            e.agent_receipt_id.is_not(None), e.amount == e.commission
        ),
        EntryKind.REVERSAL: sa.exists().where(
            taken.c.agent_id == e.agent_id,
            sa.or_(taken.c.payment_id == e.payment_id, taken.c.plan_id == e.plan_id),
            taken.c.amount == -e.amount,
            taken.c.commission == -e.commission,
        ),
    }
    fits = sa.or_(*(sa.and_(e.kind == kind.value, rule) for kind, rule in by_kind.items()))
    return Check(
        query=sa.select(e.company_id, e.id, e.kind).where(sa.not_(fits)),
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I12",
            company=company,
            subject=f"agent entry {row.id}",
            fact="what it comes of",
            expected="a source and a sign of its kind",
            found=row.kind,
        ),
    )


AGENT_CHECKS: tuple[Check, ...] = (
    _sums_equal_their_entries(agents.c.balance, agent_entries.c.amount, "balance"),
    _sums_equal_their_entries(agents.c.commission, agent_entries.c.commission, "commission"),
    _receipts_equal_their_entries(),
    _receipts_say_what_they_left(),
    _entries_are_what_they_say(),
    _entries_continue_one_another(
        agent_entries.c.amount, agent_entries.c.balance_after, "the balance it left"
    ),
    _entries_continue_one_another(
        agent_entries.c.commission, agent_entries.c.commission_after, "the commission it left"
    ),
    _cash_equals_what_was_paid(
        t.payments, agent_entries.c.payment_id, t.payments.c.amount, EntryKind.PAYMENT
    ),
    _cash_equals_what_was_paid(
        t.plans, agent_entries.c.plan_id, t.plans.c.down_payment, EntryKind.DOWN_PAYMENT
    ),
)
