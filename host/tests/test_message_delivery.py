"""Messages through a real gateway's protocol: sent, paid for, reported delivered."""

from __future__ import annotations

import httpx
import pytest
import sqlalchemy as sa

from mpm_core import DeliveryReport, MessageStatus, SimulatedPayment
from mpm_host.database import tables as t
from mpm_host.demo.simulated_world import simulated_world
from tests.support.query_plans import captured_statements, scanning_statements

REFERENCE = "SMS000000001"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    with simulated_world(folder, extra_plugins=("africastalking",)) as world:
        world.customer_with_meter("Amina", "+255781230061", "47000124637", world.tariff("T", "100"))
        world.payers["airtel"].pay(
            SimulatedPayment(
                reference=REFERENCE,
                serial="47000124637",
                amount=world.money("1000"),
                msisdn="255781234567",
            )
        )
        world.wait_for(REFERENCE)
        yield world


def the_message(world):
    with world.host.engines.read.connect() as connection:
        return connection.execute(sa.select(t.messages)).mappings().one()


def report(world, status, reason=""):
    simulator = world.simulators["africastalking"]
    call = simulator.report_call(simulator.sent[0].message_id, status, reason)
    company = world.company
    record = world.host.house.directory.instance_named(company.id, "africastalking")
    return httpx.post(
        f"{world.url}/callbacks/{record.callback_key}/{call.path}",
        content=call.body,
        headers=dict(call.headers),
    )


def test_the_token_goes_out_once_by_the_gateway_with_segments_and_cost(world):
    sent = world.simulators["africastalking"].sent
    message = the_message(world)

    assert len(sent) == 1
    assert (message["status"], message["reference"]) == ("sent", sent[0].message_id)
    assert (message["segments"], message["cost"]) == (sent[0].parts, sent[0].cost)


def test_a_delivery_report_is_noted_once_and_a_later_failure_changes_nothing(world):
    """T-70."""
    assert report(world, "Success").status_code == 200
    assert the_message(world)["status"] == "delivered"

    assert report(world, "Failed", "UserDoesNotExist").status_code == 200
    assert the_message(world)["status"] == "delivered"


def test_a_delivery_report_reads_no_other_messages(world):
    engine = world.host.engines.write
    with captured_statements(engine) as said:
        report(world, "Failed", "UserDoesNotExist")
        world.services.messages.note_delivery(
            world.company.id, DeliveryReport(reference="another's", status=MessageStatus.FAILED)
        )
    for begin in ("UPDATE mpm_message", "DELETE FROM mpm_delivery_report"):
        assert any(statement.startswith(begin) for statement, _ in said)
    assert scanning_statements(engine, said) == set()
