"""Verification of agents: their sums, their receipts, and the cash they took."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_host.agents.agent_money import Source, book_cash
from mpm_host.agents.agent_receipts import take_receipt
from mpm_host.agents.agent_rules import EntryKind
from mpm_host.agents.agent_store import create_agent, find_agent, lock_agent
from mpm_host.agents.agent_values import NewAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import agent_tables
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.database.every_table import metadata
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany


@pytest.fixture
def engines(empty_database_url):
    """A database whose tables have no triggers, so that rows can be corrupted."""
    opened = open_engines(empty_database_url)
    metadata.create_all(opened.write)
    yield opened
    opened.dispose()


@pytest.fixture
def company(engines):
    """A company whose agent took a payment and a down payment, and handed some of it over."""
    company = SmallCompany(engines)
    company.meter()
    payment = company.pay("47001234567", "1000", "MP-1")
    terms = PlanTerms(cost=company.money("900"), down_payment=company.money("500"), instalments=2)
    plan = company.home(sale=terms).plan_id
    actor = Actor(name="tests", at=company.now)
    with engines.write.begin() as connection:
        grid = connection.scalar(sa.select(t.mini_grids.c.id).limit(1))
        new = NewAgent(
            name="Juma",
            phone="0755000001",
            mini_grid_id=grid,
            commission_rate="0.1",
            risk_balance=company.money("5000"),
        )
        agent = create_agent(connection, company.record, new, actor)
        for amount, kind, source in (
            (100_000, EntryKind.PAYMENT, Source(payment_id=payment)),
            (50_000, EntryKind.DOWN_PAYMENT, Source(plan_id=plan)),
        ):
            agent = lock_agent(connection, company.record, agent.id)
            book_cash(connection, agent, amount, kind, source, actor)
        take_receipt(connection, company.record, agent.id, company.money("300"), actor)
    company.agent = agent.id
    return company


def differences(company):
    with company.engines.read.connect() as connection:
        return [str(difference) for difference in verify(connection)]


def corrupt(company, table, **values):
    """Change the oldest row of a table, and return its id."""
    with company.engines.write.begin() as connection:
        row_id = connection.scalar(sa.select(table.c.id).order_by(table.c.id).limit(1))
        connection.execute(sa.update(table).where(table.c.id == row_id).values(**values))
    return row_id


def test_verification_says_nothing_when_agents_are_right(company):
    assert differences(company) == []
    with company.engines.read.connect() as connection:
        account = find_agent(connection, company.record, company.agent).account
    assert (account.balance, account.commission) == (105_000, 0)


def test_a_balance_that_differs_from_its_entries_is_told(company):
    corrupt(company, agent_tables.agents, balance=104_999)
    assert differences(company) == [
        f"umeme: agent {company.agent}: balance is 1049.99 TZS, expected 1050 TZS (I12)"
    ]


def test_a_commission_that_differs_from_its_entries_is_told(company):
    corrupt(company, agent_tables.agents, commission=1)
    assert differences(company) == [
        f"umeme: agent {company.agent}: commission is 0.01 TZS, expected 0 TZS (I12)"
    ]


def test_a_receipt_that_differs_from_its_entries_is_told(company):
    receipt = corrupt(company, agent_tables.agent_receipts, amount=20_000)
    assert differences(company) == [
        (
            f"umeme: agent receipt {receipt}: what it took from the balance is 450 TZS, expected "
            "350 TZS (I12)"
        ),
        (
            f"umeme: agent receipt {receipt}: the balance it left is 1050 TZS, expected 1150 TZS "
            "(I12)"
        ),
    ]


def test_cash_that_differs_from_its_payment_is_told(company):
    entry = corrupt(company, agent_tables.agent_entries, amount=99_999)
    assert differences(company) == [
        f"umeme: agent {company.agent}: balance is 1050 TZS, expected 1049.99 TZS (I12)",
        (
            f"umeme: agent entry {entry}: the balance it left is 1000 TZS, expected another one "
            "that left 0.01 TZS before it (I12)"
        ),
        (
            f"umeme: agent entry {entry} (payment): cash taken is 999.99 TZS, expected 1000 TZS "
            "(I12)"
        ),
    ]


def test_cash_that_differs_from_its_down_payment_is_told(company):
    with company.engines.write.begin() as connection:
        connection.execute(sa.update(t.plans).values(down_payment=40_000))
    terms, told = differences(company)
    assert terms.endswith("down payment is 400 TZS, expected 500 TZS (I3)")
    assert told.endswith("(down_payment): cash taken is 500 TZS, expected 400 TZS (I12)")
