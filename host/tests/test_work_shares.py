"""The rule by which owners share the slots of a process, and the pieces that were handed over."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_host.work_limits import WorkLimits
from mpm_host.work_shares import Room, WorkShares, fair_choice

OWNERS = st.sampled_from("ABCDE")


@pytest.mark.parametrize(
    ("used", "slots", "waiting", "chosen"),
    [
        pytest.param({}, 8, "AAAAAAAA", [0, 1, 2, 3], id="one alone gets half"),
        pytest.param({}, 1, "AA", [0], id="the only slot is used"),
        pytest.param({"A": 4}, 8, "AAAB", [3], id="the next one passes a backlog"),
        pytest.param({"A": 4, "B": 2}, 8, "BAC", [2], id="and another after it"),
        pytest.param({"A": 2, "B": 2}, 8, "ABAB", [0, 1], id="equal owners get equal shares"),
        pytest.param({"A": 4, "B": 4}, 8, "ABC", [], id="nothing is free"),
        pytest.param({"A": 9}, 8, "B", [], id="more in hand than there are slots"),
        pytest.param({}, 8, "", [], id="nothing waits"),
    ],
)
def test_who_may_begin(used, slots, waiting, chosen):
    assert fair_choice(used, slots, list(waiting)) == chosen


@given(
    slots=st.integers(1, 40),
    rounds=st.lists(
        st.tuples(st.lists(OWNERS, max_size=30), st.lists(OWNERS, max_size=30)), max_size=12
    ),
)
def test_whoever_has_nothing_is_refused_only_when_nothing_is_free(slots, rounds):
    used: Counter[str] = Counter()
    for waiting, ended in rounds:
        chosen = fair_choice(used, slots, waiting)
        begun = [waiting[position] for position in chosen]
        used.update(begun)
        assert chosen == sorted(set(chosen))
        assert used.total() <= slots
        free = slots - used.total()
        for owner in set(waiting) - set(begun):
            assert used[owner] >= free  # who has nothing is kept waiting by full slots only
        used = +(used - Counter(ended))


@given(slots=st.integers(2, 64), backlog=st.integers(100, 200))
def test_however_long_a_backlog_there_is_room_for_the_next_owner(slots, backlog):
    chosen = fair_choice({}, slots, ["slow"] * backlog + ["next"])
    assert chosen[-1] == backlog
    assert len(chosen) - 1 == (slots + 1) // 2


def test_an_owner_alone_gets_what_the_limits_say():
    limits = WorkLimits(concurrency=32)
    assert len(fair_choice({}, limits.slots, ["A"] * 100)) == 32


@pytest.mark.parametrize(
    ("used", "free", "full", "is_tight"),
    [
        ({}, 4, [], False),
        ({"A": 1}, 3, [], False),
        ({"A": 2}, 2, ["A"], True),
        ({"A": 1, "B": 2}, 1, ["A", "B"], True),
        ({"A": 2, "B": 2}, 0, ["A", "B"], True),
    ],
)
def test_room_says_who_must_wait(used, free, full, is_tight):
    room = Room(used=used, slots=4)
    assert (room.free, room.full, room.is_tight) == (free, full, is_tight)


class Seconds:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_the_end_of_a_piece_says_whether_somebody_may_have_waited_for_it():
    shares = WorkShares(4)
    for piece in ("a:1", "b:1"):
        shares.add(piece, kind="orders", owner="calin")
    assert shares.room("orders") == Room(used={"calin": 2}, slots=4)
    assert shares.room("messages") == Room(used={}, slots=4)
    assert [shares.end("a:1"), shares.end("b:1"), shares.end("b:1")] == [True, False, False]
    assert shares.room("orders") == Room(used={}, slots=4)


def test_what_was_handed_over_a_while_ago_and_not_begun_here_may_be_elsewhere():
    seconds = Seconds()
    shares = WorkShares(8, monotonic=seconds)
    shares.add("here:1", kind="orders", owner="calin")
    shares.add("gone:1", kind="orders", owner="calin")
    shares.add("told:1", kind="tellings", owner="calin")
    shares.begin("here:1")
    shares.begin("another-process's:7")
    assert shares.elsewhere("orders", seconds=1) == []
    seconds.now = 1.0
    shares.add("new:1", kind="orders", owner="calin")
    assert shares.elsewhere("orders", seconds=1) == ["gone:1"]
