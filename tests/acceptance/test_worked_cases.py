"""Worked examples and cases of the domain that are calls of telecoms, over real HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from mpm_host.database import tables as t
from tests.support.telecom_calls import airtel_headers, airtel_process, airtel_validation
from tests.support.trial_company import AIRTEL_SECRET

METER = "47000124512"
OTHER_METER = "47000124520"
ACCEPTED = b"<STATUS>200</STATUS>"


def pays(company, reference, serial, amount):
    """Validate and process a payment; both must be accepted."""
    asked = airtel_validation(reference, serial, amount)
    assert ACCEPTED in company.airtel("validate", reference, asked).content
    assert ACCEPTED in company.airtel("process", reference, airtel_process(reference)).content


def test_e_51_of_two_payments_at_once_one_pays_the_instalment(company):
    owner = company.meter(METER)
    company.owes(owner, "300")

    with ThreadPoolExecutor(2) as callers:
        list(callers.map(lambda name: pays(company, name, METER, "300"), ["AIR1", "AIR2"]))

    paid = [company.wait_for(name) for name in ("AIR1", "AIR2")]
    assert sorted((each["lines"][0]["kind"], each["lines"][0]["amount"]) for each in paid) == [
        ("energy", "300"),
        ("instalment", "300"),
    ]
    [token] = [token for each in paid for token in each["tokens"]]
    assert (token["quantity"], token["unit"]) == ("3", "kWh")


def test_e_54_an_unknown_serial_is_refused_at_validation(company):
    answer = company.airtel("validate", "AIR1", airtel_validation("AIR1", "X999", "1000"))

    assert b"<STATUS>400</STATUS>" in answer.content
    refused = company.payment("AIR1")
    assert (refused["status"], refused["reason"]) == ("rejected", "unknown_serial")


def test_t_50_and_t_92_one_payment_is_one_order_and_one_token(company):
    company.meter(METER)

    pays(company, "AIR1", METER, "1000")

    paid = company.wait_for("AIR1")
    assert [token["quantity"] for token in paid["tokens"]] == ["10"]
    assert [attempt["outcome"] for attempt in paid["attempts"]] == ["issued"]
    with company.world.host.engines.read.connect() as connection:
        orders = sa.select(sa.func.count()).where(t.orders.c.payment_id == paid["id"])
        assert connection.scalar(orders) == 1


def test_t_54_to_t_56_a_mismatch_that_is_repeated_is_one_conflict(company):
    """T-55: one event however often. T-56: it keeps the receipt, and nothing booked changes."""
    company.meter(METER)
    pays(company, "AIR1", METER, "1000")
    before = company.wait_for("AIR1")

    other = airtel_process("AIR1", METER, "900", receipt="MP260108.1200.A00009")
    answers = {company.airtel("process", "AIR1", other).content for _ in range(3)}

    assert len(answers) == 1
    after = company.payment("AIR1")
    assert (before["conflict"], after["conflict"]) == (False, True)
    assert [(each["kind"], each["detail"]) for each in after["events"]] == [
        (
            "conflict",
            "paid with another amount: 900 instead of 1000 (receipt MP260108.1200.A00009)",
        )
    ]
    assert after["status"] == "settled"
    assert after["lines"] == before["lines"]
    assert after["receipt"] == before["receipt"]


def test_t_57_a_call_about_nothing_we_know_is_answered_and_leaves_nothing(company):
    before = company.money_rows()

    answer = company.airtel("process", "AIR404", airtel_process("AIR404"))

    assert (answer.status_code, answer.content) == (
        200,
        b"<COMMAND><STATUS>400</STATUS><MESSAGE>Unknown reference1</MESSAGE></COMMAND>",
    )
    assert company.money_rows() == before


def test_t_62_the_address_of_one_company_is_not_opened_by_the_proof_of_another(
    company, another_company
):
    secret = AIRTEL_SECRET[::-1]
    another_company.enable("airtel-own", "airtel", jwt_secret=secret)
    company.meter(METER)
    asked = airtel_validation("AIR1", METER, "1000")

    foreign = company.post("airtel", "c2b/validate", asked, airtel_headers(secret, "AIR1"))
    own = another_company.post("airtel-own", "c2b/validate", asked, airtel_headers(secret, "AIR1"))

    assert b"<STATUS>401</STATUS>" in foreign.content
    assert b"Device not found" in own.content
    assert company.statuses() == []


def test_t_71_the_message_of_a_home_system_says_all_it_takes(company):
    company.home_system("12345678", cost="2800", instalments=4)

    pays(company, "AIR1", "12345678", "700")

    paid = company.wait_for("AIR1")
    [token] = paid["tokens"]
    [message] = paid["messages"]
    for said in (token["value"], "7 days", "12345678", "700"):
        assert said in message["body"].replace(" ", "").replace("7days", "7 days"), said


def test_t_93_the_serial_decides_and_not_who_pays(company):
    """MeSomb's plugin refused payers who own two meters."""
    company.meter(METER)
    company.meter(OTHER_METER)

    pays(company, "AIR1", METER, "1000")
    pays(company, "AIR2", OTHER_METER, "500")

    tokens = [company.wait_for(name)["tokens"] for name in ("AIR1", "AIR2")]
    assert [[token["device_serial"] for token in each] for each in tokens] == [
        [METER],
        [OTHER_METER],
    ]
