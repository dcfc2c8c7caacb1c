"""What a telecom that asks hears of a payment, whatever became of it: the interface's table.

Over HTTP, as the telecoms' simulators ask.
"""

from __future__ import annotations

import itertools
import json
import re

import pytest
import sqlalchemy as sa

from mpm_airtel.plugin import Airtel
from mpm_core import Money, PaymentStatus, ProcessRequest, Reply, SimulatedPayment
from mpm_core.simulation.simulators import simulator_of
from mpm_host.database import tables as t
from mpm_host.payments.booking import Accept, Book
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_vodacom.plugin import Vodacom

# status: (Airtel enquiry, Vodacom query)
WORDS = {
    "validated": ("404", "validated"),
    "rejected": ("404", "failed"),
    "token_pending": ("200", "processing"),
    "unknown": ("200", "processing"),
    "held": ("200", "processing"),
    "unmatched": ("200", "processing"),
    "settled": ("200", "completed"),
    "reversed": ("404", "failed"),
    "denied": ("404", "failed"),
}
SIMULATORS = {"airtel": simulator_of(Airtel), "vodacom": simulator_of(Vodacom)}
SERIAL = "47001234567"
NUMBERS = itertools.count(1)


class Telecom:
    """A company's telecom, which asks about payments."""

    def __init__(self, installation, name):
        self.installation = installation
        self.simulator = SIMULATORS[name]
        self.settings = self.simulator.settings("http://127.0.0.1:9")
        table = InstanceTable.split(self.settings)
        self.instance = installation.host.companies.enable(
            "umeme", name, name, table, installation.actor
        )

    def pay(self, status):
        """Book a payment and let it stand so; return what the telecom knows of it."""
        payment = SimulatedPayment(
            reference=f"SIM{next(NUMBERS):010}",
            serial=SERIAL,
            amount=Money.parse("1000", "TZS"),
            msisdn="255712345678",
        )
        host = self.installation.host
        book = Book(vault=host.vault, clock=host.clock, directory=lambda: host.house.directory)
        request = ProcessRequest(
            reference=payment.reference, serial=payment.serial, amount=payment.amount
        )
        reply = Reply(status=200, content_type="text/plain", body=b"ok")
        with host.engines.write.begin() as connection:
            [booked] = book(
                connection, [Accept(instance=self.instance, request=request, reply=reply)]
            )
            connection.execute(
                sa.update(t.payments)
                .where(t.payments.c.id == booked.payment.id)
                .values(status=status)
            )
        return payment

    def ask(self, payment):
        call = self.simulator.enquiry_call(payment, self.settings)
        answer = self.installation.client.post(
            f"/callbacks/{self.instance.callback_key}/{call.path}",
            content=call.body,
            headers=dict(call.headers),
        )
        assert answer.status_code == 200
        return answer.text


def test_the_table_has_every_status():
    assert set(WORDS) == {status.value for status in PaymentStatus}


@pytest.mark.parametrize(("status", "words"), WORDS.items(), ids=WORDS)
def test_telecoms_hear_the_word_of_the_status(installation, status, words):
    installation.company("umeme")
    airtel, vodacom = Telecom(installation, "airtel"), Telecom(installation, "vodacom")

    enquired = airtel.ask(airtel.pay(status))
    queried = json.loads(vodacom.ask(vodacom.pay(status)))

    assert re.search(r"<STATUS>(\d+)</STATUS>", enquired)[1] == words[0]
    assert (queried["data"]["status"], queried["data"]["success"]) == (words[1], True)
