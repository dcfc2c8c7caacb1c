from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from mpm_africastalking.plugin import AfricasTalking
from mpm_africastalking.simulator import API_KEY, AfricasTalkingSimulator
from mpm_core import SimulatedRequest
from mpm_core.simulation.simulators import simulator_of

FORM = {"username": "sandbox", "to": "+254711082300", "message": "Token 1234", "from": "UMEME"}


def ask(simulator, method, path, form, key=API_KEY):
    in_query = method == "GET"
    return simulator.handle(
        SimulatedRequest(
            method=method,
            path=path,
            headers={"apikey": key},
            body=b"" if in_query else urlencode(form).encode(),
            query=urlencode(form) if in_query else "",
        )
    )


def test_the_class_gives_a_simulator_before_anything_is_configured():
    assert isinstance(simulator_of(AfricasTalking), AfricasTalkingSimulator)


def test_a_message_is_answered_as_documented(simulator):
    reply = ask(simulator, "POST", "version1/messaging", FORM)
    assert (reply.status, json.loads(reply.body)) == (
        201,
        {
            "SMSMessageData": {
                "Message": "Sent to 1/1 Total Cost: KES 0.8000",
                "Recipients": [
                    {
                        "statusCode": 101,
                        "number": "+254711082300",
                        "status": "Success",
                        "cost": "KES 0.8000",
                        "messageId": "ATXid_simulated_1",
                    }
                ],
            }
        },
    )
    assert simulator.sent[0].sender == "UMEME"


def test_a_sender_nobody_registered_is_answered_as_seen_in_the_field(simulator):
    simulator.set_fault("invalid_sender")
    reply = ask(simulator, "POST", "version1/messaging", FORM)
    assert json.loads(reply.body) == {
        "SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}
    }
    assert simulator.sent == []


def test_the_balance_is_answered_as_documented(simulator):
    reply = ask(simulator, "GET", "version1/user", {"username": "sandbox"})
    assert json.loads(reply.body) == {"UserData": {"balance": "KES 1785.50"}}


@pytest.mark.parametrize(
    ("form", "key", "status", "text"),
    [
        (FORM, "wrong", 401, b"The supplied authentication is invalid"),
        (FORM | {"username": "other"}, API_KEY, 401, b"The supplied authentication is invalid"),
        (FORM | {"to": ""}, API_KEY, 400, b"Request is missing required form field 'to'"),
        (FORM | {"message": ""}, API_KEY, 400, b"Request is missing required form field 'message'"),
    ],
)
def test_a_bad_request_is_answered_in_plain_words(simulator, form, key, status, text):
    reply = ask(simulator, "POST", "version1/messaging", form, key)
    assert (reply.status, reply.content_type, reply.body) == (
        status,
        "text/plain; charset=UTF-8",
        text,
    )


@pytest.mark.parametrize("path", ["", "version1", "version1/other"])
def test_other_paths_are_not_found(simulator, path):
    assert ask(simulator, "POST", path, FORM).status == 404


def test_faults_can_be_cleared(simulator):
    simulator.set_fault("wrong_key")
    assert ask(simulator, "POST", "version1/messaging", FORM).status == 401
    simulator.clear_faults()
    assert ask(simulator, "POST", "version1/messaging", FORM).status == 201


def test_only_what_was_sent_can_be_reported(simulator):
    with pytest.raises(ValueError, match=r"^No message 'ATXid_9' was sent\.$"):
        simulator.report_call("ATXid_9", "Success")


def test_a_gateway_has_no_devices_and_makes_no_payments(simulator):
    simulator.knows("1")
    assert simulator.use_token("1", "2") == "rejected: There is no device here."
    assert simulator.validate_call(None, {}) is None
    assert simulator.process_call(None, {}, None) is None
    assert simulator.enquiry_call(None, {}) is None
