"""Every labelled crash point, one after the other: a host dies there, the next one goes on.

Beside manufacturers that can be asked nothing there are those that recover by themselves, a
gateway, bikes to be switched, a person at the API, and a telecom that prompts phones and listens to
everything. After some deaths everything is finished and all books are compared.
"""

from __future__ import annotations

import contextlib
import random
import time

import attrs
import pytest

from mpm_host.crash_points import CrashPoint
from tests.faults.crash_walk import ALL_MAKERS, PAYMENTS_PER_LIFE, CrashWalk
from tests.faults.evidence import Findings, examine
from tests.faults.impatient_telecom import ImpatientTelecom, attentive_line
from tests.faults.insistent_person import InsistentPerson
from tests.faults.recovered import type_all_codes, unrecovered
from tests.faults.scene import ATTENTIVE, crash_scene
from tests.faults.sizes import walked_hits, walked_points
from tests.faults.told import unasked, untold
from tests.faults.waiting import open_orders

pytestmark = pytest.mark.slow

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
IDLE_METERS = 3
PLUGIN = "from tests.faults.attentive_pay import AttentivePay as Plugin\n"
# One of each kind of boundary: what is left out differs from these in no statement of SQL.
FEW = (
    CrashPoint.BATCH_COMMITTED, CrashPoint.RELAY_MARKED, CrashPoint.VENDOR_ANSWERED,
    CrashPoint.SWITCH_DONE, CrashPoint.TELLING_HEARD, CrashPoint.PUSH_BOOKED,
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Route:
    """Where a walk leads.

    Attributes:
        points: where hosts die, in this order.
        hits: how often at each: the first time it is reached, then the second, ...
        finish_every: after how many points everything is finished and compared.
    """

    points: tuple[CrashPoint, ...]
    hits: int
    finish_every: int


def walk_along(walk, route):
    """Die at every point of a route; return what was found after which point."""
    found = {}
    for number, point in enumerate(route.points, start=1):
        for hit in range(1, route.hits + 1):
            if not walk.die_at(point, hit):
                found[f"{point}:{hit}"] = "was not reached"
            if (corpse := examine(walk.scene, walk.acknowledged)) != CLEAN:
                found[f"{point}:{hit}, dead"] = corpse
        if number % route.finish_every == 0 or number == len(route.points):
            found |= {f"{point}, {what}": wrong for what, wrong in finished(walk).items()}
    return found


def finished(walk):
    """Finish everything and return what is wrong then."""
    since = walk.finish()
    books = examine(walk.scene, walk.acknowledged)
    wrong = {
        "finished": None if books == CLEAN else books,
        "recovered": unrecovered(walk.scene, since),
        "told": untold(walk.scene),
        "asked": unasked(walk.scene, walk.person.pushed),
    }
    return {what: found for what, found in wrong.items() if found}


@contextlib.contextmanager
def walking(folder, database_url, payments):
    """Set the scene with everybody in it, and let them stop at the end."""
    dice = random.Random(0)  # noqa: S311 - dice: which acknowledged payments are said again
    with crash_scene(
        folder,
        database_url,
        payments=payments,
        makers=ALL_MAKERS,
        gateways=["africastalking", ATTENTIVE],
    ) as scene:
        for number in range(IDLE_METERS):
            scene.town.settle_idle(80_000 + number)
        person = InsistentPerson.with_new_key(scene)
        with (
            contextlib.closing(person),
            ImpatientTelecom(scene=scene, dice=dice) as telecom,
            ImpatientTelecom(scene=scene, dice=dice, line=attentive_line(scene)) as attentive,
        ):
            yield CrashWalk(scene=scene, telecom=telecom, attentive=attentive, person=person)


def lead(folder, database_url, route, capsys):
    """Walk a route and compare everything."""
    began = time.monotonic()
    payments = (len(route.points) * route.hits + 1) * PAYMENTS_PER_LIFE
    with walking(folder, database_url, payments) as walk:
        walk.live_through()
        found = walk_along(walk, route)
        rejected = type_all_codes(walk.scene)
        orders = open_orders(walk.scene)
        heard = walk.scene.simulators[ATTENTIVE].heard
    with capsys.disabled():
        print(  # noqa: T201 - the counts are the point of the report
            f"\n{database_url.partition(':')[0]}: {len(walk.died)} crash points, "
            f"{walk.died.total()} deaths, {len(walk.acknowledged)} payments acknowledged, "
            f"{len(walk.person.done)} taken back, {len(walk.person.pushed)} pushed, {len(heard)} "
            f"facts told {heard.total()} times, orders {dict(orders)}, "
            f"{time.monotonic() - began:.0f} s"
        )
    assert found == {}
    assert rejected == []
    assert dict(walk.died) == dict.fromkeys(route.points, route.hits)  # no label is dead
    for telecom in (walk.telecom, walk.attentive):
        assert telecom.acknowledged != {}
        assert (telecom.refused, telecom.differing) == ([], [])
    assert walk.person.done != []
    assert walk.person.pushed != []
    assert (walk.person.refused, walk.person.differing) == ([], [])


@pytest.fixture(autouse=True)
def _attentive_plugin(plugin_folder):
    plugin_folder.install(ATTENTIVE, code=PLUGIN)


@pytest.mark.parametrize(
    ("database_url", "points"),
    [
        pytest.param("sqlite", walked_points(), id="sqlite"),
        pytest.param("postgresql", walked_points(FEW), id="postgresql"),
    ],
    indirect=["database_url"],
)
def test_dying_once_at_a_crash_point_loses_nothing_and_doubles_nothing(
    tmp_path, database_url, points, capsys
):
    """On SQLite at every point; the same every time, so that it can be part of every commit."""
    lead(tmp_path, database_url, Route(points=points, hits=1, finish_every=8), capsys)


@pytest.mark.long
@pytest.mark.parametrize(
    ("database_url", "hits"),
    [
        pytest.param("sqlite", walked_hits(3), id="sqlite"),
        pytest.param("postgresql", walked_hits(1), id="postgresql"),
    ],
    indirect=["database_url"],
)
def test_dying_at_any_crash_point_loses_nothing_and_doubles_nothing(
    tmp_path, database_url, hits, capsys
):
    route = Route(points=walked_points(), hits=hits, finish_every=1)
    lead(tmp_path, database_url, route, capsys)
