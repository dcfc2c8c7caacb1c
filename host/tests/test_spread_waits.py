"""Chance is heard wherever something waits to be tried again, so that crowds never come at once."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import NotSent, Throttled
from mpm_host.backoff import most_added
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes, tellings
from mpm_host.directory import Directory, InstanceState
from mpm_host.identifiers import new_identifier
from mpm_host.messages.message_rules import MessageFacts, after_failure
from mpm_host.orders.switcher import Switcher
from mpm_host.outbox.outbox import OutboxHook
from mpm_host.outbox.teller import Teller
from mpm_host.pushes.push_rules import PushFacts, after_query
from mpm_host.pushes.push_worker import PushWorker
from mpm_host.registration.device_lookup import DeviceLookup
from mpm_host.work_sources import SOURCES
from tests.support.order_bench import OrderBench

TEN_MINUTES = timedelta(minutes=10)


class Bench(OrderBench):
    """A bench where chance makes every wait as long as it can, and no plugin can be called."""

    def __init__(self, engines):
        super().__init__(engines)
        self.payment_id = self.paid()
        self.device_id = self.order(self.payment_id)["device_id"]
        for name in ("calin", "airtel"):
            self.change_instance(name, state=InstanceState.UNCONFIGURED)

    def resources(self, engines=None):
        return attrs.evolve(super().resources(engines), draw=lambda: 1.0)

    def insert(self, table, **values):
        key = new_identifier()
        row = {"id": key, "company_id": self.record.id, "created_at": self.now, **values}
        with self.engines.write.begin() as connection:
            connection.execute(sa.insert(table).values(next_at=self.now, **row))
        return key

    def waits(self, kind, key):
        table = SOURCES[kind].table
        with self.engines.read.connect() as connection:
            query = sa.select(table.c.next_at).where(table.c.id == key)
            return connection.execute(query).scalar_one() - self.now


def order(bench):
    bench.work(bench.payment_id)
    key = bench.order(bench.payment_id)["id"]
    with bench.engines.write.begin() as connection:  # it is due earlier, to tell its customer
        connection.execute(sa.update(t.orders).values(next_at=t.orders.c.due_at))
    return key


def device(bench):
    DeviceLookup(bench.resources()).work_on(bench.device_id)
    return bench.device_id


def switch(bench):
    key = bench.insert(
        t.switches, device_id=bench.device_id, paid_until=bench.now + timedelta(days=1)
    )
    bench.directory = Directory(companies=bench.directory.companies, instances={})
    Switcher(bench.resources()).work_on(key)
    return key


def push(bench):
    key = bench.insert(
        pushes, instance_id="airtel-umeme", payment_id=bench.payment_id, key="K1",
        serial="47001234567", amount=1000, currency="TZS", payer="+255712345678",
        status="requested", details={},
        sent_at=bench.now,
    )  # fmt: skip
    worker = PushWorker(bench.resources(), submit=lambda _: None, wake=lambda: None)
    worker.work_on(key)
    return key


def telling(bench):
    key = bench.insert(
        tellings, instance_id="airtel-umeme", hook=OutboxHook.DEVICE_REGISTERED,
        subject_id=bench.device_id,
    )  # fmt: skip
    Teller(bench.resources()).work_on(key)
    return key


@pytest.mark.parametrize(
    ("kind", "work", "plain"),
    [
        pytest.param("orders", order, TEN_MINUTES, id="an order"),
        pytest.param("devices", device, timedelta(minutes=1), id="a look-up"),
        pytest.param("switches", switch, timedelta(seconds=30), id="a switch"),
        pytest.param("pushes", push, TEN_MINUTES, id="a push"),
        pytest.param("tellings", telling, TEN_MINUTES, id="a telling"),
    ],
)
def test_whatever_waits_waits_a_little_longer_by_chance(engines, kind, work, plain):
    bench = Bench(engines)
    key = work(bench)

    assert bench.waits(kind, key) == plain + most_added(plain)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda error, draw: after_failure(error, MessageFacts(), draw=draw), id="SMS"),
        pytest.param(lambda error, draw: after_query(error, PushFacts(), draw=draw), id="push"),
    ],
)
def test_whoever_wants_to_be_left_alone_is_and_nobody_comes_at_once_after(rule):
    """M5: `Retry-After` is honoured, then spread."""
    waits = [rule(Throttled("not now", after=HOUR), lambda n=n: n).next_in for n in (0.0, 1.0)]
    plain = rule(NotSent("nobody listens"), lambda: 0.0).next_in

    assert plain < HOUR
    assert waits == [HOUR, HOUR + most_added(HOUR)]
