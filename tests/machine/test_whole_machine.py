"""The whole host against a model of it, in random order (T14).

Broken on purpose, each of these turned the first test red within 50 runs: a duplicate was booked
again; debts were skipped when an unmatched payment was matched; a blind manufacturer was asked
again; an attempt nobody finished counted as not sent; delivered value was not owed after a
reversal; two orders of one device went at once.
"""

from __future__ import annotations

import os
import random

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.places import PostgresPlace, SqlitePlace
from tests.machine.simulated_side import MAKERS
from tests.machine.whole_machine import WholeMachine

PARTS = 8  # of the runs on SQLite, so that several processors share them
CODE = "from tests.machine.simulated_side import {} as Plugin\n__all__ = ['Plugin']\n"


def install(plugin_folder):
    """Install the simulated side, each plugin as a distribution of its own."""
    for name in (*MAKERS, "telecom", "sms"):
        plugin_folder.install(name, code=CODE.format(name.title()))


def run(place, *, examples, steps=50, share=1):
    """Run the machine; `MPM_SEED` repeats a run, `MPM_MACHINE_EXAMPLES` chooses its size.

    Args:
        place: where.
        examples: how many runs, unless the environment says otherwise.
        steps: of each run.
        share: of the environment's number, one in so many are run here.
    """
    seed = int(os.environ.get("MPM_SEED") or random.SystemRandom().randrange(1_000_000))
    if wanted := os.environ.get("MPM_MACHINE_EXAMPLES"):
        examples = -(-int(wanted) // share)
    print(f"MPM_SEED={seed} MPM_MACHINE_EXAMPLES={examples}")  # noqa: T201 - to repeat a failure
    in_haste = os.environ.get("MPM_NO_SHRINK")  # a failure is shown as it came, not made small
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        phases=(Phase.generate,) if in_haste else tuple(Phase),
    )

    def machine():
        return WholeMachine(place)

    run_state_machine_as_test(hypothesis.seed(seed)(machine), settings=chosen)
    reached = ", ".join(f"{count} {what}" for what, count in sorted(place.reached.items()))
    print(reached)  # noqa: T201 - what the runs were worth


@pytest.mark.parametrize("part", range(PARTS))
def test_the_whole_host_agrees_with_its_model_whatever_happens(
    plugin_folder, sqlite_template, tmp_path, part
):
    install(plugin_folder)
    run(SqlitePlace(sqlite_template, tmp_path), examples=200 // PARTS, share=PARTS)


def test_the_whole_host_agrees_with_its_model_on_postgresql(
    plugin_folder, postgresql, postgres_template, tmp_path
):
    install(plugin_folder)
    run(PostgresPlace(postgresql, postgres_template, tmp_path), examples=10, share=PARTS)
