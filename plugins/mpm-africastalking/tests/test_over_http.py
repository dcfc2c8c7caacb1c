"""Each answer of the gateway, over loopback HTTP: what the plugin makes of it, what was sent."""

from __future__ import annotations

import socket
import time
from datetime import timedelta

import pytest

from mpm_africastalking.simulator import API_KEY
from mpm_core import (
    Health,
    InboundCall,
    Message,
    MessageReceipt,
    MessageStatus,
    Misconfigured,
    Msisdn,
    NotSent,
    OutcomeUnknown,
    Refused,
    SimulatedReply,
    Throttled,
)
from mpm_core.effects import EffectRecord, enter_record, leave_record
from mpm_core.simulation.server import serve

NUMBER = "+254711082300"
TOKEN = "1234 5678 9012 3456 7890"
MESSAGE = Message(key="0" * 32, to=Msisdn.from_e164(NUMBER), body=f"Token: {TOKEN}")


def failure_of(work, *arguments) -> Exception:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - the callers assert class and message
        work(*arguments)
    return failed.value


@pytest.fixture
def send(plugin, make_context):
    return lambda message=MESSAGE, deadline=10.0: plugin.mpm_send_message(
        message, make_context(deadline)
    )


class Canned:
    """Gives one answer, whatever it is asked."""

    def __init__(self, reply: SimulatedReply) -> None:
        self.reply = reply
        self.asked = []

    def handle(self, request):
        self.asked.append(request)
        return self.reply


# --- what is sent ---------------------------------------------------------------------------------


def test_a_message_reaches_the_phone_and_its_cost_is_told(send, simulator):
    assert send() == MessageReceipt(
        status=MessageStatus.SENT,
        reference="ATXid_simulated_1",
        segments=1,
        cost="KES 0.8000",
    )
    (sent,) = simulator.sent
    assert (sent.number, sent.text, sent.sender) == (NUMBER, MESSAGE.body, "AFRICASTKNG")


def test_a_long_message_is_counted_in_segments(send, simulator):
    receipt = send(Message(key="1" * 32, to=MESSAGE.to, body="ሰላም " * 40))
    assert (receipt.segments, receipt.cost) == (3, "KES 2.4000")
    assert simulator.sent[0].text == "ሰላም " * 40


def test_the_gateways_own_count_of_segments_is_preferred(send, simulator):
    simulator.set_fault("parts_counted")
    assert send().segments == 3


def test_the_request_is_what_the_api_documents(make_plugin, make_context):
    canned = Canned(SimulatedReply(body=b"{}"))
    with serve({"gateway": canned}) as other:
        plugin = make_plugin(api_url=f"{other.base_url('gateway')}/", sender_id="UMEME")
        failure_of(plugin.mpm_send_message, MESSAGE, make_context())
    (asked,) = canned.asked
    assert (asked.method, asked.path) == ("POST", "version1/messaging")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["apikey"] == API_KEY
    assert asked.body.decode() == (
        "username=sandbox&to=%2B254711082300&message=Token%3A+1234+5678+9012+3456+7890&from=UMEME"
    )


@pytest.mark.parametrize("fault", ["processed", "queued", "word_only"])
def test_every_form_of_yes_is_a_receipt(send, simulator, fault):
    simulator.set_fault(fault)
    assert send().reference == "ATXid_simulated_1"


def test_a_yes_without_an_id_is_a_receipt_without_reports(send, simulator):
    simulator.set_fault("no_reference")
    assert send() == MessageReceipt(reference="", segments=1, cost="KES 0.8000")


# --- what is not sent -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "message", "sent"),
    [
        pytest.param("risk_hold", Refused, "RiskHold", 0, id="401"),
        pytest.param(
            "invalid_sender",
            Misconfigured,
            "Africa's Talking answered 402 InvalidSenderId: nothing was sent; correct sender_id, "
            "or have it registered for the recipient's country.",
            0,
            id="402",
        ),
        pytest.param("invalid_number", Refused, "InvalidPhoneNumber", 0, id="403"),
        pytest.param("unsupported_number", Refused, "UnsupportedNumberType", 0, id="404"),
        pytest.param(
            "insufficient_balance",
            Misconfigured,
            "Africa's Talking answered 405 InsufficientBalance: nothing was sent; top up the "
            "account.",
            0,
            id="405",
        ),
        pytest.param("blacklisted", Refused, "UserInBlacklist", 0, id="406"),
        pytest.param("could_not_route", Refused, "CouldNotRoute", 0, id="407"),
        pytest.param("do_not_disturb", Refused, "DoNotDisturbRejection", 0, id="409"),
        pytest.param(
            "internal_error",
            OutcomeUnknown,
            "Africa's Talking answered 500 InternalServerError; the message may have been sent.",
            0,
            id="500",
        ),
        pytest.param(
            "gateway_error",
            OutcomeUnknown,
            "Africa's Talking answered 501 GatewayError; the message may have been sent.",
            0,
            id="501",
        ),
        pytest.param("rejected_by_gateway", Refused, "RejectedByGateway", 0, id="502"),
        pytest.param(
            "unknown_code",
            OutcomeUnknown,
            "Africa's Talking gave the message no documented status; the message may have been "
            "sent.",
            0,
            id="undocumented code",
        ),
    ],
)
def test_a_recipients_status_is_sorted(send, simulator, fault, kind, message, sent):
    simulator.set_fault(fault, serial=NUMBER)
    failure = failure_of(send)
    assert (type(failure), str(failure)) == (kind, message)
    assert len(simulator.sent) == sent


def test_a_refusal_carries_the_gateways_code(send, simulator):
    simulator.set_fault("blacklisted")
    assert failure_of(send).code == "406"


def test_one_blacklisted_number_hinders_no_other(send, simulator):
    simulator.set_fault("blacklisted", serial="+254700000001")
    assert send().reference == "ATXid_simulated_1"


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        pytest.param("down", 0, id="M1 closed after the request"),
        pytest.param("lose_answer", 1, id="S2 answer lost"),
        pytest.param("timeout_after_mint", 1, id="S2 timeout"),
        pytest.param("error_500", 1, id="M4 500 after sending"),
        pytest.param("error_500_before", 0, id="M4 500 before sending"),
        pytest.param("bad_gateway", 1, id="M4 502"),
        pytest.param("malformed_json", 1, id="M6 malformed"),
        pytest.param("truncated", 1, id="M6 truncated"),
        pytest.param("html", 1, id="M7 page"),
        pytest.param("slow_loris", 1, id="M10 slow loris"),
        pytest.param("huge", 1, id="M11 huge body"),
        pytest.param("redirect", 1, id="M12 redirect"),
        pytest.param("other_number", 1, id="M14 another number"),
        pytest.param("no_recipients", 0, id="no recipients, no word"),
    ],
)
def test_a_spoiled_answer_leaves_the_outcome_unknown(send, simulator, fault, sent):
    simulator.set_fault(fault)
    deadline = 0.7 if fault in {"timeout_after_mint", "slow_loris"} else 10.0
    failure = failure_of(send, MESSAGE, deadline)
    assert type(failure) is OutcomeUnknown
    assert len(simulator.sent) == sent
    assert not any(secret in str(failure) for secret in (API_KEY, NUMBER, TOKEN))


@pytest.mark.parametrize("fault", ["throttled", "unavailable"])
def test_not_now_is_throttled_for_as_long_as_asked(send, simulator, fault):
    simulator.set_fault(fault, times=1)
    failure = failure_of(send)
    assert (type(failure), failure.after) == (Throttled, timedelta(seconds=7))
    assert send().reference == "ATXid_simulated_1"


def test_a_slow_answer_is_an_answer(send, simulator):
    simulator.set_fault("slow")
    assert send().reference == "ATXid_simulated_1"


def test_nobody_listening_means_not_sent(make_plugin, make_context):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    plugin = make_plugin(api_url=f"http://127.0.0.1:{port}")
    assert type(failure_of(plugin.mpm_send_message, MESSAGE, make_context())) is NotSent


# --- the front ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        pytest.param({"api_key": "wrong"}, None, id="wrong key"),
        pytest.param({"username": "other"}, None, id="wrong user name"),
        pytest.param({}, "wrong_key", id="key withdrawn"),
    ],
)
def test_a_refused_login_waits_for_other_settings(
    make_plugin, make_context, simulator, server, changed, fault
):
    if fault:
        simulator.set_fault(fault)
    failure = failure_of(make_plugin(**changed).mpm_send_message, MESSAGE, make_context())
    where = server.url.removeprefix("http://")
    assert (type(failure), str(failure)) == (
        Misconfigured,
        (
            f"POST {where}/gateway/version1/messaging refused the login (status 401); check that "
            "username and api_key belong together and to api_url. A new key works after some "
            "minutes."
        ),
    )
    assert simulator.sent == []


@pytest.mark.parametrize(("fault", "status"), [("forbidden", 403), ("wrong_path", 404)])
def test_a_closed_door_waits_for_other_settings(send, simulator, fault, status):
    simulator.set_fault(fault)
    failure = failure_of(send)
    assert type(failure) is Misconfigured
    assert str(failure).endswith(
        f"/gateway/version1/messaging answered status {status}; correct api_url, or ask Africa's "
        "Talking to open SMS for this application."
    )


def test_a_request_that_is_refused_is_not_quoted(send, simulator):
    simulator.set_fault("bad_request")
    failure = failure_of(send)
    assert (type(failure), failure.code) == (Refused, "400")
    assert str(failure).endswith("/version1/messaging refused the request (status 400).")


@pytest.mark.parametrize("status", [400, 402, 409, 415, 422])
def test_an_undocumented_4xx_is_unknown(make_plugin, make_context, status):
    canned = Canned(SimulatedReply(status=status, body=b"{}"))
    with serve({"gateway": canned}) as other:
        plugin = make_plugin(api_url=other.base_url("gateway"))
        failure = failure_of(plugin.mpm_send_message, MESSAGE, make_context())
    assert type(failure) is OutcomeUnknown


def test_a_refused_login_surely_had_no_effect(send, simulator):
    simulator.set_fault("wrong_key")
    record = EffectRecord.starting_now(10.0, time.monotonic)
    token = enter_record(record)
    try:
        failure_of(send)
    finally:
        leave_record(token)
    assert not record.may_have_left


# --- health, reports, secrets ---------------------------------------------------------------------


def test_check_tells_the_balance(plugin, make_context):
    assert plugin.mpm_check(make_context()) == Health(
        ok=True, detail="The account's balance is KES 1785.50."
    )


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        pytest.param("wrong_key", "refused the login (status 401)", id="wrong key"),
        pytest.param("down", "nothing happened", id="down"),
        pytest.param("html", "it is a page, not JSON", id="page"),
    ],
)
def test_check_says_what_is_wrong(plugin, simulator, make_context, fault, detail):
    simulator.set_fault(fault)
    health = plugin.mpm_check(make_context())
    assert not health.ok
    assert detail in health.detail


def test_check_wants_a_balance(make_plugin, make_context):
    with serve({"gateway": Canned(SimulatedReply(body=b"{}"))}) as other:
        health = make_plugin(api_url=other.base_url("gateway")).mpm_check(make_context())
    assert not health.ok
    assert health.detail.endswith("but it holds no balance; nothing happened.")


def test_what_was_sent_can_be_reported(plugin, send, simulator):
    reference = send().reference
    made = simulator.report_call(reference, "Failed", "UserIsInactive")
    call = InboundCall(
        method=made.method, path=made.path, headers=made.headers, body=made.body, source="1.2.3.4"
    )
    report = plugin.mpm_read_call(call)
    assert (report.reference, report.status) == (reference, MessageStatus.FAILED)


def test_nothing_shows_key_number_or_text(plugin, send, simulator):
    shown = f"{send()!r} {simulator.sent!r} {vars(plugin)!r} {vars(plugin._client)!r}"
    assert not any(secret in shown for secret in (API_KEY, NUMBER, TOKEN))
