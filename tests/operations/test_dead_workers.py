"""A worker killed with `kill -9` never comes back: its work is carried out by another one."""

from __future__ import annotations

import socket
from datetime import timedelta

import attrs
import httpx
import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from tests.faults.scene import crash_scene
from tests.operations.stage import staged, wait_until
from tests.support.table_contents import differences
from tests.support.telecom_calls import airtel_headers, airtel_process

OVER_THE_PATIENCE = timedelta(minutes=3)
PAYMENTS = 12


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_work_of_a_dead_worker_is_carried_out_by_the_other(tmp_path, database_url):
    with crash_scene(tmp_path, database_url, payments=4 * PAYMENTS, makers=["calin"]) as scene:
        maker = scene.distant["calin"]
        maker.hold_answers()
        with scene.host.running():
            pay(scene)
            assert maker.wait_until_one_is_held(30)
            (tmp_path / "other").mkdir()
            other = attrs.evolve(scene.host, folder=tmp_path / "other", port=free_port())
            with other.running():
                scene.host.kill()
                maker.let_go()
                scene.clock.move(OVER_THE_PATIENCE)
                wait_until(lambda: not unfinished(scene), seconds=60, what=str(unfinished(scene)))
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


def unfinished(scene):
    """Return the status of orders nobody has brought to an end, or to where a person decides."""
    query = sa.select(t.orders.c.status, sa.func.count()).group_by(t.orders.c.status)
    with scene.opened.engines.read.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(query)}
    return {s: n for s, n in found.items() if s in {"queued", "sent", "unknown"}}


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
