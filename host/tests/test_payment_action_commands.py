"""People's actions on payments, as they are typed."""

from __future__ import annotations

import json
import re

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from mpm_core import Secret
from mpm_host.commands import cli
from mpm_host.database import tables as t
from mpm_host.encryption import Vault, new_key
from mpm_host.payments.payment_locks import lock_payment
from mpm_host.payments.payment_messages import tell_delay
from tests.support.small_company import SmallCompany, small_directory

CODE = "12345678901234567890"
WHO = ("--by", "anna@umeme.tz", "--reason", "she called")
SERIAL = "47001234567"
CONFIG = """
[host]
database = "{url}"
allowed_plugins = []
secret_key = "{key}"
mode = "development"
"""


@pytest.fixture
def database_url(sqlite_template, tmp_path):
    path = tmp_path / "mpm.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def key():
    return new_key()


@pytest.fixture
def company(engines, key):
    return SmallCompany(engines, directory=small_directory("umeme"), vault=Vault([Secret(key)]))


@pytest.fixture
def mpm(company, database_url, key, tmp_path):
    """Run `mpm payments`; return exit code, standard output and standard error."""
    path = tmp_path / "mpm.toml"
    path.write_text(CONFIG.format(url=database_url, key=key))
    path.chmod(0o600)

    def run(*words, given=None):
        result = CliRunner().invoke(cli, ["--config", str(path), "payments", *words], input=given)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.fixture
def payment(company):
    company.meter(SERIAL)
    return company.pay(SERIAL, "1000", "R1")


def stands(company, payment_id, order_status, status):
    """Let the payment and its order stand somewhere."""
    with company.engines.write.begin() as connection:
        finished = company.now if order_status in {"refused", "issued"} else None
        connection.execute(
            sa.update(t.orders)
            .where(t.orders.c.payment_id == payment_id)
            .values(status=order_status, finished_at=finished, next_at=None)
        )
        connection.execute(
            sa.update(t.payments).where(t.payments.c.id == payment_id).values(status=status)
        )


def status_of(company, payment_id):
    [row] = [row for row in company.rows(t.payments) if row["id"] == payment_id]
    return row["status"], row["needs_person"]


def test_retry_says_where_the_payment_stands_then(mpm, company, payment):
    stands(company, payment, "refused", "held")

    assert mpm("retry", payment, *WHO) == (
        0,
        "status        token_pending\nneeds person  no\nreversing     no\n",
        "",
    )
    assert status_of(company, payment) == ("token_pending", False)


def test_a_repeat_says_that_nothing_was_changed(mpm, company, payment):
    stands(company, payment, "refused", "held")
    mpm("retry", payment, *WHO)

    code, out, _ = mpm("retry", payment, *WHO)

    assert code == 0
    assert out.splitlines()[0] == "This was done before; nothing was changed."


def test_json_is_the_payment(mpm, company, payment):
    stands(company, payment, "refused", "held")

    code, out, _ = mpm("release", payment, *WHO, "--json")

    shown = json.loads(out)
    assert (code, shown["status"], shown["reason"]) == (0, "settled", "released")
    assert shown["lines"] == [{"kind": "credit", "amount": "1000", "refers_to": None}]
    assert [(one["kind"], one["actor"], one["detail"]) for one in shown["events"]] == [
        ("release", "anna@umeme.tz", "she called")
    ]


@pytest.mark.parametrize(
    "text",
    [f"{CODE}\n", "1234 5678 9012 3456 7890", f"\n  {CODE}  \r\n\n"],
    ids=["a line", "as printed", "with blanks"],
)
@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_token_comes_from_a_file_or_standard_input(mpm, company, payment, tmp_path, text, source):
    stands(company, payment, "parked", "unknown")
    path = tmp_path / "token"
    path.write_text(text)
    given, name = (None, str(path)) if source == "file" else (text, "-")

    code, out, _ = mpm("resolve", payment, "--token-file", name, *WHO, "--json", given=given)

    assert code == 0
    assert [token["value"] for token in json.loads(out)["tokens"]] == [CODE]


def test_a_device_that_was_credited_needs_no_token(mpm, company, payment):
    stands(company, payment, "parked", "unknown")

    for _ in range(2):
        code, out, _ = mpm("resolve", payment, "--delivered", *WHO, "--json")
        assert code == 0
        shown = json.loads(out)
        [token] = shown["tokens"]
        assert (shown["status"], token["value"], token["delivery"]) == ("settled", None, "remote")


def test_not_minted_then_approve_by_somebody_else(mpm, company, payment):
    stands(company, payment, "parked", "unknown")

    assert mpm("resolve", payment, "--not-minted", *WHO) == (
        0,
        "status        unknown\nneeds person  yes\nreversing     no\n",
        f"Somebody else must agree: mpm payments approve {payment} --by … --reason …\n",
    )
    assert "proposed_by  anna@umeme.tz" in mpm("show", payment)[1]
    for same in ("anna@umeme.tz", "Anna@Umeme.TZ"):
        assert mpm("approve", payment, "--by", same, "--reason", "sure") == (
            2,
            "",
            (
                f"Error: anna@umeme.tz proposed this for payment {payment}; somebody else must "
                "approve it.\n"
            ),
        )
    code, _, _ = mpm("approve", payment, "--by", "baraka@umeme.tz", "--reason", "seen the log")

    assert code == 0
    assert status_of(company, payment) == ("token_pending", False)


def test_reissue_then_approve(mpm, company, payment):
    company.issue(payment, CODE)

    assert mpm("reissue", payment, *WHO)[0] == 0
    assert status_of(company, payment) == ("settled", True)
    [listed] = json.loads(mpm("list", "umeme", "--needs-person", "--json")[1])
    assert (listed["id"], listed["needs_person"]) == (payment, True)
    assert mpm("approve", payment, "--by", "b@umeme.tz", "--reason", "lost phone")[0] == 0
    assert status_of(company, payment) == ("token_pending", False)
    assert mpm("list", "umeme", "--needs-person")[:2] == (0, "There are no such payments.\n")


def test_what_needs_nobody_s_agreement_does_not_ask_for_it(mpm, company, payment):
    company.issue(payment, CODE)
    with company.engines.write.begin() as connection:
        tell_delay(connection, company.vault, lock_payment(connection, payment), company.now)
    mpm("reissue", payment, *WHO)

    code, out, err = mpm("resend", payment, *WHO)

    assert (code, err) == (0, "")
    assert "needs person  yes" in out


def test_match_reverse_and_resend(mpm, company):
    company.meter(SERIAL)
    payment = company.pay("X999", "1000", "R1")

    assert mpm("match", payment, "--serial", SERIAL, *WHO)[0] == 0
    assert mpm("resend", payment, *WHO) == (
        2, "", f"Error: Nobody was told anything of payment {payment} yet.\n",
    )  # fmt: skip
    assert mpm("reverse", payment, *WHO)[1] == (
        "status        reversed\nreason        reversed\n"
        "message       The payment was taken back.\nneeds person  no\nreversing     no\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("retry", "{id}", *WHO),
            (
                "Error: Payment {id} is token_pending; only one that is held can be tried again.\n"
            ),
            id="wrong state",
        ),
        pytest.param(
            ("retry", "nothing", *WHO), "Error: There is no payment with id 'nothing'.\n",
            id="unknown",
        ),
        pytest.param(
            ("retry", "{id}", "--by", "anna", "--reason", "x"),
            "Error: --by: 'anna' is not an e-mail address; write one such as asha@example.com.\n",
            id="nobody",
        ),
        pytest.param(
            ("retry", "{id}", "--by", f"{'a' * 300}@umeme.tz", "--reason", "x"),
            (
                f"Error: --by: {'a' * 60!r} is not an e-mail address; write one such as "
                "asha@example.com.\n"
            ),
            id="a long name",
        ),
        pytest.param(
            ("retry", "{id}", "--by", "anna@umeme.tz", "--reason", "because " * 63),
            (
                f"Error: --reason: {'because ' * 5!r}… has 504 characters; write 500 at most.\n"
            ),
            id="a long reason",
        ),
        pytest.param(
            ("retry", "{id}", "--by", "a@umeme.tz", "--reason", " "),
            "Error: Say why; it is kept with the payment for ever.\n",
            id="no reason",
        ),
        pytest.param(
            ("resolve", "{id}", *WHO),
            "Error: Give one of --token-file, --delivered and --not-minted.\n",
            id="neither",
        ),
        pytest.param(
            ("resolve", "{id}", "--token-file", "-", "--not-minted", *WHO),
            "Error: Give one of --token-file, --delivered and --not-minted.\n",
            id="both",
        ),
        pytest.param(
            ("resolve", "{id}", "--token-file", "/nowhere/token", *WHO),
            "Error: --token-file: '/nowhere/token' cannot be read (No such file or directory).\n",
            id="no such file",
        ),
    ],
)  # fmt: skip
def test_what_a_person_does_wrong_is_one_plain_line(mpm, payment, words, message):
    code, out, err = mpm(*(word.replace("{id}", payment) for word in words))

    assert (code, out, err) == (2, "", message.replace("{id}", payment))


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b"1" * 5000], ids=["no text", "too long"])
def test_a_file_that_is_no_token_is_refused(mpm, payment, tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)

    code, _, err = mpm("resolve", payment, "--token-file", str(path), *WHO)

    assert code == 2
    assert re.fullmatch(
        r"Error: --token-file: '.*/token' (cannot be read \(it is no text\)|is too long to be a "
        r"token)\.\n",
        err,
    )


@pytest.mark.parametrize("missing", ["--by", "--reason"])
def test_nobody_acts_unnamed_or_without_a_reason(mpm, payment, missing):
    words = [*WHO]
    position = words.index(missing)
    del words[position : position + 2]

    code, _, err = mpm("reverse", payment, *words)

    assert code == 2
    assert f"Missing option '{missing}'" in err


def test_looking_at_an_unknown_payment_makes_it_due(mpm, company, payment):
    stands(company, payment, "unknown", "unknown")
    later = company.now.replace(year=2090)
    with company.engines.write.begin() as connection:
        connection.execute(sa.update(t.orders).values(due_at=later, next_at=later))

    mpm("show", payment)

    [order] = company.rows(t.orders)
    assert order["next_at"] < later
    assert order["due_at"] == order["next_at"]
