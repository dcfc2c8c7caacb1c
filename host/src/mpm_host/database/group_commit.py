"""Group commit: many callers share one transaction, and each is answered only after its COMMIT.

One writer thread takes what waits, runs the work over the whole batch in one transaction and
commits once. If the batch raises it is rolled back and every item is replayed alone, so one bad
item fails alone. The writer lingers for company only when the last batch had company: a single
caller never waits.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.patience import have_patience

__all__ = ["ClosingError", "GroupCommit", "TooManyWaitingError", "is_unreachable"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_BATCH_LIMIT = 64
_LINGER_SECONDS = 0.001
_REPLAYS = 5  # of one item alone: deadlocks and unique-key races end by then
_REPLAY_PAUSE = 0.01  # seconds, doubled each time
_GONE_SIGNS = (
    "unable to open database",
    "disk is full",
    "disk i/o error",
    "readonly database",
    "connection refused",
    "connection is closed",
    "could not connect",
    "no such file or directory",
    "server closed the connection",
    "the database system is",  # shutting down, starting up, in recovery mode
    "no space left",
    "read-only transaction",
    "timeout expired",  # of a new connection
    "did not answer within",  # of one that hangs
    "database is locked",  # SQLite, after all the patience there is
)
_GAVE_UP = {"55P03", "57014"}  # PostgreSQL: no lock in time, statement took too long
_LATELY_SECONDS = 2.0
_MOST_WAITING = 10_000  # items; a database that is gone for long must not fill the memory
_LAST_SECONDS = 5.0  # for what waits when the process ends


class TooManyWaitingError(Exception):
    """So many items wait already that a new one would only be answered far too late."""


class ClosingError(Exception):
    """The process ended before an item's turn came; nothing was stored of it."""


class GroupCommit(Generic[Item, Result]):
    """One writer thread over one engine.

    Args:
        engine: transactions are begun on it.
        work: called with a connection and the items; returns one result per item, in order. It may
            be called again with the same items, so it must find what an earlier try has stored.
        name: of the thread, for people who look at stack dumps.
        patience: seconds to wait for one answer of the database.
        linger: seconds to wait for company after a batch that had some.
    """

    def __init__(
        self,
        engine: Engine,
        work: Callable[[Connection, Sequence[Item]], Sequence[Result]],
        *,
        name: str,
        patience: float = 4.0,
        linger: float = _LINGER_SECONDS,
    ) -> None:
        self._engine = engine
        self._linger = linger
        self._patience = patience
        self._busy_since: float | None = None
        self._succeeded_at: float | None = None
        self._ends_at: float | None = None
        self._work = work
        self._waiting: queue.SimpleQueue[tuple[Item, Future[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> Future[Result]:
        """Queue an item; the future carries its result, or the error it failed with alone.

        Raises:
            TooManyWaitingError: nothing was queued.
        """
        if self._waiting.qsize() >= _MOST_WAITING:
            raise TooManyWaitingError
        future: Future[Result] = Future()
        future.set_running_or_notify_cancel()  # a caller that goes away does not undo a commit
        self._waiting.put((item, future))
        return future

    def close(self, within: float = _LAST_SECONDS) -> None:
        """Finish what was submitted, then stop the thread.

        Args:
            within: seconds; what has not begun by then fails with `ClosingError`, so that a
                database that hangs keeps nobody from ending. Its callers say it again elsewhere.
        """
        self._ends_at = time.monotonic() + within
        self._waiting.put(None)
        self._thread.join()

    def _is_too_late(self) -> bool:
        return self._ends_at is not None and time.monotonic() > self._ends_at

    @property
    def is_alive(self) -> bool:
        """Tell whether somebody takes what is submitted."""
        return self._thread.is_alive()

    def busy_seconds(self) -> float:
        """Return for how long the batch in hand has been in hand; 0 without one."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def succeeded_lately(self) -> bool:
        """Tell whether a transaction was committed within the last seconds."""
        at = self._succeeded_at
        return at is not None and time.monotonic() - at < _LATELY_SECONDS

    def _run(self) -> None:
        have_patience(self._patience)
        had_company = False
        while (first := self._waiting.get()) is not None:
            batch, more = self._gather(first, linger=had_company)
            had_company = len(batch) > 1
            self._busy_since = time.monotonic()
            self._answer(batch)
            self._busy_since = None
            if not more:
                return

    def _gather(
        self, first: tuple[Item, Future[Result]], *, linger: bool
    ) -> tuple[list[tuple[Item, Future[Result]]], bool]:
        batch = [first]
        until = time.monotonic() + self._linger if linger else 0.0
        while len(batch) < _BATCH_LIMIT:
            try:
                rest = until - time.monotonic()
                entry = self._waiting.get(timeout=rest) if rest > 0 else self._waiting.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                return batch, False
            batch.append(entry)
        return batch, True

    def _answer(self, batch: list[tuple[Item, Future[Result]]]) -> None:
        if self._is_too_late():
            _fail(batch, ClosingError())
            return
        try:
            results = self._attempt_again_if_lost([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - what one item caused the others must not share
            if is_unreachable(error):
                _fail(batch, error)
                return
            for item, future in batch:
                self._answer_alone(item, future)
            return
        crash_point(CrashPoint.BATCH_COMMITTED)
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
            crash_point(CrashPoint.BATCH_SOME_TOLD)

    def _attempt_again_if_lost(self, items: Sequence[Item]) -> Sequence[Result]:
        """Try once more when the connection was lost: the COMMIT may or may not have happened.

        The work finds what an earlier try has stored, so the second try tells which.
        """
        try:
            return self._attempt(items)
        except sa.exc.DBAPIError as error:
            if not is_unreachable(error) or self._is_too_late():
                raise
            return self._attempt(items)

    def _answer_alone(self, item: Item, future: Future[Result]) -> None:
        for replay in range(_REPLAYS):
            if self._is_too_late():
                future.set_exception(ClosingError())
                return
            try:
                future.set_result(self._attempt([item])[0])
            except (sa.exc.IntegrityError, sa.exc.OperationalError) as error:
                if replay + 1 == _REPLAYS or _is_hopeless(error):
                    future.set_exception(error)
                    return
                time.sleep(_REPLAY_PAUSE * 2**replay)
            except Exception as error:  # noqa: BLE001 - belongs to this caller, not to the thread
                future.set_exception(error)
                return
            else:
                return

    def _attempt(self, items: Sequence[Item]) -> Sequence[Result]:
        with self._engine.begin() as connection:
            results = self._work(connection, items)
        self._succeeded_at = time.monotonic()
        return results


def is_unreachable(error: BaseException) -> bool:
    """Tell whether the database itself is gone, full or read-only: nothing is gained by replays."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, sa.exc.InterfaceError):
        return True
    text = str(error.orig).lower()
    return any(sign in text for sign in _GONE_SIGNS)


def _is_hopeless(error: sa.exc.DBAPIError) -> bool:
    """Tell whether trying again at once would only keep the others waiting."""
    return is_unreachable(error) or getattr(error.orig, "sqlstate", None) in _GAVE_UP


def _fail(batch: Sequence[tuple[Item, Future[Result]]], error: BaseException) -> None:
    for _, future in batch:
        future.set_exception(error)
