"""The simulated Vodacom against the plugin: it signs as agreed and cheats as told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpm_core import (
    Decision,
    InboundCall,
    Malformed,
    Money,
    Secret,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
    Stale,
    Unauthenticated,
    Verdict,
    read_settings,
)
from mpm_core.settings import SettingsPlace
from mpm_vodacom.plugin import Vodacom
from mpm_vodacom.settings import VodacomSettings
from mpm_vodacom.simulator import FAULTS, VodacomSimulator

PAYMENT = SimulatedPayment(
    reference="REF-00001", serial="SHS1", amount=Money(19950, "MZN"), msisdn="841234567"
)
KEY = {"api_key": "key"}
SIGNED = {"api_key": Secret("key"), "signature_secret": "shared"}
YES = SimulatedReply(body=b'{"data":{"transactionId":"VOD-TXN-000001","success":true}}')


@pytest.fixture
def simulator(context):
    return VodacomSimulator(clock=lambda: context.now)


@pytest.fixture
def read(make_runtime, context):
    """Let a plugin with the same settings read a simulated call; return the request or error."""

    def read_call(call, settings=KEY):
        place = SettingsPlace(company="luz", instance="vodacom", plugin="vodacom")
        plain = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in settings.items()
        }
        read = read_settings(VodacomSettings, plain, place=place, environ={}, folder=Path())
        inbound = InboundCall(
            method=call.method,
            path=call.path,
            headers=call.headers,
            body=call.body,
            source="192.0.2.7",
        )
        try:
            return Vodacom(read, make_runtime()).mpm_read_call(inbound, context)
        except (Malformed, Unauthenticated, Stale) as error:
            return type(error).__name__

    return read_call


@pytest.mark.parametrize("settings", [KEY, SIGNED], ids=["key", "signed"])
def test_simulated_payment_is_read(simulator, read, settings):
    validation = read(simulator.validate_call(PAYMENT, settings), settings)
    process = read(simulator.process_call(PAYMENT, settings, YES), settings)
    enquiry = read(simulator.enquiry_call(PAYMENT, settings), settings)
    assert (validation.serial, validation.amount, validation.payer.e164) == (
        "SHS1",
        PAYMENT.amount,
        "+258841234567",
    )
    assert (process.reference, process.number, process.amount, process.receipt) == (
        "REF-00001",
        1,
        PAYMENT.amount,
        "MPESA-REF-00001",
    )
    assert enquiry.reference == "REF-00001"


def test_process_follows_the_plugins_own_validation_answer(simulator, read, vodacom, make_call):
    call = simulator.validate_call(PAYMENT, KEY)
    reply = vodacom.mpm_write_reply(
        make_call(call.path, call.body),
        read(call),
        Verdict(decision=Decision.VALIDATED, number=42),
    )
    answer = SimulatedReply(status=reply.status, body=reply.body)
    assert read(simulator.process_call(PAYMENT, KEY, answer)).number == 42


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"data":[]}',
        b'{"data":{"transactionId":"VOD-TXN-000001","success":false}}',
        b'{"data":{"transactionId":7,"success":true}}',
    ],
)
def test_no_money_moves_after_a_no(simulator, body):
    assert simulator.process_call(PAYMENT, KEY, SimulatedReply(body=body)) is None


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("wrong_secret", "Unauthenticated"),
        ("stale_signature", "Stale"),
        ("malformed", "Malformed"),
        ("repeated_key", "Malformed"),
    ],
)
def test_fault_spoils_the_next_call_only(simulator, read, fault, outcome):
    simulator.set_fault(fault, times=1)
    assert read(simulator.validate_call(PAYMENT, SIGNED), SIGNED) == outcome
    assert read(simulator.validate_call(PAYMENT, SIGNED), SIGNED).serial == "SHS1"


def test_oversized_body_is_over_the_hosts_cap(simulator):
    simulator.set_fault("oversized_body")
    assert len(simulator.validate_call(PAYMENT, KEY).body) > 64 * 1024


def test_amount_changed_makes_the_process_call_differ_from_the_validation(simulator, read):
    simulator.set_fault("amount_changed")
    validation = read(simulator.validate_call(PAYMENT, KEY))
    process = read(simulator.process_call(PAYMENT, KEY, YES))
    assert (validation.amount.minor, process.amount.minor) == (19950, 20050)


def test_repeat_other_content_leaves_the_first_call_honest(simulator, read):
    simulator.set_fault("repeat_other_content")
    calls = [simulator.process_call(PAYMENT, KEY, YES) for _ in range(2)]
    assert [read(call).amount.minor for call in calls] == [19950, 20050]


def test_process_without_validate_names_a_number_nobody_gave(simulator, read):
    simulator.set_fault("process_without_validate")
    call = simulator.process_call(PAYMENT, KEY, SimulatedReply(status=400))
    assert read(call).number == 999999


def test_same_payment_is_called_with_the_same_bytes(simulator):
    assert simulator.validate_call(PAYMENT, SIGNED) == simulator.validate_call(PAYMENT, SIGNED)


def test_simulator_is_a_caller_only(simulator):
    request = SimulatedRequest(method="POST", path="x", headers={}, body=b"")
    assert simulator.handle(request).status == 404
    assert simulator.use_token("SHS1", "1") == "a telecom has no devices"
    simulator.knows("SHS1")


def test_faults_are_named_and_cleared(simulator, read):
    assert simulator.faults() == FAULTS
    simulator.set_fault("wrong_secret")
    simulator.clear_faults()
    assert read(simulator.validate_call(PAYMENT, KEY)).serial == "SHS1"


def test_plugin_ships_its_simulator_with_settings_it_accepts(vodacom, read):
    simulator = vodacom.mpm_simulator()
    settings = simulator.settings("http://127.0.0.1:9000/vodacom")
    assert read(simulator.validate_call(PAYMENT, settings), settings).serial == "SHS1"
    signed = {**settings, "signature_secret": "shared"}
    assert "x-signature" in simulator.validate_call(PAYMENT, signed).headers
