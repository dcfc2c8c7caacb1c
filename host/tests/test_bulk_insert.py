"""Bulk inserts store what ordinary inserts store, on both databases."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.database.bulk_insert import bulk_insert
from tests.support.small_company import NOW, SmallCompany


@pytest.fixture
def company(engines):
    return SmallCompany(engines)


def device_rows(company, *, count=3):
    """Return rows of moments, days, texts, bytes, JSON and no value."""
    village = company.village()
    tariff = company.tariff()
    calin = company.directory.instance_named(company.record.id, "calin")
    return [
        {
            "id": f"device-{number}", "company_id": company.record.id, "customer_id": None,
            "village_id": village, "kind": "meter", "serial": f"4700000000{number}",
            "instance_id": calin.id, "tariff_id": tariff, "appliance_id": None,
            "details": b"\x00\xff" if number else None, "state": {"count": str(number)},
            "state_version": number, "mapping": "unknown", "next_at": NOW, "failures": 0,
            "handed": 0, "access_due_on": date(2026, 2, 28), "created_at": NOW,
        }
        for number in range(count)
    ]  # fmt: skip


def test_bulk_insert_stores_what_an_ordinary_insert_stores(company):
    rows = device_rows(company)
    with company.engines.write.begin() as connection:
        connection.execute(sa.insert(t.devices), rows)
    expected = company.rows(t.devices)
    with company.engines.write.begin() as connection:
        connection.execute(sa.delete(t.devices))
        bulk_insert(connection, t.devices, rows)
    assert company.rows(t.devices) == expected


def test_bulk_insert_fills_in_what_the_columns_have_by_default(company):
    rows = [{"id": f"customer-{n}", "company_id": company.record.id, "name": "Asha",
             "surname": "Juma", "phone": "+255712345678", "village_id": company.village(f"V{n}"),
             "created_at": NOW} for n in range(2)]  # fmt: skip
    with company.engines.write.begin() as connection:
        bulk_insert(connection, t.customers, rows)
    assert company.rows(t.customers, "id", "credit") == [("customer-0", 0), ("customer-1", 0)]


def test_bulk_insert_of_nothing_does_nothing(company):
    with company.engines.write.begin() as connection:
        bulk_insert(connection, t.devices, [])
    assert company.rows(t.devices) == []


def test_bulk_insert_refuses_a_row_that_lacks_a_column(company):
    whole, broken = device_rows(company, count=2)
    del broken["serial"]
    with company.engines.write.begin() as connection, pytest.raises(KeyError, match="serial"):
        bulk_insert(connection, t.devices, [whole, broken])


def test_bulk_insert_leaves_a_taken_key_to_the_database(company):
    row, other = device_rows(company, count=2)
    other["serial"] = row["serial"]
    with company.engines.write.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        bulk_insert(connection, t.devices, [row, other])
