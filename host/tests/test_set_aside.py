"""Poison work: tried a few times, then set aside for a person; everything else goes on."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_core import NotSent, UserError
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.messages.message_sender import MessageSender
from mpm_host.orders.set_aside import OrderKeeper, count_set_aside
from mpm_host.poison_work import guarded
from tests.support.order_bench import OrderBench, energy_grant, lost

CODE = "11112222333344445555"


class Poisoned:
    """A bench whose worker notes what it fails with, as the running host's does."""

    def __init__(self, engines):
        self.bench = OrderBench(engines)
        self.keeper = OrderKeeper(engines=engines, clock=self.bench.clock)

    def spoil(self, payment_id, kind="nonsense"):
        """Make a row nobody can read; or mend it."""
        with self.bench.engines.write.begin() as connection:
            connection.execute(
                sa.update(t.orders).where(t.orders.c.payment_id == payment_id).values(kind=kind)
            )

    def work(self, payment_id, times=1):
        work = guarded(self.bench.worker.work_on, self.keeper.note_failure)
        for _ in range(times):
            with pytest.raises(ValueError, match="nonsense"):
                work(self.bench.order(payment_id)["id"])
            self.bench.later(minutes=2)

    def status(self, payment_id):
        query = sa.select(t.payments.c.status, t.payments.c.needs_person, t.payments.c.reason)
        with self.bench.engines.read.connect() as connection:
            return tuple(connection.execute(query.where(t.payments.c.id == payment_id)).one())


@pytest.fixture
def poisoned(engines):
    return Poisoned(engines)


def retry(poisoned, payment_id):
    bench = poisoned.bench
    actor = Actor(name="test", at=bench.now, reason="The row was mended.")
    with bench.engines.write.begin() as connection:
        actions = PaymentActions(vault=bench.vault, directory=lambda: bench.directory)
        return actions.retry(connection, payment_id, actor, company_id=bench.record.id)


def test_an_order_whose_work_always_fails_is_set_aside_after_five_tries(poisoned):
    payment_id = poisoned.bench.paid()
    poisoned.spoil(payment_id)

    poisoned.work(payment_id, times=4)
    before = poisoned.bench.order(payment_id)
    poisoned.work(payment_id)
    order = poisoned.bench.order(payment_id)

    assert (before["status"], before["reason"], before["detail"]) == (
        "queued", "work_failed", "Working on it failed (ValueError); it is tried again.",
    )  # fmt: skip
    assert (order["status"], order["reason"], order["next_at"]) == ("refused", "set_aside", None)
    assert order["detail"] == "Working on it failed 5 times (ValueError); a person must decide."
    assert poisoned.status(payment_id) == ("held", True, "set_aside")
    poisoned.spoil(payment_id, "energy")
    assert poisoned.bench.differences() == []


def test_an_order_that_was_set_aside_and_mended_is_tried_again_by_a_person(poisoned):
    bench, payment_id = poisoned.bench, poisoned.bench.paid()
    poisoned.spoil(payment_id)
    poisoned.work(payment_id, times=5)
    poisoned.spoil(payment_id, "energy")
    bench.scripts["calin"].generate.append(energy_grant())

    assert retry(poisoned, payment_id)
    bench.work(payment_id)

    assert bench.status(payment_id) == ("settled", False, "")
    assert bench.codes(payment_id) == [CODE]
    assert bench.differences() == []


def test_an_order_that_may_have_brought_a_token_is_parked_instead(poisoned):
    payment_id = poisoned.bench.lost()
    poisoned.spoil(payment_id)
    poisoned.bench.later(minutes=1)

    poisoned.work(payment_id, times=5)

    assert poisoned.bench.order(payment_id)["status"] == "parked"
    assert poisoned.status(payment_id) == ("unknown", True, "set_aside")
    poisoned.spoil(payment_id, "energy")
    assert poisoned.bench.differences() == []


def test_failures_of_the_vendor_do_not_count(poisoned):
    bench, payment_id = poisoned.bench, poisoned.bench.paid()
    for _ in range(9):
        bench.scripts["calin"].generate.append(NotSent("down"))
        bench.work(payment_id)
        bench.later(minutes=15)
    poisoned.spoil(payment_id)

    poisoned.work(payment_id)

    order = bench.order(payment_id)
    assert (order["status"], order["failures"]) == ("queued", 1)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(sa.exc.OperationalError("select", {}, Exception("gone")), id="database-gone"),
        pytest.param(UserError("cannot be decrypted"), id="wrong-key"),
    ],
)
def test_what_concerns_every_row_does_not_count(error):
    noted = []

    def fail(_key):
        raise error

    with pytest.raises(type(error)):
        guarded(fail, lambda *what: noted.append(what))("one")
    assert noted == []


def test_other_orders_of_the_device_go_on(poisoned):
    bench, first = poisoned.bench, poisoned.bench.paid()
    second = bench.pay("47001234567", "500", "R2")
    poisoned.spoil(first)
    bench.work(second)  # waits for its turn
    poisoned.work(first, times=5)
    bench.scripts["calin"].generate.append(energy_grant(watt_hours=500))

    bench.work(second)

    assert bench.status(second) == ("settled", False, "")


def test_what_ended_or_does_not_exist_is_left_alone(poisoned):
    bench, payment_id = poisoned.bench, poisoned.bench.paid()
    bench.scripts["calin"].generate.append(lost())
    bench.work(payment_id)
    bench.later(minutes=1)
    bench.work(payment_id)  # parks it
    before = bench.order(payment_id)

    for _ in range(6):
        poisoned.keeper.note_failure(before["id"], "ValueError")
    poisoned.keeper.note_failure("f" * 32, "ValueError")

    assert bench.order(payment_id) == before


def test_what_was_set_aside_is_counted_per_company(poisoned):
    bench, payment_id = poisoned.bench, poisoned.bench.paid()
    poisoned.spoil(payment_id)
    poisoned.work(payment_id, times=5)

    with bench.engines.read.connect() as connection:
        assert count_set_aside(connection, [bench.record.id]) == {bench.record.id: 1}
        assert count_set_aside(connection, ["f" * 32]) == {}


def test_a_message_nobody_can_read_is_given_up_after_eight_tries_and_listed_as_failed(poisoned):
    """T-69."""
    bench, payment_id = poisoned.bench, poisoned.bench.paid()
    bench.scripts["calin"].generate.append(energy_grant())
    bench.work(payment_id)
    [message] = bench.rows(t.messages)
    sender = MessageSender(bench.resources())
    with bench.engines.write.begin() as connection:
        connection.execute(sa.update(t.messages).values(phone="nonsense"))
    work = guarded(sender.work_on, sender.note_failure)

    for _ in range(8):
        with pytest.raises(ValueError, match=r"E\.164"):
            work(message["id"])
    work(message["id"])  # it is no work any more

    [message] = bench.rows(t.messages)
    assert (message["status"], message["failures"], message["next_at"]) == ("failed", 8, None)
    assert message["detail"] == "Sending it failed (ValueError)."
