"""A worker killed with `kill -9` never comes back: its work is carried out by another one."""

from __future__ import annotations

import socket
from datetime import timedelta

import attrs
import httpx
import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.doubt import badly_ended, orders_in_hand
from tests.faults.scattered_host import bury, let_time_pass
from tests.faults.scene import BLIND_MAKERS, crash_scene
from tests.faults.waiting import wait_until_nothing_is_open
from tests.operations.hesitant_host import BEGUN, begin_few
from tests.operations.stage import staged, wait_until
from tests.support.engine_records import engine_rows
from tests.support.table_contents import differences
from tests.support.telecom_calls import airtel_headers, airtel_process

OVER_THE_PATIENCE = timedelta(minutes=3)
PAYMENTS = 12
PENDING = "PENDING"  # as the engine says of what a process has claimed


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_work_of_a_dead_worker_is_carried_out_by_the_other(tmp_path, database_url):
    """Trap 2: the engine keeps what it had claimed for it; its rows are due again all the same."""
    with crash_scene(tmp_path, database_url, payments=4 * PAYMENTS, variant=begin_few) as scene:
        makers = [scene.distant[name] for name in set(BLIND_MAKERS)]
        for maker in makers:
            maker.hold_answers()
        with scene.host.running():
            pay(scene)
            wait_until(lambda: len(claimed(scene)) == len(orders(scene)), seconds=30)
            wait_until(lambda: len(orders_in_hand(scene)) == BEGUN, seconds=30)
            (tmp_path / "other").mkdir()
            other = attrs.evolve(
                scene.host, folder=tmp_path / "other", port=free_port(), name="other", variant=None
            )
            with other.running():
                doubt = bury(scene, scene.host)
                for maker in makers:
                    maker.let_go()
                scene.clock.move(OVER_THE_PATIENCE)
                wait_until_nothing_is_open(
                    scene, seconds=60, let_time_pass=lambda scene: let_time_pass(scene, doubt)
                )
        assert len(doubt) == BEGUN
        assert statuses(scene, doubt) == {OrderStatus.PARKED}
        assert statuses(scene, orders(scene) - doubt) == {OrderStatus.ISSUED}
        assert badly_ended(scene, doubt) == []
        assert differences(scene.opened.engines.read) == []


def pay(scene):
    secret = scene.airtel_settings["jwt_secret"]
    with httpx.Client(trust_env=False, timeout=20) as http:
        for number, device in enumerate(scene.devices[:PAYMENTS]):
            answer = http.post(
                f"{scene.callback_url}/c2b/process",
                content=airtel_process(f"AIR{number}", device.serial, device.amount),
                headers=airtel_headers(getattr(secret, "reveal", lambda: secret)(), f"AIR{number}"),
            )
            assert answer.status_code == 200


def claimed(scene):
    """Return the orders that the engine has given to a process and seen no end of."""
    rows = engine_rows(scene.opened.engines.write.url, "workflow_status", "workflow_uuid, status")
    return orders(scene) & {piece.rpartition(":")[0] for piece, status in rows if status == PENDING}


def orders(scene):
    with scene.opened.engines.read.connect() as connection:
        return set(connection.execute(sa.select(t.orders.c.id)).scalars())


def statuses(scene, ids):
    query = sa.select(t.orders.c.status).where(t.orders.c.id.in_(ids))
    with scene.opened.engines.read.connect() as connection:
        return set(connection.execute(query).scalars())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_an_instance_is_never_asked_more_often_at_once_than_it_allows(tmp_path, database_url):
    with staged(tmp_path, database_url, meters=20, concurrency=3) as stage:
        stage.book([f"AIR{number}" for number in range(20)])
        stage.maker.hold()
        with stage.started("worker.log", "worker"):
            wait_until(lambda: stage.maker.waiting == 3, seconds=40)
            stage.maker.let_go(3)
            wait_until(lambda: stage.maker.waiting == 3, seconds=40)
            stage.maker.let_go()
            with stage.opened() as host:
                wait_until(lambda: stage.orders(host)["issued"] == 20, seconds=60)
        assert stage.maker.most == 3
