"""Reports, told hooks and pushes in a running host: HTTP, the job engine and a simulator."""

from __future__ import annotations

import shutil
import time

import httpx
import pytest
import sqlalchemy as sa

from mpm_core import Msisdn, SimulatedPayment
from mpm_host.companies.audit_trail import Actor
from mpm_host.database.outbox_tables import pushes, tellings
from mpm_host.demo.simulated_world import simulated_world
from mpm_host.pushes.push_desk import PushWish

SERIAL = "47000501234"
CODE = """
from mpm_core import hookimpl
from tests.kit.acme_pay import AcmePay

HEARD = []


class Plugin(AcmePay):
    @hookimpl
    def mpm_payment_settled(self, payment):
        HEARD.append(("settled", payment.reference))

    @hookimpl
    def mpm_token_issued(self, device, order):
        HEARD.append(("token", device.serial))
"""


def wait_until(holds):
    until = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


@pytest.fixture
def acme(plugin_folder, sqlite_template, tmp_path):
    module = plugin_folder.install("acme-pay", code=CODE)
    shutil.copyfile(sqlite_template, tmp_path / "demo.db")
    with simulated_world(tmp_path, extra_plugins=["acme-pay"]) as world:
        tariff = world.tariff("Household", "100")
        world.customer_with_meter("Asha", "+255712345678", SERIAL, tariff)
        yield world, __import__(module).HEARD


def outbox(world):
    with world.host.engines.read.connect() as connection:
        return connection.execute(sa.select(tellings.c.hook)).scalars().all()


def test_a_running_host_pushes_books_tells_and_empties_its_outbox(acme):
    world, heard = acme
    simulator, desk = world.simulators["acme-pay"], world.services.push_desk
    instance = world.host.house.directory.instance_named(world.company.id, "acme-pay")
    wish = PushWish(
        instance=instance,
        serial=SERIAL,
        amount=world.money("1000"),
        payer=Msisdn.parse("0712345678", "TZ"),
    )
    checked = desk.check(wish)
    with world.host.engines.write.begin() as connection:
        by = Actor(name="test", at=world.host.clock())
        push_id = desk.take(connection, checked, by)
    world.services.wake()
    wait_until(lambda: simulator.prompts == [checked.key])

    simulator.answer_push(checked.key, "paid")
    call = simulator.notice_call(checked.key, "paid")
    url = f"{world.url}/callbacks/{instance.callback_key}/{call.path}"
    with httpx.Client(trust_env=False) as http:
        assert http.post(url, content=call.body, headers=call.headers).status_code == 200

    payment = world.wait_for(checked.key)
    assert (payment["status"], payment["serial"]) == ("settled", SERIAL)
    wait_until(lambda: ("settled", checked.key) in heard and ("token", SERIAL) in heard)
    wait_until(lambda: outbox(world) == [])
    with world.host.engines.read.connect() as connection:
        query = sa.select(pushes.c.status).where(pushes.c.id == push_id)
        assert connection.execute(query).scalar_one() == "paid"


def test_a_running_host_reports_a_payment_to_its_telecom(acme):
    world, _ = acme
    payment = SimulatedPayment(
        reference="T-1", serial=SERIAL, amount=world.money("1000"), msisdn="+255712345678"
    )
    assert [call.reply.status for call in world.payers["acme-pay"].pay(payment)] == [200, 200]
    world.wait_for("T-1")
    wait_until(lambda: world.simulators["acme-pay"].reports == ["T-1"])
    wait_until(lambda: outbox(world) == [])
    kinds = [event["kind"] for event in world.payment("T-1")["events"]]
    assert kinds == ["reported"]
