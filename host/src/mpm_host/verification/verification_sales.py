"""Checks of what payments bought: each line that sold something has its order, and the reverse.

A line of *energy*, *time* or *eaas* is worth what the order says that was queued for it, whoever
had that order repeated since: a retry and a reissue take the place of an order with its money. Only
two things undo a line: a person releases the value of a refused order as credit, or the payment is
taken back; what reached the device stays sold in both. Days on instalments have no line of their
own, so of every payment either an order for its device stands or the customer got a receipt.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import ChargeKind, PaymentStatus
from mpm_core.plans import PlanKind
from mpm_host.actions.action_basics import Action
from mpm_host.actions.held_payments import RELEASED
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.payments.ledger import LedgerAccount
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.payments.reversals import SOLD
from mpm_host.verification.verification_values import Check, Difference, FoundRow, write_money

__all__ = ["SALES_CHECKS"]

_TAKEN = [
    *(status.value for status in PaymentStatus if status.is_booked),
    PaymentStatus.REVERSED.value,
]
_SOLD = sorted(account.value for account in SOLD)


def _sold_lines_equal_their_orders() -> Check:
    """Tell where lines and orders of a payment speak of different money, by account."""
    both = sa.union_all(_sold_lines(), _money_of_orders()).subquery("sold")
    u = both.c
    sold, ordered = sa.func.sum(u.sold), sa.func.sum(u.ordered)
    query = (
        sa.select(
            u.company_id, u.payment_id, u.account, u.currency,
            sold.label("sold"), ordered.label("ordered"),
        )
        .group_by(u.company_id, u.payment_id, u.account, u.currency)
        .having(sold != ordered)
    )  # fmt: skip
    return Check(
        query=query,
        company=u.company_id,
        tell=lambda row, company: Difference(
            rule="I9",
            company=company,
            subject=f"payment {row.payment_id}",
            fact=f"what it sold as {row.account}",
            expected=f"{write_money(row.ordered, row.currency)}, as its orders say",
            found=write_money(row.sold, row.currency),
        ),
    )


def _sold_lines() -> sa.Select[*tuple[object, ...]]:
    """Read the lines that need an order; the use of a plain appliance makes none."""
    e, p = t.entries.c, t.plans.c
    appliances = sa.select(p.id).where(p.kind == PlanKind.APPLIANCE.value)
    without_order = sa.and_(e.account == LedgerAccount.EAAS.value, e.refers_to.in_(appliances))
    return sa.select(
        e.company_id, e.payment_id, e.account, e.currency, e.amount.label("sold"),
        sa.literal(0).label("ordered"),
    ).where(e.account.in_(_SOLD), sa.not_(without_order))  # fmt: skip


def _money_of_orders() -> sa.Select[*tuple[object, ...]]:
    """Read what orders that count say was sold, and on which account."""
    o, p = t.orders.c, t.payments.c
    account = _account_of_order()
    return (
        sa.select(
            o.company_id, o.payment_id, account.label("account"), o.currency,
            sa.literal(0).label("sold"), o.money.label("ordered"),
        )
        .join(t.payments, p.id == o.payment_id)
        .where(account.is_not(None), sa.not_(_is_followed()), _is_sold())
    )  # fmt: skip


def _account_of_order() -> sa.ColumnElement[str | None]:
    """Return where an order's money was booked; none for days that instalments bought."""
    o, p, e = t.orders.c, t.payments.c, t.entries
    used = sa.exists().where(
        e.c.payment_id == o.payment_id, e.c.account == LedgerAccount.EAAS.value
    )
    is_time = o.kind == ChargeKind.TIME.value
    return sa.case(
        (o.kind == ChargeKind.ENERGY.value, LedgerAccount.ENERGY.value),
        (
            sa.and_(is_time, p.channel == PaymentChannel.AD_HOC.value),
            LedgerAccount.TIME.value,
        ),
        (sa.and_(is_time, used), LedgerAccount.EAAS.value),
        else_=None,
    )


def _is_followed() -> sa.ColumnElement[bool]:
    o, later = t.orders.c, t.orders.alias("later")
    return sa.exists().where(
        later.c.payment_id == o.payment_id,  # by the index; orders follow within a payment
        later.c.follows_id == o.id,
    )


def _is_sold() -> sa.ColumnElement[bool]:
    """Say whether the money of an order is still in its line.

    A cancelled order of a payment that waits to be taken back keeps it until that is booked.
    """
    o, p, granted = t.orders.c, t.payments.c, t.orders.alias("granted")
    delivered = sa.exists().where(
        granted.c.payment_id == o.payment_id,
        _unindexed(granted.c.device_id) == o.device_id,
        granted.c.status == OrderStatus.ISSUED.value,
    )
    is_over = sa.or_(o.reason == RELEASED, p.reversing_at.is_(None))
    given_up = sa.or_(
        p.status == PaymentStatus.REVERSED.value,
        sa.and_(o.status == OrderStatus.CANCELLED.value, is_over),
    )
    return sa.or_(delivered, sa.not_(given_up))


def _unindexed(column: sa.Column[str]) -> sa.ColumnElement[str]:
    """Keep a planner from the orders of a device, who may have thousands; a payment has few."""
    return sa.func.coalesce(column, "")


def _payments_bought_or_were_receipted() -> Check:
    """A customer gets a token, or else the receipt that says what was paid instead."""
    p, o, m = t.payments.c, t.orders.c, t.messages.c
    bought = sa.exists().where(o.payment_id == p.id, _unindexed(o.device_id) == p.device_id)
    told = sa.exists().where(m.payment_id == p.id, m.key == p.id.concat(":receipt"))
    moved = p.amount.is_not(None)
    query = sa.select(
        p.company_id, p.id, p.status, bought.label("bought"), told.label("told")
    ).where(
        p.status.in_(_TAKEN),
        p.customer_id.is_not(None),
        sa.or_(
            sa.and_(moved, bought, told), sa.and_(sa.not_(bought), sa.not_(sa.and_(moved, told)))
        ),
    )  # fmt: skip
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact="what its customer got",
            expected="an order for the device, or a receipt",
            found=_got(row),
        ),
    )


def _got(row: FoundRow) -> str:
    return "both" if row.bought else "a receipt" if row.told else "neither"


def _orders_are_cancelled_by_people() -> Check:
    """An order is given up by a person who releases its value, or who takes the payment back."""
    o, p, v = t.orders.c, t.payments.c, t.events.c
    released = sa.exists().where(v.payment_id == o.payment_id, v.kind == Action.RELEASE.value)
    by_somebody = sa.or_(
        sa.and_(o.reason == RELEASED, released),
        sa.and_(o.reason != RELEASED, p.reversing_at.is_not(None)),
    )
    query = (
        sa.select(o.company_id, o.id, o.reason)
        .join(t.payments, p.id == o.payment_id)
        .where(o.status == OrderStatus.CANCELLED.value, sa.not_(by_somebody))
    )
    return Check(
        query=query,
        company=o.company_id,
        tell=lambda row, company: Difference(
            rule="I13",
            company=company,
            subject=f"order {row.id} (cancelled)",
            fact="why it was given up",
            expected="a release or a reversal of its payment",
            found=f"{row.reason or 'nothing'}, which nobody ordered",
        ),
    )


SALES_CHECKS: tuple[Check, ...] = (
    _sold_lines_equal_their_orders(),
    _payments_bought_or_were_receipted(),
    _orders_are_cancelled_by_people(),
)
