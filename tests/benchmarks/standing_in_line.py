"""How long a call waits for SQLite's write lock beside many workers: in line, or SQLite's own way.

Left to itself, who waits sleeps and looks again; see `mpm_host.database.queued_connection`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from mpm_host.database.engines import open_engines
from mpm_host.database.patience import SERVING, have_patience
from tests.benchmarks.figures import Figure

__all__ = ["standing_in_line_figure"]

Write = Callable[[], None]  # one transaction
_WORKERS = 32
_CALLS = 10
_PAUSE = 0.01  # seconds between two calls
_PATIENCE = 30.0
_INSERT = "INSERT INTO line VALUES ('x')"


def standing_in_line_figure() -> Figure:
    """Compare what the slowest of ten calls takes beside workers that write all the time."""
    with tempfile.TemporaryDirectory(prefix="mpm-bench-") as folder:
        path = Path(folder) / "line.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # the file remembers it
            connection.execute("CREATE TABLE line (name TEXT)")
        ours = _slowest(_in_line, path)
        own = _slowest(_sqlites_own_way, path)
    return Figure(
        name=f"a call's wait for the write lock beside {_WORKERS} writers against SQLite's own way",
        value=ours / own,
        target=0.1,
        at_most=True,
        note=f"slowest of {_CALLS} {ours * 1000:.0f} ms against {own * 1000:.0f} ms",
        command="python -m tests.benchmarks --only line",
    )


def _slowest(way: Callable[[Path], AbstractContextManager[Write]], path: Path) -> float:
    is_over = threading.Event()

    with way(path) as write, ThreadPoolExecutor(_WORKERS) as workers:

        def work() -> None:
            while not is_over.is_set():
                write()

        for _ in range(_WORKERS):
            workers.submit(work)
        try:
            with ThreadPoolExecutor(1) as caller:
                seconds = caller.submit(_call, write).result()
        finally:
            is_over.set()
    return max(seconds)


def _call(write: Write) -> list[float]:
    have_patience(_PATIENCE)  # as the desk has: who answers a telecom goes first
    seconds = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        write()
        seconds.append(time.perf_counter() - began)
        time.sleep(_PAUSE)
    return seconds


@contextlib.contextmanager
def _in_line(path: Path) -> Iterator[Write]:
    engines = open_engines(f"sqlite:///{path}", SERVING)

    def write() -> None:
        with engines.write.begin() as connection:
            connection.exec_driver_sql(_INSERT)

    try:
        yield write
    finally:
        engines.dispose()


@contextlib.contextmanager
def _sqlites_own_way(path: Path) -> Iterator[Write]:
    own = threading.local()

    def write() -> None:
        if not hasattr(own, "connection"):
            own.connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            own.connection.execute("PRAGMA synchronous=FULL")
        for said in ("BEGIN IMMEDIATE", _INSERT, "COMMIT"):
            own.connection.execute(said)

    yield write
