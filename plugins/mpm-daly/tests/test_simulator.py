from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import SimulatedRequest
from mpm_core.simulation.simulators import simulator_of
from mpm_daly.plugin import Daly
from mpm_daly.simulator import LOGIN, PASSWORD, USERNAME, Bike, DalySimulator

SERIAL = "DL8500000123"
GOOD_LOGIN = f"Username={USERNAME}&Password={PASSWORD}"


def ask(simulator, path, body=b"", access="", query=""):
    headers = {"authorization": f"Bearer {access}"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = SimulatedRequest(method="POST", path=path, headers=headers, body=content, query=query)
    return simulator.handle(request)


def switch(simulator, access, code=SERIAL, **changed):
    data = {"CmdKey": "8500_004", "Code": code, "ACC": 1} | changed
    body = {"cmdKey": "8500_004", "data": data}
    return json.loads(ask(simulator, "api/Monitor/Send", body, access).body)


@pytest.fixture
def access(simulator):
    reply = ask(simulator, LOGIN, query=GOOD_LOGIN)
    return json.loads(reply.body)["response"]["token"]


def test_the_class_gives_a_simulator_before_anything_is_configured():
    assert isinstance(simulator_of(Daly), DalySimulator)


def test_a_login_answers_as_daly_does(simulator):
    assert json.loads(ask(simulator, LOGIN, query=GOOD_LOGIN).body) == {
        "status": 200,
        "message": "ok",
        "response": {"token": "simulated-access-1", "expires_in": 86400},
    }


@pytest.mark.parametrize("query", ["", "Username=x&Password=y", f"Username={USERNAME}"])
def test_a_wrong_login_answers_as_daly_does(simulator, query):
    reply = ask(simulator, LOGIN, query=query)
    assert (reply.status, json.loads(reply.body)) == (
        200,
        {"status": 400, "message": "user or password error"},
    )
    assert simulator.logins == 0


def test_an_access_token_ends_after_its_lifetime(simulator, access, clock):
    clock.advance(86_399)
    assert switch(simulator, access)["success"]
    clock.advance(1)
    assert ask(simulator, "api/Monitor/Send", {}, access).status == 401


def test_a_switch_answers_as_daly_does(simulator, access):
    assert switch(simulator, access) == {
        "status": 200,
        "success": True,
        "msg": "ok",
        "response": {"Data": {}},
    }
    assert simulator.bike(SERIAL).on


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        pytest.param({"ACC": 2}, 400, "parameter error", id="neither on nor off"),
        pytest.param({"ACC": None}, 400, "parameter error", id="nothing"),
        pytest.param({"CmdKey": "1"}, 400, "parameter error", id="another command"),
        pytest.param({"code": "x"}, 200, "terminal not found", id="unknown bike"),
    ],
)
def test_a_bad_switch_is_refused_and_changes_nothing(simulator, access, changed, status, words):
    answer = switch(simulator, access, **changed)
    assert answer == {"status": status, "success": False, "msg": words, "response": False}
    assert simulator.switches == []


def test_bikes_are_listed_as_daly_lists_them(simulator, access):
    body = {"codes": [SERIAL, "other"]}
    (row,) = json.loads(ask(simulator, "api/Monitor/Refresh", body, access).body)["response"][
        "Data"
    ]
    assert (row["Code"], row["Status"]) == (SERIAL, "ACCOFF,GPS")


def test_an_unreadable_question_lists_nothing(simulator, access):
    reply = ask(simulator, "api/Monitor/Refresh", b"\xff", access)
    assert json.loads(reply.body)["response"] == {"Data": []}


@pytest.mark.parametrize("path", ["", "api", "api/Monitor/Other", "Monitor/Send"])
def test_other_paths_are_not_found(simulator, path):
    assert ask(simulator, path).status == 404


def test_faults_can_be_cleared(simulator, access):
    simulator.set_fault("offline")
    assert not switch(simulator, access)["success"]
    simulator.clear_faults()
    assert switch(simulator, access)["success"]


def test_a_bike_takes_no_codes_and_daly_makes_no_payments(simulator):
    assert simulator.use_token(SERIAL, "1") == "rejected: A bike has no keypad."
    assert simulator.grants("unknown") == 0
    assert simulator.validate_call(None, {}) is None
    assert simulator.process_call(None, {}, None) is None
    assert simulator.enquiry_call(None, {}) is None


@given(st.lists(st.booleans(), max_size=12))
def test_a_bike_is_in_the_last_state_asked_for_and_counts_real_changes(positions):
    bike = Bike()
    for on in positions:
        bike.switch(on=on)
    states = [False, *positions]
    changes = sum(before != after for before, after in zip(states, positions, strict=False))
    assert bike == Bike(on=states[-1], changes=changes)
