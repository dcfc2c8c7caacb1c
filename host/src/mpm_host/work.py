"""Background work: the only module that knows the job engine (dbos).

Our rows decide what is true and when it is due (`next_at`); the engine decides which process does
it, and how many things at once. A relay hands due rows over in batches under an id made of the row
and the number of the hand-over, so each hand-over starts once. What makes no progress is due again
after a while and is handed over under the next number: the sweep and the relay are one query.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine

from mpm_host.clock import Clock
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.engines import Engines, close_for_good, limit_waiting
from mpm_host.database.patience import SERVING
from mpm_host.work_in_hand import WorkInHand
from mpm_host.work_pace import WorkPace
from mpm_host.work_sources import SOURCES, WorkSource, any_due

if TYPE_CHECKING:
    from dbos import DBOSClient

__all__ = ["Work", "WorkLimits", "work_database_url"]

_LOG = structlog.get_logger(__name__)
_WORKFLOW = "mpm_carry_out"
_APPLICATION = "mpm"
_RELAY_SILENCE = 30.0  # seconds after which something is wrong with it
_LAST_WORDS = 5.0  # seconds for what was given up to be written down
_ENGINE_VERSION = "1"  # fixed: work handed over by one release is done by the next


@attrs.frozen(kw_only=True)
class WorkLimits:
    """How eager the workers are.

    Attributes:
        concurrency: pieces of work of one kind at the same time in this process.
        poll: seconds between two looks of the relay when nobody wakes it.
        engine_poll: seconds between two looks of the engine at its queues while there is work.
        rest: the same, while there was none for a while; what this process hands over ends it.
        busy: seconds for which one piece of work keeps the engine looking often.
        patience: after which work that was handed over but made no progress is handed over again.
        batch: rows of one hand-over.
        keep_finished: how long the engine's own records of finished work are kept.
        drain: seconds that work in hand may take to end when the process is to end.
    """

    concurrency: int = 32
    poll: float = 0.5
    engine_poll: float = 0.05
    rest: float = 10.0
    busy: float = 15.0
    patience: timedelta = timedelta(minutes=2)
    batch: int = 200
    keep_finished: timedelta = timedelta(hours=1)
    drain: float = 20.0


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
        self._slots = {kind: threading.BoundedSemaphore(limits.concurrency) for kind in SOURCES}
        self._in_hand = WorkInHand()
        self._drain_until = 0.0
        self._relay_seen = time.monotonic()
        self._engines = engines
        self._clock = clock
        self._handlers = handlers
        self._limits = limits
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._relay = threading.Thread(target=self._run_relay, name="relay", daemon=True)
        self._pace = WorkPace(rest=limits.rest, busy=limits.busy)
        self._engine: Engine | None = None
        self._client: DBOSClient | None = None

    def start(self) -> None:
        """Start the engine and the relay; not inside a running event loop."""
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
            self._carry_out(kind, key)

        DBOS.launch()
        for queue in SOURCES:
            DBOS.register_queue(
                queue,
                worker_concurrency=self._limits.concurrency,
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
        self._relay.start()

    def wake(self) -> None:
        """Look for due work now instead of at the next poll."""
        self._woken.set()

    def problem(self) -> str:
        """Say why due work is not carried out by this process; nothing if it is."""
        if not self._relay.is_alive():
            return "the relay has stopped"
        silent = time.monotonic() - self._relay_seen
        return f"the relay is stuck since {silent:.0f} s" if silent > _RELAY_SILENCE else ""

    def begin_stop(self) -> None:
        """Begin nothing new from now on; returns at once."""
        if not self._stopping.is_set():
            self._drain_until = time.monotonic() + self._limits.drain
        self._stopping.set()
        self._in_hand.close()
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing new and let what is in hand end; what cannot is found by the next process.

        Takes as long as the limits' `drain`, counted from `begin_stop`, and a few seconds more.
        """
        from dbos import DBOS  # noqa: PLC0415 - as above

        self.begin_stop()
        if self._relay.is_alive():
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

    def _carry_out(self, kind: str, key: str) -> None:
        """Do one piece of work; run again, it finds the row as the first run left it.

        A failure is ours to handle, not the engine's: the row is due again after the patience.
        """
        crash_point(CrashPoint.WORK_TAKEN)
        with self._slots[kind], self._in_hand.take() as may_begin:
            self._do(kind, key) if may_begin else self._put_back(kind, key)
        self._pace.hurry()  # there may be more, which waited until this one had ended

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

    def _run_relay(self) -> None:
        cleaned_at = self._clock()
        while not self._stopping.is_set():
            self._woken.wait(self._limits.poll)
            self._woken.clear()
            self._relay_seen = time.monotonic()
            try:
                while self._hand_over() and not self._stopping.is_set():
                    pass
                if self._clock() - cleaned_at > self._limits.keep_finished:
                    cleaned_at = self._clock()
                    self._forget_finished()
            except Exception as error:  # noqa: BLE001 - the engine has errors of its own; work must go on
                _LOG.error("relay_failed", error=type(error).__name__)

    def _hand_over(self) -> bool:
        """Hand over one batch of each kind that has due rows; tell whether there may be more."""
        with self._engines.read.connect() as connection:
            due = [row.kind for row in connection.execute(any_due(self._clock()))]
        full = [self._hand_over_kind(kind, SOURCES[kind]) for kind in due]
        if due:  # whoever marked it: what is too much for one process is there for the others
            self._pace.hurry()
        return any(full)

    def _hand_over_kind(self, kind: str, source: WorkSource) -> bool:
        """Mark a batch of due rows as handed over, then give them to the engine.

        Marked first: a crash in between only costs the patience, after which they are due again.
        """
        columns = source.table.c
        now = self._clock()
        due = sa.select(columns.id).where(source.is_open, columns.next_at <= now)
        batch = due.order_by(columns.next_at).limit(self._limits.batch)
        mark = (
            sa.update(source.table)
            .where(columns.id.in_(batch.with_for_update(skip_locked=True).scalar_subquery()))
            .values(handed=columns.handed + 1, next_at=now + self._limits.patience)
            .returning(columns.id, columns.handed)
        )
        with self._engines.write.begin() as connection:
            rows = connection.execute(mark).all()
        crash_point(CrashPoint.RELAY_MARKED)
        for row in rows:
            self._enqueue(kind, row.id, row.handed)
            crash_point(CrashPoint.RELAY_SOME_ENQUEUED)
        return len(rows) == self._limits.batch

    def _enqueue(self, kind: str, key: str, number: int) -> None:
        """Give one hand-over to the engine; the same id again is silently the same work."""
        if self._client is None:
            raise RuntimeError("The work engine was not started.")
        self._client.enqueue(
            {
                "workflow_name": _WORKFLOW,
                "queue_name": kind,
                "workflow_id": f"{key}:{number}",
                "app_version": _ENGINE_VERSION,
            },
            kind,
            key,
        )

    def _forget_finished(self) -> None:
        """Delete the engine's records of work that ended a while ago."""
        if self._client is None:
            return
        before = (self._clock() - self._limits.keep_finished).isoformat()
        finished = self._client.list_workflows(
            status=["SUCCESS", "ERROR"], end_time=before, limit=1000, load_input=False,
            load_output=False,
        )  # fmt: skip
        self._client.delete_workflows([workflow.workflow_id for workflow in finished])


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
