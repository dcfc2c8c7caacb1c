"""Each answer of Calin's server, over loopback HTTP: what the plugin makes of it, what was sold."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from mpm_calin.simulator import API_KEY, CalinSimulator
from mpm_core import (
    CallContext,
    Charge,
    ChargeKind,
    ContractViolation,
    Delivery,
    Device,
    DeviceKind,
    Grant,
    Health,
    Misconfigured,
    Money,
    NotSent,
    OutcomeUnknown,
    Refused,
    Secret,
    SimulatedReply,
    Throttled,
    Unit,
)
from mpm_core.effects import EffectRecord, enter_record, leave_record
from mpm_core.simulation.server import serve

SERIAL = "47000124512"
METER = Device(kind=DeviceKind.METER, serial=SERIAL)
CHARGE = Charge(
    kind=ChargeKind.ENERGY, money=Money(100_000, "TZS"), quantity=7600, unit=Unit.WATT_HOUR
)
CHECK_RECORDS = "Calin may have sold a token; look for the sale in Calin's own records."


def context(deadline: float = 10.0) -> CallContext:
    return CallContext(
        company="umeme",
        instance="calin",
        correlation_id="c-1",
        now=datetime(2026, 1, 15, 8, 0, tzinfo=UTC),
        deadline=deadline,
    )


def sell(plugin, deadline: float = 10.0, charge: Charge = CHARGE, device: Device = METER) -> Grant:
    return plugin.mpm_generate_token(device, charge, context(deadline))


def failure_of(plugin, deadline: float = 10.0) -> Exception:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - the callers assert class and message
        sell(plugin, deadline)
    return failed.value


@contextmanager
def one_hook_call() -> Iterator[EffectRecord]:
    """Count requests as one call of the dispatch: what may have left is known afterwards."""
    record = EffectRecord.starting_now(10.0, time.monotonic)
    token = enter_record(record)
    try:
        yield record
    finally:
        leave_record(token)


class Canned(CalinSimulator):
    """A server that gives one answer, whatever it is asked, and keeps the request."""

    def __init__(self, reply: SimulatedReply) -> None:
        super().__init__()
        self.reply = reply
        self.asked = None

    def handle(self, request):
        self.asked = request
        return self.reply


def test_a_charge_becomes_a_token_the_meter_accepts(plugin, simulator):
    grant = sell(plugin)
    (code,) = grant.codes
    assert grant == Grant(
        codes=(code,), quantity=7600, unit=Unit.WATT_HOUR, delivery=Delivery.KEYPAD
    )
    assert simulator.use_token(SERIAL, code.reveal()) == "accepted 7.6 kWh"


def test_the_request_is_what_calin_documents(make_plugin, server):
    canned = Canned(SimulatedReply(body=b'{"result_code":0,"result":"38411783799866645789"}'))
    with serve({"calin": canned}) as other:
        sell(make_plugin(api_url=f"{other.url}/calin/api/"))
    assert (canned.asked.method, canned.asked.path) == ("POST", "api/tokennew")
    assert canned.asked.headers["content-type"] == "application/json;charset=utf-8"
    assert '"amount":7.6}' in canned.asked.body.decode()
    assert json.loads(canned.asked.body) == {
        "user_id": "1001",
        "password": API_KEY,
        "meter_id": SERIAL,
        "token_type": "CreditToken",
        "amount": 7.6,
    }


def test_a_leading_zero_of_the_serial_is_kept(plugin, simulator):
    simulator.knows("0101189000116")
    sell(plugin, device=Device(kind=DeviceKind.METER, serial="0101189000116"))
    assert simulator.sales[0].serial == "0101189000116"


@pytest.mark.parametrize("fault", ["string_codes", "spaced_token"])
def test_odd_but_good_answers_are_taken(plugin, simulator, fault):
    simulator.set_fault(fault)
    (code,) = sell(plugin).codes
    assert code.matches(simulator.sales[0].code)


@pytest.mark.parametrize(
    ("fault", "kind", "message", "sold"),
    [
        pytest.param(
            "balance_exhausted", Refused, "insufficient balance", 0, id="M8 balance exhausted"
        ),
        pytest.param("unknown_device", Refused, "meter not found", 0, id="M8 unknown meter"),
        pytest.param(
            "code_0_without_result",
            OutcomeUnknown,
            f"Calin answered code 0 without a token. {CHECK_RECORDS}",
            1,
            id="M9 success without a token",
        ),
        pytest.param(
            "code_with_token",
            OutcomeUnknown,
            f"Calin answered code 9 together with a token. {CHECK_RECORDS}",
            1,
            id="M9 refusal with a token",
        ),
        pytest.param(
            "missing_code",
            OutcomeUnknown,
            f"Calin's answer has no readable result_code. {CHECK_RECORDS}",
            1,
            id="M8 no code",
        ),
        pytest.param(
            "wrong_length",
            OutcomeUnknown,
            "Calin's token cannot be one: A token has exactly 20 digits. " + CHECK_RECORDS,
            1,
            id="M9 wrong length",
        ),
        pytest.param(
            "letters",
            OutcomeUnknown,
            "Calin's token cannot be one: A token has exactly 20 digits. " + CHECK_RECORDS,
            1,
            id="M9 letters",
        ),
        pytest.param(
            "two_hundred_digits",
            OutcomeUnknown,
            "Calin's token cannot be one: A token has exactly 20 digits. " + CHECK_RECORDS,
            1,
            id="M9 two hundred digits",
        ),
        pytest.param(
            "too_large",
            OutcomeUnknown,
            "Calin's token cannot be one: No token has a number that large. " + CHECK_RECORDS,
            1,
            id="M9 67 bits",
        ),
        pytest.param(
            "number_token",
            OutcomeUnknown,
            f"Calin's result is not a text. {CHECK_RECORDS}",
            1,
            id="M9 number",
        ),
    ],
)
def test_answers_in_the_envelope_are_sorted(plugin, simulator, fault, kind, message, sold):
    simulator.set_fault(fault)
    failure = failure_of(plugin)
    assert (type(failure), str(failure)) == (kind, message)
    assert len(simulator.sales) == sold


@pytest.mark.parametrize(
    ("fault", "sold"),
    [
        pytest.param("down", 0, id="M1 closed after the request"),
        pytest.param("lose_answer", 1, id="M2 answer lost"),
        pytest.param("timeout_after_mint", 1, id="M2 timeout"),
        pytest.param("error_500", 1, id="M4 500 after selling"),
        pytest.param("error_500_before", 0, id="M4 500 before selling"),
        pytest.param("bad_gateway", 1, id="M4 502"),
        pytest.param("malformed_json", 1, id="M6 malformed"),
        pytest.param("truncated", 1, id="M6 truncated"),
        pytest.param("html", 1, id="M7 login page"),
        pytest.param("slow_loris", 1, id="M10 slow loris"),
        pytest.param("huge", 1, id="M11 huge body"),
        pytest.param("redirect", 1, id="M12 redirect"),
    ],
)
def test_a_spoiled_answer_leaves_the_outcome_unknown(plugin, simulator, fault, sold):
    simulator.set_fault(fault)
    deadline = 0.7 if fault in {"timeout_after_mint", "slow_loris"} else 10.0
    failure = failure_of(plugin, deadline)
    assert type(failure) is OutcomeUnknown
    assert len(simulator.sales) == sold
    for secret in [API_KEY, SERIAL, *(sale.code for sale in simulator.sales)]:
        assert secret not in str(failure)


@pytest.mark.parametrize("fault", ["throttled", "unavailable"])
def test_not_now_is_throttled_for_as_long_as_calin_asks(plugin, simulator, fault):
    simulator.set_fault(fault, times=1)
    failure = failure_of(plugin)
    assert (type(failure), failure.after) == (Throttled, timedelta(seconds=7))
    assert simulator.sales == []
    assert sell(plugin).quantity == 7600


def test_nobody_listening_means_not_sent(make_plugin):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    failure = failure_of(make_plugin(api_url=f"http://127.0.0.1:{port}/calin/api"))
    assert type(failure) is NotSent


def test_a_wrong_key_is_calins_own_refusal(make_plugin, simulator):
    failure = failure_of(make_plugin(api_key="wrong"))
    assert (type(failure), failure.code, str(failure)) == (Refused, "2", "authentication failed")
    assert simulator.sales == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
def test_a_4xx_with_calins_envelope_is_refused(make_plugin, status):
    reply = SimulatedReply(status=status, body=b'{"result_code":5,"reason":"no","result":null}')
    with serve({"calin": Canned(reply)}) as other:
        failure = failure_of(make_plugin(api_url=f"{other.url}/calin/api"))
    assert (type(failure), failure.code, str(failure)) == (Refused, "5", "no")


@pytest.mark.parametrize("body", [b"<html>no</html>", b"{}", b"[]", b""])
@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_4xx_of_a_gateway_waits_for_other_settings(make_plugin, status, body):
    with serve({"calin": Canned(SimulatedReply(status=status, body=body))}) as other:
        url = f"{other.url}/calin/api"
        plugin = make_plugin(api_url=url)
        with one_hook_call() as record:
            failure = failure_of(plugin)
    assert not record.may_have_left
    assert (type(failure), str(failure)) == (
        Misconfigured,
        (
            f"{url} answered status {status} instead of Calin's token API; "
            "correct the setting api_url, or ask Calin to open the access."
        ),
    )


@pytest.mark.parametrize("status", [400, 409, 422])
def test_any_other_4xx_without_the_envelope_is_unknown(make_plugin, status):
    with serve({"calin": Canned(SimulatedReply(status=status, body=b"{}"))}) as other:
        failure = failure_of(make_plugin(api_url=f"{other.url}/calin/api"))
    assert (type(failure), str(failure)) == (
        OutcomeUnknown,
        f"Calin answered status {status} without its envelope; it may have sold a token.",
    )


@pytest.mark.parametrize("status", [400, 404])
def test_a_token_under_an_error_status_is_unknown(make_plugin, status):
    reply = SimulatedReply(status=status, body=b'{"result_code":0,"result":"38411783799866645789"}')
    with serve({"calin": Canned(reply)}) as other:
        failure = failure_of(make_plugin(api_url=f"{other.url}/calin/api"))
    assert (type(failure), str(failure)) == (
        OutcomeUnknown,
        f"Calin answered status {status} together with a token.",
    )


def test_a_token_of_another_class_is_kept_and_reported(plugin, simulator, caplog):
    simulator.set_fault("wrong_class")
    with caplog.at_level(logging.WARNING, logger="mpm_calin"):
        (code,) = sell(plugin).codes
    assert code.matches(simulator.sales[0].code)
    assert caplog.messages == [
        (
            "Calin sold a token of STS class 2 instead of a credit (company umeme, instance calin, "
            "correlation c-1); ask Calin why."
        )
    ]


def test_the_development_token_is_never_taken_in_production(make_plugin, simulator):
    simulator.set_fault("debug_token")
    assert sell(make_plugin()).codes == (Secret("48725997619297311927"),)
    failure = failure_of(make_plugin(production=True))
    assert (type(failure), str(failure)) == (
        OutcomeUnknown,
        (
            "Calin's server answered the public development token, which no meter accepts; "
            "api_url points to a test server. Correct it, then look for the sale there."
        ),
    )


def test_a_charge_that_is_no_whole_step_is_never_sent(plugin, simulator):
    charge = Charge(
        kind=ChargeKind.ENERGY, money=Money(1, "TZS"), quantity=7650, unit=Unit.WATT_HOUR
    )
    with pytest.raises(ContractViolation, match=r"^Calin v1 sells energy in steps of 0\.1 kWh"):
        sell(plugin, charge=charge)
    assert simulator.sales == []


def test_each_sale_is_asked_for_once_and_gives_another_token(plugin, simulator):
    codes = [sell(plugin).codes[0].reveal() for _ in range(5)]
    assert len(set(codes)) == len(simulator.sales) == 5
    assert all(b.identifier - a.identifier == 1 for a, b in pairwise(simulator.sales))


def test_check_is_content_with_any_answer(plugin):
    assert plugin.mpm_check(context()) == Health(
        ok=True, detail="Calin's server answers (status 404); the key is untried."
    )


def test_check_says_why_nobody_answers(make_plugin):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    health = make_plugin(api_url=f"http://127.0.0.1:{port}/calin/api").mpm_check(context())
    assert not health.ok
    assert health.detail.endswith("nothing happened.")


def test_the_plugin_brings_its_simulator(plugin):
    assert isinstance(plugin.mpm_simulator(), CalinSimulator)


def test_an_instance_does_not_show_its_key(plugin):
    assert API_KEY not in repr(vars(plugin)) + repr(plugin._client._settings)
