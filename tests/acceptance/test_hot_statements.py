"""Every statement of the way from call to SMS uses an index, on a database with a history."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.benchmarks.bulk import copy_history
from tests.support.query_plans import captured_statements, count_rows, scanning_statements
from tests.support.telecom_calls import (
    airtel_enquiry,
    airtel_process,
    airtel_validation,
    vodacom_validation,
)

METERS = [f"470003{number:05d}" for number in range(20)]


@pytest.fixture
def old_company(company):
    """A company with thousands of payments."""
    for number, serial in enumerate(METERS):
        company.meter(serial, access_rate="10" if number % 2 else None)
        company.airtel("process", f"SEED{number}", airtel_process(f"SEED{number}", serial, "1000"))
    for number in range(len(METERS)):
        company.wait_for(f"SEED{number}")
    copy_history(company.world.host.engines.write, prefix="SEED", first=0, payments=6000)
    return company


def _way(company, number):
    """Make the calls of one payment."""
    reference, serial = f"HOT{number}", METERS[number]
    company.airtel("validate", reference, airtel_validation(reference, serial, "1000"))
    company.airtel("process", reference, airtel_process(reference))
    company.airtel("enquiry", reference, airtel_enquiry(reference))
    request_id = f"5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2{number:03d}"
    asked = company.vodacom("validate", vodacom_validation(request_id, serial, 500)).json()
    other = f"VODA-{number:05d}"
    body = f'{{"referenceId":"{other}","transactionId":"{asked["data"]["transactionId"]}"}}'
    company.vodacom("process", body.encode())
    company.vodacom("query", f'{{"referenceId":"{other}"}}'.encode())


def test_no_statement_of_a_payment_reads_a_growing_table_as_a_whole(old_company):
    engines = old_company.world.host.engines
    with (
        captured_statements(engines.write, engines.read) as said,
        ThreadPoolExecutor(8) as callers,
    ):
        list(callers.map(lambda number: _way(old_company, number), range(len(METERS))))
        for number in range(len(METERS)):
            old_company.wait_for(f"HOT{number}")
    assert len(said) > 100
    assert scanning_statements(engines.write, said) == set()
    count_rows(engines.write)
    assert scanning_statements(engines.write, said) == set()
