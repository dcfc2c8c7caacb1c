"""Every column that counts something: what corrupts it is told, or why nothing else knows it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_host.agents.agent_money import Source, book_cash
from mpm_host.agents.agent_receipts import take_receipt
from mpm_host.agents.agent_rules import EntryKind
from mpm_host.agents.agent_store import create_agent, lock_agent
from mpm_host.agents.agent_values import NewAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.database.every_table import metadata
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany

# By table and column: the rules that tell it when a row of it is off by one.
TOLD = {
    "mpm_customer.credit": {"I4"},
    "mpm_plan.cost": {"I3"},
    "mpm_plan.down_payment": {"I3"},
    "mpm_plan_row.cost": {"I3"},
    "mpm_plan_row.remaining": {"I3"},
    "mpm_access_debt.amount": {"I3"},
    "mpm_access_debt.remaining": {"I3"},
    "mpm_payment.amount": {"I2"},
    "mpm_entry.amount": {"I1"},
    "mpm_order.money": {"I9"},
    "mpm_order.quantity": {"I9"},
    "mpm_agent.balance": {"I12"},
    "mpm_agent.commission": {"I12"},
    "mpm_agent_receipt.amount": {"I12"},
    "mpm_agent_receipt.commission_paid": {"I12"},
    "mpm_agent_receipt.balance_before": {"I12"},
    "mpm_agent_receipt.balance_after": {"I12"},
    "mpm_agent_entry.amount": {"I12"},
    "mpm_agent_entry.commission": {"I12"},
    "mpm_agent_entry.balance_after": {"I12"},
    "mpm_agent_entry.commission_after": {"I12"},
}
# Wishes, terms and names: nothing else in the database says what they should be.
SAID_ONCE = {
    "mpm_tariff_version.minimum_purchase", "mpm_tariff_version.access_amount",
    "mpm_appliance.price", "mpm_agent_appliance.price", "mpm_agent.risk_balance",
    "mpm_plan.price_per_day", "mpm_plan.minimum_payment",
    "mpm_token.quantity",  # what the vendor says it granted, which may be less
    "mpm_push.amount",  # what was asked for; the payment keeps what came
    "mpm_company.next_staff_number", "mpm_instance.next_number", "mpm_payment.number",
}  # fmt: skip


@pytest.fixture
def engines(empty_database_url):
    """A database whose tables have no triggers, so that rows can be corrupted."""
    opened = open_engines(empty_database_url)
    metadata.create_all(opened.write)
    yield opened
    opened.dispose()


@pytest.fixture
def company(engines):
    """A company with at least one row in every table that counts money."""
    company = SmallCompany(engines)
    company.meter(access_rate="200", period_days=7, days_ago=14)
    payment = company.pay("47001234567", "1000", "MP-1")
    company.issue(payment)
    terms = PlanTerms(cost=company.money("900"), down_payment=company.money("500"), instalments=2)
    plan = company.home(sale=terms).plan_id
    company.issue(company.pay("12345678", "200", "MP-2"), "2" * 20)
    actor = Actor(name="tests", at=company.now)
    with engines.write.begin() as connection:
        agent = create_agent(connection, company.record, _juma(connection, company), actor)
        for amount, kind, source in (
            (100_000, EntryKind.PAYMENT, Source(payment_id=payment)),
            (50_000, EntryKind.DOWN_PAYMENT, Source(plan_id=plan)),
        ):
            agent = lock_agent(connection, company.record, agent.id)
            book_cash(connection, agent, amount, kind, source, actor)
        take_receipt(connection, company.record, agent.id, company.money("300"), actor)
    return company


def _juma(connection, company):
    return NewAgent(
        name="Juma",
        phone="0755000001",
        mini_grid_id=connection.scalar(sa.select(t.mini_grids.c.id).limit(1)),
        commission_rate="0.1",
        risk_balance=company.money("5000"),
    )


def _rules(company):
    with company.engines.read.connect() as connection:
        return {difference.rule for difference in verify(connection)}


def test_every_column_that_counts_something_is_in_the_table():
    counting = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, sa.BigInteger)
    }

    assert counting == TOLD.keys() | SAID_ONCE


def test_nothing_is_told_of_the_company_as_it_is(company):
    assert _rules(company) == set()


def test_every_column_that_is_off_by_one_is_told(company):
    """Each row of each column, one after the other, and back."""
    silent = {}
    for name, expected in TOLD.items():
        table_name, column_name = name.split(".")
        table = metadata.tables[table_name]
        column = table.c[column_name]
        with company.engines.read.connect() as connection:
            rows = connection.execute(
                sa.select(table.c.id, column).where(column.is_not(None))
            ).all()
        assert rows, f"no row of {name} to corrupt"
        for row_id, value in rows:
            _set(company, table, row_id, column_name, value + 1)
            if not expected <= _rules(company):
                silent.setdefault(name, []).append(_rules(company))
            _set(company, table, row_id, column_name, value)

    assert silent == {}


def _set(company, table, row_id, column_name, value):
    with company.engines.write.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            connection.exec_driver_sql("BEGIN")
        else:
            for constraint in table.constraints:
                if isinstance(constraint, sa.CheckConstraint) and constraint.name:
                    connection.exec_driver_sql(
                        f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {constraint.name}"
                    )
        connection.execute(
            sa.update(table).where(table.c.id == row_id).values({column_name: value})
        )
        connection.commit()
        connection.invalidate()  # the pragmas are the connection's
