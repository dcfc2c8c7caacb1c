"""Columns `details.NAME` of an import: what a manufacturer asks of its devices."""

from __future__ import annotations

import json

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import UserError
from mpm_host.database import tables as t
from mpm_host.imports.import_columns import read_header
from mpm_host.imports.imports import ImportOptions, import_file
from mpm_openpaygo.plugin import OpenPaygo
from tests.support.small_company import SmallCompany

COLUMNS = (
    "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer,appliance,"
    "details.secret_key,details.starting_count,details.restricted_digit_set"
)
ROW = "Kagera,Muleba,Kimwani,Asha,Juma,0712345678,shs,12345678,sunking,Home 40"
KEY = "dac86b1a29ab82edc5fbbc41ec9530f6"


@pytest.fixture
def imported(engines, tmp_path):
    """Import a file whose manufacturer asks what OpenPAYGO asks."""
    company = SmallCompany(engines)
    context = attrs.evolve(company.context, manifest_of=lambda _: OpenPaygo.manifest)

    def run(text):
        path = tmp_path / "devices.csv"
        path.write_text(text)
        reports = []
        import_file(engines, context, path, ImportOptions(), reports.append)
        with engines.read.connect() as connection:
            sealed = connection.scalars(sa.select(t.devices.c.details)).all()
        stored = [json.loads(context.vault.open(each)) for each in sealed if each is not None]
        return [(report.status.value, report.code, report.message) for report in reports], stored

    return run


def test_details_are_stored_as_what_they_are(imported):
    reports, stored = imported(f"{COLUMNS}\n{ROW},{KEY},17,true\n")
    assert [status for status, _, _ in reports] == ["created"]
    assert stored == [{"secret_key": KEY, "starting_count": 17, "restricted_digit_set": True}]


def test_an_empty_cell_says_nothing(imported):
    reports, stored = imported(f"{COLUMNS}\n{ROW},{KEY},,\n")
    assert [status for status, _, _ in reports] == ["created"]
    assert stored == [{"secret_key": KEY}]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (f"{KEY},soon,", "details.starting_count must be a whole number."),
        ("canary,,", "details.secret_key must match [0-9A-Fa-f]{32}."),
    ],
    ids=["number", "secret"],
)
def test_a_detail_that_cannot_be_is_refused_without_repeating_it(imported, cells, message):
    reports, stored = imported(f"{COLUMNS}\n{ROW},{cells}\n")
    assert (reports, stored) == ([("error", "details_invalid", message)], [])


def test_a_detail_that_is_missing_is_refused(imported):
    reports, stored = imported(f"{COLUMNS}\n{ROW},,,\n")
    [(status, code, message)] = reports
    assert (status, code, stored) == ("error", "details_invalid", [])
    assert "secret_key" in message


def test_a_detail_nobody_asked_for_is_refused(imported):
    header = COLUMNS.replace("details.starting_count", "details.colour")
    reports, stored = imported(f"{header}\n{ROW},{KEY},red,\n")
    assert ([(status, code) for status, code, _ in reports], stored) == (
        [("error", "details_invalid")],
        [],
    )


def test_a_details_column_may_be_there_once_and_needs_a_name():
    required = "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer"
    with pytest.raises(UserError) as refusal:
        read_header([*required.split(","), "Details.key", "details.key", "details."])
    assert str(refusal.value) == (
        "The header cannot be used: column 'details.' is unknown; column 'details.key' is there 2 "
        "times. `mpm import --columns` lists them."
    )
