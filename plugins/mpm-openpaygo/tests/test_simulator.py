from __future__ import annotations

import pytest

from mpm_core import SimulatedRequest
from mpm_core.simulation.simulators import simulator_of
from mpm_openpaygo.maker import SAMPLE_KEY
from mpm_openpaygo.plugin import OpenPaygo
from mpm_openpaygo.settings import OpenPaygoDevice, OpenPaygoSettings
from mpm_openpaygo.simulator import OpenPaygoSimulator

SERIAL = "OPG-000123"
ADD_7 = "397287017"


def test_the_class_gives_a_simulator_before_anything_is_configured():
    assert isinstance(simulator_of(OpenPaygo), OpenPaygoSimulator)


def test_an_instance_needs_no_settings(simulator):
    assert OpenPaygoSettings(**simulator.settings("http://127.0.0.1:1")).most_codes == 3


def test_registration_learns_what_the_delivered_device_has(simulator):
    assert simulator.details(SERIAL) == OpenPaygo.manifest.example_details


def test_a_delivered_device_keeps_what_was_typed_into_it(simulator):
    assert simulator.use_token(SERIAL, ADD_7) == "accepted 7 days"
    simulator.knows(SERIAL)
    assert simulator.use_token(SERIAL, ADD_7) == "rejected: Used before, or older than one used."
    assert simulator.device(SERIAL).units == 7


def test_a_device_of_its_own_takes_its_own_codes_only():
    simulator = OpenPaygoSimulator()
    simulator.deliver(SERIAL, OpenPaygoDevice(secret_key=SAMPLE_KEY[::-1]))
    assert simulator.use_token(SERIAL, ADD_7) == "rejected: Not a code for this device."


def test_a_device_that_was_not_delivered_takes_nothing(simulator):
    assert simulator.use_token("other", ADD_7) == "rejected: There is no such device."


def test_there_is_nobody_to_call_and_nothing_to_fail(simulator):
    request = SimulatedRequest(method="GET", path="", headers={}, body=b"")
    assert simulator.handle(request).status == 404
    assert simulator.faults() == ()
    with pytest.raises(ValueError, match=r"^There is no fault 'down'"):
        simulator.set_fault("down")
    simulator.clear_faults()


def test_it_makes_no_payments(simulator):
    assert simulator.validate_call(None, {}) is None
    assert simulator.process_call(None, {}, None) is None
    assert simulator.enquiry_call(None, {}) is None
