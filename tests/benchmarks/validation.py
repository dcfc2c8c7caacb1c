"""Validating over HTTP against an endpoint written by hand on the same stack."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator

import sqlalchemy as sa

from mpm_host.database import tables as t
from tests.benchmarks.figures import Figure
from tests.benchmarks.load import Prepared, requests_per_second
from tests.benchmarks.stage import Stage, both_databases, meter, stage
from tests.concurrency.desks import SECRET
from tests.support.served_host import served_host
from tests.support.telecom_calls import airtel_headers, airtel_validation

__all__ = ["callback_url", "validation_figure"]

_REQUESTS = 1500
_CONNECTIONS = 32
_ROUNDS = 3


def validation_figure() -> Figure:
    """Compare the rates on PostgreSQL, round by round."""
    with (
        both_databases() as urls,
        stage(urls["PostgreSQL"]) as made,
        _ours(made) as ours,
        _by_hand(made) as by_hand,
    ):
        pairs = [(_rate(ours, f"OURS{n}X"), _rate(by_hand, f"HAND{n}X")) for n in range(_ROUNDS)]
    best = [max(rates) for rates in zip(*pairs, strict=True)]
    return Figure(
        name="validating over HTTP against a hand-written endpoint, PostgreSQL, 32 connections",
        value=statistics.median(ours / by_hand for ours, by_hand in pairs),
        target=0.8,
        at_most=False,
        note=f"best {best[0]:.0f}/s against {best[1]:.0f}/s, median ratio of {_ROUNDS} rounds",
        command="python -m tests.benchmarks --only validation",
    )


def _rate(url: str, prefix: str) -> float:
    requests = [_request(f"{prefix}{n}", n) for n in range(_REQUESTS)]
    return requests_per_second(url, requests, connections=_CONNECTIONS)


def _request(reference: str, number: int) -> Prepared:
    body = airtel_validation(reference, meter(number * 7), "1000")
    return airtel_headers(SECRET, reference), body


@contextlib.contextmanager
def _ours(made: Stage) -> Iterator[str]:
    with served_host(made.folder, made.text, "--no-workers") as served:
        yield f"{served.url}{callback_url(made)}/c2b/validate"


def callback_url(made: Stage) -> str:
    """Return the path under which Airtel calls the company of a stage."""
    key = sa.select(t.instances.c.callback_key).where(t.instances.c.name == "airtel")
    with made.desk.host.engines.read.connect() as connection:
        return f"/callbacks/{connection.execute(key).scalar_one()}"


@contextlib.contextmanager
def _by_hand(made: Stage) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.hand_written", made.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("The hand-written endpoint says nothing.")
            url = process.stdout.readline().removeprefix("Listening on ").strip()
            yield f"{url}/validate"
        finally:
            process.kill()
