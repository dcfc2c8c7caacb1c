"""Two processes work for one customer at the same time: the second sees what the first left."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from mpm_core import Decision, ProcessRequest, Reply
from mpm_host.database import tables as t
from mpm_host.imports.imports import ImportOptions, RowStatus, import_file
from mpm_host.payments.booking import Accept, Book
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.device_changes import DeviceChange, change_device
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sale_changes import delete_sale
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany

METER, HOME = "47001234567", "12345678"
_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def accept(company, reference, serial=METER):
    return Accept(
        instance=company.directory.instance_named(company.record.id, "airtel"),
        request=ProcessRequest(
            reference=reference, serial=serial, amount=company.money("150"), payer=None
        ),
        reply=Reply(status=200, content_type="text/plain", body=b"ok"),
    )


def wait_until_somebody_is_blocked(engines):
    for _ in range(1000):
        with engines.read.connect() as connection:
            if connection.execute(_BLOCKED).scalar_one():
                return
        time.sleep(0.01)
    raise TimeoutError("Nobody waits for a lock.")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_payment_waits_for_the_customer_and_uses_the_credit_the_other_left(engines):
    company = SmallCompany(engines)
    company.meter(METER)  # 1 kWh costs 1000: of 150, 50 are left over
    book = Book(vault=company.vault, clock=lambda: company.now, directory=lambda: company.directory)

    def second():
        with engines.write.begin() as connection:
            book(connection, [accept(company, "R2")])

    thread = threading.Thread(target=second)
    with engines.write.begin() as connection:
        book(connection, [accept(company, "R1")])
        thread.start()
        wait_until_somebody_is_blocked(engines)  # it has read nothing of the customer yet
    thread.join(10)

    with engines.read.connect() as connection:
        assert connection.execute(sa.select(t.customers.c.credit)).scalar_one() == 0
        assert [str(difference) for difference in verify(connection)] == []


def give_away(company, made, connection):
    neighbour = DeviceChange(customer_id=company.neighbour)
    change_device(connection, company.record, made.device_id, neighbour, company.now)


def take_back(company, made, connection):
    delete_sale(connection, company.record, made.plan_id, company.now)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("take_away", [give_away, take_back])
def test_whoever_takes_a_device_away_waits_for_its_payment_and_sees_its_order(engines, take_away):
    company = SmallCompany(engines)
    company.neighbour = company.meter(METER).customer_id
    terms = {"price_per_day": company.money("100"), "minimum_payment": company.money("100")}
    made = company.home(HOME, sale=PlanTerms(**terms))
    book = Book(vault=company.vault, clock=lambda: company.now, directory=lambda: company.directory)
    refusals = []

    def second():
        try:
            with engines.write.begin() as connection:
                take_away(company, made, connection)
        except ServiceRefused as refusal:
            refusals.append(refusal.code)

    thread = threading.Thread(target=second)
    with engines.write.begin() as connection:
        book(connection, [accept(company, "R1", HOME)])
        thread.start()
        wait_until_somebody_is_blocked(engines)  # it has not looked for open payments yet
    thread.join(10)

    assert refusals == ["payment_open"]
    assert company.rows(t.devices, "id", "customer_id")[-1] == (made.device_id, made.customer_id)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_payment_waits_for_no_import_of_its_customers_devices(engines, tmp_path):
    """All or nothing is one transaction, which may take long."""
    company = SmallCompany(engines)
    company.meter(METER)
    book = Book(vault=company.vault, clock=lambda: company.now, directory=lambda: company.directory)
    path = tmp_path / "devices.csv"
    path.write_text(
        "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer,"
        "tariff,tariff_price\n"
        "Kagera,Muleba,Kimwani,Asha,Juma,0712345678,meter,47001111111,calin,"
        "Imported,1500\n"
    )
    booked = []

    def pay_meanwhile(row):
        booked.append(row.status)
        with engines.write.begin() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
            [outcome] = book(connection, [accept(company, "R1")])
        booked.append(outcome.decision)

    options = ImportOptions(all_or_nothing=True)
    summary = import_file(engines, company.context, path, options, pay_meanwhile)

    assert booked == [RowStatus.CREATED, Decision.ACCEPTED]
    assert summary.written
    with engines.read.connect() as connection:
        assert [str(difference) for difference in verify(connection)] == []
