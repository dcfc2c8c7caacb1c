"""H1: SIGTERM in the middle of work loses nothing, doubles nothing, and ends with exit code 0."""

from __future__ import annotations

import signal
import time

import httpx

from tests.operations.stage import staged, wait_until
from tests.support.table_contents import differences

PAYMENTS = 100
IN_HAND = 60
ANSWERED = 40


def test_a_worker_finishes_what_is_answered_in_time_and_leaves_the_rest_to_the_next(
    tmp_path, database_url
):
    with staged(tmp_path, database_url, meters=PAYMENTS, host_lines="drain_seconds = 4") as stage:
        stage.book([f"AIR{number}" for number in range(PAYMENTS)])
        stage.maker.hold()
        with stage.started("first.log", "worker", "--concurrency", str(IN_HAND)) as worker:
            wait_until(lambda: stage.maker.waiting == IN_HAND, seconds=60, what="being asked")
            began = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            stage.maker.let_go(ANSWERED)
            assert worker.wait(30) == 0, stage.log("first.log")
            assert 3 < time.monotonic() - began < 15
        with stage.opened() as host:
            assert stage.orders(host) == {
                "issued": ANSWERED,
                "unknown": IN_HAND - ANSWERED,
                "queued": PAYMENTS - IN_HAND,
            }
            assert differences(host.engines.read) == []
        stage.maker.let_go()
        with stage.started("second.log", "worker") as worker, stage.opened() as host:
            # those that are unknown are looked after by and by, as ever
            wait_until(
                lambda: stage.orders(host)["issued"] == PAYMENTS - (IN_HAND - ANSWERED),
                seconds=60,
                what="the rest",
            )
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0, stage.log("second.log")
            assert differences(host.engines.read) == []
        assert [stage.maker.grants(serial) for serial in stage.meters] == [1] * PAYMENTS
        assert "Traceback" not in stage.log("first.log") + stage.log("second.log")


def test_a_server_takes_no_new_calls_and_ends_with_code_0(tmp_path, database_url):
    with (
        staged(tmp_path, database_url, meters=2, host_lines="drain_seconds = 3") as stage,
        stage.started("serve.log", "serve", "--port", "0") as server,
    ):
        wait_until(lambda: "Listening on" in stage.log("serve.log"), seconds=60)
        url = stage.log("serve.log").partition("Listening on ")[2].split()[0]
        wait_until(lambda: httpx.get(f"{url}/readyz", trust_env=False).is_success, seconds=20)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0, stage.log("serve.log")
        try:
            httpx.get(f"{url}/healthz", trust_env=False)
        except httpx.TransportError:
            refused = True
        else:
            refused = False
        assert refused
        assert "Traceback" not in stage.log("serve.log")
