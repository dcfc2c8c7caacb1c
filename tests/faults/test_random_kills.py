"""`kill -9` at random moments under load: nothing acknowledged is lost, nothing is minted twice.

The manufacturers live in the test's process and survive; the telecom repeats its calls until it is
answered. After every kill the books are compared, and at the end every order that was not in hand
at a death must have brought its token. The controls are hosts made worse on purpose: the same
comparison must convict them, else its zero would mean nothing.
"""

from __future__ import annotations

import random
import shutil
import time
from datetime import timedelta

import attrs
import pytest

from mpm_host.orders.order_rules import OrderStatus
from tests.faults.doubt import badly_ended, orders_in_hand
from tests.faults.evidence import Findings, examine
from tests.faults.impatient_telecom import ImpatientTelecom, planned_payments
from tests.faults.killable_host import Part
from tests.faults.naive_hosts import (
    answer_before_commit,
    ask_again_after_a_crash,
    leave_every_order_to_a_person,
)
from tests.faults.scattered_host import bury, let_time_pass, scattered
from tests.faults.scene import crash_scene
from tests.faults.sizes import sizes
from tests.faults.waiting import open_orders, wait_until_nothing_is_open

# Where the dice fall depends on the machine's load: run by `nox -s faults`, on a quiet machine.
pytestmark = pytest.mark.slow

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
OVER_A_LEASE = timedelta(minutes=3)  # a killed worker's attempt is nobody's by then
WHILE = 30.0  # seconds; far longer than anything takes
UP = 0.9  # of the lives see payments, the others end perhaps while they start
LONGEST_START = 0.6  # seconds to the kill of those
LONGEST_LIFE = 5.0  # seconds to the kill when payments are slow
A_MOMENT = 0.1  # seconds; the most by which a kill comes after what it waited for
EXAMINED = 4  # every so manieth death of a part: the books go on being written meanwhile


@attrs.frozen(kw_only=True)
class Run:
    """What a run of kills came to.

    Attributes:
        findings: at every death, and at the end.
        endings: what is wrong with how orders ended.
        in_hand: orders that a host had in hand at some death.
        parked: those of them that wait for a person.
    """

    findings: list[Findings]
    endings: list[str]
    acknowledged: int
    refused: list[str]
    differing: list[str]
    in_hand: int
    parked: int

    @classmethod
    def of(cls, scene, telecom, findings, doubt):
        """Look at the scene once nothing is open any more."""
        return cls(
            findings=[*findings, examine(scene, dict(telecom.acknowledged))],
            endings=badly_ended(scene, doubt),
            acknowledged=len(telecom.acknowledged),
            refused=telecom.refused,
            differing=telecom.differing,
            in_hand=len(doubt),
            parked=open_orders(scene)[OrderStatus.PARKED],
        )

    def assert_clean(self, run):
        """Compare with the promises; a seed is printed for whoever must throw the dice again."""
        guilty = {number: found for number, found in enumerate(self.findings) if found != CLEAN}
        assert guilty == {}, f"seed {run.seed}"
        assert self.endings == [], f"seed {run.seed}"
        assert (self.acknowledged, self.refused, self.differing) == (run.payments, [], [])
        assert self.in_hand > 0, f"nobody was killed at work: this run proves nothing; {run.seed}"


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
            findings, doubt = [], set()
            for kill in range(run.kills):
                telecom.release(payments[_share(run, kill) : _share(run, kill + 1)])
                scene.host.start()
                _live_a_while(scene.host, telecom, run, dice)
                scene.host.kill()
                findings.append(examine(scene, dict(telecom.acknowledged)))
                doubt |= orders_in_hand(scene)
                scene.clock.move(OVER_A_LEASE)
            with scene.host.running():
                telecom.wait_until_all_are_answered(WHILE)
                wait_until_nothing_is_open(scene, seconds=120)
            return Run.of(scene, telecom, findings, doubt)


def run_with_kills_of_parts(folder, database, run):
    """The same with a host spread over three processes: one dies, the others go on.

    Each dies equally often. A worker's death explains a doubt; that of the one that answers does
    not.
    """
    dice = _dice(run)
    with crash_scene(folder, database, payments=run.payments) as scene, scattered(scene) as parts:
        victims = [parts[kill % len(parts)] for kill in range(run.kills)]
        dice.shuffle(victims)
        payments = planned_payments(scene, run.payments)
        with ImpatientTelecom(scene=scene, dice=_dice(run)) as telecom:
            findings, doubt = [], set()
            for kill, victim in enumerate(victims):
                telecom.release(payments[_share(run, kill) : _share(run, kill + 1)])
                _live_a_while(victim, telecom, run, dice)
                in_hand = bury(scene, victim)
                doubt |= in_hand if victim.part is Part.WORKER else set()
                victim.start()
                let_time_pass(scene, doubt)
                if kill % EXAMINED == 0:
                    findings.append(examine(scene, dict(telecom.acknowledged)))
            telecom.wait_until_all_are_answered(WHILE)
            wait_until_nothing_is_open(
                scene, seconds=120, let_time_pass=lambda scene: let_time_pass(scene, doubt)
            )
            return Run.of(scene, telecom, findings, doubt)


def _live_a_while(host, telecom, run, dice):
    """Let a life last for some payments, so that a slow machine kills at work as a fast one does.

    In time a life would be too short for any payment on the one, and for all of them on the other.
    """
    if dice.random() < UP:
        host.wait_until_it_is_up()
        telecom.wait_for_more(dice.randint(0, 2 * run.payments // run.kills), LONGEST_LIFE)
        time.sleep(dice.uniform(0, A_MOMENT))
    else:
        time.sleep(dice.uniform(0, LONGEST_START))


def _share(run, kill):
    """How many payments have begun when a life begins."""
    return kill * run.payments // run.kills


def _dice(run):
    return random.Random(run.seed)  # noqa: S311 - dice that can be thrown again, not a secret


def _report(capsys, what, run, done, seconds):
    with capsys.disabled():
        print(  # noqa: T201 - the counts and the seed are the point of the report
            f"\n{what}: {run.kills} kills, {run.payments} payments, seed {run.seed}: "
            f"{done.acknowledged} acknowledged, {done.in_hand} in hand at a death, "
            f"{done.parked} of them in doubt, {seconds:.0f} s"
        )


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
    kind = database_url.partition(":")[0]
    _report(capsys, kind, run, done, time.monotonic() - began)
    done.assert_clean(run)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_kills_of_one_part_at_a_time_lose_nothing_and_double_nothing(
    tmp_path, database_url, capsys
):
    """One process that answers and two that work: any of them dies while the others go on."""
    run = sizes(kills=20, payments=200)
    began = time.monotonic()
    done = run_with_kills_of_parts(tmp_path, database_url, run)
    _report(capsys, "three processes on postgresql", run, done, time.monotonic() - began)
    done.assert_clean(run)


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
        telecom.wait_until_so_many_are_acknowledged(1, WHILE)
        scene.host.kill()
        found = examine(scene, dict(telecom.acknowledged))
    assert found.lost != ()
    assert found.doubled == {}


def test_the_comparison_convicts_a_host_that_mints_nothing(tmp_path, small_database):
    """It leaves every order to a person: nothing is lost or doubled, and nobody has light."""
    with (
        crash_scene(
            tmp_path, small_database, payments=8, variant=leave_every_order_to_a_person
        ) as scene,
        ImpatientTelecom(scene=scene, dice=random.Random(0)) as telecom,  # noqa: S311 - dice
    ):
        telecom.release(planned_payments(scene, 8))
        with scene.host.running():
            telecom.wait_until_all_are_answered(WHILE)
            wait_until_nothing_is_open(scene, seconds=WHILE)
        found = examine(scene, dict(telecom.acknowledged))
        endings = badly_ended(scene, doubt=set())
        orders = open_orders(scene)
    assert found == CLEAN
    assert len(endings) == orders[OrderStatus.PARKED] > 0
    assert endings[0].endswith(" is parked, and nobody died over it")
