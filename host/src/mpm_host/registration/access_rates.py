"""Access rates when a meter's owner or tariff changes, or the tariff itself: the old closes.

What has passed becomes the owner's debts, a row per boundary; the period under way is nobody's, and
a new rate begins today.
"""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core.tariffs import AccessRate, passed_boundaries
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.payments.customer_accounts import AccountMovedError

__all__ = ["begin_rate", "book_passed", "restart_access_rates"]


def begin_rate(
    connection: Connection, device_id: str, rate: AccessRate | None, today: date
) -> date | None:
    """Return when a rate that begins now first falls due for a locked meter; `None` without one."""
    charged = connection.scalars(_charged_ahead(today, t.devices.c.id == device_id)).one_or_none()
    return _first_boundary(rate, charged or today)


def _first_boundary(rate: AccessRate | None, day: date) -> date | None:
    return None if rate is None else day + timedelta(days=rate.period_days)


def _charged_ahead(today: date, which: sa.ColumnElement[bool]) -> sa.Select[date, str]:
    """Return the last days that meters were charged for, where those are still to come.

    Clocks go wrong and are mended, companies move to another time zone, and a change that waited
    for its locks past midnight is of the day before. Nobody pays for a day twice.
    """
    d, a = t.devices.c, t.access_debts.c
    return (
        sa.select(sa.func.max(a.due_on), d.id)
        .join(t.devices, d.id == a.device_id)
        .where(which, a.due_on > today)
        .group_by(d.id)
    )


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
    rows = _debts(company, customer_id, device_id, rate, due_on, today)
    if rows:
        connection.execute(sa.insert(t.access_debts), rows)


def restart_access_rates(  # noqa: PLR0913 - whose meters, from which rate to which, when
    connection: Connection,
    company: CompanyRecord,
    tariff_id: str,
    *,
    old: AccessRate | None,
    new: AccessRate | None,
    today: date,
) -> None:
    """Close the old rate of every meter of a locked tariff, and let the new one begin today.

    Raises:
        AccountMovedError: a meter changed its owner at this very moment; try again.
    """
    locked = _lock_owners(connection, company, tariff_id)
    d = t.devices.c
    is_of_tariff = sa.and_(d.company_id == company.id, d.tariff_id == tariff_id)
    query = sa.select(d.id, d.customer_id, d.access_due_on).where(
        is_of_tariff, d.customer_id.is_not(None)
    )
    rows: list[dict[str, object]] = []
    for meter in connection.execute(query):
        if meter.customer_id not in locked:
            raise AccountMovedError(meter.id)
        if old is not None and meter.access_due_on is not None:
            rows += _debts(company, meter.customer_id, meter.id, old, meter.access_due_on, today)
    if rows:
        connection.execute(sa.insert(t.access_debts), rows)
    begin = sa.update(t.devices).where(is_of_tariff)
    connection.execute(begin.values(access_due_on=_first_boundary(new, today)))
    for charged, device_id in connection.execute(_charged_ahead(today, is_of_tariff)).all():
        due_on = _first_boundary(new, charged)
        connection.execute(begin.where(d.id == device_id).values(access_due_on=due_on))


def _lock_owners(connection: Connection, company: CompanyRecord, tariff_id: str) -> set[str]:
    """Lock the customers who have meters of a tariff, in the order of their ids, as payments do."""
    c, d = t.customers.c, t.devices.c
    owners = sa.select(d.customer_id).where(
        d.company_id == company.id, d.tariff_id == tariff_id, d.customer_id.is_not(None)
    )
    query = sa.select(c.id).where(c.company_id == company.id, c.id.in_(owners)).order_by(c.id)
    return set(connection.scalars(query.with_for_update(key_share=True)))


def _debts(  # noqa: PLR0913, PLR0917 - as `book_passed`
    company: CompanyRecord,
    customer_id: str,
    device_id: str,
    rate: AccessRate,
    due_on: date,
    today: date,
) -> list[dict[str, object]]:
    return [
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
        for boundary in passed_boundaries(due_on, rate.period_days, today)
    ]
