"""What one caller alone pays for a desk that many share: latency at low load.

Against it stands the same desk whose writer commits each payment by itself, at once and in the
caller's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future

import attrs

from mpm_host.database.group_commit import GroupCommit
from mpm_host.payments.booking_commands import Command, Outcome
from tests.benchmarks.figures import Figure
from tests.benchmarks.settling import settle
from tests.benchmarks.stage import Stage, both_databases, stage

__all__ = ["single_caller_figures"]

_TARGET = 1.2
_ROUNDS = 7
_PAYMENTS = 300


def single_caller_figures() -> Iterator[Figure]:
    """Compare the seconds of a payment with and without others to share its transaction with."""
    with both_databases() as urls:
        for database, url in urls.items():
            with stage(url) as made:
                yield _figure(database, made)


def _figure(database: str, made: Stage) -> Figure:
    desk = made.desk.services.desk
    writers = {"GROUP": desk._writer, "ALONE": _CommitAlone(desk._writer)}
    seconds: dict[str, list[float]] = {name: [] for name in writers}
    made.accept("WARM", _PAYMENTS, callers=1, customers=1)
    for number in range(_ROUNDS):
        for name, writer in writers.items():
            desk._writer = writer
            settle(made.desk.host.engines.write)
            rate = made.accept(f"{name}{number}X", _PAYMENTS, callers=1, customers=1)
            seconds[name].append(1 / rate)
    desk._writer = writers["GROUP"]
    group, alone = (min(each) * 1000 for each in seconds.values())
    return Figure(
        name=f"seconds of one caller alone with group commit against without it, {database}",
        value=group / alone,
        target=_TARGET,
        at_most=True,
        note=f"fastest of {_ROUNDS} rounds {group:.2f} ms against {alone:.2f} ms",
        command="python -m tests.benchmarks --only alone",
    )


@attrs.frozen
class _CommitAlone:
    """Stands in for the desk's writer: one transaction for each payment."""

    _group: GroupCommit[Command, Outcome]

    def submit(self, item: Command) -> Future[Outcome]:
        """Commit it at once."""
        done: Future[Outcome] = Future()
        done.set_result(self._group._attempt([item])[0])
        return done
