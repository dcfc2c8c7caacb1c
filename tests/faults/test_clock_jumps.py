"""Clocks that jump by an hour or a day, both ways, with work in flight (T12, C12)."""

from __future__ import annotations

import random
import time
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from mpm_core import Money, SimulatedPayment
from mpm_host.database import tables as t
from tests.faults.evidence import Findings, examine
from tests.faults.impatient_telecom import ImpatientTelecom, planned_payments
from tests.faults.scene import crash_scene
from tests.faults.waiting import open_orders, wait_until_nothing_is_open

pytestmark = pytest.mark.slow

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
WHILE = 60.0  # seconds; far longer than anything takes
JUMPS = [timedelta(hours=1), timedelta(hours=-1), timedelta(days=1), timedelta(days=-1)]
BACKWARDS = 2  # of them
PER_JUMP = 6
DICE = random.Random(0)  # noqa: S311 - dice: which acknowledged payments are said again


@pytest.fixture
def scene(tmp_path, database_url):
    """A running host with enough customers."""
    with (
        # one for each device: none waits for the turn of another
        crash_scene(
            tmp_path, database_url, payments=4 * PER_JUMP * (len(JUMPS) + BACKWARDS)
        ) as made,
        made.host.running(),
    ):
        yield made


def pay_and_wait(scene, telecom, payments):
    """Pay, and wait until all is done; no time is let pass."""
    telecom.release(payments)
    telecom.wait_until_all_are_answered(WHILE)
    p = t.payments.c
    mine = p.reference.in_([payment.reference for payment in payments])
    query = sa.select(sa.func.count()).where(mine, p.status == "settled")
    until = time.monotonic() + WHILE
    settled = -1
    while settled < len(payments) and time.monotonic() < until:
        with scene.opened.engines.read.connect() as connection:
            settled = connection.execute(query).scalar_one()
        time.sleep(0.05)
    return settled


def test_a_clock_that_jumps_ends_no_lease_early_and_mints_nothing_twice(scene):
    payments = iter(planned_payments(scene, PER_JUMP * (len(JUMPS) + BACKWARDS)))
    calin = scene.distant["calin"]
    statuses, settled = [], []
    with ImpatientTelecom(scene=scene, dice=DICE) as telecom:
        for jump in JUMPS:
            calin.hold_answers()
            telecom.release([next(payments) for _ in range(PER_JUMP)])
            telecom.wait_until_all_are_answered(WHILE)
            assert calin.wait_until_one_is_held(WHILE)
            scene.clock.move(jump)
            time.sleep(1.0)  # many looks of the relay: real time, for the host is another process
            statuses.append(open_orders(scene))
            calin.let_go()
            if jump < timedelta(0):
                # What comes now is carried out by the clock as it is; what was not begun before
                # waits until its time comes again: so somebody mends the clock then.
                new = [next(payments) for _ in range(PER_JUMP)]
                settled.append(pay_and_wait(scene, telecom, new))
                scene.clock.move(-jump)
            wait_until_nothing_is_open(scene, seconds=WHILE)
        found = examine(scene, dict(telecom.acknowledged))
    assert [(each["unknown"], each["parked"]) for each in statuses] == [(0, 0)] * len(JUMPS)
    assert all(each["sent"] > 0 for each in statuses)
    assert settled == [PER_JUMP] * BACKWARDS
    assert found == CLEAN
    assert set(open_orders(scene)) == {"issued"}  # nothing in doubt: no lease ended early
    assert (telecom.refused, telecom.differing) == ([], [])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_proof_that_expired_by_our_clock_is_refused_and_a_new_one_taken(scene):
    device = next(device for device in scene.devices if device.serial.startswith("47"))
    payment = SimulatedPayment(
        reference="AIRCLOCK1",
        serial=device.serial,
        amount=Money.parse(device.amount, "TZS"),
        msisdn="255781234567",
    )
    old = scene.airtel.validate_call(payment, scene.airtel_settings)
    scene.clock.move(timedelta(hours=1))
    new = scene.airtel.validate_call(payment, scene.airtel_settings)
    with httpx.Client(timeout=20, trust_env=False) as http:
        answers = [
            http.post(
                f"{scene.callback_url}/{call.path}", headers=dict(call.headers), content=call.body
            ).content
            for call in (old, new)
        ]
    assert b"<STATUS>401</STATUS>" in answers[0]
    assert b"<STATUS>200</STATUS>" in answers[1]
    with scene.opened.engines.read.connect() as connection:
        stored = connection.execute(sa.select(t.payments.c.status)).scalars().all()
    assert stored == ["validated"]
