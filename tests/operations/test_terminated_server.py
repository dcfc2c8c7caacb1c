"""H1 at the door: SIGTERM while a hundred payments are being made through real HTTP.

The database is held fast from outside, so that every call is in flight when the signal comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import time
from urllib.parse import urlsplit

import attrs
import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from tests.concurrency.desks import Said
from tests.operations.stage import staged, wait_until
from tests.support.table_contents import differences

PAYMENTS = 100
DRAIN = 4
ACCEPTED = b"<STATUS>200</STATUS>"
SAY_IT_AGAIN = {
    b"",
    b"HTTP/1.1 503",
    b"HTTP/1.1 500",
}  # the last if the drain ends before the patience


@attrs.frozen
class Line:
    """One telecom's connection with its call on the way."""

    said: Said
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self):
        """Return all that is said until the line is closed; nothing when it breaks."""
        try:
            return await asyncio.wait_for(self.reader.read(), timeout=40)
        except ConnectionError:
            return b""
        finally:
            self.writer.close()
            with contextlib.suppress(ConnectionError):
                await self.writer.wait_closed()


async def call(url, said):
    """Say one payment in full and wait for no answer."""
    place, message = urlsplit(url), said.call()
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    headers = {
        **message.headers,
        "Host": place.netloc,
        "Content-Length": str(len(message.body)),
        "Connection": "close",
    }
    lines = [
        f"POST {place.path}/{message.path} HTTP/1.1",
        *(f"{n}: {v}" for n, v in headers.items()),
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + message.body)
    await writer.drain()
    return Line(said, reader, writer)


@contextlib.contextmanager
def database_held(engines):
    """Let nobody write payments until the block ends."""
    url = engines.write.url
    if url.get_backend_name() == "sqlite":
        with contextlib.closing(sqlite3.connect(url.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    with engines.write.connect() as connection:
        connection.execute(sa.text("LOCK TABLE mpm_payment IN ACCESS EXCLUSIVE MODE"))
        yield
        connection.rollback()


def statuses(host):
    query = sa.select(t.payments.c.reference, t.payments.c.status)
    with host.engines.read.connect() as connection:
        return dict(map(tuple, connection.execute(query)))


@pytest.fixture
def stage(tmp_path, database_url):
    """A company with meters; nothing is being carried out beside what a test starts."""
    lines = f"drain_seconds = {DRAIN}"
    with staged(tmp_path, database_url, meters=10, host_lines=lines) as made:
        made.maker.hold()
        yield made


@contextlib.contextmanager
def served(stage, log):
    """Serve without workers; yields the process and the URL the telecom was given."""
    with stage.started(log, "serve", "--port", "0", "--no-workers") as process:
        wait_until(lambda: "Listening on" in stage.log(log), seconds=60, what="serving")
        address = stage.log(log).partition("Listening on ")[2].split()[0]
        with stage.opened() as host:
            instances = host.house.directory.instances.values()
            key = next(one.callback_key for one in instances if one.name == "airtel")
        yield process, f"{address}/callbacks/{key}"


def planned(stage):
    return [
        Said(reference=f"AIR{number:04d}", serial=stage.meters[number % 10], amount="100")
        for number in range(PAYMENTS)
    ]


async def interrupted(process, url, calls, held, *, freed):
    """Call, terminate the server twice, and return what became of each call."""
    lines = [await call(url, said) for said in calls]
    await asyncio.sleep(1.0)  # all are read, and none can be booked
    process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    process.send_signal(signal.SIGTERM)  # whoever is in a hurry changes nothing
    if freed:
        held.close()
    answers = await asyncio.gather(*(line.answer() for line in lines))
    return {line.said.reference: answer for line, answer in zip(lines, answers, strict=True)}


def test_calls_in_flight_are_booked_and_answered_before_a_server_ends(stage):
    with served(stage, "serve.log") as (process, url), stage.opened() as host:
        with contextlib.ExitStack() as held:
            held.enter_context(database_held(host.engines))
            answers = asyncio.run(interrupted(process, url, planned(stage), held, freed=True))
        assert process.wait(DRAIN + 10) == 0, stage.log("serve.log")
        assert {reference for reference, said in answers.items() if ACCEPTED in said} == set(
            answers
        )
        assert statuses(host) == dict.fromkeys(answers, "token_pending")
        assert differences(host.engines.read) == []
        assert "Traceback" not in stage.log("serve.log")


def test_calls_that_cannot_be_booked_in_time_are_left_to_be_said_again(stage):
    calls = planned(stage)
    with served(stage, "serve.log") as (process, url), stage.opened() as host:
        with contextlib.ExitStack() as held:
            held.enter_context(database_held(host.engines))
            began = time.monotonic()
            answers = asyncio.run(interrupted(process, url, calls, held, freed=False))
            assert process.wait(DRAIN + 10) == 0, stage.log("serve.log")
            assert time.monotonic() - began < DRAIN + 12
        assert {said[:12] for said in answers.values()} <= SAY_IT_AGAIN
        assert "Traceback" not in stage.log("serve.log")
        booked_unheard = set(statuses(host))
    with served(stage, "again.log") as (process, url), stage.opened() as host:
        again = asyncio.run(said_again(url, calls))
        assert all(ACCEPTED in said for said in again)
        assert statuses(host) == dict.fromkeys((one.reference for one in calls), "token_pending")
        assert booked_unheard <= set(statuses(host))
        assert differences(host.engines.read) == []


async def said_again(url, calls):
    lines = [await call(url, said) for said in calls]
    return await asyncio.gather(*(line.answer() for line in lines))


def test_a_worker_told_twice_to_end_still_writes_down_what_was_answered(stage):
    references = [f"AIR{number}" for number in range(10)]
    stage.book(references)
    with stage.started("worker.log", "worker") as worker:
        wait_until(lambda: stage.maker.waiting == len(references), seconds=60, what="being asked")
        worker.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        worker.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        stage.maker.let_go()
        assert worker.wait(DRAIN + 10) == 0, stage.log("worker.log")
    with stage.opened() as host:
        assert stage.orders(host) == {"issued": len(references)}
        assert differences(host.engines.read) == []
    assert "Traceback" not in stage.log("worker.log")
