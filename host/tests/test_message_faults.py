"""What a gateway's trouble does to a message (S1 to S3): late or twice, never another text."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from host.tests.test_customer_lock import wait_until_somebody_is_blocked
from mpm_core import (
    DeliveryReport,
    Manifest,
    MessageReceipt,
    MessageStatus,
    NotSent,
    OutcomeUnknown,
    PluginKind,
    PluginRuntime,
    hookimpl,
)
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits, load_instance
from mpm_core.outbound import OutboundClient
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.directory import Directory, InstanceRecord, InstanceState, ManifestFacts
from mpm_host.messages import message_sender
from mpm_host.messages.delivery_reports import keep_report
from mpm_host.messages.message_sender import MessageSender
from mpm_host.messages.message_views import list_messages
from tests.support.order_bench import NoSettings, OrderBench, energy_grant
from tests.support.small_company import SmallCompany

CODE = "11112222333344445555"
PHONE = "+255712345678"


class Gateway:
    """Answers what a test tells it to; else it takes the message."""

    manifest = Manifest(kind=PluginKind.MESSENGER, title="Gateway", settings_class=NoSettings)
    answers: list[Exception | MessageReceipt | Callable[[], None]]
    heard: list[tuple[str, str, str]]

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_send_message(self, message):
        self.heard.append((message.key, message.to.e164, message.body))
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, MessageReceipt):
                return answer
            answer()  # it does something before it answers
        return MessageReceipt(reference=f"SMS{len(self.heard)}")


def with_gateway(directory, company_id, name):
    gateway = InstanceRecord(
        id=f"{name}-umeme", company_id=company_id, name=name, plugin="gateway",
        state=InstanceState.ENABLED, callback_key=f"key-{name}", managed=False,
        facts=ManifestFacts.of(Gateway.manifest),
    )  # fmt: skip
    instances = {**directory.instances, gateway.id: gateway}
    return Directory(companies=directory.companies, instances=instances)


class Bench(OrderBench):
    """A company with a gateway and one payment whose token is there."""

    def __init__(self, engines):
        self.answers, self.heard = [], []
        super().__init__(engines)
        self.noted = []
        self.sender = MessageSender(
            self.resources(), note=lambda _company_id, status: self.noted.append(status)
        )
        self.payment_id = self.paid()
        self.scripts["calin"].generate.append(energy_grant(CODE))
        self.work(self.payment_id)
        [self.message] = self.rows(t.messages)

    def _directory(self, plain):
        directory = super()._directory(plain)
        [company] = directory.companies.values()
        return with_gateway(directory, company.id, "gateway")

    def load_plugins(self):
        company = self.record.company
        runtime = PluginRuntime(
            company=company, instance="x", http=OutboundClient(allowed_hosts=())
        )
        loaded = load_instance(
            type("Gateway", (Gateway,), {"answers": self.answers, "heard": self.heard}),
            NoSettings(), runtime, name="gateway", plugin_name="gateway",
            distribution="mpm-gateway", version="1.0",
        )  # fmt: skip
        makers = super().load_plugins()._instances.values()
        limits = DispatchLimits(grace=0.05)
        return CompanyPlugins(company, [*makers, loaded], clock=self.clock, limits=limits)

    def add_gateway(self, name, **changes):
        """Let the directory know another gateway, which is not loaded: it cannot be called."""
        self.directory = with_gateway(self.directory, self.record.id, name)
        self.change_instance(name, **changes)

    def stored(self):
        [row] = self.rows(t.messages)
        return row

    def report(self, status, reference="SMS1", company_id=None, detail="the gateway's word"):
        """Let the gateway report, as its callback does."""
        told = DeliveryReport(reference=reference, status=status, detail=detail)
        self.sender.note_delivery(company_id or self.record.id, told)

    def kept(self):
        """Return the reports that are kept."""
        return self.rows(t.delivery_reports, "company_id", "reference", "status", "detail", "at")

    def send_when_due(self):
        """Wait until the message is due again, then send it."""
        self.now = max(self.now, self.stored()["next_at"])
        self.sender.work_on(self.message["id"])


@pytest.fixture
def bench(engines):
    return Bench(engines)


def test_s1_a_gateway_that_is_down_delays_the_message_and_nothing_else(bench):
    bench.answers += [NotSent("nobody listens")] * 3
    waits = []
    for _ in range(3):
        bench.send_when_due()
        waits.append(bench.stored()["next_at"] - bench.now)
        assert bench.status(bench.payment_id) == ("settled", False, "")
        assert bench.codes(bench.payment_id) == [CODE]  # to be read to the customer meanwhile

    assert all(wait > timedelta(0) for wait in waits)
    bench.send_when_due()
    assert (bench.stored()["status"], len(bench.heard)) == ("sent", 4)


def test_s2_a_message_that_may_have_been_sent_is_sent_again_as_it_was(bench):
    bench.answers.append(OutcomeUnknown("the answer was lost"))
    bench.send_when_due()
    bench.send_when_due()

    first, second = bench.heard
    assert first == second
    assert first[:2] == (f"{bench.order(bench.payment_id)['id']}:token", PHONE)
    assert "1111 2222 3333 4444 5555" in first[2]
    assert bench.stored()["status"] == "sent"


def test_s3_a_message_that_did_not_arrive_is_listed_and_sent_again_to_the_same_number(bench):
    bench.send_when_due()
    bench.report(MessageStatus.FAILED, detail="the number does not exist")

    with bench.engines.read.connect() as connection:
        [listed] = list_messages(connection, bench.record.id)
    assert (listed["status"], listed["detail"]) == ("failed", "the number does not exist")

    actor = Actor(name="anna@umeme.tz", at=bench.now, reason="no token came")
    actions = PaymentActions(vault=bench.vault, directory=lambda: bench.directory)
    with bench.engines.write.begin() as connection:
        assert actions.resend(connection, bench.payment_id, actor, company_id=bench.record.id)
    again = next(row for row in bench.rows(t.messages) if row["status"] == "queued")
    bench.sender.work_on(again["id"])
    assert [heard[1:] for heard in bench.heard] == [(PHONE, bench.heard[0][2])] * 2


@pytest.mark.parametrize("reference", ["", "a\0b", "x" * 129, None], ids=repr)
def test_a_report_about_what_is_no_reference_changes_nothing(bench, reference):
    bench.send_when_due()
    bench.report(MessageStatus.DELIVERED, reference=reference)
    assert (bench.stored()["status"], bench.kept()) == ("sent", [])


# --- gateways that do not work --------------------------------------------------------------------

PROBLEM = "setting 'api_key': environment variable UMEME_SMS_KEY is not set."
BROKEN = {"problem": PROBLEM}
DRAINING = {"state": InstanceState.DISABLED}


def test_a_message_waits_for_a_gateway_that_does_not_work(bench):
    bench.change_instance("gateway", **BROKEN)
    for _ in range(20):  # more than a fault of ours is given
        bench.send_when_due()
    message = bench.stored()
    assert (message["status"], message["detail"], message["sent_at"]) == ("queued", PROBLEM, None)
    assert message["work_failures"] == 0
    assert (bench.heard, set(bench.noted)) == ([], {"not_sent"})

    bench.change_instance("gateway", problem="")
    bench.send_when_due()
    message = bench.stored()
    assert (message["status"], message["detail"], message["reference"]) == ("sent", "", "SMS1")
    assert (len(bench.heard), bench.noted[-1]) == (1, "sent")


def test_a_message_waits_for_what_may_be_a_gateway(bench):
    """A plugin that was never there: nobody knows what it is for."""
    facts = bench.directory.instance_named(bench.record.id, "gateway").facts
    bench.change_instance("gateway", facts=None, **BROKEN)
    bench.send_when_due()
    assert (bench.stored()["status"], bench.stored()["detail"]) == ("queued", PROBLEM)

    bench.add_gateway("another", facts=None, **BROKEN)
    bench.change_instance("gateway", facts=facts, problem="")
    bench.send_when_due()
    assert (bench.stored()["status"], len(bench.heard)) == ("sent", 1)


def test_a_message_whose_gateway_never_works_has_failed_after_two_days(bench):
    bench.change_instance("gateway", **BROKEN, **DRAINING)
    while bench.stored()["status"] == "queued":
        bench.send_when_due()
    message = bench.stored()
    assert (message["status"], message["detail"]) == ("failed", PROBLEM)
    assert bench.now - message["created_at"] >= timedelta(days=2)
    assert bench.noted[-1] == "failed"


def test_a_gateway_that_drains_still_sends(bench):
    bench.change_instance("gateway", **DRAINING)
    bench.send_when_due()
    assert (bench.stored()["status"], len(bench.heard)) == ("sent", 1)


@pytest.mark.parametrize(
    ("another", "gateway"),
    [
        pytest.param(BROKEN, {}, id="works before broken"),
        pytest.param(DRAINING, {}, id="enabled before draining"),
        pytest.param(BROKEN, DRAINING, id="draining before broken"),
    ],
)
def test_of_several_gateways_the_one_that_can_best_sends(bench, another, gateway):
    bench.add_gateway("another", **another)
    bench.change_instance("gateway", **gateway)
    bench.send_when_due()
    assert (bench.stored()["status"], len(bench.heard)) == ("sent", 1)


@pytest.mark.parametrize("state", [InstanceState.UNCONFIGURED, InstanceState.REMOVED])
def test_a_company_that_uses_no_gateway_has_its_messages_stored(bench, state):
    bench.change_instance("gateway", state=state)
    bench.send_when_due()
    assert (bench.stored()["status"], bench.stored()["reference"]) == ("sent", "")
    assert (bench.heard, bench.noted) == ([], ["sent"])


# --- receipts that do not fit ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "noted"),
    [
        pytest.param({"reference": "r" * 129}, {"reference": ""}, id="long reference"),
        pytest.param({"reference": "a\0b"}, {"reference": ""}, id="reference with NUL"),
        pytest.param({"reference": "\ud83d"}, {"reference": ""}, id="half a character"),
        pytest.param({"reference": None}, {"reference": ""}, id="no reference"),
        pytest.param({"reference": 7}, {"reference": ""}, id="a number for a reference"),
        pytest.param({"reference": "r" * 128}, {"reference": "r" * 128}, id="just fits"),
        pytest.param({"segments": 2**31}, {"segments": None}, id="countless segments"),
        pytest.param({"segments": 2**31 - 1}, {"segments": 2**31 - 1}, id="very many segments"),
        pytest.param({"segments": 0}, {"segments": None}, id="no segments"),
        pytest.param({"segments": True}, {"segments": None}, id="yes, segments"),
        pytest.param({"segments": "2"}, {"segments": None}, id="segments in words"),
        pytest.param({"cost": 0.8}, {"cost": ""}, id="cost without currency"),
        pytest.param({"cost": None}, {"cost": ""}, id="no cost"),
        pytest.param({"cost": "KES\0" + "1" * 40}, {"cost": "KES " + "1" * 28}, id="long cost"),
        pytest.param({"status": None}, {"status": "sent"}, id="no status"),
        pytest.param({"status": MessageStatus.QUEUED}, {"status": "sent"}, id="still queued"),
    ],
)
def test_a_message_was_sent_once_whatever_its_receipt_says(bench, said, noted):
    bench.answers.append(MessageReceipt(**said))
    bench.send_when_due()
    message = bench.stored()
    assert (message["status"], message["next_at"], message["detail"]) == ("sent", None, "")
    assert {name: message[name] for name in noted} == noted
    assert (len(bench.heard), bench.noted) == (1, ["sent"])


# --- reports that are faster than we are ----------------------------------------------------------

SENT, DELIVERED, FAILED = MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.FAILED


@pytest.mark.parametrize(
    ("reported", "becomes"),
    [
        pytest.param([FAILED], FAILED, id="failed"),
        pytest.param([DELIVERED], DELIVERED, id="delivered"),
        pytest.param([SENT], SENT, id="still sent"),
        pytest.param([SENT, FAILED], FAILED, id="the latest wins"),
        pytest.param([FAILED, SENT], FAILED, id="what is over stays so"),
        pytest.param([DELIVERED, FAILED], DELIVERED, id="also for a later failure"),
    ],
)
def test_a_report_that_comes_before_the_message_is_noted_as_sent_is_not_lost(
    bench, reported, becomes
):
    bench.answers.append(lambda: [bench.report(status, detail=status) for status in reported])

    bench.send_when_due()

    message = bench.stored()
    assert (message["status"], message["reference"], message["detail"]) == (
        becomes,
        "SMS1",
        becomes,
    )
    assert bench.noted == ["sent", *([becomes] if becomes != "sent" else [])]
    assert bench.kept() == []


def test_a_report_of_an_unknown_message_is_kept_for_its_own_company(bench):
    neighbour = SmallCompany(bench.engines, "jirani").record.id
    bench.report(FAILED, company_id=neighbour)
    bench.send_when_due()
    assert bench.stored()["status"] == "sent"
    assert bench.kept() == [(neighbour, "SMS1", "failed", "the gateway's word", bench.now)]


@pytest.mark.parametrize("reference", ["", "x" * 129])
def test_a_report_that_no_message_can_have_is_not_kept(bench, reference):
    bench.report(FAILED, reference)
    assert bench.kept() == []


def test_a_repeated_report_of_a_message_that_is_known_is_not_kept(bench):
    bench.send_when_due()
    for _ in range(2):
        bench.report(FAILED)
    assert (bench.stored()["status"], bench.noted, bench.kept()) == (
        "failed",
        ["sent", "failed"],
        [],
    )


def test_reports_nobody_asks_for_go_after_a_day_a_hundred_with_each_that_comes(bench):
    for number in range(102):
        bench.report(FAILED, f"other's {number}")
    bench.later(hours=24)
    bench.report(FAILED, "in time")
    assert len(bench.kept()) == 103

    bench.later(seconds=1)
    bench.report(FAILED, "one more")
    assert len(bench.kept()) == 4
    bench.report(FAILED, "another")
    assert [row[1] for row in bench.kept()] == ["in time", "one more", "another"]


def in_a_thread(act):
    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_report_waits_for_the_message_that_is_just_being_noted(bench, monkeypatch):
    threads = []

    def tell(*_):
        """The last of the sender's transaction: the reference is written, and nobody sees it."""
        threads.append(in_a_thread(lambda: bench.report(FAILED)))
        wait_until_somebody_is_blocked(bench.engines)

    monkeypatch.setattr(message_sender, "tell", tell)
    bench.send_when_due()
    threads[0].join(10)

    assert (bench.stored()["status"], bench.noted) == ("failed", ["sent", "failed"])
    assert bench.kept() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_message_waits_for_the_report_that_is_just_being_kept(bench):
    report = DeliveryReport(reference="SMS1", status=FAILED, detail="UserDoesNotExist")
    with bench.engines.write.begin() as connection:
        keep_report(connection, bench.record.id, report, bench.now)
        thread = in_a_thread(bench.send_when_due)
        wait_until_somebody_is_blocked(bench.engines)
    thread.join(10)

    assert (bench.stored()["status"], bench.stored()["detail"]) == ("failed", "UserDoesNotExist")
    assert bench.kept() == []
