"""Two who want something of one payment at the same moment: the second sees what the first did.

On SQLite there is one writer; on PostgreSQL the payment's row is the first lock of both.
"""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from tests.support.order_bench import TAKEN_BACK, OrderBench, energy_grant

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

SERIAL = "47001234567"
SECONDS = 10.0  # far more than anything here takes
_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Office(OrderBench):
    """A bench with two people at work."""

    def __init__(self, engines):
        super().__init__(engines)
        self.actions = PaymentActions(vault=self.vault, directory=lambda: self.directory)

    def act(self, connection, verb, payment_id, *arguments, by="anna@umeme.tz"):
        actor = Actor(name=by, at=self.now, reason="the customer called")
        act = getattr(self.actions, verb)
        return act(connection, payment_id, *arguments, actor, company_id=self.record.id)

    def wait_until_somebody_is_blocked(self):
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with self.engines.read.connect() as connection:
                if connection.execute(_BLOCKED).scalar_one():
                    return
            time.sleep(0.01)
        raise TimeoutError("Nobody waits for a lock.")


@pytest.fixture
def office(engines):
    return Office(engines)


def test_of_two_people_who_match_a_payment_at_once_one_books_it(office):
    office.meter(SERIAL)
    payment_id = office.pay("X999", "1000", "R1")
    second = []

    def match_too():
        with office.engines.write.begin() as connection:
            second.append(office.act(connection, "match", payment_id, SERIAL, by="juma@umeme.tz"))

    thread = threading.Thread(target=match_too)
    with office.engines.write.begin() as connection:
        assert office.act(connection, "match", payment_id, SERIAL) is True
        thread.start()
        office.wait_until_somebody_is_blocked()
    thread.join(SECONDS)

    assert second == [False]
    assert office.lines(payment_id) == [("energy", "1000")]
    assert len(office.orders(payment_id)) == 1
    assert [row["actor"] for row in office.rows(t.events) if row["kind"] == "match"] == [
        "anna@umeme.tz"
    ]
    assert office.differences() == []


def test_a_grant_that_comes_while_somebody_takes_the_payment_back_is_taken_back_too(office):
    payment_id = office.paid()
    marked, threads = threading.Event(), []

    def reverse_slowly():
        with office.engines.write.begin() as connection:
            office.act(connection, "reverse", payment_id)
            marked.set()
            office.wait_until_somebody_is_blocked()  # the worker, with its grant

    def meanwhile(_order):
        threads.append(threading.Thread(target=reverse_slowly))
        threads[0].start()
        assert marked.wait(SECONDS)
        return energy_grant()

    office.scripts["calin"].generate.append(meanwhile)
    office.work(payment_id)
    threads[0].join(SECONDS)

    assert office.status(payment_id) == ("reversed", False, "reversed")
    assert office.lines(payment_id) == [("credit", "-1000"), ("energy", "1000")]
    assert office.told(payment_id) == [TAKEN_BACK]
    assert office.differences() == []
