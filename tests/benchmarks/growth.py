"""What a payment costs when the history is ten times as long, and whether its statements scan."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mpm_host.database.engines import open_engines
from mpm_host.payments.payment_records import PaymentKeys, find_payments
from tests.benchmarks.bulk import copy_customers, copy_history
from tests.benchmarks.figures import Figure
from tests.benchmarks.stage import CUSTOMERS, Stage, both_databases, stage
from tests.support.query_plans import captured_statements, count_rows, scanning_statements

__all__ = ["growth_figures"]

_SHORT, _LONG = 20_000, 200_000
_LARGE = 10_000_000
_FEW_DEVICES, _MANY_DEVICES = 20_000, 1_000_000
_ROUNDS = 4
_PAYMENTS = 1500
_COMMAND = "python -m tests.benchmarks --only growth"


def growth_figures(*, large: bool, databases: Collection[str]) -> Iterator[Figure]:
    """Measure on both databases.

    Args:
        large: grow to a million devices and ten million payments instead of twenty and two
            hundred thousand.
        databases: leave the others out.
    """
    end, devices = (_LARGE, _MANY_DEVICES) if large else (_LONG, _FEW_DEVICES)
    with both_databases() as urls:
        for kind in databases:
            url = urls[kind]
            with stage(url) as made:
                made.accept("SEED", CUSTOMERS, callers=32)
                engine = open_engines(url).write  # waits as long as copying takes, unlike a host's
                copy_history(engine, prefix="SEED", first=0, payments=_SHORT)
                short = _rate(made, "SHORT")
                copy_customers(engine, devices=devices)
                copy_history(engine, prefix="SEED", first=_SHORT, payments=end - _SHORT)
                long = _rate(made, "LONG")
                yield Figure(
                    name=(
                        f"cost of a payment at {end:,} payments and {devices:,} devices "
                        f"against {_SHORT:,} and {CUSTOMERS:,}, {kind}"
                    ),
                    value=short / long,
                    target=1.3,
                    at_most=True,
                    note=f"{short:.0f}/s against {long:.0f}/s, best of {_ROUNDS} rounds",
                    command=_COMMAND + (" --large" if large else ""),
                )
                engine.dispose()
                yield _scan_figure(made, kind, end)


def _rate(made: Stage, prefix: str) -> float:
    made.accept(f"{prefix}WARM", 200, callers=32)
    return max(made.accept(f"{prefix}{n}X", _PAYMENTS, callers=32) for n in range(_ROUNDS))


def _scan_figure(made: Stage, kind: str, size: int) -> Figure:
    """Ask the planner about every statement of a batch of payments, before and after counting."""
    engine = made.desk.host.engines.write
    with captured_statements(engine) as said:
        made.accept("PLANNED", 40, callers=40)
        _find_by_every_key(made)
    scanning = scanning_statements(engine, said)
    count_rows(engine)
    scanning |= scanning_statements(engine, said)
    return Figure(
        name=f"statements of a payment that scan a growing table at {size:,} payments, {kind}",
        value=float(len(scanning)),
        target=0.0,
        at_most=True,
        note=f"{len(said)} statements explained; scanning: {sorted(scanning) or 'none'}",
        command=_COMMAND,
    )


def _find_by_every_key(made: Stage) -> None:
    """Look a payment up by its intent, too, which the payments of these benchmarks lack."""
    instance_id = next(iter(made.desk.host.house.directory.instances.values())).id
    every = PaymentKeys(instance_id=instance_id, reference="PLANNED1", number=1, intent="I-1")
    with made.desk.host.engines.write.begin() as connection:
        find_payments(connection, [every], lock=False)
