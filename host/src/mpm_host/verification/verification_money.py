"""Checks of where money came from and what it bought: sources, prices, and reversals."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import sqlalchemy as sa

from mpm_core import ChargeKind, PaymentStatus, format_kwh
from mpm_core.tariffs import price_of
from mpm_host.database import tables as t
from mpm_host.payments.ledger import SOURCES, LedgerAccount, source_of
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.verification.verification_values import Check, Difference, FoundRow, write_money

__all__ = ["MONEY_CHECKS"]

_BOOKED = [status.value for status in PaymentStatus if status.is_booked]
_REVERSED = PaymentStatus.REVERSED.value
_SOURCES = {channel.value: source_of(channel).value for channel in PaymentChannel}
_SOURCE_FACTS = {
    PaymentChannel.TELECOM: "what the telecom owes for it",
    PaymentChannel.CASH: "the cash that was taken for it",
    PaymentChannel.AD_HOC: "the cash that its token counts for",
    PaymentChannel.PLAN_CHANGE: "the money that moved, which is none",
}


def _sources_equal_the_payment() -> Check:
    """What is booked came from where its channel says, and nothing stays of what was taken back.

    A telecom owes us its payments; our people hold what they took. A payment whose lines are wrong
    already is told by I2.
    """
    p, e = t.payments.c, t.entries.c
    is_source = e.account == sa.case(_SOURCES, value=p.channel, else_="")
    is_line = e.account.not_in(SOURCES)
    came = sa.func.coalesce(sa.func.sum(sa.case((is_source, -e.amount), else_=0)), 0)
    lines = sa.func.coalesce(sa.func.sum(sa.case((is_line, e.amount), else_=0)), 0)
    expected = sa.case((p.status.in_(_BOOKED), sa.func.coalesce(p.amount, 0)), else_=0)
    query = (
        sa.select(
            p.company_id, p.id, p.status, p.channel, p.currency, came.label("came"),
            expected.label("expected"),
        )
        .select_from(t.payments.outerjoin(t.entries, e.payment_id == p.id))
        .group_by(p.company_id, p.id, p.status, p.channel, p.currency, p.amount)
        .having(sa.and_(came != expected, lines == expected))
    )  # fmt: skip
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I5",
            company=company,
            subject=f"payment {row.id} ({row.status})",
            fact=_SOURCE_FACTS.get(row.channel, "its money"),
            expected=write_money(row.expected, row.currency),
            found=write_money(row.came, row.currency),
        ),
    )


def _energy_is_priced_rightly() -> Check:
    """What energy cost is its quantity at the stored price, rounded up; no more could be bought."""
    o = t.orders.c
    query = sa.select(
        o.company_id, o.id, o.quantity, o.unit_price, o.money, o.currency, o.calculation
    ).where(o.kind == ChargeKind.ENERGY.value, o.unit_price.is_not(None))
    return Check(
        query=query,
        company=o.company_id,
        is_wrong=lambda row: bool(_price_problem(row)),
        tell=lambda row, company: Difference(
            rule="I9",
            company=company,
            subject=f"order {row.id}",
            fact="price of its energy",
            expected=_price_problem(row),
            found=write_money(row.money, row.currency),
        ),
    )


def _price_problem(row: FoundRow) -> str:
    """Say what the energy should have cost, or nothing if it is right."""
    calculation = row.calculation
    if not calculation:  # a retry or reissue of a sale says nothing new; given away: no price
        return ""
    try:
        return _wrong_price(row, Decimal(row.unit_price), calculation)
    except (KeyError, ValueError, InvalidOperation, TypeError):
        return "a readable calculation"


def _wrong_price(row: FoundRow, price: Decimal, calculation: Mapping[str, str]) -> str:
    cost = price_of(row.quantity, price, row.currency)
    if cost != row.money:
        return write_money(cost, row.currency)
    if "asked_watt_hours" in calculation:  # staff asked for so much, not for all money buys
        asked = int(calculation["asked_watt_hours"])
        return "" if asked == row.quantity else f"that of {format_kwh(asked)} kWh"
    available = int(calculation["available"])
    one_step_more = row.quantity + int(calculation["energy_step"])
    if not cost <= available < price_of(one_step_more, price, row.currency):
        return f"the most that {write_money(available, row.currency)} buys"
    return ""


def _reversals_restore_balances() -> Check:
    """A reversal leaves nothing of a payment but what was delivered, owed as credit."""
    p, e, r = t.payments.c, t.entries.c, t.plan_rows.c
    total = sa.func.sum(e.amount)
    debts = [LedgerAccount.ACCESS_RATE.value, LedgerAccount.SUSPENSE.value]
    rows = [LedgerAccount.INSTALMENT.value, LedgerAccount.DOWN_PAYMENT.value]
    owed_again = sa.and_(e.account.in_(rows), t.plans.c.live)
    query = (
        sa.select(p.company_id, p.id, p.currency, e.account, e.refers_to, total.label("total"))
        .select_from(
            t.payments.join(t.entries, e.payment_id == p.id)
            .outerjoin(t.plan_rows, r.id == e.refers_to)
            .outerjoin(t.plans, t.plans.c.id == r.plan_id)
        )
        .where(p.status == _REVERSED, sa.or_(e.account.in_(debts), owed_again))
        .group_by(p.company_id, p.id, p.currency, e.account, e.refers_to)
        .having(total != 0)
    )
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I10",
            company=company,
            subject=f"payment {row.id} (reversed)",
            fact=f"what is left of its {row.account}",
            expected=write_money(0, row.currency),
            found=write_money(row.total, row.currency),
        ),
    )


def _only_delivered_value_stays_sold() -> Check:
    p, e, k = t.payments.c, t.entries.c, t.tokens.c
    total = sa.func.sum(e.amount)
    sold = [LedgerAccount.ENERGY.value, LedgerAccount.TIME.value, LedgerAccount.EAAS.value]
    delivered = sa.exists().where(k.payment_id == p.id, k.device_id == p.device_id)
    query = (
        sa.select(p.company_id, p.id, p.currency, e.account, total.label("total"))
        .join(t.entries, e.payment_id == p.id)
        .where(p.status == _REVERSED, e.account.in_(sold), sa.not_(delivered))
        .group_by(p.company_id, p.id, p.currency, e.account)
        .having(total != 0)
    )
    return Check(
        query=query,
        company=p.company_id,
        tell=lambda row, company: Difference(
            rule="I10",
            company=company,
            subject=f"payment {row.id} (reversed)",
            fact=f"what is left of its {row.account}",
            expected=f"{write_money(0, row.currency)}, as nothing was delivered",
            found=write_money(row.total, row.currency),
        ),
    )


MONEY_CHECKS: tuple[Check, ...] = (
    _sources_equal_the_payment(),
    _energy_is_priced_rightly(),
    _reversals_restore_balances(),
    _only_delivered_value_stays_sold(),
)
