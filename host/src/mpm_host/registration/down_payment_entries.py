"""The journal of a down payment in cash: the ledger explains the paid row of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mpm_host.identifiers import new_identifier
from mpm_host.payments.ledger import LedgerAccount

__all__ = ["down_payment_entries"]


def down_payment_entries(
    plan: Mapping[str, object], row_id: str, amount: int, now: datetime
) -> tuple[dict[str, object], ...]:
    """Return the two rows of a journal that books a down payment.

    Args:
        plan: whose it is: `company_id`, `customer_id` and `currency`.
        row_id: the row of the plan that it pays.
        amount: that was taken in minor units; what was given back is less than nothing.
        now: when it was booked.
    """
    journal_id = new_identifier()
    booked = (
        (LedgerAccount.CASH, -amount, ""),
        (LedgerAccount.DOWN_PAYMENT, amount, row_id),
    )
    return tuple(
        {
            "id": new_identifier(),
            "company_id": plan["company_id"],
            "journal_id": journal_id,
            "payment_id": None,
            "customer_id": plan["customer_id"],
            "position": position,
            "account": account.value,
            "amount": value,
            "currency": plan["currency"],
            "refers_to": refers_to,
            "at": now,
        }
        for position, (account, value, refers_to) in enumerate(booked)
    )
