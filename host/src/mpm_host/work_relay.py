"""The relay: hands due rows over to the engine, of each owner no more than its share.

What has no slot yet stays where it is, a row that is due: a manufacturer's long backlog is never in
front of anybody in the engine's queue, nor handed over twice while it waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mpm_host.clock import Clock
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.engines import Engines
from mpm_host.failure_log import FailureLog
from mpm_host.work_limits import WorkLimits
from mpm_host.work_shares import Room, WorkShares, fair_choice
from mpm_host.work_sources import SOURCES, WorkSource, any_due

__all__ = ["Relay", "piece_name"]

_SILENCE = 30.0  # seconds after which something is wrong with it
_PAST = 300.0  # seconds after which a failure of the engine says nothing of it any more
_LOOKS_TO_BEGIN = 10  # of the engine's: what was not begun here by then may be another process's
_GATHER = 0.5  # of the engine's pace: slots that come free one by one are filled together


def piece_name(key: str, number: int) -> str:
    """Return the engine's id of one hand-over of a row: each starts once."""
    return f"{key}:{number}"


class Relay:
    """The thread that hands over.

    Args:
        engines: of the database our rows are in.
        clock: decides what is due.
        limits: of eagerness.
        shares: what this process has handed over.
        enqueue: gives the engine a piece: its kind, the row's key, the number of the hand-over.
        still_open: asks the engine which of these pieces have not ended.
        hurry: called when there is work.
        tidy: called at every look; does a little of what is to be done now and then.
        monotonic: seconds.
    """

    def __init__(  # noqa: PLR0913 - what it works with, all by name
        self,
        *,
        engines: Engines,
        clock: Clock,
        limits: WorkLimits,
        shares: WorkShares,
        enqueue: Callable[[str, str, int], None],
        still_open: Callable[[Sequence[str]], Collection[str]],
        hurry: Callable[[], None],
        tidy: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = engines
        self._clock = clock
        self._limits = limits
        self._shares = shares
        self._enqueue = enqueue
        self._still_open = still_open
        self._hurry = hurry
        self._tidy = tidy
        self._monotonic = monotonic
        self._seen = monotonic()
        self._refused: tuple[float, float] | None = None  # by the engine: first and last time
        self._failures = FailureLog("relay_failed")
        self._woken = threading.Event()
        self._is_urgent = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Begin to hand over."""
        self._thread.start()

    def wake(self) -> None:
        """Look now instead of at the next poll."""
        self._is_urgent = True
        self._woken.set()

    def note_room(self) -> None:
        """Look soon: a slot came free that somebody may wait for."""
        self._woken.set()

    def problem(self) -> str:
        """Say why nothing is handed over; nothing if it is."""
        if not self._thread.is_alive():
            return "the relay has stopped"
        now = self._monotonic()
        if (silent := now - self._seen) > _SILENCE:
            return f"the relay is stuck since {silent:.0f} s"
        if self._refused is None:
            return ""
        first, last = self._refused
        if last - first <= _SILENCE:  # once or twice is chance
            return ""
        if now - last > _PAST:  # another process did what was due; asked again, it would say so
            return ""
        return f"the job engine has taken no work for {now - first:.0f} s"

    def begin_stop(self) -> None:
        """Hand nothing more over from now on; returns at once."""
        self._stopping.set()
        self._woken.set()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, at most so long."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._woken.wait(self._limits.poll) and not self._is_urgent:
                self._stopping.wait(_GATHER * self._limits.engine_poll)
            self._is_urgent = False
            self._woken.clear()
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - the engine has errors of its own; work must go on
                self._failures.tell(error)

    def _look(self) -> None:
        """Hand over until nothing is due that fits."""
        is_more = True
        while is_more and not self._stopping.is_set():
            self._seen = self._monotonic()
            is_more = self._hand_over()
        self._tidy()

    def _hand_over(self) -> bool:
        """Hand over one batch of each kind that has due rows; tell whether there may be more."""
        with self._engines.read.connect() as connection:
            due = [row.kind for row in connection.execute(any_due(self._clock()))]
        full = [self._hand_over_kind(kind, SOURCES[kind]) for kind in due]
        if due:  # whoever marked it: what is too much for one process is there for the others
            self._hurry()
        return any(full)

    def _hand_over_kind(self, kind: str, source: WorkSource) -> bool:
        """Hand over a fair batch of due rows; tell whether there may be more that fits.

        Marked first: a crash in between only costs the patience, after which they are due again.
        """
        room = self._room(kind)
        most = min(room.free, self._limits.batch)
        if most <= 0:
            return False
        waiting = self._waiting(source, room, most)
        owners = [row.owner for row in waiting]
        chosen = [waiting[position] for position in fair_choice(room.used, room.slots, owners)]
        if chosen:
            self._mark_and_give(kind, source, chosen)
        return len(waiting) == most

    def _room(self, kind: str) -> Room:
        """Return what is left for a kind, without what has ended in other processes meanwhile."""
        room = self._shares.room(kind)
        if not room.is_tight:
            return room
        away = self._shares.elsewhere(kind, seconds=_LOOKS_TO_BEGIN * self._limits.engine_poll)
        if away:
            # what nobody ends is due again by its row, under another number
            given_up = self._shares.elsewhere(kind, seconds=self._limits.patience.total_seconds())
            with self._asking_engine():
                still_open = set(self._still_open(away)) - set(given_up)
            for piece in set(away) - still_open:
                self._shares.end(piece)
        return self._shares.room(kind)

    def _waiting(
        self, source: WorkSource, room: Room, most: int
    ) -> Sequence[sa.Row[tuple[Any, ...]]]:
        """Read the rows that wait longest, of owners that may have more."""
        columns = source.table.c
        query = sa.select(columns.id, columns.next_at, source.owner.label("owner")).where(
            source.is_open, columns.next_at <= self._clock()
        )
        if room.full:
            query = query.where(source.owner.not_in(room.full))
        with self._engines.read.connect() as connection:
            return connection.execute(query.order_by(columns.next_at).limit(most)).all()

    def _mark_and_give(
        self, kind: str, source: WorkSource, chosen: Sequence[sa.Row[tuple[Any, ...]]]
    ) -> None:
        """Mark rows as handed over and give the engine those no other process was faster with."""
        columns, now = source.table.c, self._clock()
        owners = {row.id: row.owner for row in chosen}
        until = now + self._limits.patience
        due = sa.select(columns.id).where(
            columns.id.in_(list(owners)), source.is_open, columns.next_at <= now
        )
        mark = (
            sa.update(source.table)
            .where(columns.id.in_(due.with_for_update(skip_locked=True).scalar_subquery()))
            .values(handed=columns.handed + 1, next_at=until)
            .returning(columns.id, columns.handed)
        )
        with self._engines.write.begin() as connection:
            marked = connection.execute(mark).all()
        crash_point(CrashPoint.RELAY_MARKED)
        for position, row in enumerate(marked):
            try:
                self._give(kind, row.id, row.handed, owners[row.id])
            except Exception:
                since = {row.id: row.next_at for row in chosen}
                self._unmark(source, marked[position:], until, since)
                raise
            crash_point(CrashPoint.RELAY_SOME_ENQUEUED)
        if marked:
            self._refused = None

    def _give(self, kind: str, key: str, number: int, owner: str) -> None:
        piece = piece_name(key, number)
        self._shares.add(piece, kind=kind, owner=owner)
        try:
            with self._asking_engine():
                self._enqueue(kind, key, number)
        except BaseException:
            self._shares.end(piece)
            raise

    def _unmark(
        self,
        source: WorkSource,
        marked: Sequence[sa.Row[tuple[Any, ...]]],
        until: datetime,
        since: Mapping[str, datetime],
    ) -> None:
        """Make rows as they were before the mark, if nobody has changed them meanwhile.

        Due since when they were, or nobody could see how late they are. Under the same number: the
        engine may have taken what it did not answer, and the same piece again starts only once.
        """
        columns = source.table.c
        with self._engines.write.begin() as connection:
            for row in marked:
                is_ours = (columns.handed == row.handed, columns.next_at == until, source.is_open)
                connection.execute(
                    sa.update(source.table)
                    .where(columns.id == row.id, *is_ours)
                    .values(handed=row.handed - 1, next_at=since[row.id])
                )

    @contextmanager
    def _asking_engine(self) -> Iterator[None]:
        """Remember since when the engine fails; our own database tells that of itself."""
        try:
            yield
        except Exception:
            now = self._monotonic()
            first, last = self._refused or (now, now)
            self._refused = (first if now - last <= _PAST else now, now)
            raise
