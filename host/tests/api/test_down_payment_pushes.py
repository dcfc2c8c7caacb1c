"""Down payments that the payer's phone is asked for: E-62 and T-27, and what can go wrong."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from host.tests.api.telecoms import Telecom, pushing_config
from mpm_core.simulation.server import serve
from mpm_host.access.roles import Role
from mpm_host.commands import cli
from mpm_host.database import tables as t
from tests.kit.acme_pay import AcmePaySimulator

HOME = "12345678"


@pytest.fixture
def config_text(database_url, plugin_folder):
    return pushing_config(database_url, plugin_folder)


class Counter(Telecom):
    """Where televisions are sold, and paid down by phone."""

    def __init__(self, installation, simulation):
        super().__init__(installation, simulation)
        self.customer = self.shop.customer("Neema", "0712345670")
        self.television = self.shop.appliance("Television", "other")

    def sale_body(self, **changes):
        body = {
            "customer_id": self.customer,
            "appliance_id": self.television,
            "sold_on": "2026-01-31",
            "cost": "1000",
            "down_payment": "200",
            "instalments": 5,
            "down_payment_push": {"instance": "acme"},
        }
        return body | changes

    def sell(self, **changes):
        return self.api.ok("POST", "/sales", self.sale_body(**changes))

    def sale(self, sale):
        return self.api.ok("GET", f"/sales/{sale['id']}")

    def answer(self, sale, word):
        """Let the telecom know what the payer did, and the worker ask it; return the sale."""
        push = self.sale(sale)["push"]
        self.work(push["id"])
        self.simulator.answer_push(self.show(push["id"])["reference"], word)
        self.work(push["id"], seconds=30)
        return self.sale(sale)

    def payment_of(self, sale):
        return self.api.ok("GET", f"/payments/{self.sale(sale)['push']['payment_id']}")

    def entries(self):
        e = t.entries.c
        with self.engines.read.connect() as connection:
            query = sa.select(e.account, e.amount).order_by(e.at, e.journal_id, e.position)
            return [tuple(row) for row in connection.execute(query)]

    def left(self, sale):
        return [row["remaining"] for row in self.sale(sale)["rows"]]


@pytest.fixture
def counter(installation):
    simulator = AcmePaySimulator()
    with serve({"acme-pay": simulator}) as simulation:
        made = Counter(installation, (simulator, simulation.base_url("acme-pay")))
        yield made
        assert made.verified() == []


def test_e_62_and_t_27_a_down_payment_is_booked_once_and_on_confirmation(counter):
    sale = counter.sell()
    assert counter.shop.rows(sale) == [
        ("2026-01-31", "200", "200"),
        ("2026-02-28", "160", "160"),
        ("2026-03-31", "160", "160"),
        ("2026-04-30", "160", "160"),
        ("2026-05-31", "160", "160"),
        ("2026-06-30", "160", "160"),
    ]
    assert (sale["down_payment"], sale["down_payment_remaining"]) == ("200", "200")
    assert (sale["push"]["status"], sale["push"]["amount"]) == ("requested", "200")
    assert [row["is_down_payment"] for row in sale["rows"]] == [True] + [False] * 5
    assert (counter.entries(), counter.payment_of(sale)["status"]) == ([], "validated")

    paid = counter.answer(sale, "paid")

    assert (paid["down_payment_remaining"], paid["push"]["status"]) == ("0", "paid")
    assert counter.left(sale) == ["0", "160", "160", "160", "160", "160"]
    payment = counter.payment_of(sale)
    assert (payment["status"], payment["amount"], payment["sale_id"], payment["serial"]) == (
        "settled", "200", sale["id"], None,
    )  # fmt: skip
    assert payment["lines"] == [
        {"kind": "down_payment", "amount": "200", "refers_to": sale["rows"][0]["id"]}
    ]
    assert counter.entries() == [("clearing", -20000), ("down_payment", 20000)]
    counter.work(sale["push"]["id"], days=2)  # nothing is due any more
    counter.notice(payment["reference"], "paid")
    assert len(counter.entries()) == 2


def test_the_payer_is_asked_for_the_appliance_by_name_and_told_what_was_paid(counter):
    sale = counter.sell()
    push = counter.show(sale["push"]["id"])
    assert (push["serial"], push["msisdn"]) == ("Television", "+255•••••••70")
    counter.answer(sale, "paid")
    query = sa.select(t.messages.c.body).where(t.messages.c.payment_id == push["payment_id"])
    with counter.engines.read.connect() as connection:
        body = connection.execute(query).scalar_one()
    assert counter.installation.host.vault.open(body) == (
        "Payment of 200 TZS received. Paid: down payment 200. Still due: 160 TZS."
    )


def test_a_sale_and_its_push_are_one_request_however_often_it_comes(counter):
    key = {"Idempotency-Key": "sale-1"}
    first = counter.api.ok("POST", "/sales", counter.sale_body(), headers=key)
    assert counter.api.ok("POST", "/sales", counter.sale_body(), headers=key) == first
    assert len(counter.api.ok("GET", "/pushes")["items"]) == 1


def test_a_push_that_was_paid_meanwhile_is_answered_again_as_it_was(counter):
    sale = counter.sell()
    counter.answer(sale, "failed")
    ask = {"instance": "acme", "sale_id": sale["id"], "amount": "200", "msisdn": "0712345678"}
    key = {"Idempotency-Key": "push-1"}
    first = counter.api.ok("POST", "/pushes", ask, headers=key)
    counter.api.ok("POST", "/cash-payments", {"amount": "1000", "sale_id": sale["id"]})
    assert counter.api.ok("POST", "/pushes", ask, headers=key) == first
    assert counter.api.refused("POST", "/pushes", ask) == (422, "plan_already_settled")


def test_a_push_that_fails_says_what_to_do_and_can_be_asked_again(counter):
    sale = counter.sell()
    failed = counter.answer(sale, "failed")
    assert (failed["status"], failed["down_payment_remaining"], failed["push"]["status"]) == (
        "open", "200", "failed",
    )  # fmt: skip
    assert failed["push"]["detail"] == "The telecom says that it was not paid."
    assert failed["push"]["remedy"] == (
        "It was not paid, as far as anybody knows. Ask again (POST /pushes with this sale_id), "
        "take cash (POST /cash-payments with this sale_id), or take the sale back "
        "(DELETE /sales/{id})."
    )
    assert counter.entries() == []

    again = {"instance": "acme", "sale_id": sale["id"], "amount": "200", "msisdn": "0712345678"}
    push = counter.api.ok("POST", "/pushes", again)
    assert counter.sale(sale)["push"]["id"] == push["id"]
    assert counter.answer(sale, "paid")["down_payment_remaining"] == "0"
    assert counter.entries() == [("clearing", -20000), ("down_payment", 20000)]


def test_one_payer_is_asked_for_a_sale_at_a_time(counter):
    sale = counter.sell()
    again = {"instance": "acme", "sale_id": sale["id"], "amount": "200", "msisdn": "0712345678"}
    answer = counter.api("POST", "/pushes", again)
    assert (answer.status_code, answer.json()["code"]) == (409, "push_open")
    assert answer.json()["detail"] == (
        f"A payer is being asked for sale '{sale['id']}' already: push {sale['push']['id']} is "
        "requested. Wait until it is paid or failed."
    )


def test_a_failed_push_that_was_paid_after_all_is_still_the_down_payment(counter):
    sale = counter.sell()
    counter.answer(sale, "failed")
    key = counter.show(sale["push"]["id"])["reference"]
    counter.simulator.answer_push(key, "paid")
    counter.notice(key, "paid")
    counter.work(sale["push"]["id"])
    assert (counter.sale(sale)["push"]["status"], counter.left(sale)[0]) == ("paid", "0")


def test_cash_taken_meanwhile_makes_the_pushed_money_pay_instalments(counter):
    sale = counter.sell()
    cash = counter.api.ok("POST", "/cash-payments", {"amount": "200", "sale_id": sale["id"]})
    assert [line["kind"] for line in cash["lines"]] == ["down_payment"]
    counter.answer(sale, "paid")
    assert counter.left(sale) == ["0", "0", "120", "160", "160", "160"]
    lines = counter.payment_of(sale)["lines"]
    assert [(line["kind"], line["amount"]) for line in lines] == [
        ("instalment", "160"),
        ("instalment", "40"),
    ]


def test_money_for_a_sale_that_was_taken_back_waits_for_a_person(counter):
    sale = counter.sell()
    counter.work(sale["push"]["id"])
    counter.api.ok("DELETE", f"/sales/{sale['id']}")
    counter.answer(sale, "paid")
    payment = counter.payment_of(sale)
    assert (payment["status"], payment["needs_person"], payment["reason"]) == (
        "unmatched", True, "sale_deleted",
    )  # fmt: skip
    assert payment["message"] == f"Sale {sale['id']} was taken back meanwhile."


def test_a_down_payment_of_another_amount_waits_for_a_person_who_can_match_it(counter):
    """Matched, it is money of the customer: what they owe elsewhere is paid first."""
    customer = counter.shop.home(HOME)["device"]["customer_id"]
    older = {"sold_on": "2025-11-30", "down_payment": None, "down_payment_push": None}
    owed = counter.sell(customer_id=customer, **older)
    sale = counter.sell(customer_id=customer)
    push = counter.sale(sale)["push"]
    counter.work(push["id"])
    counter.simulator.answer_push(counter.show(push["id"])["reference"], "paid", "190")
    counter.work(push["id"], seconds=30)
    assert counter.sale(sale)["push"]["status"] == "paid"
    assert counter.left(sale) == ["200", "160", "160", "160", "160", "160"]
    payment = counter.payment_of(sale)
    assert (payment["status"], payment["amount"], payment["reason"]) == (
        "unmatched", "190", "paid_differently",
    )  # fmt: skip
    match = {"serial": HOME, "reason": "the payer called"}
    counter.api.ok("POST", f"/payments/{payment['id']}/match", match)
    matched = counter.payment_of(sale)
    assert (matched["status"], matched["needs_person"]) == ("settled", False)
    assert matched["lines"] == [
        {"kind": "instalment", "amount": "190", "refers_to": owed["rows"][0]["id"]}
    ]
    assert counter.verified() == []
    counter.api.ok("POST", f"/payments/{payment['id']}/reverse", {"reason": "charged back"})
    assert (counter.left(owed)[0], counter.payment_of(sale)["status"]) == ("200", "reversed")


def test_money_for_a_sale_that_was_paid_off_meanwhile_becomes_credit(counter):
    sale = counter.sell()
    counter.work(sale["push"]["id"])
    counter.api.ok("POST", "/cash-payments", {"amount": "1000", "sale_id": sale["id"]})
    counter.answer(sale, "paid")
    payment = counter.payment_of(sale)
    assert [(line["kind"], line["amount"]) for line in payment["lines"]] == [("credit", "200")]
    assert (payment["status"], payment["reason"]) == ("settled", "plan_already_settled")


def test_a_reversed_down_payment_is_owed_again(counter):
    sale = counter.sell()
    counter.answer(sale, "paid")
    payment = counter.payment_of(sale)
    counter.api.ok("POST", f"/payments/{payment['id']}/reverse", {"reason": "charged back"})
    assert counter.sale(sale)["down_payment_remaining"] == "200"


def test_the_down_payment_of_a_device_buys_no_day(counter):
    device = counter.shop.home(HOME)["device"]
    sale = counter.sell(
        customer_id=device["customer_id"], appliance_id=device["appliance_id"], device_serial=HOME
    )
    counter.answer(sale, "paid")
    payment = counter.payment_of(sale)
    assert (payment["status"], payment["serial"], payment["tokens"]) == ("settled", HOME, [])
    assert [line["kind"] for line in payment["lines"]] == ["down_payment"]


def test_instalments_of_a_sale_can_be_asked_for_too(counter):
    sale = counter.sell(down_payment=None, down_payment_push=None)
    ask = {"instance": "acme", "sale_id": sale["id"], "amount": "200", "msisdn": "0712345678"}
    counter.api.ok("POST", "/pushes", ask)
    counter.answer(sale, "paid")
    assert counter.left(sale) == ["0", "200", "200", "200", "200"]


def test_a_changed_down_payment_is_what_is_owed(counter):
    sale = counter.sell()
    changed = counter.api.ok("PATCH", f"/sales/{sale['id']}/rows/1", {"cost": "150"})
    assert (changed["cost"], changed["down_payment"], changed["down_payment_remaining"]) == (
        "950", "150", "150",
    )  # fmt: skip
    dropped = counter.api.ok("PATCH", f"/sales/{sale['id']}/rows/1", {"cost": "0"})
    assert (dropped["cost"], dropped["down_payment"], len(dropped["rows"])) == ("800", "0", 5)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({"down_payment": None}, (422, "terms_invalid"), id="no down payment"),
        pytest.param({"down_payment": "0"}, (422, "amount_invalid"), id="nothing down"),
        pytest.param({"down_payment": "0.50"}, (422, "amount_invalid"), id="no whole shilling"),
        pytest.param({"down_payment": "1001"}, (422, "down_payment_invalid"), id="above the cost"),
        pytest.param(
            {"down_payment_push": {"instance": "calin"}}, (409, "operation_not_supported"),
            id="T-17: the plugin cannot push",
        ),
        pytest.param(
            {"down_payment_push": {"instance": "wave"}}, (404, "unknown_instance"),
            id="T-16: no such instance",
        ),
        pytest.param(
            {"down_payment_push": {"instance": "acme", "msisdn": "12"}}, (422, "phone_invalid"),
            id="no phone",
        ),
        pytest.param({"customer_id": "0" * 32}, (404, "unknown_customer"), id="unknown customer"),
        pytest.param({"appliance_id": "0" * 32}, (404, "unknown_appliance"), id="no appliance"),
        pytest.param(
            {"instalments": None, "price_per_day": "10"}, (422, "terms_invalid"), id="per day"
        ),
    ],
)  # fmt: skip
def test_a_sale_whose_payer_cannot_be_asked_is_refused_and_nothing_is_written(
    counter, changes, refusal
):
    assert counter.api.refused("POST", "/sales", counter.sale_body(**changes)) == refusal
    assert counter.api.ok("GET", "/sales")["items"] == []
    assert counter.api.ok("GET", "/pushes")["items"] == []
    assert counter.api.ok("GET", "/payments")["items"] == []


@pytest.mark.parametrize("field", ["payment_provider", "provider", "instance"])
def test_other_words_for_a_provider_are_unknown_fields(counter, field):
    body = counter.sale_body() | {field: "acme"}
    assert counter.api.refused("POST", "/sales", body) == (422, "body_invalid")


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        pytest.param({}, (422, "payment_target_invalid"), id="nothing"),
        pytest.param({"sale_id": "0" * 32}, (404, "unknown_sale"), id="unknown sale"),
        pytest.param(
            {"sale_id": "0" * 32, "serial": "47001234567"}, (422, "payment_target_invalid"),
            id="both",
        ),
    ],
)  # fmt: skip
def test_a_push_is_for_one_thing(counter, target, refusal):
    body = {"instance": "acme", "amount": "200", "msisdn": "0712345678"} | target
    assert counter.api.refused("POST", "/pushes", body) == refusal


@pytest.mark.parametrize(
    ("amount", "code"),
    [("199", "amount_below_minimum"), ("1001", "amount_above_maximum")],
    ids=["T-13 below the down payment", "T-14 above what is open"],
)
def test_an_amount_that_does_not_fit_the_sale_is_not_asked_for(counter, amount, code):
    sale = counter.sell()
    counter.answer(sale, "failed")
    body = {"instance": "acme", "sale_id": sale["id"], "amount": amount, "msisdn": "0712345678"}
    assert counter.api.refused("POST", "/pushes", body) == (422, code)


def test_who_may_not_take_payments_sells_without_asking_a_payer(counter):
    operator = counter.installation.key(role=Role.OPERATOR)
    assert operator.refused("POST", "/sales", counter.sale_body()) == (403, "forbidden")


# --- at the command line --------------------------------------------------------------------------


@pytest.fixture
def mpm(counter, config_text, tmp_path):
    path = tmp_path / "mpm.toml"
    path.write_text(config_text)
    path.chmod(0o600)

    def run(*words):
        result = CliRunner().invoke(cli, ["--config", str(path), "push", *words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


def test_a_payer_is_asked_from_the_command_line(counter, mpm):
    sale = counter.sell(down_payment_push=None, down_payment=None)
    words = ("--sale", sale["id"], "--amount", "200", "--msisdn", "0712345678", "--by", "a@b.tz")
    code, out, _ = mpm("create", "umeme", "acme", *words, "--json")
    made = json.loads(out)
    assert (code, made["serial"], made["amount"], made["msisdn"], made["status"]) == (
        0, "Television", "200", "+255•••••••78", "requested",
    )  # fmt: skip
    assert counter.sale(sale)["push"]["id"] == made["id"]
    listed = json.loads(mpm("list", "umeme", "--json")[1])
    assert listed == [made]
    assert "Television" in mpm("list", "umeme")[1]
    code, _, error = mpm("create", "umeme", "acme", *words)
    assert code == 2
    assert error == (
        f"Error: A payer is being asked for sale '{sale['id']}' already: push {made['id']} is "
        "requested. Wait until it is paid or failed.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param((), "Give either --serial or --sale.", id="nothing to pay"),
        pytest.param(("--serial", "1"), "This serial is not known.", id="unknown serial"),
    ],
)
def test_what_cannot_be_asked_for_is_one_line(mpm, words, message):
    given = ("--amount", "200", "--msisdn", "0712345678", "--by", "a@b.tz")
    code, _, error = mpm("create", "umeme", "acme", *words, *given)
    assert (code, error) == (2, f"Error: {message}\n")
