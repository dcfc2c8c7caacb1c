"""A desk on a database with customers, for the benchmarks of the payment path."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import structlog

from mpm_core import InboundCall
from mpm_host.database.engines import open_engines
from mpm_host.database.upgrade import upgrade
from mpm_host.encryption import new_key
from tests.concurrency.desks import SECRET, Desk, Said, opened_desk
from tests.support.config_text import config_text
from tests.support.postgres import PostgresServer
from tests.support.restartable_postgres import restartable_postgres
from tests.support.seeding import register_meters

__all__ = ["CUSTOMERS", "Stage", "both_databases", "database_server", "meter", "stage"]

CUSTOMERS = 2000
# As operators are told to (docs/integrators/index.md): PostgreSQL's own 128 MB do not hold the
# pages of the indexes that a few thousand payers touch.
_MEMORY = "shared_buffers=2GB"
_FIRST_SERIAL = 47_000_200_000


def meter(number: int) -> str:
    """Return the serial of a customer's meter."""
    return str(_FIRST_SERIAL + number % CUSTOMERS)


@attrs.frozen(kw_only=True)
class Stage:
    """A desk and its database."""

    desk: Desk
    url: str
    text: str
    folder: Path

    def accept(self, prefix: str, count: int, *, callers: int, customers: int = CUSTOMERS) -> float:
        """Let so many callers say that so many payments were made; return payments per second."""
        calls = [
            Said(reference=f"{prefix}{n}", serial=meter(n * 7 % customers), amount="1000").call()
            for n in range(count)
        ]
        return count / self._answer(calls, callers)

    def _answer(self, calls: Sequence[InboundCall], callers: int) -> float:
        instances = self.desk.host.house.directory.instances.values()
        airtel = next(record for record in instances if record.name == "airtel")
        desk = self.desk.services.desk

        async def call_one_after_the_other(share: Sequence[InboundCall]) -> None:
            for call in share:
                reply = await desk.answer(airtel, call, "bench")
                if b"<STATUS>200</STATUS>" not in reply.body:
                    raise RuntimeError(f"A payment was refused: {reply.body!r}")

        async def all_callers() -> float:
            began = time.perf_counter()
            await asyncio.gather(
                *(call_one_after_the_other(calls[n::callers]) for n in range(callers))
            )
            return time.perf_counter() - began

        return asyncio.run(all_callers())


@contextlib.contextmanager
def stage(url: str) -> Iterator[Stage]:
    """Open a desk with customers on an empty database."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    engines = open_engines(url)
    upgrade(engines.write)
    engines.dispose()
    text = config_text(
        database=url,
        secret_key=new_key(),
        instances={
            "airtel": {"jwt_secret": SECRET},
            "calin": {"api_url": "http://127.0.0.1:9/api", "user_id": "1", "api_key": "k"},
        },
    )
    folder = Path(tempfile.mkdtemp(prefix="mpm-bench-"))
    try:
        with opened_desk(text, folder) as desk:
            register_meters(desk.host, "demo", [meter(n) for n in range(CUSTOMERS)])
            yield Stage(desk=desk, url=url, text=text, folder=folder)
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def both_databases() -> Iterator[dict[str, str]]:
    """Yield the URL of an empty database of each kind."""
    with (
        tempfile.TemporaryDirectory(prefix="mpm-bench-") as folder,
        database_server() as server,
        server.database() as url,
    ):
        yield {"SQLite": f"sqlite:///{folder}/mpm.db", "PostgreSQL": url}


@contextlib.contextmanager
def database_server() -> Iterator[PostgresServer]:
    """Start a PostgreSQL that is as durable as in earnest."""
    with restartable_postgres(_MEMORY) as made:
        yield made.server
