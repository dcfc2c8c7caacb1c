"""How eager the workers of a process are."""

from __future__ import annotations

from datetime import timedelta

import attrs

__all__ = ["WorkLimits"]


@attrs.frozen(kw_only=True)
class WorkLimits:
    """How eager the workers are.

    Attributes:
        concurrency: pieces of work of one kind and one owner (a manufacturer, a company) at the
            same time in this process; of all owners together at most twice as many.
        poll: seconds between two looks of the relay when nobody wakes it.
        engine_poll: seconds between two looks of the engine at its queues while there is work.
        rest: the same, while there was none for a while; what this process hands over ends it.
        busy: seconds for which one piece of work keeps the engine looking often.
        patience: after which work that was handed over but made no progress is handed over again.
        batch: rows of one hand-over.
        keep_finished: how long the engine's own records of finished work are kept.
        keep_unfinished: the same of what was begun or queued and never ended: nobody does it.
        forget_page: records of the engine's that are deleted at once.
        drain: seconds that work in hand may take to end when the process is to end.
    """

    concurrency: int = 32
    poll: float = 0.5
    engine_poll: float = 0.2
    rest: float = 10.0
    busy: float = 15.0
    patience: timedelta = timedelta(minutes=2)
    batch: int = 200
    keep_finished: timedelta = timedelta(hours=1)
    keep_unfinished: timedelta = timedelta(days=1)
    forget_page: int = 1000
    drain: float = 20.0

    @property
    def slots(self) -> int:
        """Pieces of work of one kind at the same time in this process, whoever owns them."""
        return 2 * self.concurrency
