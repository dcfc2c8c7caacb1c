"""Whether a manufacturer's trouble reaches the telecom: accept latency with all of them hanging."""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import httpx
import structlog

from mpm_core import SimulatedPayment, SimulatedReply
from mpm_host.demo.simulated_world import SimulatedWorld, simulated_world
from tests.benchmarks.figures import Figure
from tests.benchmarks.stage import database_server

__all__ = ["latency_figures"]

_PAYMENTS = 300
_CALLERS = 4
_METERS = 100
_TRIES = 20
_ROUNDS = 3
_NewDatabase = Callable[[], AbstractContextManager[str | None]]  # a URL; none: the world's own
_YES = SimulatedReply(body=b"<COMMAND><STATUS>200</STATUS></COMMAND>")


def latency_figures() -> Iterator[Figure]:
    """Compare the median of process calls with all manufacturers hanging and with all up."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield _figure("SQLite", nullcontext)
    with database_server() as server:
        yield _figure("PostgreSQL", server.database)


def _figure(name: str, database: _NewDatabase) -> Figure:
    rounds = [
        (_seconds(database, hanging=True), _seconds(database, hanging=False))
        for _ in range(_ROUNDS)
    ]
    ratios = [statistics.median(down) / statistics.median(up) for down, up in rounds]
    down, up = ([took for each in rounds for took in each[side]] for side in (0, 1))
    return Figure(
        name=f"accept latency with every manufacturer hanging against all up, HTTP, {name}",
        value=statistics.median(ratios),
        target=1.2,
        at_most=True,
        note=(
            f"median {statistics.median(down) * 1000:.1f} ms against "
            f"{statistics.median(up) * 1000:.1f} ms; slowest of twenty "
            f"{_slow(down) * 1000:.0f} ms against {_slow(up) * 1000:.0f} ms; ratios of "
            f"{_ROUNDS} rounds {', '.join(f'{ratio:.2f}' for ratio in sorted(ratios))}"
        ),
        command="python -m tests.benchmarks --only latency",
    )


def _seconds(database: _NewDatabase, *, hanging: bool) -> list[float]:
    """Return what the calls of one new world took, whose manufacturers hang or do not."""
    with (
        # a call that hangs may still write its late answer down when the world has ended
        tempfile.TemporaryDirectory(prefix="mpm-bench-", ignore_cleanup_errors=True) as folder,
        database() as url,
        simulated_world(Path(folder), database=url) as world,
    ):
        tariff = world.tariff("Household", "100")
        for number in range(_METERS):
            world.customer_with_meter("Asha", "+255781230001", _serial(number), tariff)
        _latencies(world, "WARM")
        for maker in ("calin", "sunking") if hanging else ():
            world.simulators[maker].set_fault("timeout_after_mint")
        return _latencies(world, "MEASURED")


def _serial(number: int) -> str:
    return str(47_000_300_000 + number % _METERS)


def _latencies(world: SimulatedWorld, prefix: str) -> list[float]:
    """Make process calls from a few callers; return the seconds each took."""
    payer, airtel = world.payers["airtel"], world.simulators["airtel"]

    def pay(number: int) -> float:
        payment = SimulatedPayment(
            reference=f"{prefix}{number}",
            serial=_serial(number),
            amount=world.money("1000"),
            msisdn="255781234567",
        )
        call = airtel.process_call(payment, airtel.settings(""), _YES)
        if call is None:
            raise RuntimeError("The simulated telecom would not pay.")
        began = time.perf_counter()
        for _ in range(_TRIES):  # told to ask again, a telecom asks again: that counts as waiting
            answer = http.post(
                f"{payer.callback_url}/{call.path}", headers=dict(call.headers), content=call.body
            )
            if b"<STATUS>200</STATUS>" in answer.content:
                return time.perf_counter() - began
        raise RuntimeError(f"A payment was refused: {answer.content!r}")

    with httpx.Client(timeout=60, trust_env=False) as http, ThreadPoolExecutor(_CALLERS) as pool:
        return list(pool.map(pay, range(_PAYMENTS)))


def _slow(latencies: list[float]) -> float:
    return sorted(latencies)[len(latencies) * 19 // 20]
