"""What telecoms' answers make of a push: table and properties."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_core import (
    ContractViolation,
    Misconfigured,
    NotSent,
    OutcomeUnknown,
    ProviderState,
    PushReceipt,
    PushState,
    Refused,
    Throttled,
)
from mpm_host.pushes.push_rules import LATE, PushFacts, PushStatus, after_prompt, after_query

ERRORS = [
    NotSent("down"),
    Throttled("slow"),
    Misconfigured("wrong key"),
    Refused("no"),
    OutcomeUnknown("lost"),
    ContractViolation("broken"),
]
FACTS = st.builds(
    PushFacts,
    status=st.sampled_from([PushStatus.REQUESTED, PushStatus.UNKNOWN]),
    looks=st.integers(0, 50),
    not_found=st.integers(0, 1),
    age=st.timedeltas(timedelta(0), timedelta(days=8)),
)
ANSWERS = st.one_of(
    st.sampled_from(ERRORS), st.sampled_from([ProviderState(state=state) for state in PushState])
)


@pytest.mark.parametrize(
    ("answer", "status", "asks"),
    [
        pytest.param(PushReceipt(), "requested", True, id="prompted"),
        pytest.param(Refused("no wallet"), "failed", False, id="refused"),
        pytest.param(NotSent("no route"), "failed", False, id="not sent"),
        pytest.param(Throttled("slow down"), "failed", False, id="throttled"),
        pytest.param(Misconfigured("wrong key"), "failed", False, id="misconfigured"),
        pytest.param(ContractViolation("bug"), "failed", False, id="violation, nothing left"),
        pytest.param(OutcomeUnknown("timed out"), "unknown", True, id="P10: timed out"),
    ],
)
def test_only_a_sure_no_ends_a_prompt(answer, status, asks):
    """T-64: what surely did not reach the payer is told as failed, a lost answer is unknown."""
    step = after_prompt(answer)
    assert (step.status, step.next_in is not None) == (status, asks)


@given(facts=FACTS, answers=st.lists(ANSWERS, min_size=1, max_size=12))
@example(
    facts=PushFacts(status=PushStatus.UNKNOWN, age=LATE),
    answers=[ProviderState(state=PushState.NOT_FOUND)] * 2,
)
def test_a_push_fails_only_by_the_telecoms_word(facts, answers):
    """P10, P11, T-58: failed needs *failed*, or *not found* twice in a row past the limit."""
    late_noes = 0
    facts = PushFacts(status=facts.status, looks=facts.looks, age=facts.age)
    for answer in answers:
        step = after_query(answer, facts)
        state = getattr(answer, "state", None)
        if state is PushState.NOT_FOUND:
            late_noes = late_noes + 1 if facts.age >= LATE else 0
        elif state is not None:
            late_noes = 0
        failed = step.status is PushStatus.FAILED
        assert failed == (state is PushState.FAILED or late_noes >= 2)
        assert (step.status is PushStatus.PAID) == step.to_book == (state is PushState.PAID)
        if step.is_final:
            return
        assert step.looks == facts.looks + 1
        facts = PushFacts(
            status=step.status, looks=step.looks, not_found=step.not_found, age=facts.age
        )


@given(facts=FACTS, answer=ANSWERS)
def test_an_open_push_is_asked_about_until_a_week_has_passed(facts, answer):
    step = after_query(answer, facts)
    if step.is_final:
        assert step.next_in is None
    elif facts.age < timedelta(days=7):
        assert step.next_in is not None
        assert not step.needs_person
    elif step.next_in is None:
        assert (step.needs_person, step.status) == (True, PushStatus.UNKNOWN)
