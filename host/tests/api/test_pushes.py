"""Pushes through the API, with a simulated telecom at the other side."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from host.tests.api.telecoms import SERIAL, Telecom, pushing_config
from mpm_core import SimulatedReply
from mpm_core.simulation.server import serve
from mpm_host.access.roles import Role
from mpm_host.crash_points import CrashPoint
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes, tellings
from mpm_host.pushes import push_worker
from mpm_host.pushes.push_rules import UNBOOKABLE
from mpm_host.pushes.push_store import announce, hear_of_push, load_push
from tests.kit.acme_pay import AcmePaySimulator
from tests.support.query_plans import captured_statements, scanning_statements

PHONE = "+255712345678"


@pytest.fixture
def config_text(database_url, plugin_folder):
    return pushing_config(database_url, plugin_folder)


@pytest.fixture
def telecom(installation):
    simulator = AcmePaySimulator()
    with serve({"acme-pay": simulator}) as simulation:
        yield Telecom(installation, (simulator, simulation.base_url("acme-pay")))


# --- the good way -----------------------------------------------------------------------------


def test_a_push_that_is_paid_books_once_under_our_reference(telecom):
    """T-18, T-50: nothing is booked before the telecom's own word, and then once."""
    push_id, key = telecom.push()
    assert (telecom.status(push_id), telecom.payment(push_id)["status"]) == (
        "requested",
        "validated",
    )
    assert telecom.work(push_id)["status"] == "requested"
    assert telecom.simulator.prompts == [key]
    telecom.simulator.answer_push(key, "paid")
    paid = telecom.work(push_id, seconds=30)
    payment = telecom.payment(push_id)
    assert (paid["status"], paid["detail"]) == ("paid", "")
    assert (payment["status"], payment["reference"], payment["receipt"]) == (
        "token_pending",
        key,
        "MP-1",
    )
    assert payment["lines"] == [{"kind": "energy", "amount": "1000", "refers_to": None}]
    assert telecom.work(push_id, days=2)["status"] == "paid"
    assert len(telecom.api.ok("GET", "/payments")["items"]) == 1
    assert telecom.verified() == []


def test_a_push_is_shown_with_a_masked_number_and_audited(telecom):
    push_id, key = telecom.push()
    assert telecom.show(push_id) == {
        "id": push_id,
        "instance": "acme",
        "reference": key,
        "serial": SERIAL,
        "amount": "1000",
        "currency": "TZS",
        "msisdn": "+255•••••••78",
        "status": "requested",
        "detail": "",
        "payment_id": telecom.show(push_id)["payment_id"],
        "created_at": "2026-03-02T09:00:00Z",
        "sent_at": None,
        "finished_at": None,
    }
    [noted] = [
        line for line in telecom.installation.audit(telecom.api) if line["subject"] == push_id
    ]
    assert (noted["action"], noted["after"]["msisdn"]) == ("push.requested", "+255•••••••78")


def test_pushes_are_listed_newest_first_by_status_and_page(telecom):
    made = [telecom.push()[0] for _ in range(3)]
    first = telecom.api.ok("GET", "/pushes", limit=2)
    assert [push["id"] for push in first["items"]] == made[:0:-1]
    rest = telecom.api.ok("GET", "/pushes", limit=2, cursor=first["next"])
    assert ([push["id"] for push in rest["items"]], rest["next"]) == (made[:1], None)
    assert telecom.api.ok("GET", "/pushes", status="paid")["items"] == []


def test_a_repeated_request_with_one_key_is_one_push(telecom):
    key = {"Idempotency-Key": "k-1"}
    first = telecom.api.ok("POST", "/pushes", telecom.body(), headers=key)
    assert telecom.api.ok("POST", "/pushes", telecom.body(), headers=key) == first
    assert len(telecom.api.ok("GET", "/pushes")["items"]) == 1


# --- what is refused before anybody is asked --------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        pytest.param({"serial": "1"}, (404, "unknown_serial"), id="unknown serial"),
        pytest.param({"amount": "0.50"}, (422, "amount_invalid"), id="no whole shilling"),
        pytest.param({"amount": "2000000"}, (422, "amount_above_maximum"), id="above the maximum"),
        pytest.param({"msisdn": "abc"}, (422, "phone_invalid"), id="no phone"),
        pytest.param({"instance": "x"}, (404, "unknown_instance"), id="unknown instance"),
        pytest.param({"instance": "calin"}, (409, "operation_not_supported"), id="cannot push"),
    ],
)
def test_a_push_that_could_not_be_booked_is_refused(telecom, changes, refusal):
    status, code = telecom.api.refused("POST", "/pushes", telecom.body(**changes))
    assert (status, code) == refusal
    assert telecom.api.ok("GET", "/pushes")["items"] == []
    assert telecom.api.ok("GET", "/payments")["items"] == []


def test_a_disabled_instance_takes_no_pushes(telecom):
    host = telecom.installation.host
    host.companies.disable("umeme", "acme", telecom.installation.actor)
    assert telecom.api.refused("POST", "/pushes", telecom.body()) == (409, "plugin_not_enabled")


def test_who_may_not_take_payments_may_not_push(telecom):
    operator = telecom.installation.key(role=Role.OPERATOR)
    assert operator.refused("POST", "/pushes", telecom.body()) == (403, "forbidden")


# --- what can go wrong ------------------------------------------------------------------------


def test_a_push_is_sent_once_however_often_the_worker_begins(telecom):
    push_id, key = telecom.push()
    for _ in range(3):
        telecom.services.pushes.work_on(push_id)
    assert telecom.simulator.prompts == [key]


def test_of_two_workers_one_announces_a_push(telecom):
    push_id, _ = telecom.push()
    now = telecom.clock()
    with telecom.engines.write.begin() as connection:
        record = load_push(connection, push_id, now)
        assert announce(connection, record, now, timedelta(seconds=45)) is not None
        assert announce(connection, record, now, timedelta(seconds=45)) is None


def test_a_worker_that_died_while_asking_never_sends_again(telecom, monkeypatch):
    push_id, key = telecom.push()

    def die(*_values, **_named):
        raise KeyboardInterrupt

    plugins = telecom.installation.host.house.plugins_of(telecom.instance.company_id)
    with monkeypatch.context() as patch:
        patch.setattr(plugins, "push_payment", die)
        with pytest.raises(KeyboardInterrupt):
            telecom.services.pushes.work_on(push_id)
    telecom.simulator.answer_push(key, "paid")  # it had been sent after all
    assert telecom.work(push_id, seconds=30)["status"] == "requested"  # its lease is not over
    assert telecom.work(push_id, minutes=5)["status"] == "paid"
    assert telecom.simulator.prompts == []


def sleep_when_announced(monkeypatch, meanwhile):
    """Let the next worker sleep between its commit and its call, as a paused machine does."""
    due = [meanwhile]

    def at(point):
        if point is CrashPoint.PUSH_ANNOUNCED and due:
            due.pop()()

    monkeypatch.setattr(push_worker, "crash_point", at)


def test_a_worker_that_slept_prompts_nobody(telecom, monkeypatch):
    push_id, _ = telecom.push()
    sleep_when_announced(monkeypatch, lambda: telecom.clock.move(minutes=10))
    found = telecom.work(push_id)
    assert telecom.simulator.prompts == []
    assert (found["status"], found["detail"]) == (
        "failed", "The worker slept before it sent it; nothing was sent.",
    )  # fmt: skip


def test_a_worker_that_slept_while_another_looked_prompts_nobody(telecom, monkeypatch):
    push_id, _ = telecom.push()
    seen = []
    sleep_when_announced(
        monkeypatch, lambda: seen.append(telecom.work(push_id, minutes=10)["status"])
    )
    assert [telecom.work(push_id)["status"]] == seen
    assert telecom.simulator.prompts == []


def test_a_lost_answer_is_unknown_until_the_telecom_says_paid(telecom):
    """T-61, T-64: a telecom that fails decides nothing."""
    push_id, key = telecom.push()
    telecom.simulator.handle, handle = garbled, telecom.simulator.handle
    assert telecom.work(push_id)["status"] == "unknown"
    assert telecom.payment(push_id)["status"] == "validated"
    assert telecom.work(push_id, seconds=30)["status"] == "unknown"
    telecom.simulator.handle = handle
    telecom.simulator.answer_push(key, "paid")
    assert telecom.work(push_id, hours=1)["status"] == "paid"
    assert telecom.payment(push_id)["status"] == "token_pending"
    assert telecom.simulator.prompts == []  # never sent again


def garbled(_request):
    return SimulatedReply(status=500, body=b"<html>")


def test_not_found_ends_a_push_only_twice_and_late(telecom):
    push_id, key = telecom.push()
    telecom.work(push_id)
    telecom.simulator.answer_push(key, "unknown")
    assert telecom.work(push_id, minutes=1)["status"] == "requested"
    assert telecom.work(push_id, minutes=14)["status"] == "requested"
    assert telecom.work(push_id, minutes=5)["status"] == "failed"
    payment = telecom.payment(push_id)
    assert (payment["status"], payment["reason"]) == ("rejected", "push_failed")


def test_a_failed_push_is_booked_when_it_was_paid_after_all(telecom):
    """T-53: *failed* does not shut out what was paid."""
    push_id, key = telecom.push()
    telecom.work(push_id)
    telecom.simulator.answer_push(key, "failed")
    assert telecom.work(push_id, seconds=30)["status"] == "failed"
    telecom.simulator.answer_push(key, "paid")
    telecom.notice(key, "paid")
    assert telecom.status(push_id) == "unknown"
    assert telecom.work(push_id)["status"] == "paid"
    payment = telecom.payment(push_id)
    assert (payment["status"], payment["reason"]) == ("token_pending", "")
    assert telecom.verified() == []


@pytest.mark.parametrize("event", ["paid", "failed"])
def test_a_notice_alone_changes_nothing(telecom, event):
    """T-60."""
    push_id, key = telecom.push()
    telecom.work(push_id)
    telecom.notice(key, event)
    assert telecom.work(push_id)["status"] == "requested"  # asked at once: it is only prompted
    assert telecom.payment(push_id)["status"] == "validated"


def test_a_notice_has_the_telecom_asked_at_once(telecom):
    push_id, key = telecom.push()
    telecom.work(push_id)
    telecom.simulator.answer_push(key, "paid")
    assert telecom.work(push_id)["status"] == "requested"  # not due yet
    telecom.notice(key, "paid")
    assert telecom.work(push_id)["status"] == "paid"


def test_a_notice_that_comes_while_the_telecom_is_asked_is_not_lost(telecom):
    push_id, key = telecom.push()
    telecom.work(push_id)
    handle = telecom.simulator.handle

    def pay_behind_our_back(request):
        answer = handle(request)  # still *prompted*
        telecom.simulator.handle = handle
        telecom.simulator.answer_push(key, "paid")
        with telecom.engines.write.begin() as connection:
            assert hear_of_push(connection, telecom.instance.id, key, telecom.clock(), paid=True)
        return answer

    telecom.simulator.handle = pay_behind_our_back
    assert telecom.work(push_id, seconds=30)["status"] == "requested"
    assert telecom.work(push_id)["status"] == "paid"  # due at once, not on the schedule


def not_booked(push_id, key):
    return (
        f"umeme: push {push_id}, which is paid: its payment is validated under {key}, "
        f"expected booked under {key} with its amount (I5)"
    )


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"status": "paid"}, id="by its status"),
        pytest.param({"status": "unknown", "detail": f"{UNBOOKABLE} no."}, id="by its detail"),
    ],
)
def test_verification_finds_a_paid_push_that_is_not_booked(telecom, said):
    push_id, key = telecom.push()
    with telecom.engines.write.begin() as connection:
        connection.execute(sa.update(pushes).values(said))
    assert telecom.verified() == [not_booked(push_id, key)]


def test_verification_finds_a_push_of_another_amount_without_a_conflict(telecom):
    push_id, key = telecom.push_paid()
    with telecom.engines.write.begin() as connection:
        connection.execute(sa.update(pushes).values(amount=pushes.c.amount + 1))
    told = not_booked(push_id, key).replace("is validated", "is token_pending")
    assert telecom.verified() == [told]


def test_a_failure_notice_after_success_is_a_conflict_and_keeps_the_money(telecom):
    """P7."""
    push_id, key = telecom.push_paid()
    telecom.notice(key, "failed")
    payment = telecom.payment(push_id)
    assert (payment["status"], payment["conflict"]) == ("token_pending", True)
    assert telecom.status(push_id) == "paid"


def test_a_push_that_waited_too_long_is_not_sent(telecom):
    push_id, _ = telecom.push()
    failed = telecom.work(push_id, minutes=11)
    assert (failed["status"], failed["detail"]) == (
        "failed",
        "It could not be sent in time; nothing was sent.",
    )
    assert telecom.simulator.prompts == []


def paid_differently(telecom, amount="900"):
    """Ask for 1000, have the telecom say that something else was paid; return push and key."""
    push_id, key = telecom.push()
    telecom.work(push_id)
    telecom.simulator.answer_push(key, "paid", amount)
    telecom.work(push_id, seconds=30)
    return push_id, key


def booked(telecom):
    """Return what every entry says, in the order of the books."""
    e = t.entries.c
    query = sa.select(e.account, e.amount).order_by(e.at, e.journal_id, e.position)
    with telecom.engines.read.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def stand(payment):
    return {
        name: payment[name]
        for name in ("status", "amount", "needs_person", "conflict", "reason", "message", "lines")
    } | {"events": [event["detail"] for event in payment["events"]]}


DIFFERENT = {
    "status": "unmatched",
    "amount": "900",
    "needs_person": True,
    "conflict": True,
    "reason": "paid_differently",
    "message": (
        "It was paid with another amount: 900 instead of 1000; match it to a device, or reverse it."
    ),
    "lines": [{"kind": "suspense", "amount": "900", "refers_to": None}],
    "events": ["paid with another amount: 900 instead of 1000 (receipt MP-1)"],
}


def test_a_push_that_was_paid_with_another_amount_is_booked_as_nobodys(telecom):
    """The payer has been charged: there is nobody left to refuse it to."""
    push_id, _ = paid_differently(telecom)
    push = telecom.show(push_id)
    assert (push["status"], push["detail"], push["amount"]) == (
        "paid",
        "The telecom says that 900 instead of 1000 was paid; see the payment.",
        "1000",
    )
    assert stand(telecom.payment(push_id)) == DIFFERENT
    assert booked(telecom) == [("clearing", -90_000), ("suspense", 90_000)]
    assert telecom.verified() == []


def test_money_of_another_amount_is_matched_and_reversed_as_all_that_is_unmatched(telecom):
    matched, _ = paid_differently(telecom)
    reversed_, _ = paid_differently(telecom)
    why = {"reason": "the payer called"}
    for push_id, verb, more in ((matched, "match", {"serial": SERIAL}), (reversed_, "reverse", {})):
        telecom.api.ok(
            "POST", f"/payments/{telecom.payment(push_id)['id']}/{verb}", {**why, **more}
        )
    payment = telecom.payment(matched)
    assert (payment["status"], payment["amount"], payment["needs_person"]) == (
        "token_pending", "900", False,
    )  # fmt: skip
    assert payment["lines"] == [{"kind": "energy", "amount": "900", "refers_to": None}]
    assert telecom.payment(reversed_)["status"] == "reversed"
    assert telecom.verified() == []


def ask_again(telecom, push_id):
    """Let the push be asked about as if its worker had died before it wrote what came of it."""
    with telecom.engines.write.begin() as connection:
        connection.execute(
            sa.update(pushes)
            .where(pushes.c.id == push_id)
            .values(status="requested", next_at=telecom.clock())
        )
    return telecom.work(push_id)["status"]


def test_another_amount_that_is_told_again_changes_nothing_more(telecom):
    push_id, key = paid_differently(telecom)
    telecom.notice(key, "paid")
    assert telecom.work(push_id)["status"] == "paid"
    for _ in range(2):
        assert ask_again(telecom, push_id) == "paid"
    assert stand(telecom.payment(push_id)) == DIFFERENT
    assert booked(telecom) == [("clearing", -90_000), ("suspense", 90_000)]


def process(telecom, key, amount):
    raw = json.dumps({"id": key, "serial": SERIAL, "amount": amount}).encode()
    url = f"/callbacks/{telecom.instance.callback_key}/process"
    headers = telecom.simulator.signed(raw)
    return telecom.installation.client.post(url, content=raw, headers=headers).json()["status"]


def test_a_call_cannot_book_money_of_another_amount_twice(telecom):
    _, key = paid_differently(telecom)
    assert [process(telecom, key, amount) for amount in ("900", "1000")] == ["booked", "no"]
    assert booked(telecom) == [("clearing", -90_000), ("suspense", 90_000)]
    assert telecom.verified() == []


def test_another_amount_of_what_a_call_has_booked_is_a_dispute_and_no_second_booking(telecom):
    push_id, key = telecom.push()
    telecom.work(push_id)
    assert [process(telecom, key, amount) for amount in ("900", "1000")] == ["no", "booked"]
    telecom.simulator.answer_push(key, "paid", "900")
    assert telecom.work(push_id, seconds=30)["status"] == "paid"
    payment = telecom.payment(push_id)
    assert (payment["status"], payment["amount"], payment["needs_person"], payment["conflict"]) == (
        "token_pending", "1000", True, True,
    )  # fmt: skip
    assert [event["detail"] for event in payment["events"]] == [
        "paid with another amount: 900 instead of 1000",
        "paid with another amount: 900 instead of 1000 (receipt MP-1)",
    ]
    assert booked(telecom) == [("clearing", -100_000), ("energy", 100_000)]
    assert telecom.verified() == []


def test_another_amount_of_what_was_taken_back_changes_nothing_but_the_note(telecom):
    push_id, key = paid_differently(telecom)
    payment_id = telecom.payment(push_id)["id"]
    telecom.api.ok("POST", f"/payments/{payment_id}/reverse", {"reason": "given back by hand"})
    telecom.simulator.answer_push(key, "paid", "800")
    assert ask_again(telecom, push_id) == "paid"
    payment = telecom.payment(push_id)
    assert (payment["status"], payment["amount"], payment["needs_person"]) == (
        "reversed", "900", False,
    )  # fmt: skip
    assert "paid with another amount: 800 instead of 900 (receipt MP-1)" in [
        event["detail"] for event in payment["events"]
    ]
    assert telecom.verified() == []


@pytest.mark.parametrize(
    ("amount", "more"),
    [
        pytest.param(None, [], id="as asked"),
        pytest.param(
            "900",
            ["paid with another amount: 900 instead of 1000 (receipt MP-1)"],
            id="with another amount, too",
        ),
    ],
)
def test_a_paid_push_that_we_had_denied_is_booked_as_nobodys(telecom, amount, more):
    push_id, key = telecom.push()
    telecom.work(push_id)
    raw = json.dumps({"id": key}).encode()
    url = f"/callbacks/{telecom.instance.callback_key}/enquire"
    headers = telecom.simulator.signed(raw)
    telecom.installation.client.post(url, content=raw, headers=headers)
    assert telecom.payment(push_id)["status"] == "denied"
    assert process(telecom, key, "1000") == "no"  # a call can be refused: the payer is paid back
    telecom.simulator.answer_push(key, "paid", amount)
    assert telecom.work(push_id, seconds=30)["status"] == "paid"
    payment = telecom.payment(push_id)
    assert stand(payment) == {
        "status": "unmatched",
        "amount": amount or "1000",
        "needs_person": True,
        "conflict": True,
        "reason": "paid_after_denial",
        "message": "It was paid after a final no; match it to a device, or reverse it.",
        "lines": [{"kind": "suspense", "amount": amount or "1000", "refers_to": None}],
        "events": ["paid after a final no", "paid after a final no (receipt MP-1)", *more],
    }
    assert ask_again(telecom, push_id) == "paid"
    assert telecom.payment(push_id) == payment
    match = {"serial": SERIAL, "reason": "the payer called"}
    telecom.api.ok("POST", f"/payments/{payment['id']}/match", match)
    assert telecom.payment(push_id)["status"] == "token_pending"
    assert telecom.verified() == []


def test_a_push_paid_with_nothing_is_no_money_waits_for_a_person_and_is_verifications(telecom):
    push_id, key = paid_differently(telecom, "0")
    push, payment = telecom.show(push_id), telecom.payment(push_id)
    assert (push["status"], push["detail"]) == (
        "unknown",
        "The telecom says that it was paid, but 0 instead of 1000; a person must look.",
    )
    assert (payment["status"], payment["needs_person"], payment["conflict"], payment["lines"]) == (
        "validated", True, True, [],
    )  # fmt: skip
    assert telecom.verified() == [not_booked(push_id, key)]


def test_a_payment_that_came_by_a_push_is_not_reported_to_its_telecom(telecom):
    telecom.push_paid()
    with telecom.engines.read.connect() as connection:
        told = connection.execute(sa.select(tellings.c.hook)).scalars().all()
    assert told == ["mpm_payment_accepted"]


def test_a_payment_that_came_by_a_call_is_reported_to_its_telecom(telecom):
    body = {"id": "T-1", "serial": SERIAL, "amount": "1000", "phone": PHONE}
    raw = json.dumps(body).encode()
    headers = telecom.simulator.signed(raw)
    url = f"/callbacks/{telecom.instance.callback_key}/process"
    answer = telecom.installation.client.post(url, content=raw, headers=headers)
    assert answer.json() == {"status": "booked"}
    with telecom.engines.read.connect() as connection:
        rows = connection.execute(sa.select(tellings.c.id, tellings.c.hook)).all()
    for row in rows:
        telecom.services.teller.work_on(row.id)
    assert sorted(row.hook for row in rows) == ["mpm_payment_accepted", "mpm_report_payment"]
    assert telecom.simulator.reports == ["T-1"]
    with telecom.engines.read.connect() as connection:
        assert connection.execute(sa.select(tellings.c.id)).all() == []


def test_a_call_for_a_payment_that_came_by_a_push_hears_that_it_is_booked(telecom):
    _, key = telecom.push_paid()
    raw = json.dumps({"id": key, "serial": SERIAL, "amount": "1000"}).encode()
    url = f"/callbacks/{telecom.instance.callback_key}/process"
    answers = [
        telecom.installation.client.post(
            url, content=raw, headers=telecom.simulator.signed(raw)
        ).content
        for _ in range(2)
    ]
    assert [json.loads(answer) for answer in answers] == [{"status": "booked"}] * 2
    assert len(telecom.api.ok("GET", "/payments")["items"]) == 1
    assert telecom.verified() == []


def test_no_statement_of_a_push_reads_a_growing_table_as_a_whole(telecom):
    with captured_statements(telecom.engines.write, telecom.engines.read) as said:
        push_id, key = telecom.push()
        telecom.work(push_id)
        telecom.simulator.answer_push(key, "paid")
        telecom.notice(key, "paid")
        telecom.work(push_id)
        telecom.api.ok("GET", "/pushes", status="paid")
    assert len([one for one, _ in said if "mpm_push" in one]) > 8
    assert scanning_statements(telecom.engines.write, said) == set()
