"""`kill -9` at random moments under load: nothing acknowledged is lost, nothing is minted twice.

The manufacturers live in the test's process and survive; the telecom repeats its calls until it is
answered. After every kill the books are compared. The controls are hosts made worse on purpose: the
same comparison must convict them, else its zero would mean nothing.
"""

from __future__ import annotations

import random
import shutil
import time
from datetime import timedelta

import attrs
import pytest

from mpm_host.orders.order_rules import OrderStatus
from tests.faults.evidence import Findings, examine
from tests.faults.impatient_telecom import ImpatientTelecom, planned_payments
from tests.faults.naive_hosts import answer_before_commit, ask_again_after_a_crash
from tests.faults.scene import crash_scene
from tests.faults.sizes import sizes
from tests.faults.waiting import open_orders, wait_until_nothing_is_open

# Where the dice fall depends on the machine's load: run by `nox -s faults`, on a quiet machine.
pytestmark = pytest.mark.slow

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
OVER_A_LEASE = timedelta(minutes=3)  # a killed worker's attempt is nobody's by then
WHILE = 30.0  # seconds; far longer than anything takes
LONGEST_LIFE = 0.6  # seconds from listening to the kill
LAST_LIFE = 120.0  # seconds to answer the rest of a thousand payments; in proportion for more


@attrs.frozen(kw_only=True)
class Run:
    """What a run of kills came to."""

    findings: list[Findings]
    acknowledged: int
    refused: list[str]
    differing: list[str]
    in_doubt: int


def run_with_kills(folder, database, run):
    """Kill the host again and again while payments come in, and examine every corpse.

    Args:
        folder: for what the host writes besides the database.
        database: its URL.
        run: how often, how many, by which dice.
    """
    dice = _dice(run)
    with crash_scene(folder, database, payments=run.payments) as scene:
        payments = planned_payments(scene, run.payments)
        with ImpatientTelecom(scene=scene, dice=_dice(run)) as telecom:
            findings = []
            for kill in range(run.kills):
                telecom.release(payments[_share(run, kill) : _share(run, kill + 1)])
                scene.host.start()
                if dice.random() < 0.9:  # else it dies while it starts
                    scene.host.wait_until_it_listens()
                time.sleep(dice.uniform(0, LONGEST_LIFE))
                scene.host.kill()
                findings.append(examine(scene, dict(telecom.acknowledged)))
                scene.clock.move(OVER_A_LEASE)
            with scene.host.running():
                telecom.wait_until_all_are_answered(LAST_LIFE * max(1.0, run.payments / 1000))
                wait_until_nothing_is_open(scene, seconds=120)
            findings.append(examine(scene, dict(telecom.acknowledged)))
            return Run(
                findings=findings,
                acknowledged=len(telecom.acknowledged),
                refused=telecom.refused,
                differing=telecom.differing,
                in_doubt=open_orders(scene)[OrderStatus.PARKED],
            )


def _share(run, kill):
    """How many payments have begun when a life begins."""
    return kill * run.payments // run.kills


def _dice(run):
    return random.Random(run.seed)  # noqa: S311 - dice that can be thrown again, not a secret


@pytest.mark.parametrize(
    ("database_url", "run"),
    [
        pytest.param("sqlite", sizes(kills=100, payments=1000), id="sqlite"),
        pytest.param("postgresql", sizes(kills=20, payments=200), id="postgresql"),
    ],
    indirect=["database_url"],
)
def test_kills_lose_nothing_double_nothing_and_leave_the_ledger_exact(
    tmp_path, database_url, run, capsys
):
    began = time.monotonic()
    done = run_with_kills(tmp_path, database_url, run)
    with capsys.disabled():
        print(  # noqa: T201 - the counts and the seed are the point of the report
            f"\n{database_url.partition(':')[0]}: {run.kills} kills, {run.payments} payments,"
            f" seed {run.seed}: {done.acknowledged} acknowledged, {done.in_doubt} in doubt,"
            f" {time.monotonic() - began:.0f} s"
        )
    guilty = {number: found for number, found in enumerate(done.findings) if found != CLEAN}
    assert guilty == {}, f"seed {run.seed}"
    assert (done.acknowledged, done.refused, done.differing) == (run.payments, [], [])


# --- the controls: convicted every time, or the zero above would mean nothing --------------------


@pytest.fixture
def small_database(tmp_path, sqlite_template):
    """The URL of an SQLite database of its own."""
    shutil.copyfile(sqlite_template, tmp_path / "mpm.db")
    return f"sqlite:///{tmp_path / 'mpm.db'}"


def test_the_comparison_convicts_a_host_that_asks_again_after_a_crash(tmp_path, small_database):
    """Killed between mint and answer, it has its manufacturer mint a second time."""
    with crash_scene(
        tmp_path, small_database, payments=8, variant=ask_again_after_a_crash
    ) as scene:
        calin = scene.distant["calin"]
        calin.hold_answers()
        with ImpatientTelecom(scene=scene, dice=random.Random(0)) as telecom:  # noqa: S311 - dice
            telecom.release(planned_payments(scene, 8))
            scene.host.start()
            assert calin.wait_until_one_is_held(WHILE)
            scene.host.kill()
            calin.let_go()
            assert examine(scene, dict(telecom.acknowledged)) == CLEAN
            scene.clock.move(OVER_A_LEASE)
            with scene.host.running():
                telecom.wait_until_all_are_answered(WHILE)
                wait_until_nothing_is_open(scene, seconds=WHILE)
            found = examine(scene, dict(telecom.acknowledged))
    assert found.doubled != {}
    assert found.lost == ()


def test_the_comparison_convicts_a_host_that_answers_before_it_commits(tmp_path, small_database):
    """Killed as soon as it has acknowledged a payment, it has not booked it."""
    with (
        crash_scene(tmp_path, small_database, payments=8, variant=answer_before_commit) as scene,
        ImpatientTelecom(scene=scene, dice=random.Random(0)) as telecom,  # noqa: S311 - dice
    ):
        telecom.release(planned_payments(scene, 8))
        scene.host.start()
        telecom.wait_until_one_is_acknowledged(WHILE)
        scene.host.kill()
        found = examine(scene, dict(telecom.acknowledged))
    assert found.lost != ()
    assert found.doubled == {}
