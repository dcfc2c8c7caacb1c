"""The order's state machine: a table of what each answer does, and what must hold for all."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import (
    ChargeKind,
    ContractViolation,
    Grant,
    Misconfigured,
    NotFound,
    NotSent,
    Operation,
    OrphanEffect,
    OutcomeUnknown,
    Pending,
    Recovery,
    Refused,
    Secret,
    Throttled,
    Unit,
)
from mpm_host.backoff import most_added
from mpm_host.orders.order_rules import (
    LOOKS,
    AttemptOutcome,
    OrderFacts,
    OrderStatus,
    Step,
    after_attempt,
    after_find,
    after_look,
    operation_missing,
    while_reversing,
)

GRANT = Grant(codes=(Secret("1"),), quantity=1000, unit=Unit.WATT_HOUR)
CLEAN, DOUBT = OrderFacts(), OrderFacts(doubt=True)


def no_chance() -> float:
    return 0.0


@pytest.mark.parametrize(
    ("answer", "facts", "expected"),
    [
        pytest.param(
            GRANT,
            CLEAN,
            Step(
                status=OrderStatus.ISSUED,
                facts=CLEAN,
                outcome=AttemptOutcome.ISSUED,
                grant=GRANT,
            ),
            id="a grant is issued",
        ),
        pytest.param(
            Refused("unknown meter", code="3"),
            CLEAN,
            Step(
                status=OrderStatus.REFUSED,
                facts=CLEAN,
                outcome=AttemptOutcome.REFUSED,
                reason="vendor_refused",
                detail="3: unknown meter",
            ),
            id="a refusal is held",
        ),
        pytest.param(
            Refused("not billable"),
            DOUBT,
            Step(
                status=OrderStatus.PARKED,
                facts=DOUBT,
                outcome=AttemptOutcome.REFUSED,
                reason="outcome_unknown",
                detail="not billable",
            ),
            id="a refusal in doubt is parked",
        ),
        pytest.param(
            NotSent("refused connection"),
            CLEAN,
            Step(
                status=OrderStatus.QUEUED,
                facts=OrderFacts(failures=1),
                outcome=AttemptOutcome.NOT_SENT,
                next_in=timedelta(seconds=2),
                reason="plugin_unavailable",
                detail="refused connection",
            ),
            id="not sent waits two seconds at first",
        ),
        pytest.param(
            NotSent("refused connection"),
            OrderFacts(failures=5),
            Step(
                status=OrderStatus.QUEUED,
                facts=OrderFacts(failures=6),
                outcome=AttemptOutcome.NOT_SENT,
                next_in=timedelta(seconds=64),
                reason="plugin_unavailable",
                detail="refused connection",
            ),
            id="not sent again doubles the wait",
        ),
        pytest.param(
            NotSent("refused connection"),
            DOUBT,
            Step(
                status=OrderStatus.UNKNOWN,
                facts=DOUBT,
                outcome=AttemptOutcome.NOT_SENT,
                next_in=LOOKS[0],
                reason="outcome_unknown",
                detail="refused connection",
            ),
            id="not sent in doubt stays unknown",
        ),
        pytest.param(
            Throttled("slow down", after=timedelta(seconds=7)),
            CLEAN,
            Step(
                status=OrderStatus.QUEUED,
                facts=OrderFacts(failures=1),
                outcome=AttemptOutcome.THROTTLED,
                next_in=timedelta(seconds=7),
                reason="plugin_unavailable",
                detail="slow down",
            ),
            id="throttled waits as told",
        ),
        pytest.param(
            Misconfigured("bad key"),
            CLEAN,
            Step(
                status=OrderStatus.QUEUED,
                facts=OrderFacts(failures=1),
                outcome=AttemptOutcome.NOT_SENT,
                next_in=timedelta(minutes=10),
                reason="plugin_unavailable",
                detail="bad key",
            ),
            id="misconfigured waits for settings",
        ),
        pytest.param(
            ContractViolation("returned None"),
            OrderFacts(failures=4),
            Step(
                status=OrderStatus.REFUSED,
                facts=OrderFacts(failures=5),
                outcome=AttemptOutcome.NOT_SENT,
                reason="plugin_unavailable",
                detail="returned None",
            ),
            id="the fifth violation without effect is held",
        ),
        pytest.param(
            OutcomeUnknown("read timeout"),
            CLEAN,
            Step(
                status=OrderStatus.UNKNOWN,
                facts=CLEAN,
                outcome=AttemptOutcome.UNKNOWN,
                next_in=LOOKS[0],
                reason="outcome_unknown",
                detail="read timeout",
            ),
            id="an unknown outcome is looked after",
        ),
        pytest.param(
            Pending(after=timedelta(seconds=9)),
            CLEAN,
            Step(
                status=OrderStatus.UNKNOWN,
                facts=CLEAN,
                outcome=AttemptOutcome.UNKNOWN,
                next_in=timedelta(seconds=9),
                reason="vendor_pending",
                detail="The vendor is still working on it.",
            ),
            id="pending is asked again when the vendor said",
        ),
    ],
)
def test_after_attempt_follows_the_table(answer, facts, expected):
    assert after_attempt(answer, facts, draw=no_chance) == expected


def operation(recovery: Recovery) -> Operation:
    return Operation(recovery=recovery, orphan_effect=OrphanEffect.HARMLESS)


@pytest.mark.parametrize(
    ("recovery", "facts", "status"),
    [
        pytest.param(Recovery.NONE, CLEAN, OrderStatus.PARKED, id="none parks at the first look"),
        pytest.param(Recovery.KEYED, CLEAN, OrderStatus.QUEUED, id="keyed repeats"),
        pytest.param(Recovery.DETERMINISTIC, CLEAN, OrderStatus.QUEUED, id="deterministic repeats"),
        pytest.param(Recovery.DESIRED_STATE, CLEAN, OrderStatus.QUEUED, id="desired state repeats"),
        pytest.param(Recovery.LOOKUP, CLEAN, None, id="lookup asks the vendor"),
        pytest.param(
            Recovery.NONE, OrderFacts(vendor_works=True), None, id="pending asks whatever recovery"
        ),
        pytest.param(
            Recovery.KEYED, OrderFacts(age=LOOKS[-1]), OrderStatus.QUEUED, id="keyed, a last time"
        ),
        pytest.param(None, CLEAN, OrderStatus.PARKED, id="an operation that is gone parks"),
    ],
)
def test_after_look_follows_the_declared_recovery(recovery, facts, status):
    step = after_look(recovery and operation(recovery), facts)

    assert (step and step.status) == status


@pytest.mark.parametrize(
    ("looks", "age", "expected"),
    [
        pytest.param(0, timedelta(0), timedelta(seconds=40), id="just lost"),
        pytest.param(0, timedelta(seconds=5), timedelta(seconds=35), id="looked at early"),
        pytest.param(0, timedelta(seconds=40), timedelta(seconds=80), id="at 40 s"),
        pytest.param(1, timedelta(seconds=48), timedelta(seconds=72), id="a second time by then"),
        pytest.param(1, timedelta(minutes=2), timedelta(minutes=8), id="at 2 min"),
        pytest.param(2, timedelta(minutes=10), timedelta(minutes=50), id="at 10 min"),
        pytest.param(3, timedelta(hours=1), timedelta(hours=5), id="at 1 h"),
        pytest.param(4, timedelta(hours=6), timedelta(hours=18), id="at 6 h"),
        pytest.param(5, timedelta(hours=24), None, id="at 24 h a person must"),
        pytest.param(0, timedelta(days=9), timedelta(seconds=80), id="the host was off for days"),
        pytest.param(4, timedelta(days=9), timedelta(hours=18), id="and off before the last look"),
        pytest.param(5, timedelta(days=9), None, id="the last look was late"),
    ],
)
def test_the_resolver_looks_at_the_times_of_its_schedule(looks, age, expected):
    facts = OrderFacts(doubt=True, age=age, looks=looks)
    lost = after_attempt(OutcomeUnknown("lost"), facts, draw=no_chance)
    silent = after_find(NotSent("off"), facts, draw=no_chance)

    assert (lost.next_in, silent.next_in) == (expected, expected)
    parked = OrderStatus.UNKNOWN if expected else OrderStatus.PARKED
    assert (lost.status, silent.status) == (parked, parked)


pauses = st.timedeltas(timedelta(0), timedelta(days=3))


def looked_in_vain(step, wait):
    """Return what becomes of an order in doubt that is looked after once more, after a wait."""
    facts = attrs.evolve(step.facts, age=step.facts.age + wait)
    return after_find(NotSent("off"), facts, draw=no_chance)


@given(early=st.lists(st.floats(0, 0.9), max_size=9), late=st.lists(pauses, min_size=6, max_size=6))
def test_a_person_must_after_as_many_looks_as_the_schedule_has_whatever_came_between(early, late):
    """Looking more often uses none of them up, nor does a host that was off for days."""
    step = after_attempt(OutcomeUnknown("lost"), DOUBT, draw=no_chance)
    for part in early:
        step = looked_in_vain(step, step.next_in * part)
    for pause in late:
        assert step.status is OrderStatus.UNKNOWN
        step = looked_in_vain(step, step.next_in + pause)

    assert (step.status, step.next_in) == (OrderStatus.PARKED, None)


@pytest.mark.parametrize(
    ("wished", "age", "expected"),
    [
        pytest.param(timedelta(seconds=9), timedelta(0), timedelta(seconds=40), id="no sooner"),
        pytest.param(timedelta(minutes=5), timedelta(0), timedelta(minutes=5), id="as it says"),
        pytest.param(
            timedelta(days=90), timedelta(0), timedelta(hours=24), id="once a day at least"
        ),
        pytest.param(timedelta(seconds=9), timedelta(hours=24), None, id="not for ever"),
    ],
)
def test_a_vendor_that_works_on_it_is_asked_again_within_reason(wished, age, expected):
    facts = OrderFacts(age=age, vendor_works=True)
    step = after_find(Pending(after=wished), facts, draw=no_chance)

    assert step.next_in == expected
    assert step.reason == ("vendor_pending" if expected else "outcome_unknown")


@pytest.mark.parametrize("wished", [timedelta(0), timedelta(days=-1)], ids=["at once", "before"])
def test_a_vendor_that_wants_no_wait_is_still_not_asked_without_one(wished):
    throttled = after_attempt(Throttled("no", after=wished), CLEAN, draw=no_chance)
    pending = after_attempt(Pending(after=wished), CLEAN, draw=no_chance)

    assert (throttled.next_in, pending.next_in) == (timedelta(seconds=2), timedelta(seconds=1))


def test_a_vendor_that_says_soon_again_and_again_is_asked_less_and_less_often():
    throttled = Throttled("no", after=timedelta(seconds=1))
    facts, waits = CLEAN, []
    for _ in range(4):
        step = after_attempt(throttled, facts, draw=no_chance)
        facts = step.facts
        waits.append(step.next_in)

    assert waits == [timedelta(seconds=seconds) for seconds in (2, 4, 8, 16)]


def test_a_wait_that_is_no_duration_is_not_heard():
    plain = after_attempt(NotSent("no"), CLEAN, draw=no_chance)
    throttled = after_attempt(Throttled("no", after=30), CLEAN, draw=no_chance)

    assert (throttled.status, throttled.next_in) == (OrderStatus.QUEUED, plain.next_in)


def test_an_operation_that_is_gone_holds_an_order_and_parks_one_in_doubt():
    held = operation_missing("calin", ChargeKind.ENERGY, CLEAN)
    parked = operation_missing("calin", ChargeKind.ENERGY, DOUBT)

    assert (held.status, held.reason) == (OrderStatus.REFUSED, "operation_not_supported")
    assert (parked.status, parked.reason) == (OrderStatus.PARKED, "outcome_unknown")
    assert held.detail == "calin does not offer energy; a person must decide."


@pytest.mark.parametrize(
    ("status", "facts", "expected"),
    [
        pytest.param(OrderStatus.QUEUED, CLEAN, OrderStatus.CANCELLED, id="nothing new begins"),
        pytest.param(OrderStatus.QUEUED, DOUBT, OrderStatus.PARKED, id="nothing is repeated"),
        pytest.param(OrderStatus.UNKNOWN, DOUBT, OrderStatus.UNKNOWN, id="unknown is looked after"),
        pytest.param(OrderStatus.ISSUED, CLEAN, OrderStatus.ISSUED, id="what came has come"),
        pytest.param(OrderStatus.REFUSED, CLEAN, OrderStatus.REFUSED, id="no is no"),
    ],
)
def test_while_a_payment_is_reversed(status, facts, expected):
    step = while_reversing(Step(status=status, facts=facts, next_in=timedelta(seconds=1)))

    assert step.status is expected
    if expected in {OrderStatus.CANCELLED, OrderStatus.PARKED}:
        assert step.next_in is None


def test_a_repeat_is_made_in_doubt():
    step = after_look(operation(Recovery.KEYED), CLEAN)

    assert step is not None
    assert step.facts == OrderFacts(doubt=True)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(DOUBT, id="at once"),
        pytest.param(OrderFacts(doubt=True, looks=5, age=LOOKS[-1]), id="at the last look"),
        pytest.param(OrderFacts(doubt=True, looks=6, age=timedelta(days=8)), id="after it"),
    ],
)
def test_two_conclusive_not_found_answers_end_the_doubt(facts):
    """Also when the first comes with the schedule's last look: the second needs no person."""
    first = after_find(NotFound(conclusive=True), facts, draw=no_chance)
    second = after_find(NotFound(conclusive=True), first.facts)

    assert (first.status, first.facts.not_found) == (OrderStatus.UNKNOWN, 1)
    assert first.next_in == LOOKS[0]
    assert (second.status, second.facts) == (OrderStatus.QUEUED, OrderFacts())


def test_an_inconclusive_not_found_answer_starts_the_count_again():
    step = after_find(NotFound(conclusive=False), OrderFacts(not_found=1))

    assert (step.status, step.facts.not_found) == (OrderStatus.UNKNOWN, 0)


errors = st.sampled_from(
    [
        Refused("no"),
        NotSent("down"),
        Throttled("later"),
        Misconfigured("key"),
        ContractViolation("None"),
        OutcomeUnknown("lost"),
        Pending(after=timedelta(seconds=5)),
    ]
)
facts_values = st.builds(
    OrderFacts,
    doubt=st.booleans(),
    failures=st.integers(0, 100),
    age=st.timedeltas(timedelta(0), timedelta(days=3)),
    looks=st.integers(0, len(LOOKS)),
    not_found=st.integers(0, 1),
)


@given(answer=errors, facts=facts_values)
def test_an_attempt_in_doubt_is_never_called_surely_without_a_token(answer, facts):
    step = after_attempt(answer, facts)

    if facts.doubt:
        assert step.status in {OrderStatus.UNKNOWN, OrderStatus.PARKED}
    assert (step.next_in is None) == (step.is_final or step.status is OrderStatus.PARKED)
    assert step.next_in is None or timedelta(0) < step.next_in <= timedelta(hours=24)


@given(answer=errors, facts=facts_values, chance=st.floats(0, 1))
def test_chance_makes_every_wait_longer_and_none_shorter(answer, facts, chance):
    """M5: neither the schedule's looks nor a `Retry-After` come too early, and crowds thin out."""
    for after in (after_attempt, after_find):
        plain, drawn, latest = (
            after(answer, facts, draw=lambda number=number: number).next_in
            for number in (0.0, chance, 1.0)
        )
        if plain is None:
            assert (drawn, latest) == (None, None)
        else:
            assert plain <= drawn <= latest
            assert latest == min(plain + most_added(plain), timedelta(hours=24))


@given(recovery=st.sampled_from(Recovery), facts=facts_values)
def test_nothing_without_a_safe_recovery_is_ever_sent_again(recovery, facts):
    step = after_look(operation(recovery), facts)

    if step is not None and step.status is OrderStatus.QUEUED:
        assert recovery in {Recovery.KEYED, Recovery.DETERMINISTIC, Recovery.DESIRED_STATE}
        assert step.facts.doubt
