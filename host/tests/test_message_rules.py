"""What a failed try makes of a message: a table, and what must hold for every outage."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import (
    ContractViolation,
    Misconfigured,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
)
from mpm_host.backoff import most_added
from mpm_host.messages.message_rules import (
    GIVE_UP_AFTER,
    MessageFacts,
    after_failure,
    after_fault,
)

HALF_HOUR, SIX_HOURS = timedelta(minutes=30), timedelta(hours=6)
OUTAGES = (NotSent("nobody listens"), Throttled("not now"), Misconfigured("wrong key"))
LOST = OutcomeUnknown("it answered 500")


def no_chance():
    return 0.0


@pytest.mark.parametrize(
    ("error", "facts", "next_in"),
    [
        pytest.param(Refused("no such phone"), MessageFacts(), None, id="a no is final"),
        pytest.param(OUTAGES[0], MessageFacts(), timedelta(seconds=20), id="the first failure"),
        pytest.param(OUTAGES[0], MessageFacts(failures=3), timedelta(seconds=160), id="doubled"),
        pytest.param(OUTAGES[0], MessageFacts(failures=40), HALF_HOUR, id="half hours at last"),
        pytest.param(
            Throttled("not now", after=timedelta(hours=1)),
            MessageFacts(),
            timedelta(hours=1),
            id="M5: throttled as asked",
        ),
        pytest.param(LOST, MessageFacts(failures=3), timedelta(seconds=160), id="S2: maybe sent"),
        pytest.param(LOST, MessageFacts(failures=40), SIX_HOURS, id="S2: each copy costs"),
        pytest.param(
            OUTAGES[0],
            MessageFacts(failures=60, age=GIVE_UP_AFTER - timedelta(seconds=1)),
            HALF_HOUR,
            id="tried for two days",
        ),
        pytest.param(
            OUTAGES[0], MessageFacts(failures=60, age=GIVE_UP_AFTER), None, id="then given up"
        ),
        pytest.param(
            OUTAGES[0],
            MessageFacts(failures=6, age=timedelta(days=9)),
            timedelta(seconds=20 * 2**6),
            id="the host was off for days",
        ),
        pytest.param(
            ContractViolation("returned None"),
            MessageFacts(failures=6, work_failures=6),
            timedelta(seconds=20 * 2**6),
            id="a plugin's fault",
        ),
        pytest.param(
            ContractViolation("returned None"),
            MessageFacts(failures=7, work_failures=7),
            None,
            id="a plugin's eighth fault in a row",
        ),
    ],
)
def test_after_failure_follows_the_table(error, facts, next_in):
    step = after_failure(error, facts, draw=no_chance)

    assert (step.next_in, step.detail) == (next_in, str(error))
    assert step.facts.failures == facts.failures + 1


def test_an_outage_before_does_not_count_as_a_fault_of_ours():
    facts = MessageFacts(failures=80, age=timedelta(days=1))

    step = after_fault("Sending it failed (KeyError).", facts, draw=no_chance)

    assert step.next_in == timedelta(seconds=20)
    assert (step.facts.failures, step.facts.work_failures) == (81, 1)
    assert after_failure(OUTAGES[0], step.facts).facts.work_failures == 0


def until_given_up(errors, chance):
    """Play tries until the message is given up; return what failed, and when the last one did."""
    facts, age, tried = MessageFacts(), timedelta(0), []
    while True:
        error = errors(len(tried))
        tried.append(error)
        step = after_failure(error, facts, draw=lambda: chance)
        if step.is_given_up:
            return tried, age
        age += step.next_in
        facts = MessageFacts(
            failures=step.facts.failures, work_failures=step.facts.work_failures, age=age
        )


@given(
    kinds=st.lists(st.sampled_from([*OUTAGES, LOST]), min_size=1, max_size=6),
    chance=st.floats(0, 1),
)
def test_no_outage_loses_a_message_within_two_days(kinds, chance):
    """S1: whatever it says meanwhile, a gateway that comes back within two days gets it."""
    tried, age = until_given_up(lambda number: kinds[number % len(kinds)], chance)

    assert age >= GIVE_UP_AFTER
    assert age <= GIVE_UP_AFTER + SIX_HOURS + most_added(SIX_HOURS)
    assert tried.count(LOST) <= 20  # copies that may have been sent, and paid for
