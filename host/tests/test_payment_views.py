"""Payments and messages as users see them."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from mpm_core import PaymentStatus, UserError
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.messages.message_views import list_messages
from mpm_host.payments.payment_views import list_payments, payment_view
from mpm_host.registration.plan_terms import PlanTerms
from tests.support.query_plans import captured_statements
from tests.support.small_company import SmallCompany

CODE = "12345678901234567890"


@pytest.fixture
def company(engines):
    return SmallCompany(engines)


def view(company, payment_id, **more):
    with company.engines.read.connect() as connection:
        return payment_view(connection, company.vault, payment_id, **more)


def page(company, **more):
    with company.engines.read.connect() as connection:
        return list_payments(connection, company.record.id, **more)


def message(company, payment_id, body):
    with company.engines.write.begin() as connection:
        connection.execute(
            sa.insert(t.messages).values(
                id=new_identifier(), company_id=company.record.id, payment_id=payment_id,
                key=f"{payment_id}:token", phone="+255712345678", body=company.vault.seal(body),
                status="sent", next_at=company.now, created_at=company.now, sent_at=company.now,
            )
        )  # fmt: skip


def test_a_payment_with_a_token_shows_everything_about_it(company):
    company.meter(access_rate="200", period_days=7, days_ago=7)
    payment_id = company.pay("47001234567", "1000", "MP-1")
    company.issue(payment_id, CODE)
    message(company, payment_id, f"Token: {CODE}")
    [(debt,)] = company.rows(t.access_debts, "id")
    [(version,)] = company.rows(t.tariff_versions, "id")

    shown = view(company, payment_id, reveal=True)

    at = "2026-03-01T21:30:00+00:00"
    assert json.loads(json.dumps(shown)) == {
        "id": payment_id,
        "instance": "airtel",
        "channel": "telecom",
        "reference": "MP-1",
        "receipt": None,
        "number": 1,
        "sale_id": None,
        "serial": "47001234567",
        "msisdn": None,
        "amount": "1000",
        "currency": "TZS",
        "status": "settled",
        "needs_person": False,
        "reason": "",
        "message": "",
        "conflict": False,
        "created_at": at,
        "accepted_at": at,
        "settled_at": at,
        "lines": [
            {"kind": "access_rate", "amount": "200", "refers_to": debt},
            {"kind": "energy", "amount": "800", "refers_to": None},
        ],
        "tokens": [
            {
                "kind": "energy",
                "value": CODE,
                "delivery": "keypad",
                "quantity": "0.8",
                "unit": "kWh",
                "device_serial": "47001234567",
                "issued_at": at,
            }
        ],
        "messages": [{"to": "+255•••••••78", "body": f"Token: {CODE}", "status": "sent"}],
        "attempts": [{"at": at, "outcome": "issued", "detail": ""}],
        "calculation": {
            "tariff_version": version,
            "price_per_kwh": "1000",
            "energy_step": "100",
            "available": "80000",
            "exact_watt_hours": "800",
            "rounding": "down",
            "watt_hours": "800",
            "cost": "80000",
            "remainder": "0",
        },
        "events": [],
        "reversing": False,
        "proposal": None,
    }


def test_a_payment_hides_codes_and_bodies_unless_they_are_asked_for(company):
    company.meter()
    payment_id = company.pay("47001234567", "1000", "MP-1")
    company.issue(payment_id, CODE)
    message(company, payment_id, f"Token: {CODE}")

    for shown in (view(company, payment_id), *page(company).payments):
        assert CODE not in json.dumps(shown)
        assert shown["tokens"][0]["value"] is None
        assert shown["messages"] == [{"to": "+255•••••••78", "body": None, "status": "sent"}]


def test_a_device_the_vendor_credits_itself_has_no_token_value(company):
    company.home(sale=PlanTerms(cost=company.money("3000"), instalments=3))
    payment_id = company.pay("12345678", "500", "MP-1")
    company.issue(payment_id, "")

    [token] = view(company, payment_id, reveal=True)["tokens"]

    assert token | {"issued_at": ""} == {
        "kind": "time",
        "value": None,
        "delivery": "remote",
        "quantity": 15,  # 500 of 1000 for the 30 days from April to May
        "unit": "days",
        "device_serial": "12345678",
        "issued_at": "",
    }


def test_a_payment_nobody_can_be_credited_with_is_in_suspense(company):
    payment_id = company.pay("404", "199.50", "MP-1")

    shown = view(company, payment_id)

    assert (shown["status"], shown["needs_person"], shown["reason"]) == (
        "unmatched",
        True,
        "unknown_serial",
    )
    assert shown["amount"] == "199.50"
    assert shown["lines"] == [{"kind": "suspense", "amount": "199.50", "refers_to": None}]
    assert (shown["tokens"], shown["attempts"], shown["calculation"]) == ([], [], {})


def test_a_payment_is_shown_to_its_own_company_only(engines, company):
    payment_id = company.pay("404", "10", "MP-1")
    other = SmallCompany(engines, "solar")

    assert view(company, payment_id, company_id=company.record.id)["id"] == payment_id
    with pytest.raises(UserError) as refusal:
        view(company, payment_id, company_id=other.record.id)

    assert refusal.value.code == "unknown_payment"
    assert str(refusal.value) == f"There is no payment with id {payment_id!r}."
    assert page(other).payments == ()


def test_a_list_shows_the_newest_first_and_pages_by_cursor(company):
    ids = [company.pay("404", "10", f"MP-{number}") for number in range(5)]
    seen, after = [], None

    for _ in range(3):
        found = page(company, limit=2, after=after)
        seen += [shown["id"] for shown in found.payments]
        after = found.next

    assert seen == ids[::-1]
    assert after is None


def test_a_list_can_be_narrowed(company):
    company.meter()
    unmatched = company.pay("404", "10", "MP-1")
    pending = company.pay("47001234567", "1000", "MP-2")

    def ids(**more):
        return [shown["id"] for shown in page(company, **more).payments]

    assert ids(status=PaymentStatus.UNMATCHED) == [unmatched]
    assert ids(serial="47001234567") == [pending]
    assert ids(serial="404", status=PaymentStatus.SETTLED) == []
    assert ids(needs_person=True) == [unmatched]
    assert ids(needs_person=False) == [pending]
    assert ids(needs_person=True, serial="47001234567") == []


def test_those_that_need_a_person_are_found_by_an_index_of_them_alone(company):
    company.pay("404", "10", "MP-1")
    engine = company.engines.read
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"

    with captured_statements(engine) as said:
        page(company, needs_person=True)
    [(statement, given)] = [one for one in said if "LIMIT" in one[0]]
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # a small table is read as a whole: it is small
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        rows = connection.exec_driver_sql(f"{explain} {statement}", given).all()

    plan = "\n".join(str(row[-1]) for row in rows)
    assert "ix_mpm_payment_needs_person" in plan, plan
    assert "sort" not in plan.lower(), plan
    assert "B-TREE" not in plan, plan


def test_messages_hide_bodies_unless_they_are_asked_for(company):
    payment_id = company.pay("404", "10", "MP-1")
    message(company, payment_id, "Token: 1")

    def listed(**more):
        with company.engines.read.connect() as connection:
            return list(list_messages(connection, company.record.id, **more))

    [hidden] = listed()
    assert hidden | {"id": ""} == {
        "id": "",
        "payment": payment_id,
        "to": "+255•••••••78",
        "body": None,
        "status": "sent",
        "detail": "",
        "segments": None,
        "cost": "",
        "created_at": "2026-03-01T21:30:00+00:00",
        "sent_at": "2026-03-01T21:30:00+00:00",
    }
    assert [shown["body"] for shown in listed(bodies=company.vault)] == ["Token: 1"]
