"""T16: an old database with queued, sent and unknown orders is upgraded, and all of them finish."""

from __future__ import annotations

import pytest
from alembic import command

from mpm_core import Recovery
from mpm_host.database.upgrade import alembic_config, current, head, upgrade
from tests.support.order_bench import OrderBench, energy_grant, lost
from tests.support.played_relay import Played

SINCE_WORK = 4  # the oldest revision whose orders these rules can work on
REVISIONS = [f"{number:04d}" for number in range(SINCE_WORK, int(head()))]


class Killed(BaseException):
    """What ends a worker between asking and writing."""


class RelayedWork(Played):
    """Works on the orders that the relay hands over, and on no others."""

    def work(self):
        """Have the relay look once, and work on what it hands over."""
        for piece in self.look():
            self.bench.worker.work_on(piece.partition(":")[0])
            self.end([piece])


@pytest.mark.parametrize("revision", REVISIONS)
def test_work_in_flight_survives_an_upgrade_and_finishes(engines, revision):
    bench = OrderBench(engines, recovery=Recovery.KEYED)
    meters = {"queued": "47001234561", "sent": "47001234562", "unknown": "47001234563"}
    payments = {}
    for name, serial in meters.items():
        bench.meter(serial)
        payments[name] = bench.pay(serial, "1000", name)
    calin = bench.scripts["calin"]
    calin.generate.append(lost())
    bench.work(payments["unknown"])
    begin_and_die(bench, payments["sent"])
    before = {name: bench.order(payments[name]) for name in meters}
    assert {name: order["status"] for name, order in before.items()} == {
        name: name for name in meters
    }

    with engines.write.begin() as connection:
        command.downgrade(alembic_config(connection), revision)
    assert current(engines.write) == revision
    assert upgrade(engines.write) == (revision, head())

    # above all fence, lease_until, due_at and next_at: without the last nobody ever comes to it
    assert {name: bench.order(payments[name]) for name in meters} == before
    calin.generate.extend(energy_grant(code) for code in ("1" * 20, "2" * 20, "3" * 20, "4" * 20))
    calin.find.extend([energy_grant("5" * 20), energy_grant("6" * 20)])
    relayed = RelayedWork(bench)
    for _ in range(6):
        bench.later(hours=1)
        relayed.work()
    assert {name: bench.status(payments[name])[0] for name in meters} == dict.fromkeys(
        meters, "settled"
    )
    assert all(len(bench.codes(payment_id)) == 1 for payment_id in payments.values())
    assert bench.differences() == []


def begin_and_die(bench, payment_id):
    """Begin an attempt whose worker never comes back."""
    take = bench.worker._answers.take

    def die(*_what):
        raise Killed

    bench.worker._answers.take = die
    bench.scripts["calin"].generate.append(lost())
    with pytest.raises(Killed):
        bench.work(payment_id)
    bench.worker._answers.take = take
