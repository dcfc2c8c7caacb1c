"""A relay that looks when it is told to, and an engine that only takes what it is given."""

from __future__ import annotations

from mpm_host.work_limits import WorkLimits
from mpm_host.work_relay import Relay, piece_name
from mpm_host.work_shares import WorkShares

__all__ = ["Played"]

LIMITS = WorkLimits(concurrency=4, engine_poll=0.0)


class Played:
    """A relay whose engine is played by the test; it looks when it is told to."""

    def __init__(self, bench, limits=LIMITS):
        self.bench = bench
        self.given = []
        self.open = set()
        self.fails = False
        self.takes = None  # so many more pieces, then it fails
        self.seconds = 1000.0
        self.shares = WorkShares(limits.slots)
        self.relay = Relay(
            engines=bench.engines,
            clock=bench.clock,
            limits=limits,
            shares=self.shares,
            enqueue=self.enqueue,
            still_open=lambda pieces: self.open & set(pieces),
            hurry=lambda: None,
            tidy=lambda: None,
            monotonic=lambda: self.seconds,
        )

    def enqueue(self, kind, key, number):
        if self.takes is not None:
            self.fails, self.takes = self.takes <= 0, self.takes - 1
        if self.fails:
            raise ConnectionError("the engine's database is gone")
        if kind == "orders":
            self.given.append(piece_name(key, number))
            self.open.add(piece_name(key, number))

    def look(self):
        """Return the orders that are handed over now."""
        before = len(self.given)
        self.relay._look()
        return self.given[before:]

    def end(self, pieces):
        for piece in pieces:
            self.open.discard(piece)
            self.shares.end(piece)
