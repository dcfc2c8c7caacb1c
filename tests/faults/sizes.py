"""How much the fault tests do: on every commit little enough for minutes, at night much more.

`MPM_KILLS`, `MPM_PAYMENTS` and `MPM_HITS` choose other sizes, `MPM_POINTS` walks only some crash
points, `MPM_LOST` loses so many answers, `MPM_STOPS` stops PostgreSQL so often, `MPM_SEED` repeats
a run that failed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable

import attrs

from mpm_host.crash_points import CrashPoint

__all__ = ["Sizes", "database_stops", "lost_answers", "sizes", "walked_hits", "walked_points"]


@attrs.frozen(kw_only=True)
class Sizes:
    """Of one run of random kills."""

    kills: int
    payments: int
    seed: int


def sizes(*, kills: int, payments: int) -> Sizes:
    """Return what the environment asks for, else the given sizes and a fresh seed."""
    seed = os.environ.get("MPM_SEED")
    return Sizes(
        kills=int(os.environ.get("MPM_KILLS", kills)),
        payments=int(os.environ.get("MPM_PAYMENTS", payments)),
        seed=int(seed) if seed else random.SystemRandom().randrange(1_000_000),
    )


def walked_hits(hits: int) -> int:
    """Return how often the walk dies at each crash point: as the environment says, else `hits`."""
    return int(os.environ.get("MPM_HITS", hits))


def walked_points(points: Iterable[CrashPoint] = CrashPoint) -> tuple[CrashPoint, ...]:
    """Return the crash points to walk, in their order: these, or those the environment lists."""
    chosen = os.environ.get("MPM_POINTS", "").split() or list(points)
    return tuple(point for point in CrashPoint if point in chosen)


def lost_answers(count: int) -> int:
    """Return how many answers are lost: as the environment says, else `count`."""
    return int(os.environ.get("MPM_LOST", count))


def database_stops(count: int) -> int:
    """Return how often PostgreSQL is stopped: as the environment says, else `count`."""
    return int(os.environ.get("MPM_STOPS", count))
