"""Messages through a gateway's outage: sent in the end, counted, and listed if they failed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from mpm_core import (
    DeliveryReport,
    Manifest,
    MessageReceipt,
    MessageStatus,
    NotSent,
    OutcomeUnknown,
    PluginKind,
    PluginRuntime,
    Refused,
    Throttled,
    hookimpl,
)
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits, load_instance
from mpm_core.company_plugins.circuit import CircuitLimits
from mpm_core.outbound import OutboundClient
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.directory import Directory, InstanceRecord, InstanceState, ManifestFacts
from mpm_host.messages.failed_messages import count_untold_payments
from mpm_host.messages.message_sender import MessageSender
from tests.support.order_bench import NoSettings, OrderBench, energy_grant
from tests.support.query_plans import captured_statements, scanning_statements

NO_CIRCUIT = DispatchLimits(circuit=CircuitLimits(failures=10**9, refused_devices=10**9))


class Gateway:
    """Fails with what it is told to fail with; takes the message otherwise."""

    manifest = Manifest(kind=PluginKind.MESSENGER, title="Gateway", settings_class=NoSettings)
    bench: Bench

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_send_message(self, message):
        self.bench.heard.append(message.body)
        if self.bench.trouble is not None:
            raise self.bench.trouble
        return MessageReceipt(reference=f"SMS{len(self.bench.heard)}")


class Bench(OrderBench):
    """A company with a gateway, and a payment whose token is to be sent."""

    def __init__(self, engines):
        self.heard, self.trouble, self.counted = [], None, []
        super().__init__(engines)
        self.sender = MessageSender(
            self.resources(), note=lambda _company, status: self.counted.append(status)
        )
        self.payment_id = self.paid()
        self.scripts["calin"].generate.append(energy_grant())
        self.work(self.payment_id)

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
        runtime = PluginRuntime(
            company=self.record.company, instance="x", http=OutboundClient(allowed_hosts=())
        )
        gateway = load_instance(
            type("Gateway", (Gateway,), {"bench": self}), NoSettings(), runtime,
            name="gateway", plugin_name="gateway", distribution="mpm-gateway", version="1.0",
        )  # fmt: skip
        makers = super().load_plugins()._instances.values()
        return CompanyPlugins(
            self.record.company, [*makers, gateway], clock=self.clock, limits=NO_CIRCUIT
        )

    def message(self):
        return self.rows(t.messages)[-1]

    def send(self):
        """Let the sender try when the message is due; tell how old it is then."""
        message = self.message()
        self.now = max(self.now, message["next_at"])
        self.sender.work_on(message["id"])
        return self.now - message["created_at"]

    def resend(self):
        actions = PaymentActions(vault=self.vault, directory=lambda: self.directory)
        actor = Actor(name="anna@umeme.tz", at=self.now, reason="no token came")
        with self.engines.write.begin() as connection:
            actions.resend(connection, self.payment_id, actor, company_id=self.record.id)

    def untold(self, days=7):
        since = self.now - timedelta(days=days)
        with self.engines.read.connect() as connection:
            counted = count_untold_payments(connection, [self.record.id, "f" * 32], since)
        return dict(counted)


@pytest.fixture
def bench(engines):
    return Bench(engines)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(NotSent("nobody listens"), id="not reached"),
        pytest.param(Throttled("not now"), id="throttled"),
        pytest.param(OutcomeUnknown("it answered 500"), id="answers 500"),
    ],
)
def test_a_gateway_that_is_gone_for_a_day_gets_the_token_when_it_is_back(bench, trouble):
    """S1, S2."""
    bench.trouble = trouble
    while bench.send() < timedelta(days=1):
        assert bench.message()["status"] == "queued"
    bench.trouble = None

    bench.send()

    assert (bench.message()["status"], bench.message()["detail"]) == ("sent", "")
    assert set(bench.counted[:-1]) == {"not_sent"}
    assert bench.counted[-1] == "sent"
    assert bench.untold() == {}


def test_a_refusal_ends_a_message_and_a_person_sends_it_again(bench):
    bench.trouble = Refused("no such phone")
    bench.send()

    message = bench.message()
    assert (message["status"], message["detail"], message["next_at"]) == (
        "failed", "no such phone", None,
    )  # fmt: skip
    assert (len(bench.heard), bench.counted) == (1, ["failed"])
    assert bench.untold() == {bench.record.id: 1}

    bench.trouble = None
    bench.resend()
    assert bench.untold() == {}  # somebody has seen it, and it is on its way
    bench.send()
    assert bench.counted == ["failed", "sent"]
    assert bench.heard[0] == bench.heard[1]
    assert bench.untold() == {}


def test_a_message_that_was_sent_again_and_failed_again_is_listed_once(bench):
    bench.trouble = Refused("no such phone")
    bench.send()
    bench.resend()
    bench.send()

    assert bench.untold() == {bench.record.id: 1}
    assert [row["status"] for row in bench.rows(t.messages)] == ["failed", "failed"]
    bench.later(days=7, seconds=1)
    assert bench.untold() == {}  # history


def test_that_a_customer_was_not_calmed_is_not_listed(bench):
    with bench.engines.write.begin() as connection:
        calming = sa.update(t.messages).values(key=f"{bench.payment_id}:delayed")
        connection.execute(calming)
    bench.trouble = Refused("no such phone")
    bench.send()

    assert bench.message()["status"] == "failed"
    assert bench.untold() == {}


def test_what_the_gateway_reports_is_counted_once(bench):
    bench.send()
    for status in (MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.FAILED):
        report = DeliveryReport(reference="SMS1", status=status, detail="the phone is off")
        bench.sender.note_delivery(bench.record.id, report)

    assert bench.counted == ["sent", "failed"]
    assert bench.untold() == {bench.record.id: 1}


def test_of_two_workers_that_send_one_message_one_is_counted(bench):
    [message] = bench.rows(t.messages)
    other = MessageSender(bench.resources(), note=lambda *_: bench.counted.append("other"))
    hear = bench.heard.append

    class Meanwhile(list):
        def append(self, body):
            bench.heard = []
            other.work_on(message["id"])
            hear(body)

    bench.heard = Meanwhile()
    bench.sender.work_on(message["id"])

    assert bench.counted == ["other"]


def test_counting_what_failed_reads_no_growing_table_as_a_whole(bench):
    bench.trouble = Refused("no such phone")
    bench.send()
    with captured_statements(bench.engines.read) as said:
        bench.untold()

    assert scanning_statements(bench.engines.write, said) == set()
