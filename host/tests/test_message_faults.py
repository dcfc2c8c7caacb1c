"""What a gateway's trouble does to a message (S1 to S3): late or twice, never another text."""

from __future__ import annotations

from datetime import timedelta

import pytest

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
from mpm_host.messages.message_sender import MessageSender
from mpm_host.messages.message_views import list_messages
from tests.support.order_bench import NoSettings, OrderBench, energy_grant

CODE = "11112222333344445555"
PHONE = "+255712345678"


class Gateway:
    """Answers what a test tells it to; else it takes the message."""

    manifest = Manifest(kind=PluginKind.MESSENGER, title="Gateway", settings_class=NoSettings)
    answers: list[Exception]
    heard: list[tuple[str, str, str]]

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_send_message(self, message):
        self.heard.append((message.key, message.to.e164, message.body))
        if self.answers:
            raise self.answers.pop(0)
        return MessageReceipt(reference=f"SMS{len(self.heard)}")


class Bench(OrderBench):
    """A company with a gateway and one payment whose token is there."""

    def __init__(self, engines):
        self.answers, self.heard = [], []
        super().__init__(engines)
        self.sender = MessageSender(self.resources())
        self.payment_id = self.paid()
        self.scripts["calin"].generate.append(energy_grant(CODE))
        self.work(self.payment_id)
        [self.message] = self.rows(t.messages)

    def _directory(self, plain):
        directory = super()._directory(plain)
        [company] = directory.companies.values()
        gateway = InstanceRecord(
            id="gateway-umeme", company_id=company.id, name="gateway", plugin="gateway",
            state=InstanceState.ENABLED, callback_key="key-gateway", managed=False,
            facts=ManifestFacts.of(Gateway.manifest),
        )  # fmt: skip
        instances = {**directory.instances, gateway.id: gateway}
        return Directory(companies=directory.companies, instances=instances)

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

    def stored(self):
        [row] = self.rows(t.messages)
        return row

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
    report = DeliveryReport(
        reference="SMS1", status=MessageStatus.FAILED, detail="the number does not exist"
    )
    bench.sender.note_delivery(bench.record.id, report)

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
