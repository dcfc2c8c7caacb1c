from __future__ import annotations

import threading

import pytest

from mpm_core import ANSWER_FAULTS, UNPROCESSED_FAULTS, FaultSwitches, SimulatedReply, spoil_answer

GOOD = SimulatedReply(body=b'{"token":"1234"}')


@pytest.fixture
def switches() -> FaultSwitches:
    return FaultSwitches(["down", "html", "slow"])


def test_without_a_fault_nothing_strikes(switches):
    assert switches.take("1") is None


def test_a_fault_strikes_until_it_is_cleared(switches):
    switches.turn_on("down")
    assert [switches.take("1"), switches.take(None)] == ["down", "down"]
    switches.clear()
    assert switches.take("1") is None


def test_a_counted_fault_strikes_that_often_and_the_next_one_follows(switches):
    switches.turn_on("down", times=2)
    switches.turn_on("html", times=1)
    assert [switches.take("1") for _ in range(4)] == ["down", "down", "html", None]


def test_a_fault_of_one_serial_leaves_the_others_alone(switches):
    switches.turn_on("down", serial="1", times=1)
    assert [switches.take("2"), switches.take(None), switches.take("1")] == [None, None, "down"]


def test_only_faults_of_the_kind_of_request_strike_and_count_down(switches):
    switches.turn_on("html", times=1)
    assert switches.take("1", among=["down"]) is None
    assert switches.take("1", among=["html"]) == "html"


def test_an_unknown_fault_is_refused_with_the_known_ones(switches):
    with pytest.raises(ValueError, match="no fault 'dwon'") as refused:
        switches.turn_on("dwon")
    assert str(refused.value) == "There is no fault 'dwon'; the faults are: down, html, slow."


@pytest.mark.parametrize("times", [0, -1])
def test_a_fault_that_never_happens_is_refused(switches, times):
    with pytest.raises(ValueError, match=f"^A fault happens 1 time or more, not {times}.$"):
        switches.turn_on("down", times=times)


def test_threads_share_the_count(switches):
    switches.turn_on("down", times=100)
    struck: list[str | None] = []

    def take() -> None:
        struck.extend(switches.take("1") for _ in range(50))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert struck.count("down") == 100


@pytest.mark.parametrize("fault", [None, "down", "no such fault"])
def test_other_faults_leave_the_answer_as_it_is(fault):
    assert spoil_answer(fault, GOOD) is GOOD


def test_every_answer_fault_changes_the_answer():
    assert all(spoil_answer(fault, GOOD) != GOOD for fault in ANSWER_FAULTS)


def test_the_delays_are_far_apart_so_that_slow_is_no_time_out():
    assert spoil_answer("slow", GOOD) == SimulatedReply(body=GOOD.body, delay=2.0)
    assert spoil_answer("timeout_after_mint", GOOD).delay == 300.0


def test_unprocessed_faults_are_answers_of_their_own():
    assert {name: reply.status for name, reply in UNPROCESSED_FAULTS.items() if not reply.drop} == {
        "error_500_before": 500,
        "throttled": 429,
        "unavailable": 503,
    }
    assert UNPROCESSED_FAULTS["down"].drop
