"""The table of guards is true: a guard that was rewritten would else be taken away no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpm_host.crash_points import CrashPoint
from tests.mutations.guards import GUARDS

ROOT = Path(__file__).parents[2]
BY_NAME = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)


@BY_NAME
def test_a_guard_stands_in_the_sources_exactly_once(guard):
    text = (ROOT / guard.path).read_text("utf-8")
    assert text.count(guard.text) == 1, f"mend its text in guards.toml: {guard.text}"


@BY_NAME
def test_a_guard_names_a_test_and_crash_points_that_exist(guard):
    path, _, test = guard.test.partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / path).read_text("utf-8")
    assert set(guard.points.split()) <= set(CrashPoint)


def test_no_two_guards_have_one_name():
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)
