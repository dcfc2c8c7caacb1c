"""The ledger: every booking is a journal of entries that sums to zero, and is never changed.

A payment's lines are its entries on every account but its source: *clearing* (the money a telecom
owes us) or *cash* (the money our people hold).
Debts' `remaining` and customers' `credit` are caches of entries; `verification` recomputes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import attrs

from mpm_core.allocation.accounts import Account, Line, LineKind
from mpm_host.identifiers import new_identifier
from mpm_host.payments.customer_accounts import CustomerAccount
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.payments.payment_records import PaymentRecord

__all__ = [
    "SOURCES",
    "AccountChanges",
    "LedgerAccount",
    "account_changes",
    "journal",
    "source_of",
    "suspense",
]


_SUSPENSE_POSITION = 1  # the only line of a payment nobody can be credited with


class LedgerAccount(StrEnum):
    """The accounts of the ledger: where the money came from, and what each line was for."""

    CLEARING = "clearing"
    CASH = "cash"  # taken by our people: payments they book, and down payments at the sale
    INSTALMENT = "instalment"
    DOWN_PAYMENT = "down_payment"
    ACCESS_RATE = "access_rate"
    ENERGY = "energy"
    TIME = "time"
    EAAS = "eaas"
    CREDIT = "credit"
    SUSPENSE = "suspense"


# Where money comes from; every other account tells what it was for.
SOURCES = (LedgerAccount.CLEARING, LedgerAccount.CASH)


def source_of(channel: PaymentChannel) -> LedgerAccount:
    """Return the account that a payment's money comes from."""
    return LedgerAccount.CLEARING if channel is PaymentChannel.TELECOM else LedgerAccount.CASH


def journal(
    payment: PaymentRecord,
    lines: Sequence[Line],
    *,
    customer_id: str | None,
    at: datetime,
    from_suspense: bool = False,
) -> list[dict[str, object]]:
    """Return the entries that book a payment's lines.

    Args:
        payment: whose lines they are.
        lines: from position 1 on.
        customer_id: whose account they touch; `None` for money in suspense.
        at: when.
        from_suspense: the money was booked before, in one line of suspense, which is undone.

    Raises:
        ValueError: the lines do not sum to the payment's amount; nothing may be booked then.
    """
    if payment.amount is None or sum(line.amount for line in lines) != payment.amount:
        raise ValueError(f"The lines of payment {payment.id} do not sum to its amount.")
    journal_id = new_identifier()
    source = LedgerAccount.SUSPENSE if from_suspense else source_of(payment.channel)
    booked = [
        (_SUSPENSE_POSITION if from_suspense else 0, source.value, -payment.amount, ""),
        *(
            (position, line.kind.value, line.amount, line.refers_to)
            for position, line in enumerate(lines, start=1)
        ),
    ]
    return [
        {
            "id": new_identifier(),
            "company_id": payment.company_id,
            "journal_id": journal_id,
            "payment_id": payment.id,
            "customer_id": customer_id,
            "position": position,
            "account": account,
            "amount": amount,
            "currency": payment.currency,
            "refers_to": refers_to,
            "at": at,
        }
        for position, account, amount, refers_to in booked
    ]


def suspense(payment: PaymentRecord) -> tuple[Line, ...]:
    """Return the single line of money nobody can be credited with yet."""
    return (Line(kind=LineKind.SUSPENSE, amount=payment.amount or 0),)


@attrs.frozen(kw_only=True)
class AccountChanges:
    """What booking changed in one customer's tables, as rows of statements."""

    credit: list[dict[str, object]]
    plan_rows: list[dict[str, object]]
    access_debts: list[dict[str, object]]
    new_access_debts: list[dict[str, object]]
    access_due: list[dict[str, object]]


def account_changes(
    before: CustomerAccount, after: Account, company_id: str, currency: str
) -> AccountChanges:
    """Compare an account with what the tables hold; access rates that fell due are new rows.

    Keys of the update rows start with `key_` because a column cannot be both found and set by one
    name in a statement.
    """
    rows_before = {row.id: row.remaining for plan in before.account.plans for row in plan.rows}
    debts_before = {debt.id: debt.remaining for debt in before.account.access_debts}
    accrued = {debt.id: accrual for accrual in before.accruals for debt in accrual.debts}
    return AccountChanges(
        credit=[{"key_id": before.customer_id, "new_credit": after.credit}]
        if after.credit != before.account.credit
        else [],
        plan_rows=[
            {"key_id": row.id, "new_remaining": row.remaining}
            for plan in after.plans
            for row in plan.rows
            if row.remaining != rows_before[row.id]
        ],
        access_debts=[
            {"key_id": debt.id, "new_remaining": debt.remaining}
            for debt in after.access_debts
            if debt.id not in accrued and debt.remaining != debts_before[debt.id]
        ],
        new_access_debts=[
            {
                "id": debt.id,
                "company_id": company_id,
                "customer_id": before.customer_id,
                "device_id": accrued[debt.id].device_id,
                "due_on": debt.due_on,
                "amount": accrued[debt.id].amount,
                "remaining": debt.remaining,
                "currency": currency,
            }
            for debt in after.access_debts
            if debt.id in accrued
        ],
        access_due=[
            {"key_id": accrual.device_id, "new_due_on": accrual.next_due_on}
            for accrual in before.accruals
        ],
    )
