"""Calls to switch a bike that cross each other, a payment or a death: what is paid ends on."""

from __future__ import annotations

import threading
from datetime import timedelta

import attrs
import pytest
import sqlalchemy as sa
from alembic import command

from mpm_core import Delivery, Grant, OutcomeUnknown, Throttled, hookimpl
from mpm_core.plans import Period
from mpm_host.database import tables as t
from mpm_host.database.upgrade import alembic_config
from mpm_host.orders.switch_rows import end_switches, keep_switch
from mpm_host.orders.switcher import Switcher
from mpm_host.registration.plan_terms import PlanTerms
from tests.support.order_bench import OrderBench

SERIAL = "12345678"
LEASE = timedelta(seconds=100)  # twice the deadline of 20 s, and a minute
WEEK = timedelta(days=7)


class PowerCutError(BaseException):
    """Nothing after this happens."""


class Vendor:
    """Switches one bike, late if told so: what happens meanwhile is planned per call."""

    def __init__(self):
        self.on = True
        self.asked = []
        self.plans = []
        self.has_ended = threading.Event()  # a call that had a plan

    def switch(self, *, on):
        self.asked.append(on)
        if not self.plans:
            self.on = on
        else:
            try:
                self.plans.pop(0)(on)
            finally:
                self.has_ended.set()
        return Grant(delivery=Delivery.REMOTE)


class BikeBench(OrderBench):
    """One bike whose paid days have just run out, and which is still on."""

    def __init__(self, engines, *, deadline=20.0):
        self.vendor = vendor = Vendor()
        super().__init__(engines, deadline=deadline)

        class Maker:
            def __init__(self, settings, runtime):
                del settings, runtime

            @hookimpl
            def mpm_switch_device(self, on):
                return vendor.switch(on=on)

        self._base = Maker
        self.plugins = self.load_plugins()
        sale = PlanTerms(
            cost=self.money("2800"),
            instalments=4,
            period=Period.WEEKLY,
            sold_on=self.record.today(self.now),
        )
        self.home(SERIAL, sale=sale)
        [device] = self.rows(t.devices)
        self.device_id = device["id"]
        with engines.write.begin() as connection:
            keep_switch(connection, self.record.id, self.device_id, self.now)
            ran_out = {"is_on": True, "paid_until": self.now, "next_at": self.now}
            connection.execute(sa.update(t.switches).values(ran_out))
        self.one, self.two = self.switcher(), self.switcher()

    def _manifests(self):
        manifests = super()._manifests()
        return manifests | {"sunking": attrs.evolve(manifests["sunking"], switches=True)}

    def switcher(self, clock=None):
        return Switcher(attrs.evolve(self.resources(), clock=clock or self.clock))

    def switch(self, switcher):
        switcher.work_on(self.row("id"))

    def row(self, column):
        [row] = self.rows(t.switches)
        return row[column]

    def known(self):
        """Return what is known of the bike, when it is looked at, and until when a call is out."""
        [row] = self.rows(t.switches)
        next_at, lease_until = row["next_at"], row["lease_until"]
        return (
            row["is_on"],
            None if next_at is None else next_at - self.now,
            None if lease_until is None else lease_until - self.now,
        )

    def order(self):
        """Pay for a week and have the order switch the bike on."""
        self.work(self.pay(SERIAL, "700", f"R{self.now.timestamp()}"))


@pytest.fixture
def bench(engines):
    return BikeBench(engines)


def test_a_call_that_is_out_is_waited_for_and_no_other_overlaps_it(bench):
    seen = []

    def meanwhile(on):
        bench.order()
        seen.append(bench.known())
        bench.later(seconds=99)
        bench.switch(bench.two)
        seen.append((*bench.known(), list(bench.vendor.asked)))
        bench.vendor.on = on

    bench.vendor.plans = [meanwhile]
    bench.switch(bench.one)
    second = timedelta(seconds=1)

    assert seen == [(None, timedelta(0), LEASE), (None, second, second, [False, True])]
    assert (bench.vendor.on, bench.known()) == (False, (None, timedelta(0), None))
    bench.switch(bench.two)
    assert bench.vendor.asked == [False, True, True]  # the order's is the first *on*
    assert (bench.vendor.on, bench.known()) == (True, (True, WEEK - 99 * second, None))


def test_a_worker_that_dies_with_its_call_leaves_a_lease_that_runs_out(bench):
    """The *off* lands after the payment's *on*, and nobody hears of it."""
    died = []

    def clock():
        if died:
            raise PowerCutError
        return bench.now

    def meanwhile(on):
        bench.order()
        bench.switch(bench.two)
        bench.vendor.on = on
        died.append(True)

    bench.vendor.plans = [meanwhile]
    with pytest.raises(PowerCutError):
        bench.switch(bench.switcher(clock))
    assert (bench.vendor.on, bench.known()) == (False, (None, LEASE, LEASE))

    bench.later(seconds=100)
    bench.switch(bench.two)

    assert (bench.vendor.on, bench.known()) == (True, (True, WEEK - LEASE, None))


@pytest.mark.parametrize("first", ["late", "new"])
def test_calls_of_which_one_outlived_its_lease_leave_nobody_to_know(bench, first):
    """The vendor does *on*, then *off*; the answers are written in either order."""
    may_land = threading.Event()
    is_out = threading.Event()
    late = threading.Thread(target=bench.switch, args=[bench.one])

    def off(on):
        is_out.set()
        assert may_land.wait(15)
        bench.vendor.on = on

    def let_it_land():
        may_land.set()
        late.join(15)
        assert not late.is_alive()

    def on_before(on):
        bench.vendor.on = on
        if first == "late":
            let_it_land()

    bench.vendor.plans = [off]
    late.start()
    assert is_out.wait(15)
    bench.order()
    bench.vendor.plans = [on_before]
    bench.later(seconds=100)
    bench.switch(bench.two)
    if first == "new":
        assert bench.known() == (True, WEEK - LEASE, None)
        let_it_land()

    assert (bench.vendor.on, bench.known()) == (False, (None, timedelta(0), None))
    bench.switch(bench.two)
    assert (bench.vendor.on, bench.known()) == (True, (True, WEEK - LEASE, None))


def test_a_worker_that_comes_back_late_ends_no_lease_but_its_own(bench):
    seen = []

    def longer_than_its_lease(_on):
        bench.later(seconds=100)
        bench.switch(bench.two)

    def out_too(_on):
        bench.later(seconds=50)
        seen.append(bench.known())

    bench.vendor.plans = [longer_than_its_lease, out_too]
    bench.switch(bench.one)
    assert seen == [(None, timedelta(seconds=50), timedelta(seconds=50))]


def sleeper(bench, meanwhile):
    """Return a worker whose machine sleeps once its call was announced."""

    class Sleeper(Switcher):
        def _announce(self, switch_id, asking):
            call = super()._announce(switch_id, asking)
            meanwhile()
            return call

    return Sleeper(bench.resources())


def test_a_worker_that_slept_before_its_call_switches_nothing(bench):
    """A payment came meanwhile, and another worker brought the bike to what it should be."""

    def others_go_on():
        bench.order()
        bench.later(seconds=100)
        bench.switch(bench.two)

    bench.switch(sleeper(bench, others_go_on))

    assert (bench.vendor.asked, bench.vendor.on) == ([True, True], True)


def test_a_worker_that_slept_alone_switches_nothing_and_looks_again(bench):
    bench.switch(sleeper(bench, lambda: bench.later(seconds=100)))
    assert (bench.vendor.asked, bench.vendor.on) == ([], True)

    bench.later(minutes=1)
    bench.switch(bench.two)

    assert (bench.vendor.on, bench.known()) == (False, (False, None, None))


def test_a_payment_during_an_orders_switching_has_the_bike_switched_on_after_all(bench):
    """An order's *on* waits for no lease; the switcher's *off* comes between it and its grant."""

    def meanwhile(on):
        bench.vendor.on = on
        bench.switch(bench.one)

    bench.vendor.plans = [meanwhile]
    bench.order()
    assert (bench.vendor.asked, bench.vendor.on) == ([True, False], False)
    assert bench.known() == (None, timedelta(0), None)

    bench.switch(bench.one)

    assert (bench.vendor.on, bench.known()) == (True, (True, WEEK, None))


def test_an_order_in_doubt_during_a_call_is_looked_after_as_late_as_without_it(bench):
    """Its *on* may still come, and then nothing else would switch the bike off."""

    def lost(_on):
        raise OutcomeUnknown("the answer was lost")

    def meanwhile(on):
        bench.vendor.plans = [lost]
        bench.order()
        bench.vendor.on = on

    bench.vendor.plans = [meanwhile]
    bench.switch(bench.one)
    assert bench.known() == (None, timedelta(minutes=10), None)

    bench.vendor.on = True
    bench.later(minutes=10)
    bench.switch(bench.one)

    assert (bench.vendor.on, bench.known()) == (False, (False, None, None))


def test_an_order_that_has_begun_makes_a_call_know_nothing(bench):
    """The order's *on* may have reached the vendor before or after the *off*."""

    def meanwhile(_on):
        with bench.engines.write.begin() as connection:
            keep_switch(connection, bench.record.id, bench.device_id, bench.now)

    bench.vendor.plans = [meanwhile]
    bench.switch(bench.one)

    assert bench.known() == (None, timedelta(0), None)


def test_a_bike_sold_anew_during_a_call_is_switched_off_at_once(bench):
    def meanwhile(on):
        with bench.engines.write.begin() as connection:
            end_switches(connection, [bench.device_id], bench.now)
        bench.switch(bench.two)
        bench.vendor.on = on

    with bench.engines.write.begin() as connection:
        connection.execute(sa.update(t.switches).values(is_on=None, paid_until=bench.now + WEEK))
    bench.vendor.plans = [meanwhile]
    bench.switch(bench.one)
    assert (bench.vendor.on, bench.known()) == (True, (None, timedelta(0), None))

    bench.switch(bench.two)

    assert (bench.vendor.on, bench.known()) == (False, (False, None, None))


def test_a_vendor_that_wants_to_be_left_alone_is_also_when_a_payment_came_meanwhile(bench):
    def meanwhile(_on):
        bench.order()
        raise Throttled("not now", after=timedelta(minutes=5))

    bench.vendor.plans = [meanwhile]
    bench.switch(bench.one)

    assert bench.known() == (None, timedelta(minutes=5), None)


def test_a_call_that_ends_after_it_was_given_up_has_the_bike_asked_again(engines):
    bench = BikeBench(engines, deadline=0.2)
    given_up = threading.Event()

    def hangs(on):
        assert given_up.wait(15)
        bench.vendor.on = on

    bench.vendor.plans = [hangs]
    bench.switch(bench.one)
    assert bench.known() == (None, timedelta(seconds=30), None)
    bench.order()
    bench.switch(bench.two)
    assert (bench.vendor.on, bench.known()) == (True, (True, WEEK, None))

    given_up.set()
    assert bench.vendor.has_ended.wait(15)
    for _ in range(500):
        if bench.row("is_on") is None:
            break
        threading.Event().wait(0.02)

    assert (bench.vendor.on, bench.known()) == (False, (None, timedelta(0), None))


def test_a_call_that_is_out_during_the_upgrade_is_asked_again(bench):
    with bench.engines.write.begin() as connection:
        connection.execute(sa.update(t.switches).values(is_on=None, paid_until=bench.now + WEEK))
        command.downgrade(alembic_config(connection), "0012")
    with bench.engines.write.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    bench.vendor.on = False

    bench.switch(bench.one)

    assert (bench.vendor.on, bench.known()) == (True, (True, WEEK, None))
