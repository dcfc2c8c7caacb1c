"""Waits before another try: growing, bounded, spread by chance, never shorter than asked for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_host.backoff import Backoff, draw_any, most_added, spread

BACKOFF = Backoff(first=timedelta(seconds=10), longest=timedelta(hours=1))
WAITS = st.timedeltas(timedelta(0), timedelta(days=7))
CHANCES = st.floats(0, 1)
ROUNDING = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        pytest.param(0, timedelta(seconds=10), id="none is like the first"),
        pytest.param(1, timedelta(seconds=10), id="the first"),
        pytest.param(2, timedelta(seconds=20), id="doubled"),
        pytest.param(9, timedelta(seconds=2560), id="doubled eight times"),
        pytest.param(10, timedelta(hours=1), id="bounded"),
        pytest.param(10**9, timedelta(hours=1), id="for ever"),
    ],
)
def test_a_wait_doubles_up_to_its_bound(failures, expected):
    assert BACKOFF.wait(failures, lambda: 0.0) == expected


@given(wait=WAITS, chance=CHANCES)
def test_a_wait_is_never_shorter_and_longer_by_a_fifth_or_ten_minutes_at_most(wait, chance):
    longer = spread(wait, lambda: chance)

    assert wait <= longer <= wait + min(wait / 5, timedelta(minutes=10)) + ROUNDING


@given(failures=st.integers(0, 10**6), chance=CHANCES, asked=st.none() | WAITS)
def test_a_wait_is_bounded_and_never_ends_before_the_other_side_asked(failures, chance, asked):
    """M5: `Retry-After` is honoured, whatever chance says."""
    wait = BACKOFF.wait(failures, lambda: chance, asked=asked)

    least = max(BACKOFF.first, asked or timedelta(0))
    most = max(BACKOFF.longest, asked or timedelta(0))
    assert least <= wait <= most + most_added(most) + ROUNDING


@given(
    wait=st.timedeltas(timedelta(seconds=1), timedelta(days=7)),
    chances=st.lists(st.integers(0, 1000), min_size=2, max_size=2, unique=True),
)
def test_two_draws_make_two_waits(wait, chances):
    first, second = (spread(wait, lambda chance=chance: chance / 1000) for chance in chances)

    assert first != second


def test_a_crowd_that_failed_together_does_not_come_back_together():
    waits = {BACKOFF.wait(1, draw_any) for _ in range(300)}

    assert len(waits) > 290
