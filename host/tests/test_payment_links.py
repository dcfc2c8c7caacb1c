"""Calls that point at a payment twice: by the telecom's reference, and by our number or a text."""

from __future__ import annotations

import pytest

from mpm_core import Decision, EnquiryRequest, ProcessRequest, Reply, ValidationRequest
from mpm_host.database import tables as t
from mpm_host.payments.booking import Accept, Book, Deny, Intend
from tests.support.small_company import SmallCompany

SERIAL = "47001234567"


class Telecom(SmallCompany):
    """A company with one meter, and what its telecom has booked."""

    def __init__(self, engines):
        super().__init__(engines)
        self.meter(SERIAL)
        self.airtel = self.directory.instance_named(self.record.id, "airtel")
        self.book = Book(vault=self.vault, clock=lambda: self.now, directory=lambda: self.directory)

    def decide(self, command):
        with self.engines.write.begin() as connection:
            [outcome] = self.book(connection, [command])
        return outcome.decision

    def validate(self, intent):
        request = ValidationRequest(intent=intent, serial=SERIAL, amount=self.money("1000"))
        return self.decide(
            Intend(instance=self.airtel, request=request, objection=None, device_kind="meter")
        )

    def process(self, reference, *, says_all=True, **link):
        said = {"serial": SERIAL, "amount": self.money("1000")} if says_all else {}
        reply = Reply(status=200, content_type="text/plain", body=reference.encode())
        request = ProcessRequest(reference=reference, **said, **link)
        return self.decide(Accept(instance=self.airtel, request=request, reply=reply))

    def say_no(self, reference, **link):
        request = EnquiryRequest(reference=reference, final=True, **link)
        return self.decide(Deny(instance=self.airtel, request=request))

    def payments(self):
        return self.rows(t.payments, "status", "reference", "intent")


@pytest.fixture
def telecom(engines):
    return Telecom(engines)


def test_a_final_no_that_names_the_validation_holds_for_the_reference_a1(telecom):
    telecom.validate("I1")

    assert telecom.say_no("R1", intent="I1") is Decision.NOT_FOUND
    assert telecom.process("R1") is Decision.CONFLICT
    assert telecom.payments() == [("denied", "R1", "I1")]
    assert telecom.rows(t.entries) == []


def test_a_final_no_about_another_reference_leaves_the_payment_it_points_at_alone(telecom):
    telecom.validate("I1")
    telecom.process("R1", intent="I1")

    assert telecom.say_no("R2", intent="I1") is Decision.NOT_FOUND
    assert telecom.process("R2") is Decision.CONFLICT
    assert telecom.process("R1", intent="I1") is Decision.ACCEPTED
    assert sorted(telecom.payments()) == [
        ("denied", "R2", None),
        ("token_pending", "R1", "I1"),
    ]


def test_a_call_that_says_everything_is_repeated_with_the_link_it_had(telecom):
    assert telecom.process("R1", number=999) is Decision.ACCEPTED
    assert telecom.process("R1", number=999) is Decision.ACCEPTED
    assert telecom.payments() == [("token_pending", "R1", None)]


@pytest.mark.parametrize("says_all", [True, False], ids=["says all", "says nothing"])
def test_a_known_reference_with_another_payments_link_is_a_conflict(telecom, says_all):
    telecom.validate("I1")
    telecom.validate("I2")
    telecom.process("R1", intent="I1")

    assert telecom.process("R1", intent="I2", says_all=says_all) is Decision.CONFLICT
    assert sorted(telecom.payments()) == [
        ("token_pending", "R1", "I1"),
        ("validated", None, "I2"),
    ]


def test_a_known_reference_that_relies_on_nobodys_number_is_a_conflict(telecom):
    telecom.process("R1")

    assert telecom.process("R1", number=999, says_all=False) is Decision.CONFLICT
