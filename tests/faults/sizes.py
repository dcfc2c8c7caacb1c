"""How much the fault tests do: on every commit little enough for minutes, at night much more.

`MPM_KILLS` and `MPM_PAYMENTS` choose other sizes, `MPM_SEED` repeats a run that failed.
"""

from __future__ import annotations

import os
import random

import attrs

__all__ = ["Sizes", "sizes"]


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
