"""Revision 0005 with rows in the tables: nothing is lost, upwards and downwards."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command

from mpm_core import Money
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.database.upgrade import alembic_config
from mpm_host.payments.cash_desk import CashDesk, CashPayment
from tests.support.small_company import SmallCompany, small_directory

BEFORE, METER = "0004", "47001234567"
REFERRING = (t.entries, t.orders, t.attempts, t.tokens, t.messages)


@pytest.fixture
def company(engines):
    company = SmallCompany(engines, directory=small_directory("umeme"))
    company.meter(METER)
    company.issue(company.pay(METER, "1000", "R1"))
    company.pay("404", "70", "R2")
    return company


def step(company, direction, revision):
    with company.engines.write.begin() as connection:
        getattr(command, direction)(alembic_config(connection), revision)


def contents(company):
    """Return the payments but for columns that are newer, and the ids of what refers to them."""
    with company.engines.read.connect() as connection:
        payments = connection.execute(sa.text("SELECT * FROM mpm_payment ORDER BY id"))
        rows = [dict(row._mapping) for row in payments]
        for row in rows:
            for column in ("channel", "plan_id", "disputed"):
                row.pop(column, None)
        ids = [
            connection.scalars(sa.text(f"SELECT id FROM {table.name} ORDER BY id")).all()  # noqa: S608 - our own names
            for table in REFERRING
        ]
    return rows, ids


def take_cash(company):
    desk = CashDesk(vault=company.vault, directory=lambda: company.directory)
    by = Actor(name="anna@umeme.tz", at=company.now)
    cash = CashPayment(amount=Money.parse("1000", "TZS"), serial=METER)
    with company.engines.write.begin() as connection:
        return desk.take(connection, company.record, cash, by).id


def test_payments_of_telecoms_survive_both_ways_with_all_that_refers_to_them(company):
    before = contents(company)

    step(company, "downgrade", BEFORE)
    assert contents(company) == before
    step(company, "upgrade", "head")

    assert contents(company) == before
    assert company.rows(t.payments, "channel") == [("telecom",), ("telecom",)]


def test_references_to_payments_are_still_checked_afterwards(company):
    step(company, "downgrade", BEFORE)
    step(company, "upgrade", "head")
    e = t.events.c

    with pytest.raises(sa.exc.IntegrityError), company.engines.write.begin() as connection:
        connection.execute(
            sa.insert(t.events).values(
                id="1", company_id=company.record.id, payment_id="nobody", kind="x", detail="",
                at=company.now,
            )
        )  # fmt: skip
    assert company.rows(t.events, e.id.name) == []


def test_cash_cannot_be_downgraded_away(company):
    take_cash(company)
    before = contents(company)

    with pytest.raises(sa.exc.DBAPIError):
        step(company, "downgrade", BEFORE)

    assert contents(company) == before


@pytest.mark.parametrize(
    "values",
    [{"channel": "cash"}, {"instance_id": None}, {"channel": "telecom", "instance_id": None}],
    ids=["cash of a telecom", "telecom without instance", "both"],
)
def test_the_database_refuses_a_channel_that_does_not_fit_the_instance(company, values):
    with pytest.raises(sa.exc.IntegrityError), company.engines.write.begin() as connection:
        connection.execute(sa.update(t.payments).values(**values))


def test_the_database_refuses_a_staff_number_twice(company):
    take_cash(company)
    second = take_cash(company)

    with pytest.raises(sa.exc.IntegrityError), company.engines.write.begin() as connection:
        connection.execute(sa.update(t.payments).where(t.payments.c.id == second).values(number=1))
