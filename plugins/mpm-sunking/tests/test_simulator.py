from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from mpm_core import SimulatedRequest
from mpm_sunking.simulator import CLIENT_ID, CLIENT_SECRET, LOGIN

SERIAL = "996995411"


def ask(simulator, method, path, body=b"", access=""):
    headers = {"authorization": f"Bearer {access}"}
    request = SimulatedRequest(method=method, path=path, headers=headers, body=body)
    reply = simulator.handle(request)
    return reply.status, json.loads(reply.body)


def log_in(simulator, **changed):
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": "roles",
    }
    return ask(simulator, "POST", LOGIN, urlencode(form | changed).encode())


@pytest.fixture
def access(simulator):
    return log_in(simulator)[1]["access_token"]


def charge(simulator, access, **fields):
    body = json.dumps({"device": SERIAL} | fields).encode()
    return ask(simulator, "POST", "v2/token", body, access)


def test_a_login_answers_as_keycloak_does(simulator):
    assert log_in(simulator) == (
        200,
        {
            "access_token": "simulated-access-1",
            "expires_in": 300,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "roles",
        },
    )


@pytest.mark.parametrize(
    "changed", [{"client_secret": "x"}, {"client_id": "x"}, {"grant_type": "password"}]
)
def test_a_wrong_login_answers_as_keycloak_does(simulator, changed):
    assert log_in(simulator, **changed) == (
        401,
        {
            "error": "unauthorized_client",
            "error_description": "Invalid client or Invalid client credentials",
        },
    )
    assert simulator.logins == 0


def test_an_access_token_ends_after_its_lifetime(simulator, access, clock):
    clock.advance(299)
    assert charge(simulator, access, command="unlock")[0] == 200
    clock.advance(1)
    assert charge(simulator, access, command="unlock") == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"command": "clear"}, "unknown command", id="unknown command"),
        pytest.param(
            {"command": "add_credit", "payload": 7}, "time_unit must be day", id="no unit"
        ),
        pytest.param(
            {"command": "add_credit", "payload": 1.5, "time_unit": "day"},
            "payload must be a positive integer",
            id="fraction",
        ),
        pytest.param(
            {"command": "add_credit", "payload": 0, "time_unit": "day"},
            "payload must be a positive integer",
            id="nothing",
        ),
        pytest.param(
            {"command": "add_credit", "payload": True, "time_unit": "day"},
            "payload must be a positive integer",
            id="true",
        ),
    ],
)
def test_a_bad_payload_is_refused_and_mints_nothing(simulator, access, fields, message):
    assert charge(simulator, access, **fields) == (400, {"message": message})
    assert simulator.tokens == []


def test_an_unknown_device_is_not_found(simulator, access):
    not_found = (404, {"message": "Device not found"})
    assert charge(simulator, access, device="1", command="unlock") == not_found
    assert ask(simulator, "GET", "v2/device_details/1", access=access) == not_found


def test_a_known_device_is_described(simulator, access):
    status, body = ask(simulator, "GET", f"v2/device_details/{SERIAL}", access=access)
    assert (status, body["device"]["name"]) == (200, "SK-312 Pro EasyBuy")


@pytest.mark.parametrize("path", ["", "v2", "v2/other", "token"])
def test_other_paths_are_no_routes(simulator, path):
    assert ask(simulator, "POST", path, b"\xff") == (404, {"message": "No such route"})


def test_codes_of_one_device_count_up_and_others_do_not_take_them(simulator, access):
    simulator.knows("222222222")
    week = {"command": "add_credit", "payload": 7, "time_unit": "day"}
    first, second = (charge(simulator, access, **week)[1]["token"] for _ in range(2))
    assert simulator.use_token("222222222", first) == "rejected: Not a code for this device."
    assert simulator.use_token(SERIAL, second) == "accepted 7 days"
    assert simulator.use_token(SERIAL, first).startswith("rejected: Used before")
    assert simulator.use_token("1", first) == "rejected: There is no such device."


def test_faults_can_be_cleared(simulator, access):
    simulator.set_fault("unknown_device")
    assert charge(simulator, access, command="unlock")[0] == 404
    simulator.clear_faults()
    assert charge(simulator, access, command="unlock")[0] == 200
    assert "unknown_device" in simulator.faults()


def test_sunking_makes_no_payments(simulator):
    assert simulator.validate_call(None, {}) is None
    assert simulator.process_call(None, {}, None) is None
    assert simulator.enquiry_call(None, {}) is None


def test_a_minted_token_does_not_show_its_code(simulator, access):
    code = charge(simulator, access, command="unlock")[1]["token"]
    assert code not in repr(simulator.tokens)
