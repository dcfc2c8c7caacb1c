"""A disk without room for SQLite's log: the kernel says so of every write, until it is mended."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from mpm_host.database.engines import Engines

__all__ = ["full_disk"]

_FULL = "/dev/full"  # whatever is written there fails with ENOSPC, and it reads as zeros
_SECONDS_TO_EMPTY_IT = 10.0


@contextlib.contextmanager
def full_disk(engines: Engines) -> Iterator[None]:
    """Let the log of an SQLite file that this process has open be on a full disk; Linux only.

    SQLite writes each commit to its log first. The log's handles are exchanged for the device that
    has no room, those of connections that are opened meanwhile, too.

    Args:
        engines: of the file.

    Raises:
        LookupError: the database is in no file.
        TimeoutError: the log is never empty, and what it holds could not be read meanwhile.
    """
    name = engines.write.url.database
    if name is None:
        raise LookupError("The database is in no file.")
    log = os.path.realpath(f"{name}-wal")

    lock, full = threading.Lock(), threading.Event()
    full.set()

    def fill(*_given: object) -> None:
        with lock:
            if full.is_set():  # a connection may be opened just while the block ends
                _exchange(log, _FULL)

    both = (engines.write, engines.read)
    with _nobody_writes(name, log):
        for engine in both:
            sa.event.listen(engine, "connect", fill)
        fill()
    try:
        yield
    finally:
        for engine in both:
            sa.event.remove(engine, "connect", fill)
        with lock:
            full.clear()
            _exchange(_FULL, log)


@contextlib.contextmanager
def _nobody_writes(name: str, log: str) -> Iterator[None]:
    """Empty the log into the file, and keep everybody from writing until the block ends."""
    until = time.monotonic() + _SECONDS_TO_EMPTY_IT
    with contextlib.closing(sqlite3.connect(name, isolation_level=None)) as own:
        while True:
            own.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            own.execute("BEGIN IMMEDIATE")
            if Path(log).stat().st_size == 0:
                break
            own.execute("ROLLBACK")
            if time.monotonic() > until:
                raise TimeoutError("The log of the SQLite file is never empty.")
        yield
        own.execute("ROLLBACK")


def _exchange(old: str, new: str) -> None:
    """Let this process's handles of one file be of another."""
    handles = [int(each.name) for each in Path("/proc/self/fd").iterdir() if _target(each) == old]
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for each in handles:
        os.dup2(handle, each, inheritable=False)
    os.close(handle)


def _target(handle: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
        return str(handle.readlink())
    return None
