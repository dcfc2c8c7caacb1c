"""Workers whose machine sleeps between their commit and their call, for longer than their lease.

A virtual machine is paused, or a process stopped, and goes on later as if nothing had been: what it
asks then would come after what the others have done meanwhile.
"""

from __future__ import annotations

import pytest

from mpm_core import NotFound, Prepared, Recovery
from mpm_host.orders.order_worker import OrderWorker
from tests.support.order_bench import OrderBench, energy_grant

CODE, OTHER_CODE = "11112222333344445555", "66667777888899990000"


class Sleeper(OrderWorker):
    """A worker that sleeps once, when its attempt was committed."""

    def __init__(self, bench, meanwhile):
        super().__init__(bench.resources(), wake=lambda: None, pause=lambda _seconds: None)
        self._meanwhile = meanwhile

    def _begin(self, order, blocking, asking):
        begun = super()._begin(order, blocking, asking)
        self._meanwhile()
        return begun


def outcomes(bench, payment_id):
    return [outcome for _, outcome, *_ in bench.attempts(payment_id)]


def test_a_worker_that_slept_while_another_sold_asks_nobody(engines):
    bench = OrderBench(engines, recovery=Recovery.LOOKUP)
    script, payment_id = bench.scripts["calin"], bench.paid()

    def others_go_on():
        bench.later(minutes=10)
        bench.work(payment_id)
        script.find += [NotFound(conclusive=True)] * 2  # true: it was not asked
        for minutes in (1, 2):
            bench.later(minutes=minutes)
            bench.work(payment_id)
        script.generate.append(energy_grant(CODE))
        bench.work(payment_id)
        script.generate.append(energy_grant(OTHER_CODE))

    Sleeper(bench, others_go_on).work_on(bench.order(payment_id)["id"])

    assert len(script.asked()) == 1
    assert bench.codes(payment_id) == [CODE]
    assert bench.evidence(payment_id) == []
    assert bench.differences() == []


def test_a_worker_that_slept_sets_no_older_target(engines):
    bench = OrderBench(engines, recovery=Recovery.DESIRED_STATE, prepares=True, blocks_device=True)
    script, until = bench.scripts["calin"], {"day": 0}

    def put(order):
        until["day"] = int(order.prepared["target"])
        return energy_grant(order.key[:20])

    script.prepare += [lambda _: Prepared(inputs={"target": str(until["day"] + 10)})] * 5
    script.generate += [put] * 5
    first = bench.paid()
    second = bench.pay("47001234567", "1000", "R2")

    def others_go_on():
        bench.later(minutes=10)
        bench.work(first)
        bench.later(seconds=40)
        bench.work(first)
        bench.work(first)
        bench.later(minutes=2)
        bench.work(second)

    Sleeper(bench, others_go_on).work_on(bench.order(first)["id"])

    assert until == {"day": 20}
    assert [bench.status(each)[0] for each in (first, second)] == ["settled", "settled"]


def test_a_worker_that_slept_knows_that_it_asked_nobody(engines):
    """So the doubt that others had about it is over, also where nobody else could end it."""
    bench = OrderBench(engines, recovery=Recovery.NONE)
    script, payment_id = bench.scripts["calin"], bench.paid()

    def others_give_up():
        bench.later(minutes=10)
        bench.work(payment_id)
        bench.later(seconds=40)
        bench.work(payment_id)
        assert bench.status(payment_id)[:2] == ("unknown", True)

    Sleeper(bench, others_give_up).work_on(bench.order(payment_id)["id"])
    assert outcomes(bench, payment_id) == ["not_sent"]
    script.generate.append(energy_grant(CODE))
    bench.later(minutes=1)
    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
    assert outcomes(bench, payment_id) == ["not_sent", "issued"]
    assert bench.differences() == []


@pytest.mark.parametrize("recovery", [Recovery.NONE, Recovery.KEYED])
def test_a_worker_that_slept_alone_asks_anew(engines, recovery):
    bench = OrderBench(engines, recovery=recovery)
    payment_id = bench.paid()
    Sleeper(bench, lambda: bench.later(minutes=10)).work_on(bench.order(payment_id)["id"])
    assert (outcomes(bench, payment_id), bench.status(payment_id)[0]) == (
        ["not_sent"], "token_pending",
    )  # fmt: skip
    bench.scripts["calin"].generate.append(energy_grant(CODE))
    bench.later(minutes=1)
    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
