from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from mpm_calin.simulator import API_KEY, USER_ID, CalinSimulator
from mpm_calin.sts import PUBLISHED_TEST_KEY, decode_token
from mpm_core import SimulatedRequest

NOW = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
SERIAL = "47000124512"
GOOD: dict[str, object] = {
    "user_id": USER_ID,
    "password": API_KEY,
    "meter_id": SERIAL,
    "token_type": "CreditToken",
    "amount": 12.3,
}


def ask(simulator: CalinSimulator, path: str = "api/tokennew", method: str = "POST", **changed):
    body = json.dumps(GOOD | changed).encode()
    request = SimulatedRequest(method=method, path=path, headers={}, body=body)
    return simulator.handle(request)


def answer(simulator: CalinSimulator, **changed):
    return json.loads(ask(simulator, **changed).body)


def test_a_sale_is_a_token_the_meter_accepts_once(simulator):
    sold = answer(simulator)
    assert (sold["result_code"], sold["reason"]) == (0, "OK")
    assert decode_token(sold["result"], PUBLISHED_TEST_KEY).identifier == 6_332_160
    assert simulator.use_token(SERIAL, sold["result"]) == "accepted 12.3 kWh"
    assert simulator.use_token(SERIAL, sold["result"]) == "rejected: Used before."
    assert simulator.credit(SERIAL) == 12_300
    assert [(sale.serial, sale.watt_hours) for sale in simulator.sales] == [(SERIAL, 12_300)]


def test_two_sales_of_one_minute_get_two_minutes_and_are_both_accepted(simulator):
    codes = [answer(simulator)["result"] for _ in range(3)]
    assert [sale.identifier - 6_332_160 for sale in simulator.sales] == [0, 1, 2]
    assert [simulator.use_token(SERIAL, code) for code in codes] == ["accepted 12.3 kWh"] * 3


def test_meters_do_not_share_their_minutes(simulator):
    simulator.knows("47000000019")
    answer(simulator)
    answer(simulator, meter_id="47000000019")
    assert [sale.identifier for sale in simulator.sales] == [6_332_160, 6_332_160]


def test_time_that_goes_back_does_not_repeat_a_minute():
    times = [NOW, NOW - timedelta(hours=1), NOW + timedelta(hours=1)]
    simulator = CalinSimulator(clock=lambda: times[len(simulator.sales)])
    simulator.knows(SERIAL)
    for _ in range(3):
        answer(simulator)
    assert [sale.identifier - 6_332_160 for sale in simulator.sales] == [0, 1, 60]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"user_id": int(USER_ID)}, id="user id as integer"),
        pytest.param({"meter_id": int(SERIAL)}, id="meter id as integer"),
        pytest.param({"path": "api/tokennew/"}, id="trailing slash"),
        pytest.param({"amount": 100}, id="whole amount"),
        pytest.param({"0": "a nameless header once"}, id="unknown field"),
    ],
)
def test_the_server_takes_what_older_clients_send(simulator, changed):
    assert answer(simulator, **changed)["result_code"] == 0


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        pytest.param({"password": "wrong"}, 2, "authentication failed", id="wrong key"),
        pytest.param({"user_id": "x"}, 2, "authentication failed", id="wrong user"),
        pytest.param({"meter_id": "47000000019"}, 3, "meter not found", id="unknown meter"),
        pytest.param({"amount": 12.345}, 1, "invalid amount", id="three decimals"),
        pytest.param({"amount": 0}, 1, "invalid amount", id="nothing"),
        pytest.param({"amount": -1}, 1, "invalid amount", id="negative"),
        pytest.param({"amount": True}, 1, "invalid amount", id="true"),
        pytest.param({"amount": "12.3"}, 1, "invalid amount", id="text"),
        pytest.param({"amount": 1_820_162.5}, 1, "invalid amount", id="too much"),
        pytest.param({"token_type": "Other"}, 1, "invalid token type", id="other type"),
    ],
)
def test_the_server_refuses_in_its_envelope_and_sells_nothing(simulator, changed, code, reason):
    assert answer(simulator, **changed) == {"result_code": code, "reason": reason, "result": None}
    assert simulator.sales == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_an_unreadable_request_is_refused(simulator, body):
    request = SimulatedRequest(method="POST", path="api/tokennew", headers={}, body=body)
    assert json.loads(simulator.handle(request).body)["result_code"] == 2


@pytest.mark.parametrize(("path", "method"), [("api/token", "POST"), ("api/tokennew", "GET")])
def test_other_paths_are_not_found(simulator, path, method):
    assert ask(simulator, path=path, method=method).status == 404


def test_the_same_token_fault_sells_nothing_more(simulator):
    first = answer(simulator)["result"]
    simulator.set_fault("same_token")
    assert answer(simulator)["result"] == first
    assert len(simulator.sales) == 1


def test_a_meter_that_was_never_delivered_takes_no_token(simulator):
    assert simulator.use_token("1", "2") == "rejected: There is no such meter."


def test_calin_makes_no_payments(simulator):
    assert simulator.validate_call(None, {}) is None
    assert simulator.process_call(None, {}, None) is None
    assert simulator.enquiry_call(None, {}) is None


def test_a_sale_does_not_show_its_token(simulator):
    code = answer(simulator)["result"]
    assert code not in repr(simulator.sales)
