"""PostgreSQL is stopped the hard way again and again, while telecoms call and workers work (T9).

`MPM_STOPS` chooses how often. The host lives on; whatever it acknowledged is booked and finished.
"""

from __future__ import annotations

import random
import time

import pytest

from mpm_host.database.engines import open_engines
from mpm_host.database.upgrade import upgrade
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.doubt import badly_ended, orders_in_hand
from tests.faults.evidence import Findings, examine
from tests.faults.impatient_telecom import ImpatientTelecom, planned_payments
from tests.faults.scene import crash_scene
from tests.faults.sizes import database_stops
from tests.faults.waiting import open_orders, wait_until_nothing_is_open
from tests.support.restartable_postgres import restartable_postgres

pytestmark = pytest.mark.slow

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
FIRST, THEN = 8, 16  # payments that begin before each stop
PER_STOP = FIRST + THEN
LONGEST_UP, LONGEST_DOWN = 0.05, 0.3  # seconds
WHILE = 120.0  # seconds; far longer than anything takes


@pytest.fixture
def server():
    """A PostgreSQL that can be stopped."""
    with restartable_postgres() as made:
        yield made


@pytest.fixture
def database(server):
    """The URL of a database there, with our tables."""
    url = server.server.url(server.server.create())
    engines = open_engines(url)
    upgrade(engines.write)
    engines.dispose()
    return url


def test_stops_of_the_database_under_load_lose_nothing_and_everything_is_finished(
    server, database, tmp_path, capsys
):
    stops = database_stops(5)
    dice = random.Random(0)  # noqa: S311 - dice: when it stops, which payments are said again
    began, doubt = time.monotonic(), set()
    with crash_scene(tmp_path, database, payments=stops * PER_STOP) as scene:
        calin = scene.distant["calin"]
        payments = iter(planned_payments(scene, stops * PER_STOP))
        with ImpatientTelecom(scene=scene, dice=dice) as telecom, scene.host.running():
            interrupted = 0
            for _ in range(stops):
                calin.hold_answers()  # so that workers wait for answers when it stops
                telecom.release([next(payments) for _ in range(FIRST)])
                assert calin.wait_until_one_is_held(WHILE)
                telecom.release([next(payments) for _ in range(THEN)])
                time.sleep(dice.uniform(0, LONGEST_UP))
                doubt |= orders_in_hand(scene)
                server.stop_immediately()
                interrupted += not telecom.is_idle
                answers_come = dice.choice(["while it is gone", "once it is back"])
                if answers_come == "while it is gone":
                    calin.let_go()
                time.sleep(dice.uniform(0, LONGEST_DOWN))
                server.start()
                calin.let_go()
                doubt |= orders_in_hand(scene)
            telecom.wait_until_all_are_answered(WHILE)
            wait_until_nothing_is_open(scene, seconds=WHILE)
            found = examine(scene, dict(telecom.acknowledged))
            endings = badly_ended(scene, doubt)
            parked = open_orders(scene)[OrderStatus.PARKED]
    with capsys.disabled():
        print(  # noqa: T201 - the counts are the report
            f"\n{stops} stops of PostgreSQL, {interrupted} of them with calls under way: "
            f"{len(telecom.acknowledged)} payments acknowledged, {len(doubt)} in hand at a stop, "
            f"{parked} of them in doubt, {time.monotonic() - began:.0f} s"
        )
    assert found == CLEAN
    assert endings == []
    assert (telecom.refused, telecom.differing) == ([], [])
    assert len(telecom.acknowledged) == stops * PER_STOP
    assert interrupted > stops // 2
    assert len(doubt) >= stops
