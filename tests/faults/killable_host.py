"""A host in a process of its own, to be killed with `kill -9` and started again.

What runs is what `mpm serve` runs: web server, desk and workers on one database; or one part of a
host that is spread over several processes. It is forked from a server process that has everything
imported, so that a hundred restarts take a minute.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import attrs

from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import Config, ConfigSource
from mpm_host.crash_points import CRASH_VARIABLE, arm
from mpm_host.host import Host
from mpm_host.services import Services
from mpm_host.web.server import bound_socket, run
from mpm_host.work import WorkLimits

__all__ = ["KillableHost", "MovableClock", "Part", "Variant", "process_context", "read_config"]

Variant = Callable[[Services, Host], None]
_START_SECONDS = 60.0
# Everything a host imports late: what a restart need not wait for.
_PRELOADED = (
    "__main__", "tests.faults.killable_host", "tests.faults.attentive_pay", "certifi",
    "dbos._sys_db_sqlite", "defusedxml.ElementTree", "email.policy", "httpcore", "httpx", "iso4217",
    "jwt", "litestar.exceptions.responses", "litestar.middleware.response_cache",
    "litestar.plugins.attrs", "phonenumbers.data.region_TZ", "phonenumbers.tzdata",
    "importlib_metadata._adapters", "packaging.requirements", "uvicorn.lifespan.off",
    "uvicorn.loops.uvloop", "uvicorn.protocols.websockets.auto", "xml.sax", "zipp.glob",
    "mpm_africastalking.plugin", "mpm_airtel.plugin", "mpm_angaza.plugin", "mpm_calin.plugin",
    "mpm_daly.plugin", "mpm_openpaygo.plugin", "mpm_sunking.plugin", "tests.kit.acme_meters",
)  # fmt: skip
# A test takes minutes: what the engine remembers for an hour is to be forgotten within them.
_LIMITS = WorkLimits(poll=0.05, engine_poll=0.1, keep_finished=timedelta(seconds=5))


class Part(StrEnum):
    """What of a host runs in a process."""

    WHOLE = "whole"  # as `mpm serve`
    WEB = "web"  # as `mpm serve --no-workers`
    WORKER = "worker"  # as `mpm worker`


@attrs.frozen(kw_only=True)
class MovableClock:
    """The system's time and an offset that several processes share."""

    offset: Synchronized[float]

    def __call__(self) -> datetime:
        """Return now, aware; without the lock, for whoever holds it may be killed just then."""
        return datetime.now(UTC) + timedelta(seconds=self.offset.get_obj().value)

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        with self.offset.get_lock():
            self.offset.value += by.total_seconds()


def process_context() -> ForkServerContext:
    """Return the context children are started in."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_PRELOADED])
    return context


def read_config(text: str, folder: Path) -> Config:
    """Read a configuration from its text."""
    return parse_config(text, ConfigSource(folder=folder, environ=dict(os.environ)))


@attrs.define(kw_only=True)
class KillableHost:
    """Starts, kills and starts again a host on one port.

    Attributes:
        name: of its log, and of its connections to PostgreSQL.
        part: of a host, that this is; a worker listens nowhere.
        variant: makes a host worse, in the child; the controls are made so.
    """

    config_text: str
    folder: Path
    clock: MovableClock
    port: int
    name: str = "host"
    part: Part = Part.WHOLE
    variant: Variant | None = None
    _is_up: ctypes.c_byte = attrs.field(
        init=False, factory=lambda: process_context().RawValue("b", 0)
    )
    _process: ForkServerProcess | None = attrs.field(init=False, default=None)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, crash_at: str = "") -> None:
        """Fork the process; it listens, or works, a moment later.

        Args:
            crash_at: a crash point it dies at, as `MPM_CRASH_AT` names them.
        """
        self._is_up.value = 0
        life = _Life(
            config_text=self.config_text,
            folder=self.folder,
            clock=self.clock,
            port=self.port,
            name=self.name,
            part=self.part,
            variant=self.variant,
            crash_at=crash_at,
            is_up=self._is_up,
        )
        self._process = process_context().Process(target=life.live, daemon=True)
        self._process.start()

    def wait_until_it_is_up(self) -> None:
        """Wait until it listens on its port, or works if it is a worker.

        Raises:
            RuntimeError: it ended, or was not up in time.
        """
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._process is None or self._process.exitcode is not None:
                raise RuntimeError(f"The {self.name} ended by itself; see {self._log}.")
            if self._is_up.value and (self.part is Part.WORKER or self._listens()):
                return
            time.sleep(0.01)
        raise RuntimeError(f"The {self.name} does not come up; see {self._log}.")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def has_died(self) -> bool:
        """Tell whether it was killed, by itself or from outside.

        Raises:
            RuntimeError: it ended otherwise.
        """
        code = None if self._process is None else self._process.exitcode
        if code not in {None, -signal.SIGKILL}:
            raise RuntimeError(f"The {self.name} ended with {code}; see {self._log}.")
        return code is not None

    def wait_until_it_died(self, seconds: float) -> None:
        """Wait until it killed itself, then forget it.

        Raises:
            TimeoutError: it lives.
        """
        until = time.monotonic() + seconds
        while not self.has_died():
            if time.monotonic() > until:
                raise TimeoutError("The host never came to its crash point.")
            time.sleep(0.01)
        self.kill()

    def kill(self) -> None:
        """Send SIGKILL and wait until it is gone."""
        if self._process is None:
            return
        self._process.kill()
        self._process.join()
        self._process.close()
        self._process = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run until the block ends, then kill it."""
        self.start()
        try:
            self.wait_until_it_is_up()
            yield
        finally:
            self.kill()


@attrs.frozen(kw_only=True)
class _Life:
    """One life of a host, carried out in the child; for the rest see `KillableHost`."""

    config_text: str
    folder: Path
    clock: MovableClock
    port: int
    name: str
    part: Part
    variant: Variant | None
    crash_at: str
    is_up: ctypes.c_byte

    def live(self) -> None:
        """Serve until killed; also when the test is killed."""
        _log_to(self.folder / f"{self.name}.log")
        os.environ["PGAPPNAME"] = self.name
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
        with Host.open(read_config(self.config_text, self.folder), clock=self.clock) as host:
            host.lock_database()
            host.reconcile()
            arm({CRASH_VARIABLE: self.crash_at}, host.config.host.mode)
            services = Services(host, workers=self.part is not Part.WEB, limits=_LIMITS)
            if self.variant is not None:
                self.variant(services, host)
            services.start()
            self.is_up.value = 1
            if self.part is Part.WORKER:
                threading.Event().wait()
            with contextlib.closing(bound_socket("127.0.0.1", self.port)) as listening:
                run(services.application(), listening)


def _log_to(path: Path) -> None:
    from mpm_host.logs import configure_logs  # noqa: PLC0415 - only a child configures logs

    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    configure_logs()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
