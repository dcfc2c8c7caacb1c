"""A host that is spread over processes on one PostgreSQL: one answers calls, two do the work.

As `mpm serve --no-workers` beside two `mpm worker`, each of which may die while the others go on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import attrs
import sqlalchemy as sa

from tests.faults.doubt import orders_in_hand
from tests.faults.killable_host import KillableHost, Part
from tests.faults.scene import Scene
from tests.faults.waiting import STEP

__all__ = ["bury", "let_time_pass", "scattered"]

_WORKERS = 2
_GONE_SECONDS = 10.0
_STILL_SECONDS = 2.0
_BACKENDS = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = :name"
)


@contextlib.contextmanager
def scattered(scene: Scene) -> Iterator[tuple[KillableHost, ...]]:
    """Start the parts of the scene's host, yield them, and kill them at the end."""
    web = attrs.evolve(scene.host, name="web", part=Part.WEB)
    workers = (
        attrs.evolve(scene.host, name=f"worker-{number}", part=Part.WORKER)
        for number in range(1, _WORKERS + 1)
    )
    parts = (web, *workers)
    with contextlib.ExitStack() as stack:
        for part in parts:
            stack.callback(part.kill)
            part.start()
        for part in parts:
            part.wait_until_it_is_up()
        yield parts


def bury(scene: Scene, part: KillableHost) -> set[str]:
    """Kill a part, and return the orders that were in hand, its own and those of the others.

    Its last words are waited for: what it had sent to the database is still carried out.

    Raises:
        TimeoutError: the database keeps its connections.
    """
    part.kill()
    until = time.monotonic() + _GONE_SECONDS
    while _backends(scene, part.name) > 0:
        if time.monotonic() > until:
            raise TimeoutError(f"PostgreSQL keeps the connections of {part.name}.")
        time.sleep(0.005)
    return orders_in_hand(scene)


def _backends(scene: Scene, name: str) -> int:
    with scene.opened.engines.read.connect() as connection:
        count: int = connection.execute(_BACKENDS, {"name": name}).scalar_one()
        return count


def let_time_pass(scene: Scene, doubt: AbstractSet[str]) -> bool:
    """Let a step of time pass, unless somebody who lives asks a manufacturer; tell whether it did.

    A jump of the clock ends leases on other machines early: that would leave orders in doubt that
    no death explains. A lease is longer than a step, so one that begins just now survives it.
    """
    if orders_in_hand(scene) - doubt:
        return False
    scene.clock.move(STEP)
    return True
