"""The order worker on real databases: each row of the state tables, and each way to be late."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import attrs
import pytest
import sqlalchemy as sa
import structlog

from mpm_core import (
    ChargeKind,
    ContractViolation,
    Grant,
    Misconfigured,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Pending,
    Prepared,
    Recovery,
    Refused,
    Secret,
    Throttled,
    Unit,
)
from mpm_core.effects import current_record
from mpm_core.plans import Period
from mpm_host.crash_points import CrashPoint
from mpm_host.database import tables as t
from mpm_host.database.engines import Engines
from mpm_host.directory import InstanceState
from mpm_host.orders import order_worker
from mpm_host.orders.order_store import ask_to_look
from mpm_host.registration.plan_terms import PlanTerms
from tests.support.order_bench import OrderBench, energy_grant, lost, unlock_grant

CODE = "11112222333344445555"
BOUGHT = [("energy", "1000")]


@pytest.fixture
def bench(engines):
    return OrderBench(engines)


def bench_with(engines, **options):
    return OrderBench(engines, **options)


def calin(bench):
    return bench.scripts["calin"]


# --- one attempt ----------------------------------------------------------------------------------


def test_a_grant_becomes_the_token_and_the_message(bench):
    payment_id = bench.paid()
    calin(bench).generate.append(energy_grant())

    bench.work(payment_id)

    assert bench.status(payment_id) == ("settled", False, "")
    assert bench.codes(payment_id) == [CODE]
    assert bench.told(payment_id) == [
        "Payment of 1000 TZS received. 1 kWh for meter 47001234567. Token: 1111 2222 3333 4444 5555"
    ]
    assert bench.attempts(payment_id) == [(1, "issued")]
    assert bench.differences() == []


@pytest.mark.parametrize(
    ("error", "outcome", "status", "reason", "wait"),
    [
        pytest.param(
            NotSent("down"), "not_sent", "token_pending", "plugin_unavailable", (1.6, 2.4),
            id="not sent",
        ),
        pytest.param(
            Throttled("slow", after=timedelta(seconds=7)), "throttled", "token_pending",
            "plugin_unavailable", (7, 7), id="throttled",
        ),
        pytest.param(
            Misconfigured("bad key"), "not_sent", "token_pending", "plugin_unavailable",
            (600, 600), id="misconfigured",
        ),
        pytest.param(
            ValueError("bug"), "not_sent", "token_pending", "plugin_unavailable", (1.6, 2.4),
            id="a bug before any request",
        ),
        pytest.param(
            OutcomeUnknown("lost"), "unknown", "unknown", "outcome_unknown", (40, 40),
            id="lost answer",
        ),
        pytest.param(Refused("unknown meter"), "refused", "held", "vendor_refused", None,
                     id="refused"),
    ],
)  # fmt: skip
def test_an_attempt_that_brings_no_grant_leaves_the_lines_and_waits(
    bench, error, outcome, status, reason, wait
):
    payment_id = bench.paid()
    calin(bench).generate.append(error)

    bench.work(payment_id)

    order = bench.order(payment_id)
    assert bench.status(payment_id) == (status, status == "held", reason)
    assert bench.attempts(payment_id) == [(1, outcome)]
    assert bench.lines(payment_id) == BOUGHT
    if wait is None:
        assert (order["next_at"], order["finished_at"]) == (None, bench.now)
    else:
        waits = (order["due_at"] - bench.now).total_seconds()
        assert wait[0] <= waits <= wait[1]
    assert bench.differences() == []


def test_working_too_early_asks_nobody_and_changes_nothing(bench):
    payment_id = bench.paid()
    calin(bench).generate.append(NotSent("down"))
    bench.work(payment_id)
    before = bench.order(payment_id)

    bench.later(seconds=1)
    bench.work(payment_id)

    assert bench.order(payment_id) == before
    assert len(calin(bench).asked()) == 1


def test_working_when_it_is_due_tries_again_with_the_same_key(bench):
    payment_id = bench.paid()
    calin(bench).generate += [NotSent("down"), energy_grant()]
    bench.work(payment_id)

    bench.later(seconds=3)
    bench.work(payment_id)

    first, second = calin(bench).asked()
    assert (first.key, first.attempt) == (second.key, 1)
    assert second.attempt == 2
    assert bench.attempts(payment_id) == [(1, "not_sent"), (2, "issued")]


def test_working_on_what_is_done_or_does_not_exist_changes_nothing(bench):
    payment_id = bench.paid()
    calin(bench).generate.append(energy_grant())
    bench.work(payment_id)
    before = bench.order(payment_id)

    bench.worker.work_on(before["id"])
    bench.worker.work_on("f" * 32)
    bench.worker.look(before["id"])

    assert bench.order(payment_id) == before


def test_the_fifth_violation_without_effect_holds_the_order(bench):
    payment_id = bench.paid()
    for _ in range(5):
        calin(bench).generate.append(ContractViolation("returned None"))
        bench.work(payment_id)
        bench.later(minutes=1)

    assert bench.status(payment_id) == ("held", True, "plugin_unavailable")


def test_an_operation_the_plugin_does_not_offer_is_held_unasked(bench):
    payment_id = bench.paid()
    facts = bench.directory.instance_named(bench.record.id, "calin").facts
    bench.change_instance("calin", facts=attrs.evolve(facts, operations={}))

    bench.work(payment_id)

    assert bench.status(payment_id) == ("held", True, "operation_not_supported")
    assert bench.attempts(payment_id) == []


@pytest.mark.parametrize("make", ["paid", "lost"])
def test_orders_of_a_removed_instance_wait_until_it_is_enabled_again_c13(engines, make):
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = getattr(bench, make)()
    status, attempts = bench.status(payment_id), bench.attempts(payment_id)
    bench.change_instance("calin", state=InstanceState.REMOVED)
    bench.later(seconds=40)

    bench.work(payment_id)

    assert bench.status(payment_id) == status
    order = bench.order(payment_id)
    assert order["due_at"] == bench.now + timedelta(minutes=10)
    assert order["detail"] == (
        "Plugin instance calin cannot work: it is removed; enable or mend it."
    )
    assert bench.attempts(payment_id) == attempts

    bench.change_instance("calin", state=InstanceState.ENABLED)
    bench.later(minutes=10)
    finds_or_makes_it(bench)
    bench.work(payment_id)

    assert bench.status(payment_id) == ("settled", False, "")
    assert bench.codes(payment_id) == [CODE]
    assert bench.differences() == []


@pytest.mark.parametrize("make", ["paid", "lost"])
def test_a_disabled_company_finishes_its_orders_c13(engines, make):
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = getattr(bench, make)()
    bench.disable_company()
    bench.later(seconds=40)
    finds_or_makes_it(bench)

    bench.work(payment_id)

    assert bench.status(payment_id) == ("settled", False, "")
    assert bench.codes(payment_id) == [CODE]


def finds_or_makes_it(bench):
    """Let the manufacturer answer with the token, whether it is looked up or asked for."""
    calin(bench).find.append(energy_grant())
    calin(bench).generate.append(energy_grant())


@pytest.mark.parametrize(
    ("before", "after", "status", "attempts"),
    [
        pytest.param(
            Recovery.KEYED, Recovery.KEYED, "settled",
            [(1, "calin 1.0", "unknown"), (2, "calin 2.0", "issued")], id="it repeats",
        ),
        pytest.param(
            Recovery.NONE, Recovery.LOOKUP, "settled", [(1, "calin 1.0", "unknown")],
            id="it finds the token",
        ),
        pytest.param(
            Recovery.KEYED, Recovery.NONE, "unknown", [(1, "calin 1.0", "unknown")],
            id="it can do nothing",
        ),
    ],
)  # fmt: skip
def test_an_attempt_that_is_in_doubt_is_the_upgraded_plugins_c15(
    engines, before, after, status, attempts
):
    bench = bench_with(engines, recovery=before)
    payment_id = bench.lost()
    bench.upgrade("2.0", after)
    bench.later(seconds=40)
    finds_or_makes_it(bench)

    bench.work(payment_id)
    bench.work(payment_id)

    assert bench.status(payment_id)[0] == status
    assert sorted(bench.rows(t.attempts, "number", "plugin", "outcome")) == attempts
    assert len({order.key for order in calin(bench).asked()}) == 1
    assert bench.differences() == []


def test_a_token_given_before_is_never_sent_but_kept_as_evidence(bench):
    first = bench.paid()
    calin(bench).generate += [energy_grant(), energy_grant()]
    bench.work(first)
    second = bench.pay("47001234567", "1000", "R2")

    bench.work(second)

    assert bench.status(second) == ("unknown", False, "outcome_unknown")
    assert bench.codes(second) == []
    [evidence] = bench.evidence(second)
    assert json.loads(evidence)[0]["codes"] == [CODE]
    assert bench.differences() == []


def test_what_the_manufacturer_never_makes_is_never_sent_but_kept_as_evidence(engines):
    def no_token(_order):
        current_record().may_have_left = True
        return energy_grant(CODE[:-1])

    bench = OrderBench(engines, token_pattern="[0-9]{20}")
    payment_id = bench.paid()
    calin(bench).generate.append(no_token)

    bench.work(payment_id)

    assert bench.status(payment_id) == ("unknown", False, "outcome_unknown")
    assert bench.codes(payment_id) == []
    assert CODE[:-1] not in str(bench.told(payment_id))
    [evidence] = bench.evidence(payment_id)
    assert json.loads(evidence)[0]["codes"] == [CODE[:-1]]
    assert bench.differences() == []


def test_an_answer_that_cannot_be_used_is_kept_as_evidence(bench):
    def another_device(_order):
        current_record().may_have_left = True
        return Grant(
            codes=(Secret(CODE),), quantity=1000, unit=Unit.WATT_HOUR, device_serial="another"
        )

    payment_id = bench.paid()
    calin(bench).generate.append(another_device)

    bench.work(payment_id)

    assert bench.status(payment_id) == ("unknown", False, "outcome_unknown")
    [evidence] = bench.evidence(payment_id)
    assert json.loads(evidence) == [
        {
            "codes": [CODE],
            "quantity": "1000",
            "unit": "Wh",
            "vendor_reference": "",
            "device_serial": "another",
        }
    ]
    events = [(event["kind"], event["detail"]) for event in bench.view(payment_id)["events"]]
    assert events == [("evidence", "An answer to attempt 1 could not be used; it is kept unseen.")]
    assert CODE not in str(bench.view(payment_id))


# --- what is prepared -----------------------------------------------------------------------------


def test_what_is_prepared_is_stored_once_and_given_to_every_attempt(engines):
    bench = bench_with(engines, prepares=True)
    payment_id = bench.paid()
    calin(bench).prepare.append(Prepared(inputs={"count": "7"}, state={"count": "7"}))
    calin(bench).generate += [NotSent("down"), energy_grant()]
    bench.work(payment_id)
    bench.later(seconds=3)
    bench.work(payment_id)

    assert [order.prepared for order in calin(bench).asked()] == [{"count": "7"}, {"count": "7"}]
    assert [call[4] for call in calin(bench).calls] == [{}, {"count": "7"}, {"count": "7"}]
    [device] = bench.rows(t.devices)
    assert (device["state"], device["state_version"]) == ({"count": "7"}, 2)


def test_a_target_is_decided_anew_while_surely_nothing_happened(engines):
    """Or days would pass that the customer has paid for."""
    bench = bench_with(engines, recovery=Recovery.DESIRED_STATE, prepares=True)
    payment_id = bench.paid()
    calin(bench).prepare += [
        Prepared(inputs={"until": "day 7"}, state={"until": "day 7"}),
        Prepared(inputs={"until": "day 9"}, state={"until": "day 9"}),
    ]
    calin(bench).generate += [Misconfigured("403"), energy_grant()]
    bench.work(payment_id)
    bench.later(days=2)
    bench.work(payment_id)

    assert [order.prepared for order in calin(bench).asked()] == [
        {"until": "day 7"},
        {"until": "day 9"},
    ]
    assert [row["state"] for row in bench.rows(t.devices)] == [{"until": "day 9"}]


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        pytest.param(Refused("no such unit"), "refused", "held", id="a no is final"),
        pytest.param(OutcomeUnknown("cut"), "not_sent", "token_pending", id="a cut is harmless"),
        pytest.param(ValueError("bug"), "not_sent", "token_pending", id="so is a bug"),
    ],
)
def test_an_error_while_preparing_is_an_attempt_that_did_nothing(engines, error, outcome, status):
    bench = bench_with(engines, prepares=True)
    payment_id = bench.paid()
    calin(bench).prepare.append(error)

    bench.work(payment_id)

    assert bench.status(payment_id)[0] == status
    assert bench.attempts(payment_id) == [(1, outcome)]
    assert bench.order(payment_id)["prepared"] is None
    assert [row["plugin"] for row in bench.rows(t.attempts)] == ["calin 1.0"]


def test_an_order_is_prepared_again_if_another_took_effect_meanwhile(engines):
    """The vendor's end of time, which the plugin begins from, is another one by then."""
    bench = bench_with(engines, prepares=True, blocks_device=True)
    bench.meter("47001234561")
    first, second = (bench.pay("47001234561", "1000", name) for name in ("R1", "R2"))
    calin(bench).generate += [energy_grant("1" * 20), energy_grant("2" * 20)]

    def overtaken(_order):
        bench.work(first)
        return Prepared(inputs={"until": "as it was before the first"})

    calin(bench).prepare += [
        overtaken,
        Prepared(inputs={"until": "first"}),
        Prepared(inputs={"until": "second"}),
    ]
    bench.work(second)
    bench.work(second)

    assert [order.prepared for order in calin(bench).asked()] == [
        {"until": "first"},
        {"until": "second"},
    ]
    assert [bench.status(payment)[0] for payment in (first, second)] == ["settled", "settled"]


def test_an_order_is_prepared_again_if_a_lost_one_turns_out_to_have_had_its_effect(engines):
    bench = bench_with(engines, recovery=Recovery.LOOKUP, prepares=True, blocks_device=True)
    first = bench.lost()
    second = bench.pay("47001234567", "1000", "R2")
    calin(bench).find.append(energy_grant("1" * 20))
    calin(bench).generate.append(energy_grant("2" * 20))

    def found_meanwhile(_order):
        bench.later(seconds=40)
        bench.work(first)
        return Prepared(inputs={"until": "as it was before the first"})

    calin(bench).prepare += [found_meanwhile, Prepared(inputs={"until": "second"})]
    bench.work(second)
    bench.work(second)

    assert [order.prepared for order in calin(bench).asked()] == [{}, {"until": "second"}]
    assert [bench.status(payment)[0] for payment in (first, second)] == ["settled", "settled"]


def test_a_state_that_moved_meanwhile_is_prepared_again(engines):
    bench = bench_with(engines, prepares=True)
    payment_id = bench.paid()

    def moved(_order):
        with engines.write.begin() as connection:
            d = t.devices.c
            connection.execute(
                sa.update(t.devices).values(state={"count": "5"}, state_version=d.state_version + 1)
            )
        return Prepared(inputs={"count": "1"}, state={"count": "1"})

    calin(bench).prepare += [moved, Prepared(inputs={"count": "6"}, state={"count": "6"})]
    calin(bench).generate.append(energy_grant())
    bench.work(payment_id)
    bench.work(payment_id)

    assert [order.prepared for order in calin(bench).asked()] == [{"count": "6"}]
    [device] = bench.rows(t.devices)
    assert device["state"] == {"count": "6"}


# --- the device's turn ----------------------------------------------------------------------------


def test_orders_of_a_device_begin_in_the_order_of_acceptance(bench):
    first = bench.paid()
    second = bench.pay("47001234567", "1000", "R2")
    bench.work(second)

    assert bench.attempts(second) == []
    assert bench.order(second)["detail"] == "Another order of the device comes first."

    calin(bench).generate += [energy_grant(), energy_grant("99998888777766665555")]
    bench.work(first)
    bench.work(second)

    assert bench.codes(second) == ["99998888777766665555"]


def test_of_many_orders_behind_one_device_the_last_look_least_often(bench):
    bench.paid()
    later = [bench.pay("47001234567", "1000", f"R{number}") for number in range(2, 14)]
    for payment_id in later:
        bench.work(payment_id)

    waits = [bench.order(payment_id)["due_at"] - bench.now for payment_id in later]
    assert waits == [timedelta(minutes=min(before, 10)) for before in range(1, 13)]


@pytest.mark.parametrize("minutes", [5, -5], ids=["later", "clock set back"])
def test_an_order_whose_turn_it_is_comes_before_all_that_are_younger(bench, minutes):
    first = bench.paid()
    second = bench.pay("47001234567", "1000", "R2")
    made_at = bench.now
    bench.work(second)
    bench.later(minutes=minutes)
    calin(bench).generate.append(energy_grant())
    bench.work(first)

    woken = bench.order(second)
    assert (woken["next_at"], woken["due_at"]) == (min(made_at, bench.now), bench.now)


def test_no_order_of_a_device_begins_while_another_is_with_the_vendor(bench):
    first = bench.paid()
    second = bench.pay("47001234567", "1000", "R2")
    seen = []

    def meanwhile(_order):
        bench.work(second)
        seen.append(bench.attempts(second))
        return energy_grant()

    calin(bench).generate.append(meanwhile)
    bench.work(first)

    assert seen == [[]]
    assert bench.order(second)["due_at"] == bench.now  # woken by the end of the first


@pytest.mark.parametrize(
    ("blocks_device", "begun"), [(False, [(1, "issued")]), (True, [])], ids=["free", "blocking"]
)
def test_an_order_in_doubt_holds_back_the_next_one_only_where_it_must(
    engines, blocks_device, begun
):
    bench = bench_with(engines, blocks_device=blocks_device)
    first = bench.lost()
    second = bench.pay("47001234567", "1000", "R2")
    calin(bench).generate.append(energy_grant())

    bench.work(second)

    assert bench.status(first)[0] == "unknown"
    assert bench.attempts(second) == begun


def as_if_made_before(bench, payment_id, other_id):
    """Give an order an id from before another's, as a machine does whose clock is behind."""
    earlier = f"0{bench.order(other_id)['id'][1:-1]}"
    with bench.engines.write.begin() as connection:
        o = t.orders.c
        connection.execute(sa.update(t.orders).where(o.payment_id == payment_id).values(id=earlier))


def test_an_order_in_doubt_comes_first_whatever_the_clocks_of_machines_say(engines):
    """It and its repeat: what it may have done already must not be done over."""
    bench = bench_with(engines, recovery=Recovery.DESIRED_STATE, blocks_device=True)
    first = bench.lost()
    second = bench.pay("47001234567", "1000", "R2")
    as_if_made_before(bench, second, first)

    bench.work(second)
    assert (bench.status(first)[0], bench.attempts(second)) == ("unknown", [])
    bench.later(seconds=40)
    bench.work(first)  # decides to repeat it
    bench.work(second)
    assert (bench.order(first)["status"], bench.attempts(second)) == ("queued", [])

    calin(bench).generate += [energy_grant(), energy_grant("99998888777766665555")]
    bench.work(first)
    assert bench.order(second)["due_at"] == bench.now  # woken
    bench.work(second)
    assert [bench.status(payment)[0] for payment in (first, second)] == ["settled", "settled"]


@pytest.mark.parametrize(
    ("blocking", "begun"),
    [(ChargeKind.TIME, []), (ChargeKind.UNLOCK, [(1, "issued")])],
    ids=["the one in doubt blocks", "the next one would"],
)
def test_the_kind_in_doubt_says_whether_others_wait(engines, blocking, begun):
    class Mixed(OrderBench):
        def _manifests(self):
            manifests = super()._manifests()
            kinds = (ChargeKind.TIME, ChargeKind.UNLOCK)
            operations = {
                kind: attrs.evolve(self.operation, blocks_device=kind is blocking) for kind in kinds
            }
            return manifests | {
                "sunking": attrs.evolve(manifests["sunking"], operations=operations)
            }

    bench = Mixed(engines)
    cost, nothing = bench.money("2800"), bench.money("0")
    bench.home(sale=PlanTerms(cost=cost, down_payment=nothing, instalments=4, period=Period.WEEKLY))
    days = bench.pay("12345678", "700", "R1")
    bench.scripts["sunking"].generate.append(lost())
    bench.work(days)
    unlock = bench.pay("12345678", "2100", "R2")
    bench.scripts["sunking"].generate.append(unlock_grant())

    bench.work(unlock)

    assert (bench.status(days)[0], bench.order(unlock)["kind"]) == ("unknown", "unlock")
    assert bench.attempts(unlock) == begun


# --- unknown outcomes -----------------------------------------------------------------------------


def test_without_recovery_the_first_look_parks_the_order(bench):
    payment_id = bench.lost()
    bench.later(seconds=40)

    bench.work(payment_id)

    assert bench.status(payment_id) == ("unknown", True, "outcome_unknown")
    assert bench.order(payment_id)["status"] == "parked"
    assert bench.lines(payment_id) == BOUGHT
    assert len(calin(bench).asked()) == 1
    assert bench.differences() == []


@pytest.mark.parametrize(
    "recovery", [Recovery.KEYED, Recovery.DETERMINISTIC, Recovery.DESIRED_STATE]
)
def test_a_safe_recovery_repeats_with_the_same_key_and_inputs(engines, recovery):
    bench = bench_with(engines, recovery=recovery, prepares=True)
    calin(bench).prepare.append(Prepared(inputs={"target": "x"}))
    payment_id = bench.lost()
    bench.later(seconds=40)
    bench.work(payment_id)
    calin(bench).generate.append(energy_grant())

    bench.work(payment_id)

    first, second = calin(bench).asked()
    assert (first.key, first.prepared) == (second.key, second.prepared)
    assert bench.attempts(payment_id) == [(1, "unknown"), (2, "issued")]
    assert bench.status(payment_id) == ("settled", False, "")


def test_a_refusal_of_a_repeat_parks_the_order_a6(engines):
    bench = bench_with(engines, recovery=Recovery.KEYED)
    payment_id = bench.lost()
    bench.later(seconds=40)
    bench.work(payment_id)
    calin(bench).generate.append(Refused("not billable"))

    bench.work(payment_id)

    assert bench.order(payment_id)["status"] == "parked"
    assert bench.status(payment_id) == ("unknown", True, "outcome_unknown")


def test_a_vendor_that_is_down_at_the_repeat_leaves_it_unknown(engines):
    bench = bench_with(engines, recovery=Recovery.KEYED)
    payment_id = bench.lost()
    bench.later(seconds=40)
    bench.work(payment_id)
    calin(bench).generate.append(NotSent("down"))

    bench.work(payment_id)

    assert bench.status(payment_id) == ("unknown", False, "outcome_unknown")
    assert bench.order(payment_id)["due_at"] == bench.now + timedelta(seconds=80)


def test_a_repeatable_order_is_tried_by_the_schedule_and_then_parked(engines):
    bench = bench_with(engines, recovery=Recovery.KEYED)
    payment_id = bench.lost()
    lost_at, looks = bench.now, []
    while bench.order(payment_id)["status"] != "parked":
        bench.now = bench.order(payment_id)["due_at"]
        looks.append(bench.now - lost_at)
        calin(bench).generate.append(lost())
        bench.work(payment_id)
        bench.work(payment_id)

    assert looks == [
        timedelta(seconds=40),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=1),
        timedelta(hours=6),
        timedelta(hours=24),
    ]
    assert bench.status(payment_id) == ("unknown", True, "outcome_unknown")


def test_a_lookup_that_finds_the_grant_issues_it(engines):
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = bench.lost()
    bench.later(seconds=40)
    calin(bench).find.append(energy_grant())

    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
    assert len(calin(bench).asked()) == 1
    assert bench.differences() == []


def test_two_conclusive_answers_end_the_doubt_and_it_is_sent_again(engines):
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = bench.lost()
    calin(bench).find += [NotFound(conclusive=True), NotFound(conclusive=True)]
    calin(bench).generate.append(Refused("no"))
    bench.later(seconds=40)
    bench.work(payment_id)
    bench.later(seconds=80)
    bench.work(payment_id)
    assert bench.status(payment_id)[0] == "token_pending"

    bench.work(payment_id)

    assert bench.status(payment_id) == ("held", True, "vendor_refused")  # no doubt any more


def test_a_token_that_is_found_while_a_person_says_there_is_none_is_not_minted_again(engines):
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = bench.lost()

    def decided_meanwhile(_order):
        with engines.write.begin() as connection:
            o = t.orders.c
            connection.execute(
                sa.update(t.orders).values(status="queued", fence=o.fence + 1, doubt=False)
            )
        return energy_grant()

    calin(bench).find.append(decided_meanwhile)
    bench.later(minutes=2)
    bench.work(payment_id)
    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
    assert len(calin(bench).asked()) == 1


def test_the_answer_that_ends_the_doubt_is_of_a_later_moment(engines):
    """Also if somebody looks a moment before the schedule does."""
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = bench.lost()
    sent_at = bench.now
    calin(bench).find += [NotFound(conclusive=True)] * 2
    bench.later(seconds=39)
    with engines.write.begin() as connection:
        assert ask_to_look(connection, payment_id, bench.now)
    bench.work(payment_id)
    bench.later(seconds=31)
    with engines.write.begin() as connection:
        assert not ask_to_look(connection, payment_id, bench.now)
    bench.work(payment_id)
    assert bench.status(payment_id)[0] == "unknown"

    bench.later(seconds=9)
    bench.work(payment_id)
    assert bench.status(payment_id)[0] == "token_pending"
    assert [order.sent_at for order in calin(bench).asked("find")] == [sent_at, sent_at]


@pytest.mark.parametrize("later", ["generate", "prepare"])
def test_a_late_token_ends_a_queued_order_of_which_surely_nothing_came_since(engines, later):
    bench = bench_with(engines, recovery=Recovery.LOOKUP, prepares=True)
    payment_id = bench.lost()
    first_try = bench.worker._load(bench.order(payment_id)["id"])
    calin(bench).find += [NotFound(conclusive=True)] * 2
    for minutes in (1, 2):
        bench.later(minutes=minutes)
        bench.work(payment_id)
    getattr(calin(bench), later).append(NotSent("down"))
    bench.work(payment_id)
    assert bench.status(payment_id)[0] == "token_pending"

    bench.worker._answers.hear_late(first_try, energy_grant())
    bench.later(minutes=5)
    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
    assert [outcome for _, outcome, *_ in bench.attempts(payment_id)] == ["issued", "not_sent"]
    assert bench.evidence(payment_id) == []
    assert bench.differences() == []


class Interrupted:
    """An engine before whose next transaction something happens."""

    def __init__(self, engine):
        self.engine, self.before = engine, lambda: None

    def begin(self):
        before, self.before = self.before, lambda: None
        before()
        return self.engine.begin()


@pytest.mark.parametrize("answer", [energy_grant(), NotSent("down")], ids=["token", "nothing"])
def test_an_answer_that_comes_while_its_worker_gives_up_is_heard(bench, answer):
    payment_id, engine = bench.paid(), Interrupted(bench.engines.write)
    answers = bench.new_worker(Engines(write=engine, read=bench.engines.read))._answers
    calin(bench).generate.append(lost())
    begun, give_up = [], []
    bench.worker._answers.take = lambda order, given: (begun.append(order), give_up.append(given))
    bench.work(payment_id)
    engine.before = lambda: type(answers).take(answers, begun[0], give_up[0])

    answers.hear_late(begun[0], answer)

    issued = isinstance(answer, Grant)
    assert bench.status(payment_id)[0] == ("settled" if issued else "token_pending")
    assert bench.codes(payment_id) == ([CODE] if issued else [])
    assert bench.evidence(payment_id) == []
    assert bench.differences() == []


def test_pending_is_asked_again_and_then_issued(bench):
    payment_id = bench.paid()
    calin(bench).generate.append(Pending(after=timedelta(seconds=9)))
    calin(bench).find += [Pending(after=timedelta(seconds=9)), energy_grant()]
    bench.work(payment_id)
    assert bench.status(payment_id) == ("unknown", False, "vendor_pending")

    bench.later(seconds=9)
    bench.work(payment_id)
    assert bench.order(payment_id)["due_at"] == bench.now + timedelta(seconds=31)
    bench.later(seconds=31)
    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]


@pytest.mark.parametrize(
    "blip", [NotSent("down"), NotFound(conclusive=True)], ids=["not sent", "not found once"]
)
def test_a_vendor_that_works_on_it_is_asked_again_whatever_came_of_asking_once(bench, blip):
    payment_id = bench.paid()
    calin(bench).generate.append(Pending(after=timedelta(seconds=9)))
    calin(bench).find += [blip, energy_grant()]
    bench.work(payment_id)
    for seconds in (9, 40):
        bench.later(seconds=seconds)
        bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]


def test_a_vendor_that_nobody_can_ask_after_is_in_doubt_like_any_other(engines):
    """Its plugin says that the vendor works on it, and has no look-up: so the key must do."""

    class Forgetful(OrderBench):
        def load_plugins(self):
            plugins = super().load_plugins()
            for route in [each for each in plugins._routes if each[1] == "mpm_find_token"]:
                del plugins._routes[route]
            return plugins

    bench = Forgetful(engines, recovery=Recovery.KEYED)
    payment_id = bench.paid()
    calin(bench).generate += [Pending(after=timedelta(seconds=9)), energy_grant()]
    bench.work(payment_id)
    for seconds in (40, 1):
        bench.later(seconds=seconds)
        bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
    assert len({order.key for order in calin(bench).asked()}) == 1


def test_looking_is_brought_forward_once_in_a_while_and_uses_nothing_up(engines):
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = bench.lost()
    calin(bench).find += [NotFound(conclusive=False)] * 2

    def wish():
        with engines.write.begin() as connection:
            return ask_to_look(connection, payment_id, bench.now)

    bench.later(seconds=5)
    assert [wish(), wish()] == [True, False]
    bench.work(payment_id)
    assert len(calin(bench).asked("find")) == 1
    assert wish() is False  # not twice within half a minute
    assert bench.order(payment_id)["due_at"] == bench.now + timedelta(seconds=35)

    bench.later(seconds=31)
    assert wish() is True


def test_looking_at_what_is_not_unknown_asks_nobody(bench):
    payment_id = bench.paid()
    with bench.engines.write.begin() as connection:
        assert ask_to_look(connection, payment_id, bench.now) is False


def test_an_operation_that_is_gone_parks_an_order_in_doubt(bench):
    payment_id = bench.lost()
    facts = bench.directory.instance_named(bench.record.id, "calin").facts
    bench.change_instance("calin", facts=attrs.evolve(facts, operations={}))
    bench.later(seconds=40)

    bench.work(payment_id)

    assert bench.order(payment_id)["status"] == "parked"


# --- fences, leases and late answers --------------------------------------------------------------


def test_two_workers_make_one_attempt_c6(bench):
    payment_id = bench.paid()
    other = bench.new_worker()
    order_id = bench.order(payment_id)["id"]

    def both(_order):
        other.work_on(order_id)
        return energy_grant()

    calin(bench).generate.append(both)
    bench.work(payment_id)

    assert bench.attempts(payment_id) == [(1, "issued")]
    assert len(calin(bench).asked()) == 1


def test_of_two_workers_that_both_read_a_queued_order_one_begins(bench):
    payment_id = bench.paid()
    slow, other = bench.new_worker(), bench.new_worker()
    manufacturers = slow._manufacturers

    class MeanwhileAnother:
        """Between reading and beginning, another worker does all the work."""

        def prepare(self, order, instance):
            other.work_on(order.id)
            return manufacturers.prepare(order, instance)

    slow._manufacturers = MeanwhileAnother()
    calin(bench).generate.append(energy_grant())
    slow.work_on(bench.order(payment_id)["id"])

    assert len(calin(bench).asked()) == 1
    assert bench.attempts(payment_id) == [(1, "issued")]
    assert bench.status(payment_id) == ("settled", False, "")


def test_two_workers_that_both_prepare_a_queued_order_make_one_attempt(engines):
    bench = bench_with(engines, prepares=True)
    payment_id = bench.paid()
    other, order_id = bench.new_worker(), bench.order(payment_id)["id"]

    def both(_order):
        calin(bench).generate.append(energy_grant())
        other.work_on(order_id)  # prepares and sends while the first is still preparing
        return Prepared(inputs={"late": "yes"}, state={"late": "yes"})

    calin(bench).prepare += [both, Prepared(inputs={"first": "yes"})]
    bench.work(payment_id)

    assert bench.attempts(payment_id) == [(1, "issued")]
    assert [order.prepared for order in calin(bench).asked()] == [{"first": "yes"}]
    [device] = bench.rows(t.devices)
    assert device["state"] == {}


def test_a_dead_worker_leaves_an_order_that_is_unknown_once_its_lease_is_over(bench):
    payment_id = bench.paid()

    class PowerCutError(BaseException):
        """Nothing after this happens."""

    worker = bench.new_worker()
    worker._answers.take = dies(PowerCutError)
    calin(bench).generate.append(energy_grant())
    order_id = bench.order(payment_id)["id"]
    with pytest.raises(PowerCutError):
        worker.work_on(order_id)
    lease = bench.order(payment_id)["lease_until"] - bench.now
    assert lease == timedelta(seconds=70)  # twice the deadline of 5 s, and a minute

    bench.later(seconds=69)
    bench.work(payment_id)
    assert bench.order(payment_id)["status"] == "sent"
    bench.later(seconds=1)
    bench.work(payment_id)

    assert bench.status(payment_id) == ("unknown", False, "outcome_unknown")
    assert bench.attempts(payment_id) == [(1, "unknown")]
    assert bench.view(payment_id)["attempts"][0]["detail"] == (
        "The worker stopped before it heard an answer; a token may exist."
    )


def test_a_clock_that_jumps_takes_no_order_from_the_process_that_asks(bench):
    """T12: the lease is over by the clock, and the order is handed over again, to the same one."""
    payment_id = bench.paid()
    order_id, seen = bench.order(payment_id)["id"], []

    def jumps(_order):
        bench.later(days=1)
        bench.worker.work_on(order_id)
        seen.append(bench.order(payment_id)["status"])
        return energy_grant()

    calin(bench).generate.append(jumps)
    bench.work(payment_id)

    assert seen == ["sent"]
    assert bench.attempts(payment_id) == [(1, "issued")]
    assert bench.codes(payment_id) == [CODE]


def test_an_order_that_was_sent_before_an_upgrade_keeps_its_lease_t16(bench):
    payment_id = bench.paid()
    with bench.engines.write.begin() as connection:
        connection.execute(
            sa.update(t.orders).values(
                status="sent", attempts=1, due_at=None,
                lease_until=bench.now + timedelta(seconds=30),
            )
        )  # fmt: skip

    bench.work(payment_id)
    assert bench.order(payment_id)["status"] == "sent"
    bench.later(seconds=30)
    bench.work(payment_id)

    assert bench.order(payment_id)["status"] == "unknown"


def dies(error):
    def settle(_order, _answer):
        raise error

    return settle


def test_a_worker_that_slept_past_its_lease_still_ends_the_doubt_with_its_grant(bench):
    """C7: its own write is fenced off; what it brings is treated like any late answer."""
    payment_id = bench.paid()

    def sleeps(_order):
        bench.later(seconds=70)
        bench.new_worker().work_on(bench.order(payment_id)["id"])
        assert bench.status(payment_id)[0] == "unknown"
        return energy_grant()

    calin(bench).generate.append(sleeps)
    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
    assert bench.attempts(payment_id) == [(1, "issued")]
    assert bench.differences() == []


def test_an_order_that_waits_for_its_turn_is_woken_however_close_the_other_ends(bench):
    """Checking the turn and waiting are one transaction: the end comes before or after both."""
    first = bench.paid()
    second = bench.pay("47001234567", "1000", "R2")
    calin(bench).generate += [energy_grant(), energy_grant("99998888777766665555")]
    other = bench.new_worker()
    order_id = bench.order(second)["id"]
    waiting = threading.Thread(target=lambda: other.work_on(order_id))

    def meanwhile(_order):
        waiting.start()
        return energy_grant()

    calin(bench).generate[0] = meanwhile
    bench.work(first)
    waiting.join(10)
    bench.work(second)

    assert bench.codes(second) == ["99998888777766665555"]


def test_what_a_sleeper_brings_after_another_decided_is_evidence_c7(engines):
    bench = bench_with(engines, recovery=Recovery.KEYED)
    payment_id = bench.paid()
    order_id = bench.order(payment_id)["id"]

    def sleeps(_order):
        other = bench.new_worker()
        bench.later(seconds=70)
        other.work_on(order_id)
        bench.later(seconds=40)
        other.work_on(order_id)
        other.work_on(order_id)  # the repeat, with another code than the first try's
        return energy_grant("00001111222233334444")

    calin(bench).generate += [sleeps, energy_grant()]
    bench.work(payment_id)

    assert bench.codes(payment_id) == [CODE]
    assert len(bench.told(payment_id)) == 1
    [evidence] = bench.evidence(payment_id)
    assert json.loads(evidence)[0]["codes"] == ["00001111222233334444"]


def slow_answer(answer):
    """A vendor's answer that comes after the deadline; the test says when."""
    released = threading.Event()

    def slow(_order):
        released.wait(10)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return released, slow


def wait_for(bench, payment_id, expected):
    """Wait for the plugin's own thread to have written."""
    until = threading.Event()
    for _ in range(200):
        if bench.status(payment_id)[0] == expected:
            return
        until.wait(0.02)
    assert bench.status(payment_id)[0] == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(energy_grant(), "settled", id="a grant"),
        pytest.param(Refused("unknown meter"), "held", id="a refusal"),
        pytest.param(NotSent("it never got through"), "token_pending", id="nothing happened"),
    ],
)
@pytest.mark.parametrize("parked", [False, True], ids=["unknown", "parked"])
def test_a_late_answer_ends_the_doubt_m17(engines, answer, expected, parked):
    bench = bench_with(engines, deadline=0.1)
    payment_id = bench.paid()
    released, slow = slow_answer(answer)
    calin(bench).generate.append(slow)
    bench.work(payment_id)
    assert bench.status(payment_id)[0] == "unknown"
    if parked:
        bench.later(seconds=40)
        bench.work(payment_id)
        assert bench.status(payment_id) == ("unknown", True, "outcome_unknown")

    released.set()

    wait_for(bench, payment_id, expected)
    assert bench.evidence(payment_id) == []
    assert bench.differences() == []


def test_a_late_grant_of_an_earlier_attempt_is_evidence_while_a_later_one_is_in_doubt(engines):
    bench = bench_with(engines, deadline=0.1, recovery=Recovery.KEYED)
    payment_id = bench.paid()
    released, slow = slow_answer(energy_grant())
    calin(bench).generate += [slow, lost()]
    bench.work(payment_id)
    bench.later(seconds=40)
    bench.work(payment_id)
    bench.work(payment_id)
    assert bench.attempts(payment_id) == [(1, "unknown"), (2, "unknown")]

    released.set()
    for _ in range(200):
        if bench.evidence(payment_id):
            break
        threading.Event().wait(0.02)

    assert bench.codes(payment_id) == []
    [evidence] = bench.evidence(payment_id)
    assert json.loads(evidence)[0]["codes"] == [CODE]
    assert bench.status(payment_id) == ("unknown", False, "outcome_unknown")


def test_a_late_error_that_tells_nothing_changes_nothing(engines):
    bench = bench_with(engines, deadline=0.1)
    payment_id = bench.paid()
    released, slow = slow_answer(lost())
    calin(bench).generate.append(slow)
    bench.work(payment_id)
    before = bench.order(payment_id)
    released.set()
    calin(bench).ended.wait(10)

    assert bench.order(payment_id) == before


# --- the database goes away -----------------------------------------------------------------------


GONE = sa.exc.OperationalError("COMMIT", {}, OSError("the server closed the connection"))
DEMOTED = sa.exc.InternalError("UPDATE", {}, OSError("cannot write in a read-only transaction"))


class FlakyEngine:
    """An engine whose commits fail for a while, before or after they worked."""

    def __init__(self, engine, failures, *, after_commit, error=GONE):
        self.engine, self.failures, self.after_commit = engine, failures, after_commit
        self.error = error

    def begin(self):
        return FlakyTransaction(self)


class FlakyTransaction:
    def __init__(self, flaky):
        self.flaky, self.inner = flaky, flaky.engine.begin()

    def __enter__(self):
        return self.inner.__enter__()

    def __exit__(self, *error):
        fails = error[0] is None and self.flaky.failures > 0
        self.flaky.failures -= fails
        if fails and not self.flaky.after_commit:
            self.inner.__exit__(type(self.flaky.error), self.flaky.error, None)
            raise self.flaky.error
        self.inner.__exit__(*error)
        if fails:
            raise self.flaky.error


@pytest.mark.parametrize(
    ("after_commit", "error"),
    [(False, GONE), (True, GONE), (False, DEMOTED)],
    ids=["commit failed", "answer lost", "became a standby"],
)
def test_an_answer_in_hand_outlives_a_database_that_is_gone_c8_c9(bench, after_commit, error):
    payment_id = bench.paid()
    flaky = FlakyEngine(bench.engines.write, 0, after_commit=after_commit, error=error)
    worker = bench.new_worker(Engines(write=flaky, read=bench.engines.read))

    def database_fails_now(_order):
        flaky.failures = 2
        return energy_grant()

    calin(bench).generate.append(database_fails_now)
    worker.work_on(bench.order(payment_id)["id"])

    assert bench.codes(payment_id) == [CODE]
    assert len(bench.told(payment_id)) == 1
    assert bench.evidence(payment_id) == []
    assert bench.paused[0] == 0.1
    assert bench.differences() == []


def test_an_answer_nobody_can_write_leaves_the_order_to_the_lease(bench):
    payment_id = bench.paid()
    flaky = FlakyEngine(bench.engines.write, 0, after_commit=False)
    worker = bench.new_worker(Engines(write=flaky, read=bench.engines.read))

    def database_fails_now(_order):
        flaky.failures = 1000
        return energy_grant()

    calin(bench).generate.append(database_fails_now)
    with pytest.raises(sa.exc.OperationalError):
        worker.work_on(bench.order(payment_id)["id"])

    assert bench.order(payment_id)["status"] == "sent"
    assert sum(bench.paused) < 60  # within the margin of the lease


class ReadEngine:
    """An engine of readers that can be gone."""

    def __init__(self, engine):
        self.engine, self.is_gone = engine, False

    def connect(self):
        if self.is_gone:
            raise GONE
        return self.engine.connect()


def test_a_database_gone_before_the_call_means_that_nobody_was_asked(bench, monkeypatch):
    payment_id = bench.paid()
    read = ReadEngine(bench.engines.read)
    worker = bench.new_worker(Engines(write=bench.engines.write, read=read))

    def at(point):  # it comes back when the answer is to be written
        read.is_gone = point is CrashPoint.ATTEMPT_COMMITTED

    with monkeypatch.context() as patch:
        patch.setattr(order_worker, "crash_point", at)
        worker.work_on(bench.order(payment_id)["id"])
    assert calin(bench).asked() == []
    [(_, outcome, *_)] = bench.attempts(payment_id)
    assert outcome == "not_sent"

    calin(bench).generate.append(energy_grant())
    bench.later(minutes=1)
    worker.work_on(bench.order(payment_id)["id"])
    assert bench.codes(payment_id) == [CODE]


@pytest.mark.parametrize("after_commit", [False, True], ids=["commit failed", "answer lost"])
def test_a_late_answer_outlives_a_database_that_is_gone_m17_c8_c9(engines, after_commit):
    bench = bench_with(engines, deadline=0.1)
    payment_id, flaky, released = late_grant(bench, after_commit=after_commit)
    assert bench.status(payment_id)[0] == "unknown"
    flaky.failures = 2
    released.set()

    wait_for(bench, payment_id, "settled")
    assert bench.codes(payment_id) == [CODE]
    assert len(bench.told(payment_id)) == 1
    assert bench.paused[:1] == [0.1]
    assert bench.evidence(payment_id) == []
    assert bench.differences() == []


def test_a_late_answer_nobody_can_write_is_lost_aloud_after_a_while(engines):
    bench = bench_with(engines, deadline=0.1)
    payment_id, flaky, released = late_grant(bench, after_commit=False)
    flaky.failures = 1000
    with structlog.testing.capture_logs() as logs:
        released.set()
        for _ in range(500):
            if any(line["event"] == "late_answer_lost" for line in logs):
                break
            threading.Event().wait(0.02)

    [lost_line] = [line for line in logs if line["event"] == "late_answer_lost"]
    assert lost_line["order"] == bench.order(payment_id)["id"]
    assert 20 < sum(bench.paused) < 60
    assert bench.status(payment_id)[0] == "unknown"


def late_grant(bench, *, after_commit):
    """Let an order's grant come after its deadline, to a worker whose database can fail."""
    payment_id = bench.paid()
    flaky = FlakyEngine(bench.engines.write, 0, after_commit=after_commit)
    worker = bench.new_worker(Engines(write=flaky, read=bench.engines.read))
    released, slow = slow_answer(energy_grant())
    calin(bench).generate.append(slow)
    worker.work_on(bench.order(payment_id)["id"])
    return payment_id, flaky, released


# --- what the customer is told --------------------------------------------------------------------

ON_ITS_WAY = "Payment of 1000 TZS received. Your token is on its way."


def test_a_customer_whose_token_is_late_is_told_once(engines):
    bench = bench_with(engines, recovery=Recovery.LOOKUP)
    payment_id = bench.lost()
    calin(bench).find += [NotSent("down")] * 5
    assert bench.order(payment_id)["next_at"] == bench.now + timedelta(seconds=40)
    bench.later(seconds=40)
    bench.work(payment_id)
    assert bench.told(payment_id) == []

    for seconds in (80, 480, 3000):
        bench.later(seconds=seconds)
        bench.work(payment_id)

    assert bench.told(payment_id) == [ON_ITS_WAY]


def test_a_customer_is_told_when_it_is_time_and_not_when_the_order_is_due(bench):
    payment_id = bench.paid()
    calin(bench).generate.append(Misconfigured("bad key"))
    bench.later(seconds=5)
    bench.work(payment_id)
    order = bench.order(payment_id)
    told_at = order["created_at"] + timedelta(minutes=2)
    assert (order["next_at"], order["due_at"]) == (told_at, bench.now + timedelta(minutes=10))

    bench.now = told_at
    bench.work(payment_id)

    assert bench.told(payment_id) == [ON_ITS_WAY]
    assert bench.order(payment_id)["next_at"] == order["due_at"]
    assert len(calin(bench).asked()) == 1


def test_a_customer_is_told_at_once_when_a_person_must_decide(bench):
    payment_id = bench.paid()
    calin(bench).generate.append(Refused("no"))

    bench.work(payment_id)

    assert bench.told(payment_id) == [ON_ITS_WAY]


def test_a_token_that_comes_late_is_told_after_the_delay(bench):
    payment_id = bench.paid()
    calin(bench).generate += [NotSent("down"), energy_grant()]
    bench.later(minutes=5)
    bench.work(payment_id)
    bench.later(seconds=3)
    bench.work(payment_id)

    assert bench.told(payment_id) == [
        ON_ITS_WAY,
        (
            "Payment of 1000 TZS received. 1 kWh for meter 47001234567. "
            "Token: 1111 2222 3333 4444 5555"
        ),
    ]


def test_a_late_refusal_of_an_earlier_attempt_does_not_close_an_order_in_doubt(engines):
    """C6: whoever was overtaken by the next attempt may not speak for the order any more."""
    bench = bench_with(engines, recovery=Recovery.KEYED)
    payment_id = bench.paid()

    def overtaken(order):
        other = bench.new_worker()
        for wait in (70, 40, 1):  # the lease is over; the first look; the second attempt
            bench.later(seconds=wait)
            other.work_on(order.key)
        assert bench.attempts(payment_id) == [(1, "unknown"), (2, "unknown")]
        return Refused("not this time")

    def refuses(order):
        raise overtaken(order)

    calin(bench).generate += [refuses, lost()]
    bench.work(payment_id)

    assert bench.status(payment_id) == ("unknown", False, "outcome_unknown")
    assert bench.order(payment_id)["status"] == "unknown"
    assert bench.differences() == []
