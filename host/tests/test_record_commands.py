"""The commands import, payments, messages and verify, as a person types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from mpm_core import Money, ProcessRequest, Reply, Secret
from mpm_host.commands import cli
from mpm_host.configuration.config import load_config
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.identifiers import new_identifier
from mpm_host.imports.import_columns import columns_table
from mpm_host.payments.booking import Accept, Book

CODE = "12345678901234567890"
CONFIG = """
[host]
database = "{url}"
allowed_plugins = ["calin", "airtel"]
secret_key = {{ file = "mpm.key" }}
mode = "development"

[companies.umeme]
name = "Umeme Vijijini"
country = "TZ"
currency = "TZS"

[companies.umeme.plugins.calin]
api_url = "http://127.0.0.1:9/api"
user_id = "demo"
api_key = "0123456789abcdef"

[companies.umeme.plugins.airtel]
jwt_secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
"""
HEADER = (
    "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer,tariff,"
    "tariff_price"
)
GOOD = "Kagera,Muleba,Kimwani,Asha,Juma,0712345678,meter,47001234567,calin,Household,1000"
BAD = "Kagera,Muleba,Kimwani,Asha,Juma,0712345678,meter,470,calin,Household,1000"
BAD_SERIAL = "'470' is not a serial of 'calin', which must match [0-9]{11}|[0-9]{13}."
DOCUMENT = Path(__file__).parents[2] / "docs" / "import.md"


@pytest.fixture
def database_url(sqlite_template, tmp_path):
    path = tmp_path / "mpm.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def config(database_url, tmp_path):
    key = tmp_path / "mpm.key"
    key.write_text(new_key())
    key.chmod(0o600)
    path = tmp_path / "mpm.toml"
    path.write_text(CONFIG.format(url=database_url))
    path.chmod(0o600)
    return path


@pytest.fixture
def mpm(config):
    """Run a command; return exit code, standard output and standard error."""

    def run(*words):
        result = CliRunner().invoke(cli, ["--config", str(config), *map(str, words)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.fixture
def table(tmp_path):
    def write(*lines):
        path = tmp_path / "devices.csv"
        path.write_text("\n".join([HEADER, *lines]))
        return path

    return write


@pytest.fixture
def payment(config, mpm, table):
    """Book a payment, with its token and message, and return its id."""
    assert mpm("import", "umeme", table(GOOD))[0] == 0
    with Host.open(load_config(config, {})) as host:
        host.reconcile()
        company = host.house.directory.by_slug["umeme"]
        airtel = host.house.directory.instance_named(company.id, "airtel")
        book = Book(vault=host.vault, clock=host.clock, directory=lambda: host.house.directory)
        request = ProcessRequest(
            reference="MP-1", serial="47001234567", amount=Money(100_000, "TZS")
        )
        reply = Reply(status=200, content_type="text/plain", body=b"ok")
        with host.engines.write.begin() as connection:
            [outcome] = book(connection, [Accept(instance=airtel, request=request, reply=reply)])
            give_token(connection, host, company.id, outcome.payment.id)
    return outcome.payment.id


def give_token(connection, host, company_id, payment_id):
    now = host.clock()
    shared = {"id": new_identifier(), "company_id": company_id}
    order = connection.execute(sa.select(t.orders)).one()
    connection.execute(
        sa.insert(t.attempts).values(
            **shared, order_id=order.id, number=1, at=now, outcome="issued", plugin="calin 1"
        )
    )
    connection.execute(
        sa.insert(t.tokens).values(
            **shared, order_id=order.id, payment_id=payment_id, device_id=order.device_id,
            kind="energy", codes=host.vault.seal_codes([Secret(CODE)]), quantity=1000, unit="Wh",
            digest=host.vault.digest_codes([Secret(CODE)]), delivery="keypad", issued_at=now,
        )
    )  # fmt: skip
    connection.execute(
        sa.insert(t.messages).values(
            **shared, payment_id=payment_id, key="k", phone="+255712345678", status="sent",
            body=host.vault.seal(f"Token: {CODE}"), next_at=now, created_at=now,
        )
    )  # fmt: skip
    connection.execute(sa.update(t.orders).values(status="issued", attempts=1, finished_at=now))
    connection.execute(sa.update(t.payments).values(status="settled", settled_at=now))


# --- import ---------------------------------------------------------------------------------------


def test_import_reports_errors_and_ends_with_one(mpm, table):
    assert mpm("import", "umeme", table(GOOD, BAD)) == (
        1,
        f"row 3: serial_invalid: {BAD_SERIAL}\n1 created, 0 unchanged, 1 with errors.\n",
        "",
    )


def test_import_again_changes_nothing(mpm, table):
    mpm("import", "umeme", table(GOOD))

    assert mpm("import", "umeme", table(GOOD)) == (
        0,
        "0 created, 1 unchanged, 0 with errors.\n",
        "",
    )


def test_import_can_be_tried(mpm, table):
    mpm("import", "umeme", table())  # the company is declared in the file and made now
    tried = mpm("import", "umeme", table(GOOD), "--dry-run")
    done = mpm("import", "umeme", table(GOOD))

    assert tried == (
        0,
        "1 created, 0 unchanged, 0 with errors.\nThis was a dry run: nothing was written.\n",
        "",
    )
    assert done == (0, "1 created, 0 unchanged, 0 with errors.\n", "")


def test_import_can_be_all_or_nothing(mpm, table):
    code, output, _ = mpm("import", "umeme", table(GOOD, BAD), "--all-or-nothing")

    assert code == 1
    assert output.splitlines() == [
        f"row 3: serial_invalid: {BAD_SERIAL}",
        "1 created, 0 unchanged, 1 with errors.",
        "Nothing was written, because of the errors.",
    ]


def test_import_prints_json_of_every_row(mpm, table):
    code, output, _ = mpm("import", "umeme", table(GOOD, BAD), "--json")

    assert code == 1
    assert json.loads(output) == {
        "rows": [
            {"row": 2, "status": "created", "code": "", "message": ""},
            {"row": 3, "status": "error", "code": "serial_invalid", "message": BAD_SERIAL},
        ],
        "created": 1,
        "unchanged": 0,
        "errors": 1,
        "written": True,
        "dry_run": False,
    }


def test_import_of_no_rows_is_json_too(mpm, table):
    code, output, _ = mpm("import", "umeme", table(), "--json")

    assert code == 0
    assert json.loads(output)["rows"] == []


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("umeme", "nowhere.csv"),
            "Error: nowhere.csv cannot be read: No such file or directory.\n",
            id="no file",
        ),
        pytest.param(
            ("nobody", "nowhere.csv"),
            "Error: There is no company 'nobody'; `mpm company list` shows those there are.\n",
            id="no company",
        ),
        pytest.param(
            ("umeme",),
            "Error: Name the company and the file: mpm import SLUG FILE.csv\n",
            id="none",
        ),
    ],
)
def test_import_of_something_unusable_ends_with_two(mpm, words, message, as_json):
    assert mpm("import", *words, *as_json) == (2, "", message)


def test_import_prints_its_columns_without_a_configuration():
    result = CliRunner().invoke(cli, ["--config", "/nowhere", "import", "--columns"])

    assert (result.exit_code, result.stdout) == (0, columns_table() + "\n")


def test_the_document_has_the_columns_of_the_program():
    written = re.search(
        r"<!-- columns: [^\n]*-->\n(.*)\n<!-- end of columns -->",
        DOCUMENT.read_text(encoding="utf-8"),
        re.DOTALL,
    )

    assert written[1] == columns_table()


def test_the_example_of_the_document_can_be_imported(mpm, tmp_path):
    example = re.search(r"```csv\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "example.csv"
    path.write_text(example[1])

    assert mpm("import", "umeme", path)[:2] == (0, "2 created, 0 unchanged, 0 with errors.\n")


# --- payments and messages ------------------------------------------------------------------------


def test_payments_are_listed_without_codes(mpm, payment):
    code, output, _ = mpm("payments", "list", "umeme")

    header, line = output.splitlines()
    assert code == 0
    assert header.split() == [
        "ID", "CREATED", "INSTANCE", "REFERENCE", "SERIAL", "AMOUNT", "STATUS", "REASON", "NEEDS",
        "PERSON",
    ]  # fmt: skip
    assert line.split()[0] == payment
    assert line.split()[2:] == ["airtel", "MP-1", "47001234567", "1000", "settled", "no"]


def test_payments_are_listed_as_json_without_codes(mpm, payment):
    code, output, _ = mpm("payments", "list", "umeme", "--json")

    assert code == 0
    assert [shown["id"] for shown in json.loads(output)] == [payment]
    assert CODE not in output


def test_payments_are_listed_after_one_that_exists_only(mpm, payment):
    assert mpm("payments", "list", "umeme", "--after", payment) == (
        0,
        "There are no such payments.\n",
        "",
    )
    assert mpm("payments", "list", "umeme", "--after", "nosuch") == (
        2,
        "",
        "Error: There is no payment with id 'nosuch'.\n",
    )


def test_payments_are_listed_by_status_and_serial(mpm, payment):
    assert mpm("payments", "list", "umeme", "--status", "held") == (
        0,
        "There are no such payments.\n",
        "",
    )
    listed = mpm(
        "payments", "list", "umeme", "--status", "settled", "--serial", " 47001234567", "--json"
    )
    assert [shown["id"] for shown in json.loads(listed[1])] == [payment]


def test_payments_show_prints_the_token(mpm, payment):
    code, output, _ = mpm("payments", "show", payment, "--json")

    shown = json.loads(output)
    assert code == 0
    assert [token["value"] for token in shown["tokens"]] == [CODE]
    assert shown["messages"] == [
        {"to": "+255•••••••78", "body": f"Token: {CODE}", "status": "sent"}
    ]


def test_payments_show_prints_for_people(mpm, payment):
    code, output, _ = mpm("payments", "show", payment)

    assert code == 0
    assert f"id            {payment}\n" in output
    assert "status        settled\n" in output
    assert "\ntokens:\nKIND    VALUE " in output
    assert CODE in output
    assert "\ncalculation:\n" in output
    assert "events" not in output


def test_payments_show_of_an_unknown_id_ends_with_two(mpm, payment):
    assert mpm("payments", "show", "x") == (2, "", "Error: There is no payment with id 'x'.\n")


def test_messages_are_listed_without_bodies(mpm, payment):
    code, output, _ = mpm("messages", "list", "umeme", "--json")

    [shown] = json.loads(output)
    assert code == 0
    assert (shown["to"], shown["status"], shown["body"]) == ("+255•••••••78", "sent", None)
    assert CODE not in mpm("messages", "list", "umeme")[1]
    assert CODE in mpm("messages", "list", "umeme", "--bodies")[1]


# --- verify ---------------------------------------------------------------------------------------


def test_verify_says_that_the_ledger_adds_up(mpm, payment):
    assert mpm("verify") == (0, "The ledger adds up.\n", "")
    code, output, _ = mpm("verify", "umeme", "--json")
    assert (code, json.loads(output)) == (0, {"differences": [], "ok": True})


def test_verify_tells_differences_and_ends_with_one(mpm, payment, config):
    with Host.open(load_config(config, {})) as host, host.engines.write.begin() as connection:
        connection.execute(sa.update(t.customers).values(credit=5))
        customer = connection.scalar(sa.select(t.customers.c.id))

    assert mpm("verify") == (
        1,
        f"umeme: customer {customer}: credit is 0.05 TZS, expected 0 TZS (I4)\nDifferences: 1.\n",
        "",
    )
    code, output, _ = mpm("verify", "--json")
    assert code == 1
    assert json.loads(output) == {
        "differences": [
            {
                "rule": "I4",
                "company": "umeme",
                "subject": f"customer {customer}",
                "fact": "credit",
                "expected": "0 TZS",
                "found": "0.05 TZS",
            }
        ],
        "ok": False,
    }
