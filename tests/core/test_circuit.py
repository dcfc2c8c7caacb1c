from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.company_plugins.circuit import Circuit, CircuitLimits, Outcome

LIMITS = CircuitLimits(failures=2, refused_devices=2, cool_down=30, longest_cool_down=100)


def tried(circuit: Circuit, outcome: Outcome, now: float, serial: str = "") -> bool:
    ticket = circuit.admit(now)
    if ticket is None:
        return False
    circuit.record(ticket, outcome, now, serial=serial)
    return True


def opened(*, by: Outcome = Outcome.FAILED) -> Circuit:
    circuit = Circuit(limits=LIMITS)
    for serial in ("1", "2"):
        assert tried(circuit, by, 0, serial)
    return circuit


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        pytest.param(Outcome.FAILED, "2 calls in a row failed", id="failures"),
        pytest.param(Outcome.REFUSED, "2 devices in a row were refused", id="refusals"),
    ],
)
def test_circuit_opens_for_its_cool_down_and_says_why(by: Outcome, reason: str) -> None:
    circuit = opened(by=by)
    assert (circuit.reason, circuit.open_until, circuit.seconds_left(10)) == (reason, 30, 20)
    assert circuit.admit(29.9) is None


@pytest.mark.parametrize("between", [Outcome.ANSWERED, Outcome.REFUSED])
def test_failures_that_are_not_in_a_row_open_nothing(between: Outcome) -> None:
    circuit = Circuit(limits=LIMITS)
    for outcome in (Outcome.FAILED, between, Outcome.FAILED, between):
        assert tried(circuit, outcome, 0, "1")
    assert circuit.open_until is None


def test_refusals_of_one_device_open_nothing() -> None:
    circuit = Circuit(limits=LIMITS)
    assert all(tried(circuit, Outcome.REFUSED, 0, "1") for _ in range(9))


def test_one_trial_at_a_time_goes_out_after_the_cool_down() -> None:
    circuit = opened()
    assert circuit.admit(30) is not None
    assert circuit.admit(30) is None
    assert circuit.seconds_left(30) == 0


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.REFUSED, Outcome.NEUTRAL])
def test_trial_that_reached_the_vendor_closes_the_circuit(outcome: Outcome) -> None:
    circuit = opened()
    assert tried(circuit, outcome, 30, "1")
    assert (circuit.open_until, circuit.reason) == (None, "")


def test_failure_after_a_trial_that_told_nothing_opens_again() -> None:
    circuit = opened()
    tried(circuit, Outcome.NEUTRAL, 30)
    tried(circuit, Outcome.FAILED, 31)
    assert circuit.open_until == 61


def test_failed_trials_double_the_cool_down_up_to_its_limit() -> None:
    circuit = opened()
    ends = []
    for _ in range(4):
        assert circuit.open_until is not None
        now = circuit.open_until
        assert tried(circuit, Outcome.FAILED, now)
        ends.append(circuit.open_until - now)
    assert ends == [60, 100, 100, 100]


def test_calls_under_way_when_it_opened_neither_prolong_it_nor_end_the_trial() -> None:
    circuit = Circuit(limits=LIMITS)
    tickets = [circuit.admit(0) for _ in range(4)]
    for ticket in tickets[:3]:
        assert ticket is not None
        circuit.record(ticket, Outcome.FAILED, 5)
    assert circuit.open_until == 35
    assert circuit.admit(35) is not None
    assert tickets[3] is not None
    circuit.record(tickets[3], Outcome.FAILED, 36)
    assert circuit.admit(36) is None


def test_withdrawn_trial_leaves_room_for_another() -> None:
    circuit = opened()
    ticket = circuit.admit(30)
    assert ticket is not None
    circuit.withdraw(ticket)
    assert circuit.admit(30) is not None


@given(
    st.lists(st.tuples(st.sampled_from(list(Outcome)), st.sampled_from("12"), st.integers(0, 40)))
)
def test_circuit_always_lets_a_call_through_in_the_end_and_never_opens_without_two_bad_ones(
    steps: list[tuple[Outcome, str, int]],
) -> None:
    circuit, now, bad = Circuit(limits=LIMITS), 0, 0
    for outcome, serial, pause in steps:
        now += pause
        if tried(circuit, outcome, now, serial):
            bad += outcome in {Outcome.FAILED, Outcome.REFUSED}
            if outcome is Outcome.ANSWERED:
                assert circuit.open_until is None
        else:
            assert bad >= 2
            assert circuit.seconds_left(now) <= LIMITS.longest_cool_down
    assert circuit.admit(now + LIMITS.longest_cool_down) is not None
