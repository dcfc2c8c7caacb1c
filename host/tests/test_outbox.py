"""The outbox: what plugins are told and telecoms are reported, through everything that fails."""

from __future__ import annotations

import json
import re
import threading

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import (
    ChargeKind,
    DeviceKind,
    Manifest,
    Message,
    MessageReceipt,
    NotSent,
    PluginKind,
    PluginRuntime,
    ProcessRequest,
    Refused,
    Reply,
    ReportReceipt,
    hookimpl,
)
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits, load_instance
from mpm_core.outbound import OutboundClient
from mpm_host.database import tables as t
from mpm_host.database.group_commit import GroupCommit
from mpm_host.database.outbox_tables import tellings
from mpm_host.directory import Directory, InstanceRecord, InstanceState, ManifestFacts
from mpm_host.messages.message_sender import MessageSender
from mpm_host.monitoring.database_gauges import DatabaseGauges
from mpm_host.outbox.outbox import OutboxHook, hooks_of, keep_outbox
from mpm_host.outbox.set_aside_tellings import count_set_aside_tellings
from mpm_host.outbox.teller import WAITS, Teller
from mpm_host.payments.booking import Accept, Book
from mpm_host.payments.payment_progress import refresh_payment
from mpm_host.poison_work import guarded
from mpm_host.work_sources import any_due
from tests.support.order_bench import NoSettings, OrderBench, energy_grant, lost
from tests.support.query_plans import captured_statements, scanning_statements

SERIAL = "47001234567"
CODE = "11112222333344445555"
PHONE = "+255712345678"
TOLD = [hook for hook in OutboxHook if hook is not OutboxHook.REPORT_PAYMENT]


class Ear:
    """What one instance heard, and what it is to fail with."""

    def __init__(self):
        self.heard = []
        self.failing = []
        self.answer = ReportReceipt()

    def hear(self, hook, **values):
        self.heard.append((hook, values))
        if self.failing:
            raise self.failing.pop(0)
        return self.answer

    def hooks(self):
        return [hook.removeprefix("mpm_") for hook, _ in self.heard]

    def of(self, hook):
        return [values for heard, values in self.heard if heard == hook]


class Watcher:
    """Hears everything that is told."""

    manifest = Manifest(kind=PluginKind.MESSENGER, title="Watcher", settings_class=NoSettings)
    ear = Ear()

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_payment_accepted(self, payment):
        self.ear.hear("mpm_payment_accepted", payment=payment)

    @hookimpl
    def mpm_payment_settled(self, payment):
        self.ear.hear("mpm_payment_settled", payment=payment)

    @hookimpl
    def mpm_token_issued(self, device, charge, order):
        self.ear.hear("mpm_token_issued", device=device, charge=charge, order=order)

    @hookimpl
    def mpm_order_held(self, device, charge, order):
        self.ear.hear("mpm_order_held", device=device, charge=charge, order=order)

    @hookimpl
    def mpm_device_registered(self, device):
        self.ear.hear("mpm_device_registered", device=device)

    @hookimpl
    def mpm_message_sent(self, message):
        self.ear.hear("mpm_message_sent", message=message)

    @hookimpl
    def mpm_send_message(self, message):
        del message
        return MessageReceipt()


class Reporting:
    """A telecom that wants to hear the result."""

    manifest = Manifest(kind=PluginKind.TELECOM, title="Reporting", settings_class=NoSettings)
    ear = Ear()

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_report_payment(self, payment, verdict):
        return self.ear.hear("mpm_report_payment", payment=payment, verdict=verdict)


CLASSES = {"airtel": Reporting, "other": Watcher, "watcher": Watcher}


class Bench(OrderBench):
    """A bench with a telecom that awaits reports, and instances that listen."""

    def __init__(self, engines, listening=("airtel", "watcher")):
        self.listening = listening
        self.ears = {name: Ear() for name in CLASSES}
        super().__init__(engines, deadline=0.3)
        keep_outbox(engines.write, lambda: self.directory)
        self.teller = Teller(self.resources())

    def _directory(self, plain):
        directory = super()._directory(plain)
        instances = {key: one for key, one in directory.instances.items() if one.name != "resting"}
        [company] = directory.companies.values()
        for name, kind in CLASSES.items():
            if name not in {"airtel", *self.listening}:
                continue
            hooks = hooks_of(kind) if name in self.listening else frozenset()
            known = directory.instance_named(company.id, name)
            facts = ManifestFacts.of(kind.manifest, hooks=hooks)
            instances[f"{name}-umeme"] = (
                attrs.evolve(known, facts=facts)
                if known
                else InstanceRecord(
                    id=f"{name}-umeme", company_id=company.id, name=name, plugin=name,
                    state=InstanceState.ENABLED, callback_key=f"key-{name}", managed=False,
                    facts=facts,
                )
            )  # fmt: skip
        return Directory(companies=directory.companies, instances=instances)

    def load_plugins(self):
        company = self.record.company
        runtime = PluginRuntime(
            company=company, instance="x", http=OutboundClient(allowed_hosts=())
        )
        manifest = attrs.evolve(Watcher.manifest, deadline=0.3, concurrency=2)
        loaded = [
            load_instance(
                type(
                    "Told",
                    (CLASSES[name],),
                    {"ear": self.ears[name], "manifest": attrs.evolve(
                        CLASSES[name].manifest, deadline=manifest.deadline, concurrency=2)},
                ),
                NoSettings(), runtime, name=name, plugin_name=name,
                distribution=f"mpm-{name}", version="1.0",
            )
            for name in self.listening
        ]  # fmt: skip
        makers = super().load_plugins()._instances.values()
        limits = DispatchLimits(grace=0.05)
        return CompanyPlugins(company, [*makers, *loaded], clock=self.clock, limits=limits)

    def waiting(self):
        return [row["hook"] for row in self.rows(tellings) if row["next_at"] is not None]

    def set_aside(self):
        rows = self.rows(tellings)
        return [(row["hook"], row["detail"]) for row in rows if row["next_at"] is None]

    def tell(self):
        """Work on what is due, once, as the relay does."""
        for row in self.rows(tellings):
            if row["next_at"] is not None and row["next_at"] <= self.now:
                self.teller.work_on(row["id"])

    def forget(self):
        with self.engines.write.begin() as connection:
            connection.execute(sa.delete(tellings))

    def issued(self):
        """Return a payment with a token, that nobody has been told of yet."""
        payment_id = self.paid()
        self.scripts["calin"].generate.append(energy_grant(CODE))
        self.work(payment_id)
        return payment_id

    def events(self, payment_id):
        return [(event["kind"], event["detail"]) for event in self.view(payment_id)["events"]]


@pytest.fixture
def bench(engines):
    return Bench(engines)


# --- what is told -----------------------------------------------------------------------------


def test_a_plugin_is_told_every_fact_of_a_payment_once(bench):
    """T-68."""
    bench.issued()
    bench.tell()
    assert sorted(bench.ears["watcher"].hooks()) == [
        "device_registered",
        "payment_accepted",
        "payment_settled",
        "token_issued",
    ]
    bench.tell()
    assert len(bench.ears["watcher"].heard) == 4
    assert bench.rows(tellings) == []


def test_a_payment_without_a_token_is_told_as_accepted_and_settled(bench):
    customer = bench.meter(SERIAL, price="1000000")
    bench.forget()
    bench.pay(SERIAL, "1", "R1")
    bench.tell()
    assert bench.ears["watcher"].hooks() == ["payment_accepted", "payment_settled"]
    assert customer is not None
    [told] = bench.ears["watcher"].of("mpm_payment_settled")
    assert told["payment"].status == "settled"
    assert told["payment"].details == {}


def test_an_unmatched_payment_is_told_as_accepted(bench):
    bench.pay("nobody's", "1000", "R1")
    bench.tell()
    [told] = bench.ears["watcher"].of("mpm_payment_accepted")
    assert (told["payment"].status, told["payment"].reference) == ("unmatched", "R1")


@pytest.mark.parametrize(
    "answer", [Refused("no such meter"), lost()], ids=["refused", "parked: recovery is none"]
)
def test_an_order_that_waits_for_a_person_is_told_as_held(bench, answer):
    payment_id = bench.paid()
    bench.forget()
    bench.scripts["calin"].generate.append(answer)
    bench.work(payment_id)
    bench.later(minutes=5)
    bench.work(payment_id)
    bench.tell()
    assert bench.ears["watcher"].hooks() == ["order_held"]


def test_a_payment_that_settles_again_after_a_person_helped_is_told_once(bench):
    payment_id = bench.paid()
    bench.forget()
    bench.scripts["calin"].generate += [Refused("no"), energy_grant(CODE)]
    bench.work(payment_id)
    assert bench.waiting() == ["mpm_order_held"]
    with bench.engines.write.begin() as connection:
        connection.execute(
            sa.update(t.orders).values(status="queued", finished_at=None, next_at=bench.now)
        )
    bench.work(payment_id)
    bench.tell()
    assert sorted(bench.ears["watcher"].hooks()) == [
        "order_held", "payment_settled", "token_issued",
    ]  # fmt: skip


def test_a_payment_that_is_settled_already_is_not_told_again(bench):
    payment_id = bench.issued()
    bench.forget()
    with bench.engines.write.begin() as connection:
        refresh_payment(connection, payment_id, bench.now)
    assert bench.waiting() == []


def test_a_sent_message_is_told_without_its_text(bench):
    sender = MessageSender(bench.resources())
    bench.issued()
    bench.forget()
    [message] = bench.rows(t.messages)
    sender.work_on(message["id"])
    bench.tell()
    [told] = bench.ears["watcher"].of("mpm_message_sent")
    assert isinstance(told["message"], Message)
    assert (told["message"].key, told["message"].body) == (message["key"], "")


def test_a_message_that_was_sent_is_neither_sent_nor_told_again(bench):
    sender = MessageSender(bench.resources())
    bench.issued()
    bench.forget()
    [message] = bench.rows(t.messages)
    for _ in range(2):
        sender.work_on(message["id"])
    bench.tell()
    assert [told["message"].key for told in bench.ears["watcher"].of("mpm_message_sent")] == [
        message["key"]
    ]
    assert [row["status"] for row in bench.rows(t.messages)] == ["sent"]


def test_no_telling_holds_a_code_or_what_belongs_to_another_plugin(bench):
    bench.issued()
    with bench.engines.write.begin() as connection:
        connection.execute(sa.update(t.devices).values(state={"count": "7"}))
        connection.execute(sa.update(t.orders).values(prepared={"token_id": "secret"}))
    bench.tell()
    assert CODE not in repr(bench.ears["watcher"].heard)
    [told] = bench.ears["watcher"].of("mpm_token_issued")
    assert (told["device"].details, dict(told["device"].state)) == (None, {})
    assert dict(told["order"].prepared) == {}
    assert told["charge"].kind is ChargeKind.ENERGY
    [device] = bench.ears["watcher"].of("mpm_device_registered")
    assert (device["device"].serial, device["device"].kind) == (SERIAL, DeviceKind.METER)


def test_a_rolled_back_fact_is_never_told(bench):
    bench.meter(SERIAL)
    bench.forget()
    book = Book(vault=bench.vault, clock=bench.clock, directory=lambda: bench.directory)
    with bench.engines.write.connect() as connection, connection.begin() as transaction:
        book(connection, [accept(bench)])
        transaction.rollback()
    assert bench.rows(tellings) == []


def accept(bench, reference="R1", **more):
    airtel = bench.directory.instance_named(bench.record.id, "airtel")
    request = ProcessRequest(reference=reference, serial=SERIAL, amount=bench.money("1000"), **more)
    return Accept(
        instance=airtel,
        request=request,
        reply=Reply(status=200, content_type="text/plain", body=b"ok"),
    )


def test_booking_says_nothing_more_to_the_database_when_nobody_listens(engines):
    deaf = Bench(engines, listening=())
    deaf.meter(SERIAL)
    said = []
    sa.event.listen(
        engines.write,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_rest: said.append(statement),
    )
    writer = GroupCommit(
        engines.write,
        Book(vault=deaf.vault, clock=deaf.clock, directory=lambda: deaf.directory),
        name="booking",
    )
    writer.submit(accept(deaf)).result(timeout=30)
    writer.close()
    without = [one.split("(")[0] for one in said]
    assert not any("mpm_telling" in one for one in said)

    hearing = attrs.evolve(
        deaf.directory.instance_named(deaf.record.id, "airtel"),
        facts=ManifestFacts.of(Watcher.manifest, hooks=hooks_of(Watcher)),
    )
    deaf.directory = Directory(
        companies=deaf.directory.companies,
        instances={**deaf.directory.instances, hearing.id: hearing},
    )
    said.clear()
    deaf.now += WAITS[0]
    with engines.write.begin() as connection:
        Book(vault=deaf.vault, clock=deaf.clock, directory=lambda: deaf.directory)(
            connection, [accept(deaf, "R2")]
        )
    more = [one.split("(")[0] for one in said]
    assert len([one for one in more if "mpm_telling" in one]) == 1
    assert len(without) == len(more) - 1


def test_no_statement_of_the_outbox_reads_a_growing_table_as_a_whole(bench):
    order = bench.order(bench.paid())
    bench.scripts["calin"].generate.append(energy_grant(CODE))
    bench.ears["watcher"].failing = [NotSent("down")]
    with captured_statements(bench.engines.write, bench.engines.read) as said:
        bench.worker.work_on(order["id"])
    with bench.engines.read.connect() as connection:
        due = connection.execute(sa.select(tellings.c.id)).scalars().all()
    with captured_statements(bench.engines.write, bench.engines.read) as more:
        for telling_id in due:
            bench.teller.work_on(telling_id)
        with bench.engines.read.connect() as connection:
            connection.execute(any_due(bench.now))
            count_set_aside_tellings(connection, [bench.record.id])
    said += more
    assert len([one for one, _ in said if "mpm_telling" in one]) > 8
    assert scanning_statements(bench.engines.write, said) == set()


# --- plugins that fail ------------------------------------------------------------------------


def test_an_instance_that_fails_is_told_again_and_keeps_nobody_waiting(engines):
    bench = Bench(engines, listening=("other", "watcher"))
    bench.ears["other"].failing = [NotSent("down")] * 2
    bench.pay("nobody's", "1000", "R1")
    bench.tell()
    assert (bench.ears["watcher"].hooks(), bench.waiting()) == (
        ["payment_accepted"],
        ["mpm_payment_accepted"],
    )
    for wait in WAITS[:2]:
        bench.now += wait
        bench.tell()
    assert bench.ears["other"].hooks() == ["payment_accepted"] * 3
    assert bench.rows(tellings) == []


def test_an_instance_that_always_fails_is_set_aside_and_shown(bench):
    payment_id = bench.pay("nobody's", "1000", "R1")
    bench.ears["watcher"].failing = [ZeroDivisionError()] * 100
    for wait in [*WAITS, WAITS[-1]]:
        bench.tell()
        bench.now += wait
    assert len(bench.ears["watcher"].heard) == len(WAITS) + 1
    [(hook, detail)] = bench.set_aside()
    assert hook == "mpm_payment_accepted"
    assert detail == (
        "Plugin watcher (mpm-watcher 1.0), instance watcher of company umeme: "
        "mpm_payment_accepted raised ZeroDivisionError (test_outbox.py line "
        f"{Ear.hear.__code__.co_firstlineno + 3}). Nothing happened; the plugin's author must fix "
        "it."
    )
    assert ("not_told", f"mpm_payment_accepted: {detail}") in bench.events(payment_id)
    view = bench.view(payment_id)
    assert (view["status"], view["conflict"]) == ("unmatched", False)
    assert bench.differences() == []


def test_of_two_workers_that_tell_in_vain_at_once_one_sets_it_aside(bench):
    """Work is handed over more than once; only one of them may say that nobody tries again."""
    payment_id = bench.pay("nobody's", "1000", "R1")
    bench.ears["watcher"].failing = [NotSent("down")] * (len(WAITS) + 2)
    for _ in WAITS:
        bench.tell()
        [row] = [one for one in bench.rows(tellings) if one["instance_id"] == "watcher-umeme"]
        bench.now = row["next_at"]
    hear, other = bench.ears["watcher"].hear, Teller(bench.resources())

    def meanwhile(hook, **values):
        bench.ears["watcher"].hear = hear
        other.work_on(row["id"])
        return hear(hook, **values)

    bench.ears["watcher"].hear = meanwhile
    bench.tell()

    assert len(bench.ears["watcher"].heard) == len(WAITS) + 2
    assert [kind for kind, _ in bench.events(payment_id)].count("not_told") == 1
    assert [(row["failures"], row["next_at"]) for row in bench.rows(tellings)] == [
        (len(WAITS) + 1, None)
    ]


def test_a_hanging_instance_changes_nothing_for_another(engines):
    bench = Bench(engines, listening=("other", "watcher"))
    ended = threading.Event()
    bench.ears["other"].hear = lambda *_hook, **_values: ended.wait(20)
    for number in range(3):
        bench.pay("nobody's", "1000", f"R{number}")
    bench.tell()
    ended.set()
    assert bench.ears["watcher"].hooks() == ["payment_accepted"] * 3
    assert bench.waiting() == ["mpm_payment_accepted"] * 3


def test_an_instance_that_cannot_work_is_told_when_it_can(bench):
    bench.change_instance("watcher", problem="its settings are gone")
    bench.pay("nobody's", "1000", "R1")
    bench.tell()
    assert bench.ears["watcher"].heard == []
    bench.change_instance("watcher", problem="")
    bench.later(minutes=10)
    bench.tell()
    assert bench.ears["watcher"].hooks() == ["payment_accepted"]


def test_a_disabled_instance_hears_no_new_facts_but_those_of_before(bench):
    bench.pay("nobody's", "1000", "R1")
    bench.change_instance("watcher", state=InstanceState.DISABLED)
    bench.pay("nobody's", "1000", "R2")
    bench.tell()
    told = [values["payment"].reference for _, values in bench.ears["watcher"].heard]
    assert told == ["R1"]


def test_a_removed_instance_is_not_told(bench):
    payment_id = bench.pay("nobody's", "1000", "R1")
    bench.change_instance("watcher", state=InstanceState.REMOVED)
    bench.tell()
    assert bench.set_aside() == [("mpm_payment_accepted", "Plugin instance watcher was removed.")]
    assert not bench.view(payment_id)["conflict"]  # only a telecom's report is a person's matter


def test_a_row_that_nobody_can_read_is_set_aside_in_the_end(bench):
    bench.meter(SERIAL)
    with bench.engines.write.begin() as connection:
        connection.execute(sa.update(t.devices).values(kind="kettle"))
    work = guarded(bench.teller.work_on, bench.teller.note_failure)
    for wait in [*WAITS, WAITS[-1]]:
        [row] = bench.rows(tellings)
        with pytest.raises(ValueError, match="kettle"):
            work(row["id"])
        bench.now += wait
    assert bench.set_aside() == [("mpm_device_registered", "Telling it failed (ValueError).")]


# --- reports to telecoms ----------------------------------------------------------------------


def report_bench(engines):
    return Bench(engines, listening=("airtel",))


def test_a_telecom_is_reported_what_the_desk_decided_without_waiting_for_the_token(engines):
    bench = report_bench(engines)
    bench.meter(SERIAL)
    book = Book(vault=bench.vault, clock=bench.clock, directory=lambda: bench.directory)
    with bench.engines.write.begin() as connection:
        [outcome] = book(connection, [accept(bench, details={"conversation": "c-1"})])
    bench.tell()
    [told] = bench.ears["airtel"].of("mpm_report_payment")
    assert (told["verdict"].decision, told["verdict"].number) == ("accepted", 1)
    assert told["payment"].status == "token_pending"
    assert dict(told["payment"].details) == {"conversation": "c-1"}
    assert ("reported", "") in bench.events(outcome.payment.id)


def test_a_repeated_call_is_reported_again(engines):
    bench = report_bench(engines)
    bench.meter(SERIAL)
    bench.pay(SERIAL, "1000", "R1")
    bench.tell()
    bench.pay(SERIAL, "1000", "R1")
    bench.tell()
    assert bench.ears["airtel"].hooks() == ["report_payment"] * 2


def test_a_conflict_is_never_reported(engines):
    bench = report_bench(engines)
    bench.meter(SERIAL)
    bench.pay(SERIAL, "1000", "R1")
    bench.tell()
    with bench.engines.write.begin() as connection:
        Book(vault=bench.vault, clock=bench.clock, directory=lambda: bench.directory)(
            connection,
            [attrs.evolve(accept(bench), request=ProcessRequest(
                reference="R1", serial=SERIAL, amount=bench.money("2000")))],
        )  # fmt: skip
    assert bench.waiting() == []


@pytest.mark.parametrize(
    "failure",
    [NotSent("down"), lost(), Refused("strange"), ZeroDivisionError()],
    ids=["not sent", "unknown", "refused", "a bug"],
)
def test_a_report_is_repeated_whatever_it_failed_with(engines, failure):
    bench = report_bench(engines)
    bench.ears["airtel"].failing = [failure]
    payment_id = bench.pay("nobody's", "1000", "R1")
    bench.tell()
    bench.now += WAITS[0]
    bench.tell()
    assert bench.ears["airtel"].hooks() == ["report_payment"] * 2
    assert ("reported", "") in bench.events(payment_id)


def payments_for_a_person(bench):
    gauges = DatabaseGauges(
        engine=bench.engines.read, clock=lambda: bench.now, directory=lambda: bench.directory
    )
    return {
        (sample.labels["company"], sample.labels["status"]): sample.value
        for metric in gauges.collect()
        if metric.name == "mpm_payments_for_a_person"
        for sample in metric.samples
    }


def test_a_telecom_that_disagrees_is_a_conflict_for_a_person(engines):
    bench = report_bench(engines)
    bench.ears["airtel"].answer = ReportReceipt(agreed=False, detail="Cancelling")
    payment_id = bench.paid()
    bench.tell()
    view = bench.view(payment_id)
    assert (view["conflict"], view["needs_person"], view["status"]) == (True, True, "token_pending")
    said = "the telecom did something else than we reported: Cancelling"
    assert ("conflict", said) in bench.events(payment_id)

    bench.scripts["calin"].generate.append(energy_grant())
    bench.work(payment_id)
    view = bench.view(payment_id)  # the money went back and the energy was delivered
    assert (view["conflict"], view["needs_person"], view["status"]) == (True, True, "settled")
    assert payments_for_a_person(bench) == {("umeme", "disputed"): 1}


def test_a_report_that_nobody_hears_ends_as_a_conflict(engines):
    bench = report_bench(engines)
    bench.ears["airtel"].failing = [Refused("we know of no such payment")] * 100
    payment_id = bench.paid()
    for wait in [*WAITS, WAITS[-1]]:
        bench.tell()
        bench.now += wait
    view = bench.view(payment_id)
    assert (view["conflict"], view["needs_person"]) == (True, True)
    said = "mpm_report_payment: we know of no such payment"
    assert ("not_told", said) in bench.events(payment_id)


def test_a_report_to_a_telecom_that_was_removed_ends_as_a_conflict(engines):
    bench = report_bench(engines)
    payment_id = bench.paid()
    bench.change_instance("airtel", state=InstanceState.REMOVED)
    bench.tell()
    assert_left_to_a_person(bench, payment_id, "Plugin instance airtel was removed.")


def test_a_report_that_only_fails_by_our_fault_ends_as_a_conflict(engines):
    bench = report_bench(engines)
    payment_id = bench.paid()

    def fail(_company_id):
        raise ZeroDivisionError

    teller = Teller(attrs.evolve(bench.resources(), plugins_of=fail))
    work = guarded(teller.work_on, teller.note_failure)
    [report] = bench.rows(tellings)
    for _ in [*WAITS, None]:
        assert not bench.view(payment_id)["needs_person"]
        with pytest.raises(ZeroDivisionError):
            work(report["id"])
    assert_left_to_a_person(bench, payment_id, "Telling it failed (ZeroDivisionError).")


def assert_left_to_a_person(bench, payment_id, detail):
    assert bench.set_aside() == [("mpm_report_payment", detail)]
    view = bench.view(payment_id)
    assert (view["conflict"], view["needs_person"], view["status"]) == (True, True, "token_pending")
    not_told = ("not_told", f"mpm_report_payment: {detail}")
    assert bench.events(payment_id).count(not_told) == 1
    assert payments_for_a_person(bench) == {("umeme", "disputed"): 1}


def test_a_draining_telecom_is_still_reported(engines):
    bench = report_bench(engines)
    bench.meter(SERIAL)
    bench.change_instance("airtel", state=InstanceState.DISABLED)
    bench.pay(SERIAL, "1000", "R1")
    bench.tell()
    assert bench.ears["airtel"].hooks() == ["report_payment"]


# --- what a plugin listens to -----------------------------------------------------------------


def test_a_class_listens_to_the_hooks_it_marks():
    class Careless:
        @hookimpl
        def mpm_token_issued(self, order):
            pass

        def mpm_payment_accepted(self, payment):
            pass

    assert hooks_of(Careless) == {"mpm_token_issued"}
    assert hooks_of(Watcher) == {hook.value for hook in TOLD}


def test_facts_keep_what_a_plugin_listens_to():
    facts = ManifestFacts.of(Watcher.manifest, hooks=hooks_of(Watcher))
    stored = facts.to_stored()
    assert ManifestFacts.from_stored(stored) == facts
    del stored["hooks"]  # as an earlier version stored it
    assert ManifestFacts.from_stored(stored).hooks == frozenset()


@pytest.mark.parametrize(
    "pattern", [None, "[0-9]{20}", re.compile("[a-f]{4}", re.IGNORECASE)], ids=str
)
def test_facts_keep_what_a_manufacturers_codes_look_like(pattern):
    facts = ManifestFacts.of(attrs.evolve(Watcher.manifest, token_pattern=pattern))
    stored = json.loads(json.dumps(facts.to_stored()))
    assert ManifestFacts.from_stored(stored) == facts
    del stored["token_pattern"]  # as an earlier version stored it
    assert ManifestFacts.from_stored(stored) == attrs.evolve(facts, token_pattern=None)
