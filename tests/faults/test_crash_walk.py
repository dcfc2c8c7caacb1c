"""Every labelled crash point, one after the other: a host dies there, the next one goes on.

Beside manufacturers that can be asked nothing there are those of every recovery, a gateway, bikes
to be switched, a person at the API, and a telecom that prompts phones and listens to everything.
After some deaths everything is finished and all books are compared.
"""

from __future__ import annotations

import contextlib
import random
import time

import attrs
import pytest

from mpm_core import Recovery
from mpm_host.crash_points import CrashPoint
from tests.faults.acme_makers import KEYED_MAKER, LOOKUP_MAKER
from tests.faults.crash_walk import ALL_MAKERS, PAYMENTS_PER_LIFE, CrashWalk, Stop
from tests.faults.evidence import Findings, examine
from tests.faults.impatient_telecom import ImpatientTelecom, attentive_line
from tests.faults.insistent_person import InsistentPerson
from tests.faults.recovered import type_all_codes, unrecovered
from tests.faults.scene import ATTENTIVE, crash_scene
from tests.faults.sizes import walked_hits, walked_points
from tests.faults.sold_under_key import sold_otherwise
from tests.faults.told import unasked, untold
from tests.faults.waiting import open_orders

pytestmark = pytest.mark.slow

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
IDLE_METERS = 3
PLUGINS = {
    ATTENTIVE: "from tests.faults.attentive_pay import AttentivePay as Plugin\n",
    KEYED_MAKER: "from tests.kit.acme_meters import AcmeMeters as Plugin\n",
    LOOKUP_MAKER: "from tests.kit.acme_meters import AcmeLookup as Plugin\n",
}
# One of each kind of boundary: what is left out differs from these in no statement of SQL.
FEW = (
    CrashPoint.BATCH_COMMITTED, CrashPoint.RELAY_MARKED, CrashPoint.VENDOR_ANSWERED,
    CrashPoint.SWITCH_DONE, CrashPoint.TELLING_HEARD, CrashPoint.PUSH_BOOKED,
)  # fmt: skip


# Where an order is on its way: what it means to die here depends on how its manufacturer recovers.
OF_AN_ORDER = (
    CrashPoint.ORDER_PREPARED, CrashPoint.ATTEMPT_WRITTEN, CrashPoint.ATTEMPT_COMMITTED,
    CrashPoint.VENDOR_ANSWERED, CrashPoint.STEP_WRITTEN, CrashPoint.STEP_COMMITTED,
    CrashPoint.LOOK_DECIDED,
)  # fmt: skip
ONE_OF_EACH_RECOVERY = ("calin", "angaza", "openpaygo", KEYED_MAKER, LOOKUP_MAKER)
# Nothing that is computed here gets lost on its way, so that it had to be looked after.
NEVER_COMES = (CrashPoint.LOOK_DECIDED, "openpaygo")
# With every commit: a sale nobody heard of; a look at one, and what it found not written.
SOLD_AND_FOUND = (
    Stop(point=CrashPoint.VENDOR_ANSWERED, maker=KEYED_MAKER),
    Stop(point=CrashPoint.LOOK_DECIDED, maker=LOOKUP_MAKER),
)


@attrs.frozen(kw_only=True)
class Route:
    """Where a walk leads.

    Attributes:
        stops: where hosts die, in this order.
        finish_every: after how many stops everything is finished and compared, besides before
            and after each stop of one manufacturer.
    """

    stops: tuple[Stop, ...]
    finish_every: int

    def finishes_after(self, number):
        """Tell whether everything is finished after so many stops."""
        if number == len(self.stops) or number % self.finish_every == 0:
            return True
        return any(stop.maker for stop in self.stops[number - 1 : number + 1])


def every_stop(points, hits):
    """Return a stop for each point; for those of an order also one for each recovery.

    Together these are as often died at as the others, but each once.
    """
    makers = (None, *ONE_OF_EACH_RECOVERY)
    return tuple(
        Stop(point=point, maker=maker, hits=-(-hits // len(makers)))
        if point in OF_AN_ORDER
        else Stop(point=point, hits=hits)
        for point in points
        for maker in (makers if point in OF_AN_ORDER else [None])
        if (point, maker) != NEVER_COMES
    )


def walk_along(walk, route):
    """Die at every stop of a route; return what was found after which stop."""
    found = {}
    for number, stop in enumerate(route.stops, start=1):
        for hit in range(1, stop.hits + 1):
            if not walk.die_at(stop, hit):
                found[f"{stop}:{hit}"] = "was not reached"
            if (corpse := examine(walk.scene, walk.acknowledged)) != CLEAN:
                found[f"{stop}:{hit}, dead"] = corpse
            if wrong := sold_otherwise(walk.scene):
                found[f"{stop}:{hit}, sold"] = wrong
        if route.finishes_after(number):
            found |= {f"{stop}, {what}": wrong for what, wrong in finished(walk).items()}
    return found


def finished(walk):
    """Finish everything and return what is wrong then."""
    since = walk.finish()
    books = examine(walk.scene, walk.acknowledged)
    wrong = {
        "finished": None if books == CLEAN else books,
        "recovered": unrecovered(walk.scene, since),
        "sold": sold_otherwise(walk.scene),
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
    lives = 1 + sum(stop.hits for stop in route.stops if stop.maker is None)
    with walking(folder, database_url, lives * PAYMENTS_PER_LIFE) as walk:
        walk.live_through()
        found = walk_along(walk, route)
        rejected = type_all_codes(walk.scene)
        orders = open_orders(walk.scene)
        heard = walk.scene.simulators[ATTENTIVE].heard
        keyed, asked = (walk.scene.simulators[maker] for maker in (KEYED_MAKER, LOOKUP_MAKER))
        recoveries = set(recoveries_of(walk.scene))
    with capsys.disabled():
        print(  # noqa: T201 - the counts are the point of the report
            f"\n{database_url.partition(':')[0]}: {len({stop.point for stop in walk.died})} crash "
            f"points in {len(walk.died)} stops, "
            f"{walk.died.total()} deaths, {len(walk.acknowledged)} payments acknowledged, "
            f"{len(walk.person.done)} taken back, {len(walk.person.pushed)} pushed, {len(heard)} "
            f"facts told {heard.total()} times, orders {dict(orders)}, "
            f"{len(keyed.sales)} keyed sales asked for {keyed.asked.total()} times, "
            f"{asked.finds} look-ups of {len(asked.sales)} sales, "
            f"{time.monotonic() - began:.0f} s"
        )
    assert found == {}
    assert rejected == []
    assert dict(walk.died) == {stop: stop.hits for stop in route.stops}  # no label is dead
    assert recoveries == set(Recovery)
    assert keyed.sales != []
    assert asked.sales != []
    for telecom in (walk.telecom, walk.attentive):
        assert telecom.acknowledged != {}
        assert (telecom.refused, telecom.differing) == ([], [])
    assert walk.person.done != []
    assert walk.person.pushed != []
    assert (walk.person.refused, walk.person.differing) == ([], [])


def recoveries_of(scene):
    """Return how the manufacturers that are there say they recover."""
    return [
        operation.recovery
        for instance in scene.opened.house.directory.instances.values()
        if instance.facts is not None
        for operation in instance.facts.operations.values()
    ]


@pytest.fixture(autouse=True)
def _plugins(plugin_folder):
    for name, code in PLUGINS.items():
        plugin_folder.install(name, code=code)


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
    stops = tuple(Stop(point=point) for point in points)
    stops += tuple(stop for stop in SOLD_AND_FOUND if stop.point in points)
    lead(tmp_path, database_url, Route(stops=stops, finish_every=8), capsys)


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
    route = Route(stops=every_stop(walked_points(), hits), finish_every=1)
    lead(tmp_path, database_url, route, capsys)
