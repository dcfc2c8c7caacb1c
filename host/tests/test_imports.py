"""Importing a file: what becomes of each row, and that repeating it changes nothing."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mpm_core import UserError
from mpm_host.database import tables as t
from mpm_host.imports.import_batch import BatchDecisions
from mpm_host.imports.import_columns import COLUMNS
from mpm_host.imports.imports import ImportOptions, ImportSummary, RowReport, RowStatus, import_file
from mpm_host.registration.customer_deletion import delete_customer
from tests.support.small_company import SmallCompany

CREATED, UNCHANGED, ERROR = RowStatus.CREATED, RowStatus.UNCHANGED, RowStatus.ERROR
BY_ROWS = ImportOptions()
DRY_RUN = ImportOptions(dry_run=True)
ALL_OR_NOTHING = ImportOptions(all_or_nothing=True)
METER = {
    "cluster": "Kagera", "mini_grid": "Muleba", "village": "Kimwani", "name": "Asha",
    "surname": "Juma", "phone": "0712345678", "device_kind": "meter", "serial": "47001234567",
    "manufacturer": "calin", "tariff": "Household", "tariff_price": "1500",
}  # fmt: skip
HOME = {
    **METER, "device_kind": "shs", "serial": "12345678", "manufacturer": "sunking", "tariff": "",
    "tariff_price": "", "appliance": "Home 40", "cost": "1000", "instalments": "3",
}  # fmt: skip
NAMES = [column.name for column in COLUMNS]
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def company(engines):
    return SmallCompany(engines)


@pytest.fixture
def imported(company, tmp_path):
    """Import rows, given as mappings of cells or as a whole file."""

    def run(*rows, options=BY_ROWS, data=None):
        path = tmp_path / "devices.csv"
        lines = [",".join(NAMES), *(",".join(row.get(name, "") for name in NAMES) for row in rows)]
        path.write_bytes("\n".join(lines).encode() if data is None else data)
        reports = []
        summary = import_file(company.engines, company.context, path, options, reports.append)
        return summary, reports

    return run


def numbered(row, number, **changes):
    """Return a row for another customer and device."""
    return {**row, "phone": f"07123{number:05}", "serial": f"{number:011}"} | changes


def test_an_import_makes_customer_device_places_and_tariff(company, imported):
    rate = {"access_rate": "20.50", "access_period_days": "30", "minimum_purchase": "500"}
    summary, reports = imported({**METER, **rate, "registered_on": "2026-01-10"})

    assert summary == ImportSummary(created=1, unchanged=0, errors=0, written=True)
    assert reports == [RowReport(row=2, status=CREATED)]
    assert company.rows(t.clusters, "name") == [("Kagera",)]
    assert company.rows(t.mini_grids, "name") == [("Muleba",)]
    assert company.rows(t.villages, "name") == [("Kimwani",)]
    assert company.rows(t.customers, "name", "surname", "phone") == [
        ("Asha", "Juma", "+255712345678")
    ]
    version = (
        "version", "price_per_kwh", "components", "minimum_purchase", "access_amount",
        "access_period_days",
    )  # fmt: skip
    assert company.rows(t.tariff_versions, *version) == [(1, "1500", [], 50_000, 2_050, 30)]
    facts = ("kind", "serial", "instance_id", "mapping", "access_due_on")
    assert company.rows(t.devices, *facts) == [
        ("meter", "47001234567", "calin-umeme", "unknown", date(2026, 2, 9))
    ]


def test_an_import_sells_a_solar_home_system_on_a_plan(company, imported):
    _, reports = imported({**HOME, "period": "weekly", "registered_on": "2026-01-10"})

    assert reports == [RowReport(row=2, status=CREATED)]
    assert company.rows(t.appliances, "name", "kind", "price") == [("Home 40", "shs", 100_000)]
    assert sorted(company.rows(t.plan_rows, "due_on", "cost", "remaining")) == [
        (date(2026, 1, 17), 33_333, 33_333),
        (date(2026, 1, 24), 33_333, 33_333),
        (date(2026, 1, 31), 33_334, 33_334),
    ]


def test_an_import_registers_a_device_to_be_sold_later(company, imported):
    _, reports = imported({**HOME, "cost": "", "instalments": ""})

    assert reports == [RowReport(row=2, status=CREATED)]
    assert company.rows(t.plans) == []


def test_an_import_gives_one_customer_several_devices(company, imported):
    summary, _ = imported(METER, {**HOME, "name": "ASHA", "surname": " juma "})

    assert summary.created == 2
    assert len(company.rows(t.customers)) == 1
    assert len(company.rows(t.villages)) == 1


def test_an_import_adds_to_what_is_there(company, imported):
    imported(METER)

    summary, reports = imported(METER, numbered(METER, 2, tariff_price=""))

    assert summary == ImportSummary(created=1, unchanged=1, errors=0, written=True)
    assert reports == [RowReport(row=2, status=UNCHANGED), RowReport(row=3, status=CREATED)]
    assert len(company.rows(t.tariffs)) == 1


def test_a_bad_row_is_reported_and_the_good_ones_land(company, imported):
    summary, reports = imported(
        METER, numbered(METER, 2, phone="12", tariff="Shop"), numbered(METER, 3)
    )

    assert summary == ImportSummary(created=2, unchanged=0, errors=1, written=True)
    assert reports == [
        RowReport(row=2, status=CREATED),
        RowReport(
            row=3,
            status=ERROR,
            code="phone_invalid",
            message="The phone cannot be used: a text of 2 characters is not a phone number of TZ "
            "or in +… form.",
        ),
        RowReport(row=4, status=CREATED),
    ]


def test_a_refused_row_leaves_no_place_tariff_or_appliance_behind(company, imported):
    before = company.count_rows()

    summary, _ = imported({**METER, "manufacturer": "resting"}, numbered(HOME, 2, instalments="0"))

    assert summary.errors == 2
    assert company.count_rows() == before


def test_all_or_nothing_writes_nothing_when_a_row_is_bad(company, imported):
    rows = [numbered(METER, number) for number in range(1200)]
    rows[700]["serial"] = ""
    rows[1100]["village"] = ""
    before = company.count_rows()

    summary, reports = imported(*rows, options=ALL_OR_NOTHING)

    assert summary == ImportSummary(created=1198, unchanged=0, errors=2, written=False)
    assert [report.row for report in reports] == list(range(2, 1202))
    assert [report for report in reports if report.status is ERROR] == [
        RowReport(
            row=702, status=ERROR, code="value_missing", message="serial is empty; fill it in."
        ),
        RowReport(
            row=1102, status=ERROR, code="value_missing", message="village is empty; fill it in."
        ),
    ]
    assert company.count_rows() == before


def test_all_or_nothing_writes_all_when_every_row_is_good(company, imported):
    summary, _ = imported(
        *(numbered(METER, number) for number in range(600)), options=ALL_OR_NOTHING
    )

    assert summary == ImportSummary(created=600, unchanged=0, errors=0, written=True)
    assert len(company.rows(t.devices)) == 600


def test_a_dry_run_tells_the_same_as_the_import_and_writes_nothing(company, imported):
    rows = [numbered(METER, number % 900, village=f"V{number % 7}") for number in range(1100)]
    rows[550]["name"] = "Another"
    rows[560]["tariff_price"] = "7"
    rows[570] |= {"phone": rows[3]["phone"], "name": "Somebody"}
    before = company.count_rows()

    looked = imported(*rows, options=DRY_RUN)

    assert company.count_rows() == before
    written = imported(*rows)
    assert looked[1] == written[1]
    assert looked[0] == ImportSummary(created=898, unchanged=0, errors=202, written=False)


def other(**changes):
    return {**METER, "phone": "0712345679", "serial": "47009999999"} | changes


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        pytest.param(
            other(serial="47001234567"),
            "duplicate_row",
            "Device '47001234567' is in row 2 already; keep one of them.",
            id="serial twice in the file",
        ),
        pytest.param(
            other(phone="0712345678", name="Neema"),
            "customer_differs",
            "Phone +255•••••••78 belongs to Asha Juma, not to Neema Juma; correct the name or the "
            "phone.",
            id="phone of another customer",
        ),
        pytest.param(
            other(tariff_price="1600"),
            "tariff_differs",
            "Tariff 'Household' has price 1500, not 1600; an import changes no tariff, so correct "
            "the row or name a new one.",
            id="another price",
        ),
        pytest.param(
            other(access_rate="10", access_period_days="7"),
            "tariff_differs",
            "Tariff 'Household' has access rate 0, not 10; an import changes no tariff, so correct "
            "the row or name a new one.",
            id="another access rate",
        ),
        pytest.param(
            other(minimum_purchase="10"),
            "tariff_differs",
            "Tariff 'Household' has minimum purchase 0, not 10; an import changes no tariff, so "
            "correct the row or name a new one.",
            id="another minimum",
        ),
        pytest.param(
            other(tariff="New", tariff_price=""),
            "value_missing",
            "Tariff 'New' is new; fill in tariff_price.",
            id="new tariff without price",
        ),
        pytest.param(
            other(access_rate="10"),
            "tariff_invalid",
            "access_rate and access_period_days belong together; fill both or none.",
            id="access rate without period",
        ),
        pytest.param(
            other(tariff=""),
            "terms_invalid",
            "tariff_price is given, but there is no tariff in this row; empty it.",
            id="price without tariff",
        ),
        pytest.param(
            other(tariff="", tariff_price=""),
            "tariff_required",
            "A meter needs a tariff; name one.",
            id="meter without tariff",
        ),
        pytest.param(
            other(tariff_price="1e3"),
            "tariff_invalid",
            "tariff_price is '1e3'; write digits such as 1500 or 0.25.",
            id="price that is none",
        ),
        pytest.param(
            other(device_kind="fridge"),
            "kind_invalid",
            "device_kind is 'fridge'; write meter, shs, e_bike.",
            id="unknown kind",
        ),
        pytest.param(
            other(appliance="Home 40"),
            "appliance_forbidden",
            "A meter is not sold as an appliance; empty it.",
            id="meter as appliance",
        ),
        pytest.param(
            other(registered_on="1.3.2026"),
            "date_invalid",
            "registered_on is '1.3.2026'; write a day such as 2026-03-01.",
            id="day in other words",
        ),
        pytest.param(
            other(registered_on="2026-02-30"),
            "date_invalid",
            "registered_on is '2026-02-30'; write a day such as 2026-03-01.",
            id="day that does not exist",
        ),
        pytest.param(
            other(period="weekly"),
            "terms_invalid",
            "period is given, but there is no sale in this row; empty it.",
            id="period without sale",
        ),
        pytest.param(
            other(minimum_purchase="1.234"),
            "amount_invalid",
            "minimum_purchase cannot be used: '1.234' has more decimals than TZS has (2).",
            id="amount too fine",
        ),
        pytest.param(
            other(device_kind="shs", manufacturer="sunking", tariff="", tariff_price=""),
            "appliance_required",
            "A device of kind shs needs the appliance it is sold as; name one.",
            id="home without appliance",
        ),
        pytest.param(
            {**HOME, "phone": "0712345679", "instalments": "x"},
            "terms_invalid",
            "instalments is 'x'; write a whole number such as 12.",
            id="count that is none",
        ),
        pytest.param(
            {**HOME, "phone": "0712345679", "instalment_cost": "10"},
            "terms_invalid",
            "Give exactly one of instalments, instalment_cost and price_per_day.",
            id="two ways to pay",
        ),
    ],
)
def test_a_row_after_a_good_one_is_refused(imported, row, code, message):
    _, reports = imported(METER, row)

    assert reports == [
        RowReport(row=2, status=CREATED),
        RowReport(row=3, status=ERROR, code=code, message=message),
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        pytest.param({"phone": "0712345679"}, "customer", id="customer"),
        pytest.param({"village": "Bukoba"}, "village", id="village"),
        pytest.param({"tariff": "Shop"}, "tariff", id="tariff"),
        pytest.param(
            {"device_kind": "shs", "manufacturer": "sunking", "tariff": "", "tariff_price": "",
             "appliance": "Home 40"},
            "kind",
            id="kind",
        ),
    ],
)  # fmt: skip
def test_a_row_whose_device_is_there_otherwise_is_refused(company, imported, change, what):
    imported(METER)
    before = company.count_rows()

    _, reports = imported({**METER, **change})

    assert reports == [
        RowReport(
            row=2,
            status=ERROR,
            code="duplicate_serial",
            message=f"The company has a device '47001234567' already, with another {what}; an "
            "import changes nothing that is there.",
        )
    ]
    assert company.count_rows() == before


def test_a_sale_of_a_device_that_is_there_unsold_is_refused(imported):
    imported({**HOME, "cost": "", "instalments": ""})

    _, [report] = imported(HOME)

    assert (report.status, report.code) == (ERROR, "duplicate_serial")
    assert "with another plan" in report.message


def test_a_batch_is_decided_again_when_somebody_else_writes_the_same(
    company, imported, monkeypatch
):
    write, tries = BatchDecisions.write, []

    def write_late(decisions, connection):
        tries.append(decisions)
        if len(tries) == 1:
            raise sa.exc.IntegrityError("INSERT", {}, Exception("unique"))
        write(decisions, connection)

    monkeypatch.setattr(BatchDecisions, "write", write_late)
    summary, _ = imported(METER)

    assert summary == ImportSummary(created=1, unchanged=0, errors=0, written=True)
    assert len(tries) == 2
    assert len(company.rows(t.devices)) == 1


def delete_the_customer(company):
    [(customer_id,)] = company.rows(t.customers, "id")
    with company.engines.write.begin() as connection:
        delete_customer(
            connection, company.directory, company.record, customer_id, company.now,
            keep_balance=False,
        )  # fmt: skip


def owners(company):
    """Return the serials of devices, and whether their owners were deleted."""
    d, c = t.devices.c, t.customers.c
    query = (
        sa.select(d.serial, c.deleted_at.is_not(None))
        .select_from(t.devices.outerjoin(t.customers, c.id == d.customer_id))
        .order_by(d.serial)
    )
    with company.engines.read.connect() as connection:
        return [(serial, bool(deleted)) for serial, deleted in connection.execute(query)]


NEXT_METER = {**METER, "serial": "47001234568"}


def test_a_customer_deleted_between_two_batches_gets_nothing_more(company, tmp_path, monkeypatch):
    monkeypatch.setattr("mpm_host.imports.imports._BATCH", 1)
    path = tmp_path / "devices.csv"
    lines = [NAMES, *([row.get(name, "") for name in NAMES] for row in (METER, NEXT_METER))]
    path.write_text("\n".join(",".join(line) for line in lines))

    def report(row):
        if row.row == 2:  # the first: its batch is committed
            delete_the_customer(company)

    summary = import_file(company.engines, company.context, path, BY_ROWS, report)

    assert (summary.created, summary.errors) == (2, 0)
    assert owners(company) == [("47001234567", False), ("47001234568", False)]
    assert len(company.rows(t.customers)) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_customer_deleted_after_a_batch_was_decided_gets_nothing_more(
    company, imported, monkeypatch
):
    imported(METER)
    write, tries = BatchDecisions.write, []

    def write_late(decisions, connection):
        tries.append(decisions)
        if len(tries) == 1:
            delete_the_customer(company)
        write(decisions, connection)

    monkeypatch.setattr(BatchDecisions, "write", write_late)
    summary, _ = imported(NEXT_METER)

    assert (summary.created, len(tries)) == (1, 2)
    assert owners(company) == [("47001234567", False), ("47001234568", False)]
    assert len(company.rows(t.customers)) == 2


def test_two_imports_at_once_land_every_row_once(company, tmp_path):
    rows = [numbered(METER, number, village=f"V{number % 7}", tariff=f"T{number % 5}")
            for number in range(1200)]  # fmt: skip
    paths = [tmp_path / "forwards.csv", tmp_path / "backwards.csv"]
    for path, ordered in zip(paths, (rows, rows[::-1]), strict=True):
        lines = [NAMES, *([row.get(name, "") for name in NAMES] for row in ordered)]
        path.write_text("\n".join(",".join(line) for line in lines))

    def run(path):
        return import_file(company.engines, company.context, path, BY_ROWS, lambda _: None)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, paths)

    assert (first.errors, second.errors) == (0, 0)
    assert first.created + second.created == 1200
    assert len(company.rows(t.devices)) == 1200
    assert sorted(company.rows(t.tariffs, "name")) == [(f"T{number}",) for number in range(5)]


# --- the file -------------------------------------------------------------------------------------

HEADER = "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer"
HEADER += ",tariff,tariff_price"
LINE = "Kagera,Muleba,Kimwani,Asha,Juma,0712345678,meter,47001234567,calin,Household,1500"
QUOTED_LINE = '"' + LINE.replace(",", '","') + '"'


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{HEADER}\n{LINE}\n".encode(), id="plain"),
        pytest.param(f"{HEADER}\n{LINE}".encode(), id="no newline at the end"),
        pytest.param(f"{HEADER}\r\n\r\n{LINE}\r".encode(), id="mixed newlines and a blank row"),
        pytest.param(f"{HEADER}\n{LINE}\n".encode("utf-8-sig"), id="byte order mark"),
        pytest.param(f"{HEADER}\n{LINE}\n".replace(",", ";").encode(), id="semicolons"),
        pytest.param(f"{HEADER.upper()}\n{LINE}\n".encode(), id="capital header"),
        pytest.param(f"{HEADER}\n{QUOTED_LINE}\n".encode(), id="quoted cells"),
        pytest.param(f"{HEADER}\n{LINE},,,\n,,,\n".encode(), id="empty cells at the end"),
        pytest.param(f"{HEADER}\n{LINE.replace(',', ' , ')}\n".encode(), id="blanks around"),
    ],
)
@SQLITE
def test_a_file_may_be_written_in_many_ways(company, imported, data):
    _, reports = imported(data=data)

    assert [report.status for report in reports] == [CREATED]
    assert company.rows(t.customers, "name", "phone") == [("Asha", "+255712345678")]


@SQLITE
def test_a_quoted_cell_may_hold_the_delimiter_and_letters_of_any_language(company, imported):
    cells = f"{HEADER}\n{LINE}\n".replace("Kimwani", '"Kimwani, juu"').replace("Asha", "Zoë")
    imported(data=cells.encode())

    assert company.rows(t.villages, "name") == [("Kimwani, juu",)]
    assert company.rows(t.customers, "name") == [("Zoë",)]


@SQLITE
def test_a_row_with_another_number_of_cells_is_reported(imported):
    _, reports = imported(data=f"{HEADER}\nKagera,Muleba\n{LINE}\n".encode())

    assert reports == [
        RowReport(
            row=2,
            status=ERROR,
            code="columns_invalid",
            message="The row has 2 cells, the header 11; add or remove some.",
        ),
        RowReport(row=3, status=CREATED),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", " is empty; its first row must name the columns.", id="empty"),
        pytest.param(b"\n\n ,\n", " is empty; its first row must name the columns.", id="blank"),
        pytest.param(
            f"{HEADER},foo,seriall,serial,\n".encode(),
            ": The header cannot be used: column 'foo' is unknown; column 'seriall' is unknown "
            "(did you mean 'serial'?); a column has no name; column 'serial' is there 2 times. "
            "`mpm import --columns` lists them.",
            id="unknown, nameless and repeated columns",
        ),
        pytest.param(
            HEADER.replace("phone,", "").encode(),
            ": The header cannot be used: column 'phone' is missing. `mpm import --columns` lists "
            "them.",
            id="missing column",
        ),
        pytest.param(
            f"{HEADER}\n{LINE}\nKag\xe9ra".encode("latin-1"),
            " is not UTF-8 text (invalid continuation byte); save it as “CSV UTF-8”.",
            id="another encoding",
        ),
        pytest.param(
            f'{HEADER}\n{LINE}\n"Kagera'.encode(),
            ": line 3 cannot be read: unexpected end of data.",
            id="unfinished quote",
        ),
        pytest.param(
            f"{HEADER}\n{'x' * 100_001}".encode(),
            ": line 2 is longer than 100000 characters.",
            id="endless line",
        ),
    ],
)
@SQLITE
def test_an_unusable_file_is_one_error_and_nothing_lands(
    company, imported, tmp_path, data, message
):
    before = company.count_rows()

    with pytest.raises(UserError) as error:
        imported(data=data)

    assert str(error.value) == f"{tmp_path / 'devices.csv'}{message}"
    assert company.count_rows() == before


@SQLITE
def test_a_file_that_is_not_there_is_one_error(company, tmp_path):
    for path, reason in (
        (tmp_path / "nowhere.csv", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(UserError) as error:
            import_file(company.engines, company.context, path, BY_ROWS, print)
        assert str(error.value) == f"{path} cannot be read: {reason}."


# --- properties -----------------------------------------------------------------------------------

words = st.sampled_from(["", "Asha", "Juma", "V1", "V2", "x" * 201, "a\x00b", 'q"q', "é"])
rows_of_files = st.lists(
    st.fixed_dictionaries(
        {
            "village": st.sampled_from(["V1", "V2", ""]),
            "name": words,
            "phone": st.sampled_from(["0712345678", "0712345679", "12"]),
            "device_kind": st.sampled_from(["meter", "shs", "e_bike"]),
            "serial": st.sampled_from(["1", "2", "3", "4", ""]),
            "manufacturer": st.sampled_from(["calin", "sunking", "acme"]),
            "tariff": st.sampled_from(["Household", ""]),
            "tariff_price": st.sampled_from(["1500", "1", ""]),
            "appliance": st.sampled_from(["Home 40", ""]),
            "cost": st.sampled_from(["1000", "0", ""]),
            "instalments": st.sampled_from(["3", "0", ""]),
        }
    ),
    max_size=8,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_files)
@SQLITE
def test_importing_twice_is_importing_once(company, tmp_path, rows):
    path = tmp_path / "devices.csv"
    cells = [[{**METER, **row}[name] if name in METER or name in row else "" for name in NAMES]
             for row in rows]  # fmt: skip
    path.write_text("\n".join(",".join(line) for line in [NAMES, *cells]).replace('"', "'"))

    def run(options):
        reports = []
        with contextlib.suppress(UserError):
            import_file(company.engines, company.context, path, options, reports.append)
        return reports

    before = company.count_rows()
    looked = run(DRY_RUN)
    assert company.count_rows() == before
    first = run(BY_ROWS)
    after = company.count_rows()
    second = run(BY_ROWS)

    assert looked == first
    assert company.count_rows() == after
    assert [report.status for report in second] == [
        UNCHANGED if report.status is CREATED else report.status for report in first
    ]


pieces = st.sampled_from(
    [
        *HEADER.split(","),
        HEADER,
        LINE,
        ",",
        ";",
        "\n",
        "\r\n",
        "\r",
        '"',
        "\x00",
        "\ufeff",
        "é",
        " ",
    ]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(pieces, max_size=12).map("".join).map(str.encode),
        st.binary(max_size=60).map(f"{HEADER}\n{LINE}\n".encode().__add__),
        st.text(max_size=60).map(lambda text: f"{HEADER}\n{text}".encode("utf-8", "replace")),
    )
)
@example(data=f'{HEADER}\n"'.encode())
@example(data=b"\xff\xfec\x00l\x00u\x00")
@SQLITE
def test_any_bytes_give_a_report_or_one_clear_error(company, tmp_path, data):
    path = tmp_path / "devices.csv"
    path.write_bytes(data)
    problem, reports = "", []

    try:
        summary = import_file(company.engines, company.context, path, DRY_RUN, reports.append)
    except UserError as error:
        problem = str(error)
        summary = ImportSummary()

    assert "\n" not in problem
    assert summary.created + summary.unchanged + summary.errors == len(reports)
