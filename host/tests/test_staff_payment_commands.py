"""`mpm cash-payment` and `mpm token create`, as they are typed."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from mpm_core import Money
from mpm_host.commands import cli
from mpm_host.configuration.config import load_config
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sales import SaleRequest, sell
from tests.support.seeding import register_meters

BY = ("--by", "anna@umeme.tz")
SERIAL = "47001234567"
CONFIG = """
[host]
database = "{url}"
allowed_plugins = ["calin"]
secret_key = "{key}"
mode = "development"

[companies.umeme]
name = "Umeme Vijijini"
country = "TZ"
currency = "TZS"
timezone = "Africa/Dar_es_Salaam"

[companies.umeme.plugins.calin]
api_url = "http://127.0.0.1:9/calin"
user_id = "u"
api_key = "secret"
"""


class Keyboard:
    """Somebody who types commands of an installation with one meter (100 TZS per kWh)."""

    def __init__(self, path):
        self.path = path
        with self._host() as host:
            host.reconcile()
            [self.customer_id] = register_meters(host, "umeme", [SERIAL])

    def _host(self):
        return Host.open(load_config(self.path, {}))

    def __call__(self, *words):
        """Return exit code, standard output and standard error."""
        result = CliRunner().invoke(cli, ["--config", str(self.path), *words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def shown(self, *words):
        """Return the JSON that a command prints."""
        code, out, err = self(*words, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)

    def sell_television(self):
        """Sell a plain appliance in five instalments of 200; returns the sale's id."""
        with self._host() as host:
            host.load()
            company, now = host.house.directory.by_slug["umeme"], host.clock()
            price = Money.parse("1000", "TZS")
            with host.engines.write.begin() as connection:
                request = SaleRequest(
                    customer_id=self.customer_id,
                    appliance_id=create_appliance(
                        connection, company, "TV", ApplianceKind.OTHER, price, now
                    ),
                    terms=PlanTerms(cost=price, instalments=5),
                )
                return sell(connection, company, request, now).plan_id

    def payments(self):
        query = sa.select(sa.func.count()).select_from(t.payments)
        with self._host() as host, host.engines.read.connect() as connection:
            return connection.scalar(query)


@pytest.fixture
def mpm(sqlite_template, tmp_path):
    database = tmp_path / "mpm.db"
    database.write_bytes(sqlite_template.read_bytes())
    path = tmp_path / "mpm.toml"
    path.write_text(CONFIG.format(url=f"sqlite:///{database}", key=new_key()))
    path.chmod(0o600)
    return Keyboard(path)


def test_cash_for_a_device_is_booked_and_shown(mpm):
    code, out, err = mpm("cash-payment", "umeme", "--serial", SERIAL, "--amount", "1000", *BY)

    assert (code, err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    identifier = facts.pop("id")
    assert facts == {
        "channel": "cash", "number": "1", "serial": SERIAL, "amount": "1000", "currency": "TZS",
        "status": "token_pending",
    }  # fmt: skip
    [listed] = mpm.shown("payments", "list", "umeme")
    assert (listed["id"], listed["instance"]) == (identifier, "cash")
    assert listed["events"][0]["actor"] == "anna@umeme.tz"
    assert "cash" in mpm("payments", "list", "umeme")[1].splitlines()[1].split()
    assert mpm("verify", "umeme")[0] == 0


def test_cash_for_a_sale_is_booked(mpm):
    sale = mpm.sell_television()

    shown = mpm.shown("cash-payment", "umeme", "--sale", sale, "--amount", "300", *BY)

    assert [(line["kind"], line["amount"]) for line in shown["lines"]] == [
        ("instalment", "200"), ("instalment", "100"),
    ]  # fmt: skip
    assert (shown["serial"], shown["status"]) == (None, "settled")


@pytest.mark.parametrize(
    "words",
    [
        ("cash-payment", "umeme", "--serial", SERIAL, "--amount", "1000"),
        ("token", "create", "umeme", SERIAL, "--amount", "3", "--unit", "kWh", "--reason", "x"),
    ],
    ids=["cash", "token"],
)
def test_a_repeat_with_the_same_key_books_nothing_again(mpm, words):
    first = mpm.shown(*words, *BY, "--key", "receipt-17")
    assert mpm.shown(*words, *BY, "--key", "receipt-17") == first

    code, out, _ = mpm(*words, *BY, "--key", "receipt-17")

    assert (code, out.splitlines()[0]) == (0, "This was done before; nothing was booked again.")
    assert mpm.payments() == 1


def test_a_key_is_of_one_request(mpm):
    words = ("cash-payment", "umeme", "--serial", SERIAL, *BY, "--key", "receipt-17")
    mpm(*words, "--amount", "1000")

    assert mpm(*words, "--amount", "2000") == (
        2, "", "Error: --key: 'receipt-17' was used for something else; use a new one.\n",
    )  # fmt: skip
    assert mpm.payments() == 1


def test_a_token_is_given_and_shown(mpm):
    shown = mpm.shown(
        "token", "create", "umeme", SERIAL, "--amount", "3", "--unit", "kWh",
        "--reason", "meter was replaced", *BY,
    )  # fmt: skip

    assert (shown["instance"], shown["amount"], shown["status"]) == (
        "ad_hoc", "300", "token_pending",
    )  # fmt: skip
    assert [(event["detail"], event["actor"]) for event in shown["events"]] == [
        ("meter was replaced", "anna@umeme.tz")
    ]
    assert mpm("verify", "umeme")[0] == 0


CASH = ("cash-payment", "umeme")
PUSH = ("push", "create", "umeme", "airtel", "--msisdn", "0712345678")
TOKEN = ("token", "create", "umeme", SERIAL, "--unit", "kWh")
REFUSED = {
    "no target": ((*CASH, "--amount", "1", *BY), "Give either --serial or --sale."),
    "both": (
        (*CASH, "--serial", "1", "--sale", "1", "--amount", "1", *BY),
        "Give either --serial or --sale.",
    ),
    "nobody": (
        (*CASH, "--serial", SERIAL, "--amount", "1000", "--by", "anna"),
        "--by: 'anna' is not an e-mail address; write one such as asha@example.com.",
    ),
    "no amount": (
        (*CASH, "--serial", SERIAL, "--amount", "ten", *BY),
        "--amount: 'ten' is not an amount; write digits such as 1000 or 199.50.",
    ),
    "unknown company": (
        ("cash-payment", "jirani", "--serial", SERIAL, "--amount", "1000", *BY),
        "There is no company 'jirani'; `mpm company list` shows those there are.",
    ),
    "unknown serial": (
        (*CASH, "--serial", "404", "--amount", "1000", *BY),
        "The company has no device '404'; register it first.",
    ),
    "unknown sale": (
        (*CASH, "--sale", "404", "--amount", "1000", *BY),
        "The company has no sale with id '404'.",
    ),
    "a key with blanks": (
        (*CASH, "--serial", SERIAL, "--amount", "1000", *BY, "--key", "a b"),
        "--key: 'a b' cannot be one; use 1 to 255 letters, digits and signs without blanks.",
    ),
    "no reason": (
        (*TOKEN, "--amount", "1", "--reason", " ", *BY),
        "Say why; it is kept with the payment for ever.",
    ),
    "a long name": (
        (*CASH, "--serial", SERIAL, "--amount", "1000", "--by", f"{'a' * 300}@umeme.tz"),
        f"--by: {'a' * 60!r} is not an e-mail address; write one such as asha@example.com.",
    ),
    "a long name for a push": (
        (*PUSH, "--serial", SERIAL, "--amount", "1000", "--by", f"{'a' * 300}@umeme.tz"),
        f"--by: {'a' * 60!r} is not an e-mail address; write one such as asha@example.com.",
    ),
    "a long reason": (
        (*TOKEN, "--amount", "1", "--reason", "because " * 63, *BY),
        f"--reason: {'because ' * 5!r}… has 504 characters; write 500 at most.",
    ),
    "no token": (
        (*TOKEN, "--amount", "0", "--reason", "x", *BY),
        "The amount 0 kWh must be more than 0.",
    ),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_told_in_one_line_and_nothing_is_booked(mpm, words, message):
    assert mpm(*words) == (2, "", f"Error: {message}\n")
    assert mpm.payments() == 0
