"""Accepting payments over HTTP: `mpm serve` as it is started, on the same cores as its callers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from tests.benchmarks.database_limit import pgbench_rate
from tests.benchmarks.figures import Figure
from tests.benchmarks.load import Prepared, requests_per_second
from tests.benchmarks.settling import settle
from tests.benchmarks.stage import both_databases, meter, stage
from tests.benchmarks.validation import callback_url
from tests.concurrency.desks import SECRET
from tests.support.served_host import served_host
from tests.support.telecom_calls import airtel_headers, airtel_process

__all__ = ["accepting_over_http_figures"]

_REQUESTS = 3000
_ROUNDS = 3
_SECONDS = 3
_CONNECTIONS = (32, 128)


def accepting_over_http_figures() -> Iterator[Figure]:
    """Compare with pgbench on PostgreSQL, round by round; one figure per number of callers."""
    with (
        both_databases() as urls,
        stage(urls["PostgreSQL"]) as made,
        served_host(made.folder, made.text, "--no-workers") as served,
    ):
        url = f"{served.url}{callback_url(made)}/c2b/process"
        requests_per_second(url, _requests("WARM"), connections=32)
        for connections in _CONNECTIONS:
            pairs = []
            for number in range(_ROUNDS):
                requests = _requests(f"H{connections}R{number}X")
                engine = made.desk.host.engines.write
                settle(engine)
                ours = requests_per_second(url, requests, connections=connections)
                settle(engine)
                limit = pgbench_rate(made, clients=connections, seconds=_SECONDS)
                pairs.append((ours, limit))
            yield _figure(connections, pairs)


def _requests(prefix: str) -> list[Prepared]:
    return [_request(f"{prefix}{number}", number) for number in range(_REQUESTS)]


def _request(reference: str, number: int) -> Prepared:
    body = airtel_process(reference, meter(number * 7), "1000", msisdn="781234567")
    return airtel_headers(SECRET, reference), body


def _figure(connections: int, pairs: list[tuple[float, float | None]]) -> Figure:
    ratios = sorted(ours / limit for ours, limit in pairs if limit)
    best = max(ours for ours, _ in pairs), max(limit or 0.0 for _, limit in pairs)
    return Figure(
        name=f"accepting over HTTP against pgbench, PostgreSQL, {connections} connections",
        value=statistics.median(ratios) if ratios else None,
        target=0.5,
        at_most=False,
        note=(
            f"best {best[0]:.0f}/s against {best[1]:.0f}/s; ratios of {_ROUNDS} rounds "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}"
        ),
        command="python -m tests.benchmarks --only http",
    )
