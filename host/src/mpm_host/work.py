"""Background work: the only module that knows the job engine (dbos).

Our rows decide what is true and when it is due (`next_at`); the engine decides which process does
it, and how many things at once. A relay hands due rows over, of each owner its share, under an id
made of the row and the number of the hand-over, so each hand-over starts once. What makes no
progress is due again after a while and is handed over under the next number: the sweep and the
relay are one query.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine

from mpm_core.errors import UserError
from mpm_host.clock import Clock
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.engines import Engines, close_for_good, limit_waiting
from mpm_host.database.outages import outage_code
from mpm_host.database.patience import SERVING
from mpm_host.work_in_hand import WorkInHand
from mpm_host.work_limits import WorkLimits
from mpm_host.work_pace import WorkPace
from mpm_host.work_relay import Relay, piece_name
from mpm_host.work_shares import WorkShares
from mpm_host.work_sources import SOURCES

if TYPE_CHECKING:
    from dbos import DBOSClient

__all__ = ["Work", "WorkLimits", "work_database_url"]

_LOG = structlog.get_logger(__name__)
_WORKFLOW = "mpm_carry_out"
_APPLICATION = "mpm"
_LAST_WORDS = 5.0  # seconds for what was given up to be written down
_ENDED = ["SUCCESS", "ERROR"]
_OPEN = ["ENQUEUED", "PENDING", "DELAYED"]
_ENGINE_VERSION = "1"  # fixed: work handed over by one release is done by the next


def work_database_url(url: sa.URL) -> sa.URL:
    """Return where the engine keeps its own tables.

    On PostgreSQL the same database, in a schema of its own. On SQLite a file beside ours, so that
    its polling never waits for our write lock; losing that file loses nothing.
    """
    if url.get_backend_name() != "sqlite" or not url.database:
        return url
    return url.set(database=f"{url.database}.work")


class Work:
    """The relay and the engine of one process.

    Args:
        engines: of the database our rows are in.
        clock: decides what is due.
        handlers: what to do with a row's id, by kind of work: `orders`, `messages`,
            `devices`, `switches`.
        limits: of eagerness.
        give_up: called when the work in hand does not end in time; it must make it end soon.
    """

    def __init__(
        self,
        *,
        engines: Engines,
        clock: Clock,
        handlers: Mapping[str, Callable[[str], None]],
        limits: WorkLimits,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._give_up = give_up
        self._executor_id = _executor_id()
        # The engine's own limits are shared by all processes and late at start: these are not.
        self._slots = {kind: threading.BoundedSemaphore(limits.slots) for kind in SOURCES}
        self._in_hand = WorkInHand()
        self._drain_until = 0.0
        self._tidy_at = 0.0
        self._engines = engines
        self._clock = clock
        self._handlers = handlers
        self._limits = limits
        self._stopping = threading.Event()
        self._pace = WorkPace(rest=limits.rest, busy=limits.busy)
        self._shares = WorkShares(limits.slots)
        self._relay = Relay(
            engines=engines,
            clock=clock,
            limits=limits,
            shares=self._shares,
            enqueue=self._enqueue,
            still_open=self._still_open,
            hurry=self._pace.hurry,
            tidy=self._tidy,
        )
        self._engine: Engine | None = None
        self._client: DBOSClient | None = None

    def start(self) -> None:
        """Start the engine and the relay.

        Raises:
            RuntimeError: an event loop runs in this thread; the engine would refuse halfway.
            UserError: the engine's file is damaged.
        """
        _refuse_event_loop()
        with _file_named(work_database_url(self._engines.write.url)):
            self._start_engine()
        self._relay.start()

    def _start_engine(self) -> None:
        from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer  # noqa: PLC0415 - 1 s of import

        serializer = DBOSPortableJSONSerializer()
        self._engine = _open_engine(work_database_url(self._engines.write.url))
        engine = DBOS(
            config={
                "name": _APPLICATION,
                "system_database_engine": self._engine,
                "application_version": _ENGINE_VERSION,
                "executor_id": self._executor_id,
                "serializer": serializer,
                "log_level": "CRITICAL",  # its tracebacks may repeat what our rows hold
            }
        )

        @DBOS.workflow(name=_WORKFLOW)  # named, because the name is stored with the work
        def carry_out(kind: str, key: str) -> None:
            self._carry_out(kind, key, DBOS.workflow_id or "")

        DBOS.launch()
        for queue in SOURCES:
            DBOS.register_queue(
                queue,
                worker_concurrency=self._limits.slots,
                polling_interval_sec=self._limits.engine_poll,
                on_conflict="always_update",
            )
        self._pace.govern((
            *engine.background_thread_stop_events,
            engine._background_jobs_stop_event,  # noqa: SLF001 - else it looks every second for ever
        ))  # fmt: skip
        self._client = DBOSClient(
            system_database_engine=self._engine,
            application_name=_APPLICATION,
            serializer=serializer,
        )

    def wake(self) -> None:
        """Look for due work now instead of at the next poll."""
        self._relay.wake()

    def problem(self) -> str:
        """Say why due work is not carried out by this process; nothing if it is."""
        return self._relay.problem()

    def begin_stop(self) -> None:
        """Begin nothing new from now on; returns at once."""
        if not self._stopping.is_set():
            self._drain_until = time.monotonic() + self._limits.drain
        self._stopping.set()
        self._in_hand.close()
        self._relay.begin_stop()

    def stop(self) -> None:
        """Begin nothing new and let what is in hand end; what cannot is found by the next process.

        Takes as long as the limits' `drain`, counted from `begin_stop`, and a few seconds more.
        """
        from dbos import DBOS  # noqa: PLC0415 - as above

        self.begin_stop()
        self._relay.join(self._limits.drain)
        if not self._in_hand.wait(self._drain_until - time.monotonic()):
            _LOG.warning("work_given_up")
            self._give_up()
            self._in_hand.wait(_LAST_WORDS)
        self._pace.end()
        DBOS.destroy(destroy_registry=True)
        if self._client is not None:
            self._release_claimed(self._client)
            self._client.destroy()
        if self._engine is not None:
            close_for_good(self._engine)  # threads the engine does not wait for may still have some

    def _release_claimed(self, client: DBOSClient) -> None:
        """Let others have at once what the engine had claimed for this process and not ended.

        The engine keeps it for a process of the same name, which never comes.
        """
        try:
            claimed = client.list_workflows(
                status=["PENDING"], executor_id=self._executor_id, load_input=False,
                load_output=False,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - the engine has errors of its own; the patience remains
            _LOG.warning("claimed_unread", error=type(error).__name__)
            return
        for workflow in claimed:
            kind = workflow.queue_name
            if kind is not None and kind in SOURCES:
                self._put_back(kind, workflow.workflow_id.rpartition(":")[0])

    def _carry_out(self, kind: str, key: str, piece: str) -> None:
        """Do one piece of work; run again, it finds the row as the first run left it.

        A failure is ours to handle, not the engine's: the row is due again after the patience.
        """
        crash_point(CrashPoint.WORK_TAKEN)
        self._shares.begin(piece)
        try:
            with self._slots[kind], self._in_hand.take() as may_begin:
                self._do(kind, key) if may_begin else self._put_back(kind, key)
        finally:
            if self._shares.end(piece):
                self._relay.note_room()  # something may have waited until this one had ended
        self._pace.hurry()

    def _do(self, kind: str, key: str) -> None:
        try:
            self._handlers[kind](key)
        except Exception as error:  # noqa: BLE001 - whatever failed, the other work must go on
            # Only the kind of error: a database error's text repeats phone numbers.
            _LOG.error("work_failed", kind=kind, key=key, error=type(error).__name__)

    def _put_back(self, kind: str, key: str) -> None:
        """Let another process have a piece now that came while this one ends."""
        source = SOURCES[kind]
        try:
            with self._engines.write.begin() as connection:
                connection.execute(
                    sa.update(source.table)
                    .where(source.table.c.id == key, source.is_open)
                    .values(next_at=self._clock())
                )
        except sa.exc.SQLAlchemyError as error:
            _LOG.warning("put_back_failed", kind=kind, key=key, error=type(error).__name__)

    def _enqueue(self, kind: str, key: str, number: int) -> None:
        """Give one hand-over to the engine; the same id again is silently the same work."""
        if self._client is None:
            raise RuntimeError("The work engine was not started.")
        self._client.enqueue(
            {
                "workflow_name": _WORKFLOW,
                "queue_name": kind,
                "workflow_id": piece_name(key, number),
                "app_version": _ENGINE_VERSION,
            },
            kind,
            key,
        )

    def _still_open(self, pieces: Sequence[str]) -> Collection[str]:
        """Ask the engine which of these pieces have not ended in any process."""
        if self._client is None:
            return pieces
        found = self._client.list_workflows(
            workflow_ids=list(pieces), status=_OPEN, load_input=False, load_output=False
        )
        return [workflow.workflow_id for workflow in found]

    def _tidy(self) -> None:
        """Delete one page of the engine's records now and then, and the next at the next look."""
        if time.monotonic() >= self._tidy_at and not self._forget_page():
            self._tidy_at = time.monotonic() + self._limits.keep_finished.total_seconds()

    def _forget_page(self) -> bool:
        """Delete the engine's records of what ended, or of what nobody ends; tell if it was a page.

        What is deleted unfinished was begun by a process that is gone, or queued and forgotten: its
        row has long been due again under another number, if there is anything left to do.
        """
        if self._client is None:
            return False
        now, limits = datetime.now(UTC), self._limits  # the engine's time, not our clock's
        forgotten = 0
        for status, keep in ((_ENDED, limits.keep_finished), (None, limits.keep_unfinished)):
            old = self._client.list_workflows(
                status=status, end_time=(now - keep).isoformat(), limit=limits.forget_page,
                load_input=False, load_output=False,
            )  # fmt: skip
            self._client.delete_workflows([workflow.workflow_id for workflow in old])
            forgotten = max(forgotten, len(old))
        return forgotten >= limits.forget_page


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "Background work cannot be started in a running event loop; start it with "
        "asyncio.to_thread."
    )


@contextmanager
def _file_named(url: sa.URL) -> Iterator[None]:
    """Name the engine's file if it is damaged, or people would look after their database."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        if url.get_backend_name() != "sqlite" or outage_code(error) != "database_damaged":
            raise
        raise UserError(
            f"{url.database} is damaged ({error.orig}); remove it, and {url.database}-wal and "
            f"{url.database}-shm if they are there: it is the job engine's, and losing it loses "
            "nothing."
        ) from None


def _executor_id() -> str:
    """Return a name no other process ever has.

    The engine would run the pending work of a namesake again; ours is found by its row instead.
    """
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def _open_engine(url: sa.URL) -> Engine:
    engine = sa.create_engine(url)
    limit_waiting(engine, SERVING)
    if url.get_backend_name() == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: object, _record: object) -> None:
            connection.isolation_level = "IMMEDIATE"  # type: ignore[attr-defined]  # sqlite3's
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000"):
                connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # sqlite3's

    return engine
