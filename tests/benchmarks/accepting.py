"""Accepting payments in process: all of *process*, from the signed call to the encoded reply."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.database_limit import pgbench_rate
from tests.benchmarks.figures import Figure
from tests.benchmarks.settling import settle
from tests.benchmarks.stage import both_databases, stage

__all__ = ["accepting_figures"]

_TARGETS = {128: 0.8, 32: 0.7}
_ROUNDS = 3
_PAYMENTS = 3000
_SECONDS = 3
_COMMAND = "python -m tests.benchmarks --only accepting"


def accepting_figures() -> Iterator[Figure]:
    """Compare with pgbench on PostgreSQL; tell the rate on SQLite."""
    with both_databases() as urls:
        with stage(urls["SQLite"]) as small:
            rate = max(small.accept(f"S{n}X", _PAYMENTS, callers=32) for n in range(_ROUNDS))
        with stage(urls["PostgreSQL"]) as large:
            large.accept("WARM", 500, callers=32)
            for callers, target in _TARGETS.items():
                pairs = []
                for number in range(_ROUNDS):
                    engine = large.desk.host.engines.write
                    settle(engine)
                    limit = pgbench_rate(large, clients=callers, seconds=_SECONDS)
                    settle(engine)
                    prefix = f"C{callers}R{number}X"
                    pairs.append((large.accept(prefix, _PAYMENTS, callers=callers), limit))
                yield _figure(callers, target, pairs, rate)


def _figure(
    callers: int, target: float, pairs: list[tuple[float, float | None]], sqlite: float
) -> Figure:
    ratios = sorted(ours / limit for ours, limit in pairs if limit)
    ours = max(pair[0] for pair in pairs)
    limit = max((pair[1] or 0.0) for pair in pairs)
    return Figure(
        name=f"accepting in process against pgbench, PostgreSQL, {callers} callers",
        value=ratios[len(ratios) // 2] if ratios else None,
        target=target,
        at_most=False,
        note=(
            f"best {ours:.0f}/s against {limit:.0f}/s; ratios of {_ROUNDS} rounds "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}; SQLite, 32 callers: {sqlite:.0f}/s"
        ),
        command=_COMMAND,
    )
