from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from mpm_angaza.simulator import CLIENT_ID, CLIENT_SECRET, AngazaSimulator
from mpm_core import SimulatedRequest

SERIAL = "SERIAL-123"
NOW = datetime(2026, 2, 8, 12, 0, tzinfo=UTC)
BASIC = f"Basic {b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"


class Vendor:
    """The simulator with a clock to set, and one unit."""

    def __init__(self):
        self.now = NOW
        self.simulator = AngazaSimulator(clock=lambda: self.now)
        self.simulator.knows(SERIAL)

    def put(self, target, serial=SERIAL, authorization=BASIC):
        fields = {"unit_number": serial, "state": {"desired": {"credit_until_dt": target}}}
        reply = self.simulator.handle(
            SimulatedRequest(
                method="PUT",
                path="unit_credit",
                headers={"authorization": authorization},
                body=json.dumps(fields).encode(),
            )
        )
        return reply.status, json.loads(reply.body)

    def keycode(self, target):
        _status, answer = self.put(target)
        return answer["_embedded"]["latest_keycode"]["keycode"]

    def type_in(self, keycode):
        return self.simulator.use_token(SERIAL, keycode)


def after(days):
    return (NOW + timedelta(days=days)).isoformat()


def test_a_unit_shows_what_it_gained():
    vendor = Vendor()
    assert vendor.type_in(vendor.keycode(after(37))) == "accepted 7 days"
    assert vendor.type_in(vendor.keycode("UNLOCKED")) == "accepted for good"


def test_a_unit_whose_credit_ended_gains_from_now():
    vendor = Vendor()
    vendor.now += timedelta(days=40)
    assert vendor.type_in(vendor.keycode(after(47))) == "accepted 7 days"


def test_a_repeat_brings_a_newer_keycode_and_no_gain():
    vendor = Vendor()
    first, second = vendor.keycode(after(37)), vendor.keycode(after(37))
    assert first != second
    assert vendor.simulator.grants(SERIAL) == 1
    assert vendor.type_in(first) == "accepted 7 days"
    assert vendor.type_in(second) == "accepted 0 days"


def test_a_unit_takes_no_keycode_twice_and_none_that_is_older():
    vendor = Vendor()
    first, second = vendor.keycode(after(37)), vendor.keycode(after(44))
    assert vendor.type_in(second) == "accepted 14 days"
    assert vendor.type_in(second) == "rejected: used before, or older than one used"
    assert vendor.type_in(first) == "rejected: used before, or older than one used"
    assert vendor.simulator.use_token("SERIAL-999", first) == "rejected: wrong code"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            {"target": "soon"},
            (400, {"context": {"reason": "Invalid credit_until_dt"}}),
            id="no time",
        ),
        pytest.param(
            {"target": "2026-02-15T00:00:00"},
            (400, {"context": {"reason": "Invalid credit_until_dt"}}),
            id="no zone",
        ),
        pytest.param(
            {"target": "UNLOCKED", "serial": "SERIAL-999"},
            (200, {"context": {"reason": "Invalid unit number"}}),
            id="unknown unit",
        ),
        pytest.param(
            {"target": "UNLOCKED", "authorization": "Basic eDp5"},
            (401, {"context": {"reason": "Invalid credentials"}}),
            id="wrong credentials",
        ),
    ],
)
def test_the_vendor_refuses_in_its_own_words(arguments, expected):
    vendor = Vendor()
    assert vendor.put(**arguments) == expected
    assert vendor.simulator.grants(SERIAL) == 0
