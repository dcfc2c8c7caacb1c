"""The simulated Airtel against the plugin: it signs as the operator does and cheats as told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mpm_airtel.plugin import Airtel
from mpm_airtel.settings import AirtelSettings
from mpm_airtel.simulator import FAULTS, AirtelSimulator
from mpm_core import (
    InboundCall,
    Malformed,
    Money,
    ProcessRequest,
    Secret,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
    Unauthenticated,
    read_settings,
)
from mpm_core.settings import SettingsPlace

YES = SimulatedReply(body=b"<COMMAND><STATUS>200</STATUS></COMMAND>")
NO = SimulatedReply(body=b"<COMMAND><STATUS>400</STATUS></COMMAND>")
PAYMENT = SimulatedPayment(
    reference="AIR1", serial="SHS1", amount=Money(500000, "TZS"), msisdn="781234567"
)
MODES = {
    "jwt_hs512": {"mode": "jwt_hs512", "jwt_secret": "s" * 64},
    "body_credentials": {"mode": "body_credentials", "username": "u", "password": "p"},
    "basic": {"mode": "basic", "username": "u", "password": "p"},
    "bearer_static": {"mode": "bearer_static", "bearer_token": "t"},
}


@pytest.fixture
def simulator(context):
    return AirtelSimulator(clock=lambda: context.now)


@pytest.fixture
def read(make_runtime, context):
    """Let a plugin with the same settings read a simulated call; return the request or error."""

    def read_call(call, settings):
        place = SettingsPlace(company="umeme", instance="airtel", plugin="airtel")
        read = read_settings(AirtelSettings, settings, place=place, environ={}, folder=Path())
        airtel = Airtel(read, make_runtime())
        inbound = InboundCall(
            method=call.method,
            path=call.path,
            headers=call.headers,
            body=call.body,
            source="192.0.2.7",
        )
        try:
            return airtel.mpm_read_call(inbound, context)
        except (Malformed, Unauthenticated) as error:
            return f"{type(error).__name__}: {error}"

    return read_call


@pytest.mark.parametrize("extra", [{}, {"merchant_msisdn": "680000001"}], ids=["", "merchant"])
@pytest.mark.parametrize("mode", MODES)
def test_simulated_payment_is_read_in_every_mode(simulator, read, mode, extra):
    settings = {**MODES[mode], **extra}
    validation = read(simulator.validate_call(PAYMENT, settings), settings)
    process = read(simulator.process_call(PAYMENT, settings, YES), settings)
    enquiry = read(simulator.enquiry_call(PAYMENT, settings), settings)
    assert (validation.reference, validation.serial, validation.amount) == (
        "AIR1",
        "SHS1",
        PAYMENT.amount,
    )
    assert (process.reference, process.receipt, process.amount) == (
        "AIR1",
        "MP.AIR1",
        PAYMENT.amount,
    )
    assert (enquiry.reference, enquiry.final) == ("AIR1", True)


def test_simulators_own_settings_are_good_enough_for_production(simulator, make_runtime):
    settings = simulator.settings("http://127.0.0.1:9000/airtel")
    assert len(settings["jwt_secret"]) >= 64


@pytest.mark.parametrize("validation", [NO, SimulatedReply(body=b"oops"), SimulatedReply()])
def test_no_money_moves_after_a_no(simulator, validation):
    assert simulator.process_call(PAYMENT, MODES["basic"], validation) is None


def test_word_of_success_is_a_yes(simulator):
    words = SimulatedReply(body=b"<COMMAND><STATUS>SUCCESS</STATUS></COMMAND>")
    assert simulator.process_call(PAYMENT, MODES["basic"], words) is not None


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("expired_jwt", "Unauthenticated: Invalid Token"),
        ("alg_none", "Unauthenticated: Invalid Token"),
        ("wrong_secret", "Unauthenticated: Invalid Token"),
        ("wrong_txn_id", "Malformed: Access token contains wrong reference1/txnId"),
        ("doctype_body", "Malformed: The document has a DTD or entities; they are never read."),
    ],
)
def test_fault_spoils_the_next_call_only(simulator, read, fault, outcome):
    settings = MODES["jwt_hs512"]
    simulator.set_fault(fault, times=1)
    assert read(simulator.validate_call(PAYMENT, settings), settings) == outcome
    assert read(simulator.validate_call(PAYMENT, settings), settings).serial == "SHS1"


@pytest.mark.parametrize("mode", ["body_credentials", "basic", "bearer_static"])
def test_wrong_secret_spoils_every_other_mode_too(simulator, read, mode):
    simulator.set_fault("wrong_secret")
    call = simulator.validate_call(PAYMENT, MODES[mode])
    assert read(call, MODES[mode]) == "Unauthenticated: Invalid Token"


def test_malformed_body_is_not_xml(simulator, read):
    simulator.set_fault("malformed")
    call = simulator.enquiry_call(PAYMENT, MODES["basic"])
    assert read(call, MODES["basic"]).startswith("Malformed: The document is not XML")


def test_oversized_body_is_over_the_hosts_cap(simulator):
    simulator.set_fault("oversized_body")
    assert len(simulator.validate_call(PAYMENT, MODES["basic"]).body) > 64 * 1024


def test_fault_of_one_serial_leaves_the_others_alone(simulator, read):
    simulator.set_fault("wrong_secret", serial="SHS2")
    settings = MODES["basic"]
    assert read(simulator.validate_call(PAYMENT, settings), settings).serial == "SHS1"


def test_amount_changed_makes_the_process_call_differ_from_the_validation(simulator, read):
    settings = MODES["basic"]
    simulator.set_fault("amount_changed")
    validation = read(simulator.validate_call(PAYMENT, settings), settings)
    process = read(simulator.process_call(PAYMENT, settings, YES), settings)
    assert (validation.amount.minor, process.amount.minor) == (500000, 500100)


def test_repeat_other_content_leaves_the_first_call_honest(simulator, read):
    settings = MODES["basic"]
    simulator.set_fault("repeat_other_content")
    calls = [simulator.process_call(PAYMENT, settings, YES) for _ in range(2)]
    assert [read(call, settings).amount.minor for call in calls] == [500000, 500100]


def test_process_without_validate_carries_everything(simulator, read):
    settings = MODES["basic"]
    simulator.set_fault("process_without_validate")
    process = read(simulator.process_call(PAYMENT, settings, NO), settings)
    assert (process.serial, process.amount, process.payer.e164) == (
        "SHS1",
        PAYMENT.amount,
        "+255781234567",
    )


def test_ids_only_carries_the_ids_alone(simulator, read):
    settings = MODES["basic"]
    simulator.set_fault("ids_only")
    process = read(simulator.process_call(PAYMENT, settings, YES), settings)
    assert process == ProcessRequest(reference="AIR1", receipt="MP.AIR1")


def test_same_payment_is_called_with_the_same_bytes(simulator):
    first, second = (simulator.process_call(PAYMENT, MODES["basic"], YES) for _ in range(2))
    assert first == second


def test_settings_may_hold_secrets(simulator, read):
    call = simulator.validate_call(
        PAYMENT, {"mode": "basic", "username": "u", "password": Secret("p")}
    )
    assert read(call, MODES["basic"]).serial == "SHS1"


def test_clock_decides_when_a_token_expires(context, read):
    late = AirtelSimulator(clock=lambda: context.now - timedelta(hours=1))
    settings = MODES["jwt_hs512"]
    assert read(late.validate_call(PAYMENT, settings), settings).startswith("Unauthenticated")


def test_simulator_is_a_caller_only(simulator):
    request = SimulatedRequest(method="POST", path="x", headers={}, body=b"")
    assert simulator.handle(request).status == 404
    assert simulator.use_token("SHS1", "1") == "a telecom has no devices"
    simulator.knows("SHS1")


def test_faults_are_named_and_cleared(simulator, read):
    assert simulator.faults() == FAULTS
    simulator.set_fault("wrong_secret")
    simulator.clear_faults()
    assert read(simulator.validate_call(PAYMENT, MODES["basic"]), MODES["basic"]).serial == "SHS1"


def test_plugin_ships_its_simulator_and_it_tells_the_real_time(make_airtel, make_runtime):
    simulator = make_airtel().mpm_simulator()
    settings = simulator.settings("http://127.0.0.1:9000/airtel")
    assert simulator.validate_call(PAYMENT, settings).path == "c2b/validate"
