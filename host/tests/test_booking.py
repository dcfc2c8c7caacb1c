"""What one transaction books of calls that wait together, and of money that comes too late."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_core import ProcessRequest, Reply, ValidationRequest
from mpm_host.database import tables as t
from mpm_host.payments.booking import Accept, Book, Intend
from mpm_host.payments.booking_commands import IntendedSale
from mpm_host.registration.appliances import ApplianceKind
from mpm_host.registration.customer_deletion import delete_customer
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany

METER = "47001234567"


@pytest.fixture
def company(engines):
    made = SmallCompany(engines)
    yield made
    with engines.read.connect() as connection:
        assert [str(difference) for difference in verify(connection)] == []


def book(company, *commands):
    """Book commands in one transaction; return the payments they were about."""
    do = Book(vault=company.vault, clock=lambda: company.now, directory=lambda: company.directory)
    with company.engines.write.begin() as connection:
        return [outcome.payment for outcome in do(connection, commands)]


def intend(company, reference, serial, sale=None):
    return Intend(
        instance=airtel(company),
        request=ValidationRequest(reference=reference, serial=serial, amount=company.money("1000")),
        objection=None,
        device_kind=None if sale else "meter",
        sale=sale,
    )


def accept(company, reference):
    return Accept(
        instance=airtel(company),
        request=ProcessRequest(reference=reference),
        reply=Reply(status=200, content_type="text/plain", body=b"OK"),
    )


def airtel(company):
    return company.directory.instance_named(company.record.id, "airtel")


def test_a_payment_finds_its_device_in_the_validation_beside_it(company):
    """Its process call came before the validation was answered, and both wait for one writer."""
    company.meter(METER)
    _, paid = book(company, intend(company, "R1", METER), accept(company, "R1"))
    assert (paid.status, paid.serial) == ("token_pending", METER)


def test_money_for_a_sale_whose_buyer_was_deleted_is_nobodys(company):
    """The payer was asked twice; one payment settled the sale, and the other comes after all."""
    buyer = company.meter(METER).customer_id
    television = company.appliance("TV", ApplianceKind.OTHER, "1000")
    terms = PlanTerms(cost=company.money("1000"), instalments=1)
    request = SaleRequest(customer_id=buyer, appliance_id=television, terms=terms)
    with company.engines.write.begin() as connection:
        plan_id = sell(connection, company.record, request, company.now).plan_id
    sale = IntendedSale(plan_id=plan_id, serial=None)
    book(company, *(intend(company, each, "TV", sale) for each in ("R1", "R2")))
    [settling] = book(company, accept(company, "R1"))
    with company.engines.write.begin() as connection:
        delete_customer(
            connection, company.directory, company.record, buyer, company.now, keep_balance=False
        )
    [late] = book(company, accept(company, "R2"))

    assert settling.status == "settled"
    assert (late.status, late.needs_person, late.reason, late.message) == (
        "unmatched", True, "unknown_customer", f"The buyer of sale {plan_id} was deleted meanwhile."
    )  # fmt: skip
    with company.engines.read.connect() as connection:
        assert connection.scalar(sa.select(t.customers.c.credit)) == 0
