"""Real processes on a database, a manufacturer that can be made to hold its answers, and meters."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa

from mpm_calin.simulator import CalinSimulator
from mpm_core import SimulatedReply, SimulatedRequest, Simulator
from mpm_core.simulation.server import serve
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.host import Host
from tests.concurrency.desks import SECRET, Said, opened_desk
from tests.support.config_text import config_text
from tests.support.seeding import register_meters

__all__ = ["Stage", "staged", "wait_until"]

_HOLD_SECONDS = 120.0


class HoldingMaker:
    """A manufacturer that mints at once and answers when it may; counts who waits for it."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._changed = threading.Condition()
        self._may_answer = 10**9
        self.waiting = 0
        self.most = 0

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        reply = self._simulator.handle(request)
        with self._changed:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
            self._changed.wait_for(lambda: self._may_answer > 0, timeout=_HOLD_SECONDS)
            self._may_answer -= 1
            self.waiting -= 1
        return reply

    def hold(self) -> None:
        """Answer nobody."""
        with self._changed:
            self._may_answer = 0

    def let_go(self, number: int = 10**9) -> None:
        """Answer so many of those who wait or come."""
        with self._changed:
            self._may_answer += number
            self._changed.notify_all()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)


@attrs.frozen(kw_only=True)
class Stage:
    """Everything around the processes."""

    folder: Path
    text: str
    maker: HoldingMaker
    meters: Sequence[str]

    def book(self, references: Sequence[str]) -> None:
        """Accept payments in this process, one for each meter in turn; nobody carries them out."""
        calls = [
            Said(reference=reference, serial=self.meters[n % len(self.meters)], amount="100")
            for n, reference in enumerate(references)
        ]
        with opened_desk(self.text, self.folder) as desk:
            assert {status for _, (status, _) in desk.answer_all(calls)} == {200}

    @contextlib.contextmanager
    def opened(self) -> Iterator[Host]:
        """Open the installation to look at it."""
        with opened_desk(self.text, self.folder) as desk:
            yield desk.host

    @contextlib.contextmanager
    def started(self, name: str, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command of `mpm` with its log in a file of that name; it is gone afterwards."""
        config = self.folder / "mpm.toml"
        config.write_text(self.text)
        config.chmod(0o600)
        whole = [sys.executable, "-m", "mpm_host", "--config", str(config), *command]
        with (
            (self.folder / name).open("wb") as log,
            subprocess.Popen(whole, stdout=log, stderr=log, env=os.environ) as process,
        ):
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def log(self, name: str) -> str:
        """Return what a command wrote."""
        return (self.folder / name).read_text()

    def orders(self, host: Host) -> Counter[str]:
        """Count the orders by status."""
        query = sa.select(t.orders.c.status, sa.func.count()).group_by(t.orders.c.status)
        with host.engines.read.connect() as connection:
            return Counter({row[0]: row[1] for row in connection.execute(query)})


@contextlib.contextmanager
def staged(
    folder: Path, database: str, *, meters: int, concurrency: int = 200, host_lines: str = ""
) -> Iterator[Stage]:
    """Serve the manufacturer and register meters in a company on the database."""
    maker = HoldingMaker(CalinSimulator())
    serials = [f"470004{number:05d}" for number in range(meters)]
    with serve({"calin": maker}) as simulation:
        settings = dict(maker.settings(simulation.base_url("calin")))
        text = config_text(
            database=database,
            secret_key=new_key(),
            instances={
                "airtel": {"jwt_secret": SECRET},
                "calin": {**settings, "concurrency": concurrency},
            },
        ).replace("[host]", f"[host]\n{host_lines}", 1)
        stage = Stage(folder=folder, text=text, maker=maker, meters=serials)
        for serial in serials:
            maker.knows(serial)
        with opened_desk(text, folder) as desk:
            register_meters(desk.host, "demo", serials)
        try:
            yield stage
        finally:
            maker.let_go()


def wait_until(happened: Callable[[], bool], *, seconds: float, what: str = "it") -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not happen in time.
    """
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.05)
