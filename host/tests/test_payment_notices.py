"""Notices and enquiries through the desk, with a telecom that says what a test tells it to."""

from __future__ import annotations

import asyncio

import attrs
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from mpm_core import (
    EnquiryRequest,
    InboundCall,
    Manifest,
    Money,
    NoticeRequest,
    PluginKind,
    PluginRuntime,
    ProcessRequest,
    Reply,
    ValidationRequest,
    hookimpl,
)
from mpm_core.company_plugins import CompanyPlugins, load_instance
from mpm_core.outbound import OutboundClient
from mpm_core.payments import NoticeEvent
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.payments.payment_desk import PaymentDesk
from tests.support.order_bench import TAKEN_BACK, NoSettings, OrderBench, energy_grant

SERIAL = "47001234567"
CALL = InboundCall(method="POST", path="x", headers={}, body=b"", source="10.0.0.1")


class Telecom:
    """Reads every call as the request planned for it, and answers with the decision alone."""

    manifest = Manifest(kind=PluginKind.TELECOM, title="Told", settings_class=NoSettings)
    request = None

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_read_call(self):
        return type(self).request

    @hookimpl
    def mpm_write_reply(self, verdict):
        return Reply(status=200, content_type="text/plain", body=f"{verdict.decision}".encode())


class Exchange(OrderBench):
    """A bench with a desk."""

    def __init__(self, engines):
        super().__init__(engines)
        self.telecom = type("Told", (Telecom,), {})
        company = self.record.company
        loaded = load_instance(
            self.telecom,
            NoSettings(),
            PluginRuntime(
                company=company, instance="airtel", http=OutboundClient(allowed_hosts=())
            ),
            name="airtel",
            plugin_name="airtel",
            distribution="mpm-airtel",
            version="1.0",
        )
        self.plugins = CompanyPlugins(
            company, [*self.plugins._instances.values(), loaded], clock=self.clock
        )
        self.desk = PaymentDesk(
            self.resources(),
            wake=self._wake,
            note_delivery=lambda *_: None,
        )

    def says(self, request):
        """Let the telecom say something; return the decision."""
        self.telecom.request = request
        airtel = self.directory.instance_named(self.record.id, "airtel")
        reply = asyncio.run(self.desk.answer(airtel, CALL, "c-1"))
        return reply.body.decode()

    def notice(self, event, reference="R1", **more):
        return self.says(NoticeRequest(event=NoticeEvent(event), reference=reference, **more))

    def process(self, reference="R1", serial=SERIAL, amount="1000"):
        money = self.money(amount)
        return self.says(ProcessRequest(reference=reference, serial=serial, amount=money))

    def by_reference(self, reference="R1"):
        query = sa.select(t.payments.c.id).where(t.payments.c.reference == reference)
        with self.engines.read.connect() as connection:
            return connection.execute(query).scalar_one()


@pytest.fixture
def exchange(engines):
    made = Exchange(engines)
    yield made
    made.desk.close()


def test_a_reversal_of_an_unknown_reference_denies_it_for_ever(exchange):
    exchange.meter(SERIAL)

    assert exchange.notice("reversed") == "noted"
    assert exchange.process() == "conflict"

    payment_id = exchange.by_reference()
    assert exchange.status(payment_id)[0] == "denied"
    assert exchange.rows(t.entries) == exchange.rows(t.orders) == []


def test_a_reversal_of_a_validated_payment_denies_it(exchange):
    exchange.meter(SERIAL)
    validation = ValidationRequest(serial=SERIAL, amount=exchange.money("1000"), reference="R1")
    assert exchange.says(validation) == "validated"

    exchange.notice("reversed")

    assert exchange.process() == "conflict"
    assert exchange.status(exchange.by_reference())[0] == "denied"


@pytest.mark.parametrize("issued", [False, True], ids=["before the token", "after the token"])
def test_a_reversal_of_a_booked_payment_takes_it_back_once_p8_p9(exchange, issued):
    """T-59."""
    exchange.meter(SERIAL)
    exchange.process()
    payment_id = exchange.by_reference()
    if issued:
        exchange.scripts["calin"].generate.append(energy_grant())
        exchange.work(payment_id)

    answers = [exchange.notice("reversed") for _ in range(3)]

    assert answers == ["noted"] * 3
    assert exchange.status(payment_id) == ("reversed", False, "reversed")
    assert exchange.credit() == (-100_000 if issued else 0)
    [event] = exchange.view(payment_id)["events"]
    assert (event["kind"], event["actor"], event["detail"]) == (
        "reverse", "telecom airtel", "The telecom gave the money back.",
    )  # fmt: skip
    assert exchange.differences() == []


def test_a_process_call_repeated_after_the_reversal_books_nothing(exchange):
    exchange.meter(SERIAL)
    exchange.process()
    exchange.notice("reversed")

    assert exchange.process() == "accepted"  # the stored answer, byte for byte
    assert exchange.status(exchange.by_reference())[0] == "reversed"
    assert exchange.differences() == []


def test_a_reversal_of_another_amount_is_for_a_person(exchange):
    exchange.meter(SERIAL)
    exchange.process()
    payment_id = exchange.by_reference()
    exchange.scripts["calin"].generate.append(energy_grant())
    exchange.work(payment_id)

    for _ in range(2):
        assert exchange.notice("reversed", amount=Money(40_000, "TZS")) == "noted"

    view = exchange.view(payment_id)
    assert (view["status"], view["needs_person"], view["conflict"]) == ("settled", True, True)
    assert [event["detail"] for event in view["events"]] == [
        "the telecom reversed 400, not the whole amount"
    ]


def test_a_dispute_that_a_person_has_ended_is_not_opened_by_its_repetition(exchange):
    exchange.meter(SERIAL)
    exchange.process()
    payment_id = exchange.by_reference()
    exchange.notice("reversed", amount=Money(40_000, "TZS"))
    exchange.notice("reversed")

    exchange.notice("reversed", amount=Money(40_000, "TZS"))

    view = exchange.view(payment_id)
    assert (view["status"], view["needs_person"], view["conflict"]) == ("reversed", False, True)


def test_a_failure_notice_after_success_keeps_the_success_p7(exchange):
    """E-56, T-52."""
    exchange.meter(SERIAL)
    exchange.process()

    for _ in range(2):
        assert exchange.notice("failed") == "noted"

    view = exchange.view(exchange.by_reference())
    assert (view["status"], view["conflict"]) == ("token_pending", True)
    assert [event["detail"] for event in view["events"]] == [
        "said to have failed after it succeeded"
    ]


def test_a_payment_may_still_come_after_a_failure_notice(exchange):
    """T-53: only the telecom's final no ends a payment."""
    exchange.meter(SERIAL)
    exchange.notice("failed")

    assert exchange.process() == "accepted"


def test_a_notice_that_it_is_paid_credits_nothing(exchange):
    """T-60."""
    exchange.meter(SERIAL)

    assert exchange.notice("paid", amount=exchange.money("1000")) == "noted"

    assert exchange.rows(t.payments) == exchange.rows(t.entries) == []


def test_an_enquiry_about_an_unknown_payment_has_it_looked_after(exchange):
    payment_id = exchange.lost()
    exchange.later(seconds=5)
    woken = exchange.woken

    assert exchange.says(EnquiryRequest(reference="R1", final=True)) == "found"

    assert exchange.order(payment_id)["due_at"] == exchange.now
    assert exchange.woken == woken + 1


def test_a_reversal_waits_for_the_manufacturer_and_books_afterwards(exchange):
    exchange.meter(SERIAL)
    exchange.process()
    payment_id = exchange.by_reference()

    def meanwhile(_order):
        exchange.notice("reversed")
        return energy_grant()

    exchange.scripts["calin"].generate.append(meanwhile)
    exchange.work(payment_id)

    assert exchange.status(payment_id) == ("reversed", False, "reversed")
    assert exchange.credit() == -100_000
    assert exchange.told(payment_id) == [TAKEN_BACK]
    assert exchange.differences() == []


def test_one_reversal_among_copies_of_the_payment_is_booked_in_any_order(exchange):
    """Whichever comes first decides: then nothing is booked, or it is taken back."""
    exchange.meter(SERIAL)
    for number, order in enumerate(["np", "pn", "npp", "pnp", "pnn"]):
        reference = f"N{number}"
        for step in order:
            if step == "n":
                exchange.notice("reversed", reference=reference)
            else:
                exchange.process(reference=reference)
        expected = "denied" if order[0] == "n" else "reversed"
        assert exchange.status(exchange.by_reference(reference))[0] == expected

    assert exchange.credit() == 0
    assert exchange.differences() == []


def test_a_call_that_finds_no_database_is_logged_with_the_kind_of_outage_alone(exchange):
    gone = open_engines("postgresql+psycopg://mpm@127.0.0.1:1/mpm")  # nobody listens there
    exchange.desk.close()
    exchange.desk = PaymentDesk(
        attrs.evolve(exchange.resources(), engines=gone),
        wake=lambda: None,
        note_delivery=lambda *_: None,
    )

    with capture_logs() as logged:
        decision = exchange.says(EnquiryRequest(reference="R1", final=False))

    assert decision == "unavailable"
    assert logged[0] == {
        "event": "call_failed",
        "log_level": "error",
        "company": "umeme",
        "instance": "airtel",
        "correlation_id": "c-1",
        "error": "OperationalError",
        "code": "database_refused",
    }
