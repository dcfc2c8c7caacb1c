"""Access rates of one meter when its owner or tariff changes: the old closes, a new one begins.

What has passed becomes the old owner's debts, a row per boundary; the period under way is nobody's.
"""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core.tariffs import AccessRate, passed_boundaries
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier

__all__ = ["book_passed", "first_boundary"]


def first_boundary(rate: AccessRate | None, today: date) -> date | None:
    """Return when a rate that begins today first falls due; `None` without one."""
    return None if rate is None else today + timedelta(days=rate.period_days)


def book_passed(  # noqa: PLR0913 - whose meter, which rate, since when, until when
    connection: Connection,
    company: CompanyRecord,
    *,
    customer_id: str,
    device_id: str,
    rate: AccessRate,
    due_on: date,
    today: date,
) -> None:
    """Write the boundaries that have come as debts of the customer, who is locked."""
    boundaries = passed_boundaries(due_on, rate.period_days, today)
    rows = [
        {
            "id": new_identifier(),
            "company_id": company.id,
            "customer_id": customer_id,
            "device_id": device_id,
            "due_on": boundary,
            "amount": rate.amount,
            "remaining": rate.amount,
            "currency": company.company.currency,
        }
        for boundary in boundaries
    ]
    if rows:
        connection.execute(sa.insert(t.access_debts), rows)
