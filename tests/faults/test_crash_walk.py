"""Every labelled crash point, one after the other: a host dies there, the next one goes on.

Beside manufacturers that can be asked nothing there are those that recover by themselves, a
gateway, bikes to be switched and a person at the API. After each point everything is finished and
compared.
"""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.crash_walk import ALL_MAKERS, PAYMENTS_PER_LIFE, CrashWalk
from tests.faults.evidence import Findings, examine
from tests.faults.impatient_telecom import ImpatientTelecom
from tests.faults.insistent_person import InsistentPerson
from tests.faults.recovered import type_all_codes, unrecovered
from tests.faults.scene import crash_scene
from tests.faults.sizes import walked_hits, walked_points
from tests.faults.waiting import open_orders

pytestmark = [pytest.mark.slow, pytest.mark.long]

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
IDLE_METERS = 3


def walk_all_points(walk, hits):
    """Die at every point, so many hits each; return what was found after which point."""
    found = {}
    for point in walked_points():
        for hit in range(1, hits + 1):
            if not walk.die_at(point, hit):
                found[f"{point}:{hit}"] = "was not reached"
            if (corpse := examine(walk.scene, dict(walk.telecom.acknowledged))) != CLEAN:
                found[f"{point}:{hit}"] = corpse
        walk.finish()
        if (after := examine(walk.scene, dict(walk.telecom.acknowledged))) != CLEAN:
            found[f"{point}, finished"] = after
        if wrong := unrecovered(walk.scene):
            found[f"{point}, recovered"] = wrong
    return found


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
    began = time.monotonic()
    payments = len(walked_points()) * hits * PAYMENTS_PER_LIFE
    with crash_scene(
        tmp_path, database_url, payments=payments, makers=ALL_MAKERS, gateways=["africastalking"]
    ) as scene:
        for number in range(IDLE_METERS):
            scene.town.settle_idle(80_000 + number)
        person = InsistentPerson.with_new_key(scene)
        dice = random.Random(0)  # noqa: S311 - dice: which acknowledged payments are said again
        with ImpatientTelecom(scene=scene, dice=dice) as telecom:
            walk = CrashWalk(scene=scene, telecom=telecom, person=person)
            try:
                found = walk_all_points(walk, hits)
            finally:
                person.stop()
        rejected = type_all_codes(scene)
        orders = open_orders(scene)
    with capsys.disabled():
        print(  # noqa: T201 - the counts are the point of the report
            f"\n{database_url.partition(':')[0]}: {len(walk.died)} crash points, "
            f"{walk.died.total()} deaths, {len(telecom.acknowledged)} payments acknowledged, "
            f"{len(person.done)} taken back, orders {dict(orders)}, "
            f"{time.monotonic() - began:.0f} s"
        )
    assert found == {}
    assert rejected == []
    assert dict(walk.died) == dict.fromkeys(walked_points(), hits)  # no label is dead
    assert (telecom.refused, telecom.differing) == ([], [])
    assert (person.refused, person.differing) == ([], [])
