from __future__ import annotations

import threading
import time

import pytest

from mpm_core.company_plugins.call_pool import (
    CallPool,
    PoolClosedError,
    PoolFullError,
    TooLateError,
)


def ignore(_late: object) -> None:
    pass


def test_pool_returns_the_result_and_runs_in_a_daemon_thread_of_its_name() -> None:
    pool = CallPool("mpm-umeme-south", 1)
    name, daemon = pool.run(
        lambda: (threading.current_thread().name, threading.current_thread().daemon),
        seconds=5,
        on_late=ignore,
    )
    assert (name, daemon) == ("mpm-umeme-south", True)


def test_pool_full_of_hung_work_refuses_at_once_however_patient_the_caller() -> None:
    gate, pool = threading.Event(), CallPool("pool", 2)
    for _ in range(2):
        with pytest.raises(TooLateError):
            pool.run(gate.wait, seconds=0.01, on_late=ignore)
    started = time.monotonic()
    with pytest.raises(PoolFullError) as caught:
        pool.run(gate.wait, seconds=60, on_late=ignore)
    gate.set()
    assert (caught.value.hung, caught.value.size) == (2, 2)
    assert time.monotonic() - started < 5


def test_waiting_caller_goes_on_when_the_last_free_hope_hangs() -> None:
    gate, pool = threading.Event(), CallPool("pool", 1)
    outcomes: list[str] = []

    def hang() -> None:
        with pytest.raises(TooLateError):
            pool.run(gate.wait, seconds=0.2, on_late=ignore)
        outcomes.append("late")

    first = threading.Thread(target=hang)
    first.start()
    while not pool._running:
        time.sleep(0.001)
    with pytest.raises(PoolFullError):
        pool.run(gate.wait, seconds=60, on_late=ignore)
    first.join()
    gate.set()
    assert outcomes == ["late"]


def test_late_result_is_heard_once_and_frees_the_place_afterwards() -> None:
    gate, heard, pool = threading.Event(), threading.Event(), CallPool("pool", 1)
    late: list[str] = []

    def work() -> str:
        gate.wait(10)
        return "late"

    with pytest.raises(TooLateError):
        pool.run(work, seconds=0.01, on_late=lambda result: (late.append(result), heard.set()))
    gate.set()
    assert heard.wait(5)
    assert pool.run(lambda: "next", seconds=5, on_late=ignore) == "next"
    assert late == ["late"]


def test_closed_pool_begins_nothing() -> None:
    pool = CallPool("pool", 1)
    pool.close()
    with pytest.raises(PoolClosedError):
        pool.run(lambda: None, seconds=5, on_late=ignore)


def test_pool_without_size_still_has_one_thread() -> None:
    assert CallPool("pool", 0).run(lambda: 1, seconds=5, on_late=ignore) == 1


def test_system_without_threads_left_counts_as_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = CallPool("pool", 1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(PoolFullError):
            pool.run(lambda: 1, seconds=5, on_late=ignore)
    assert pool.run(lambda: 1, seconds=5, on_late=ignore) == 1
