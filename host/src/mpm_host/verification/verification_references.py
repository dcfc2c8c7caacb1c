"""Checks that rows belong together: each one's payment, order, customer is there and its company's.

Both databases refuse an orphan while they are asked to; a file that was edited or restored in part
was not asked.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.database.agent_tables import agent_entries, agent_receipts, agents
from mpm_host.database.outbox_tables import pushes
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.orders.order_store import OrderPurpose
from mpm_host.payments.ledger import LedgerAccount
from mpm_host.verification.verification_values import Check, Difference

__all__ = ["REFERENCE_CHECKS"]

_OF_MONEY = (
    t.payments, t.entries, t.orders, t.attempts, t.proposals, t.switches, t.plans, t.plan_rows,
    t.access_debts, agents, agent_entries, agent_receipts, pushes,
)  # fmt: skip
_SAID_ELSEWHERE = {(t.entries.name, "payment_id")}  # `_entries_have_their_payment`
_WITHOUT_PAYMENT = [LedgerAccount.CASH.value, LedgerAccount.DOWN_PAYMENT.value]
_NOBODYS = [
    LedgerAccount.CLEARING.value,
    LedgerAccount.CASH.value,
    LedgerAccount.SUSPENSE.value,
]


def _references() -> Iterator[Check]:
    """Make a check of each reference from a table of money, but those to companies."""
    for table in _OF_MONEY:
        for column in table.c:
            for key in column.foreign_keys:
                parent = key.column.table
                if parent is t.companies or (table.name, column.name) in _SAID_ELSEWHERE:
                    continue
                yield _reference(table, column, parent)


def _reference(table: sa.Table, column: sa.Column[str], parent: sa.FromClause) -> Check:
    other = parent.alias("other")
    query = (
        sa.select(table.c.company_id, table.c.id, column.label("named"))
        .select_from(table.outerjoin(other, other.c.id == column))
        .where(
            column.is_not(None),
            sa.or_(other.c.id.is_(None), other.c.company_id != table.c.company_id),
        )
    )
    subject = _words(table.name)
    fact = f"its {_words(column.name.removesuffix('_id'))}"
    return Check(
        query=query,
        company=table.c.company_id,
        tell=lambda row, company: Difference(
            rule="I11",
            company=company,
            subject=f"{subject} {row.id}",
            fact=fact,
            expected="one of its company",
            found=f"{row.named}, which is not",
        ),
    )


def _words(name: str) -> str:
    return name.removeprefix("mpm_").replace("_", " ")


def _entries_have_their_payment() -> Check:
    """Every entry is of a payment; only a down payment is taken at a sale, without one."""
    e, p = t.entries.c, t.payments.c
    without = sa.and_(e.payment_id.is_(None), e.account.not_in(_WITHOUT_PAYMENT))
    gone = sa.and_(e.payment_id.is_not(None), p.id.is_(None))
    query = (
        sa.select(e.company_id, e.id, e.account, e.payment_id)
        .select_from(t.entries.outerjoin(t.payments, p.id == e.payment_id))
        .where(sa.or_(without, gone))
    )
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I2",
            company=company,
            subject=f"entry {row.id} ({row.account})",
            fact="its payment",
            expected="one of its company",
            found=f"{row.payment_id or 'none'}, which is not",
        ),
    )


def _entries_are_their_customers() -> Check:
    """What was booked for a customer is of the customer who paid; suspense is nobody's."""
    e, p = t.entries.c, t.payments.c
    nobodys = sa.and_(e.customer_id.is_(None), e.account.not_in(_NOBODYS))
    query = (
        sa.select(e.company_id, e.id, e.account, e.customer_id, p.customer_id.label("payer"))
        .select_from(t.entries.outerjoin(t.payments, p.id == e.payment_id))
        .where(sa.or_(nobodys, e.customer_id != p.customer_id))
    )
    return Check(
        query=query,
        company=e.company_id,
        tell=lambda row, company: Difference(
            rule="I11",
            company=company,
            subject=f"entry {row.id} ({row.account})",
            fact="its customer",
            expected=row.payer or "somebody",
            found=row.customer_id or "nobody",
        ),
    )


def _orders_are_of_their_payment() -> Check:
    """An order is the payer's; what the payment itself bought is for the payment's device."""
    o, p = t.orders.c, t.payments.c
    other_device = sa.and_(o.purpose.is_(None), o.device_id.is_distinct_from(p.device_id))
    query = (
        sa.select(o.company_id, o.id, o.customer_id, o.device_id, p.customer_id.label("payer"),
                  p.device_id.label("device"))
        .join(t.payments, p.id == o.payment_id)
        .where(sa.or_(o.customer_id.is_distinct_from(p.customer_id), other_device))
    )  # fmt: skip
    return Check(
        query=query,
        company=o.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"order {row.id}",
            fact="whose it is",
            expected=f"that of customer {row.payer or 'nobody'} and device {row.device or 'none'}",
            found=f"that of customer {row.customer_id or 'nobody'} and device {row.device_id}",
        ),
    )


def _orders_follow_one_that_ended() -> Check:
    """An order takes the place of a refused one; a reissue that of one that brought a token."""
    o, before = t.orders.c, t.orders.alias("before")
    is_reissue = sa.and_(o.purpose.is_not(None), o.purpose == OrderPurpose.REISSUE.value)
    fits = sa.and_(
        before.c.payment_id == o.payment_id,
        before.c.device_id == o.device_id,
        before.c.kind == o.kind,
        before.c.money == o.money,
        sa.or_(
            before.c.status == OrderStatus.REFUSED.value,
            sa.and_(is_reissue, before.c.status == OrderStatus.ISSUED.value),
        ),
    )
    must_follow = [OrderPurpose.RETRY.value, OrderPurpose.REISSUE.value]
    follows_none = sa.and_(o.follows_id.is_(None), o.purpose.in_(must_follow))
    query = (
        sa.select(o.company_id, o.id, o.purpose, o.follows_id)
        .select_from(t.orders.outerjoin(before, before.c.id == o.follows_id))
        .where(
            sa.or_(
                sa.and_(o.purpose.is_not(None), follows_none),
                sa.and_(o.follows_id.is_not(None), sa.or_(before.c.id.is_(None), sa.not_(fits))),
            )
        )
    )
    return Check(
        query=query,
        company=o.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"order {row.id} ({row.purpose or 'sale'})",
            fact="the order whose place it took",
            expected="one of the same payment, device, kind and money that ended so",
            found=f"{row.follows_id or 'none'}, which is not",
        ),
    )


REFERENCE_CHECKS: tuple[Check, ...] = (
    *_references(),
    _entries_have_their_payment(),
    _entries_are_their_customers(),
    _orders_are_of_their_payment(),
    _orders_follow_one_that_ended(),
)
