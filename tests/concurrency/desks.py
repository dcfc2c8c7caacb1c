"""A payment desk on a database, asked by many threads, in this process or in another one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from mpm_core import InboundCall
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.host import Host
from mpm_host.services import Services
from tests.support.telecom_calls import airtel_headers, airtel_process

__all__ = ["SECRET", "Desk", "Said", "opened_desk", "say_in_another_process"]

SECRET = "an-agreed-secret-" + "s" * 60
_THREADS = 16
_TRIES = 20
_ASK_AGAIN = 503


@attrs.frozen(kw_only=True)
class Said:
    """One process call, as it is said; equal ones are the same call said again."""

    reference: str
    serial: str
    amount: str

    def call(self) -> InboundCall:
        """Return the call, signed."""
        return InboundCall(
            method="POST",
            path="c2b/process",
            headers=airtel_headers(SECRET, self.reference),
            body=airtel_process(self.reference, self.serial, self.amount),
            source="127.0.0.1",
        )


@attrs.frozen(kw_only=True)
class Desk:
    """An opened host without workers."""

    host: Host
    services: Services

    def answer_all(self, calls: Sequence[Said]) -> list[tuple[Said, tuple[int, bytes]]]:
        """Answer many calls from several threads, each with an event loop of its own."""
        with ThreadPoolExecutor(_THREADS) as pool:
            shares = pool.map(self._answer_share, (calls[n::_THREADS] for n in range(_THREADS)))
            return [answer for share in shares for answer in share]

    def _answer_share(self, calls: Sequence[Said]) -> list[tuple[Said, tuple[int, bytes]]]:
        return asyncio.run(self._answer_one_by_one(calls))

    async def _answer_one_by_one(
        self, calls: Sequence[Said]
    ) -> list[tuple[Said, tuple[int, bytes]]]:
        instances = self.host.house.directory.instances.values()
        airtel = next(record for record in instances if record.name == "airtel")
        answers = []
        for said in calls:
            for _ in range(_TRIES):
                reply = await self.services.desk.answer(airtel, said.call(), "test")
                if reply.status != _ASK_AGAIN:  # a busy machine may be too slow for the desk
                    break
            answers.append((said, (reply.status, reply.body)))
        return answers


@contextlib.contextmanager
def opened_desk(config_text: str, folder: Path) -> Iterator[Desk]:
    """Open a host whose orders and messages nobody carries out."""
    config = parse_config(config_text, ConfigSource(folder=folder, environ=dict(os.environ)))
    with Host.open(config) as host:
        host.reconcile()
        services = Services(host, workers=False)
        services.start()
        try:
            yield Desk(host=host, services=services)
        finally:
            services.close()


def say_in_another_process(
    config_text: str, folder: Path, calls: Sequence[Said]
) -> list[tuple[Said, tuple[int, bytes]]]:
    """Do all this in the process it is run in; to be given to a pool of processes."""
    with opened_desk(config_text, folder) as desk:
        return desk.answer_all(calls)
