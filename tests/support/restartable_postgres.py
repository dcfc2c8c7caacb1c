"""A PostgreSQL of its own for a test that stops it the hard way: durable, unlike the shared one."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.support.postgres import (
    PostgresServer,
    _binaries,
    _die_with_parent,
    _other_account,
    _run,
)

__all__ = ["RestartablePostgres", "restartable_postgres"]

# What a production server has: a commit that was answered survives whatever is done to it.
_SETTINGS = ("max_connections=300", "timezone=UTC", "listen_addresses=")
_START_SECONDS = 30.0


@attrs.define(kw_only=True)
class RestartablePostgres:
    """One server that a test starts and stops."""

    binaries: Path
    data: Path
    account: Mapping[str, Any]
    settings: Sequence[str] = _SETTINGS
    _process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> PostgresServer:
        """The server as other tests know it."""
        return PostgresServer(socket_folder=self.data)

    def start(self) -> None:
        """Start it and wait until it takes connections; after a hard stop it recovers first."""
        options = [part for setting in self.settings for part in ("-c", setting)]
        self._process = subprocess.Popen(
            [self.binaries / "postgres", "-D", self.data, "-k", self.data, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - nothing else stops it when pytest is killed
            **self.account,
        )
        until = time.monotonic() + _START_SECONDS
        while not self.server.is_ready():
            if time.monotonic() > until:
                raise TimeoutError("PostgreSQL did not start.")
            time.sleep(0.02)

    def stop_immediately(self) -> None:
        """Stop without a checkpoint or a word to anybody, as `pg_ctl stop -m immediate` does."""
        self._stop(signal.SIGQUIT)

    def freeze(self) -> None:
        """Let the server hang: connections stay open and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def limit_files(self, size: int) -> None:
        """Let every write beyond so many bytes of a file fail, as on a full disk."""
        processes = self._processes()

        def limit() -> None:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        # only who has the server's account may, not even root
        subprocess.run(["true"], check=True, preexec_fn=limit, **self.account)

    def close(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self.thaw()
            self._stop(signal.SIGINT)

    def _stop(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(30)
        self._process = None
        for leftover in self.data.glob(".s.PGSQL.*"):
            leftover.unlink()

    def _signal_all(self, what: signal.Signals) -> None:
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(process, what)

    def _processes(self) -> tuple[int, ...]:
        """Return the server and all the processes it has started."""
        if self._process is None:
            return ()
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return (main, *map(int, children))


@contextlib.contextmanager
def restartable_postgres(*settings: str) -> Iterator[RestartablePostgres]:
    """Make a server and start it, with further settings; it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mpm-pg-", dir="/tmp"))
    try:
        data = folder / "d"
        data.mkdir()
        account = _other_account(folder, data)
        binaries = _binaries(folder, account)
        _run(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-sync", **account)  # fmt: skip
        made = RestartablePostgres(
            binaries=binaries, data=data, account=account, settings=(*_SETTINGS, *settings)
        )
        try:
            made.start()
            yield made
        finally:
            made.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
