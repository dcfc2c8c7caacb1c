"""Group commit: every caller gets its own answer, and one bad item fails alone."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mpm_host.database.engines import open_engines
from mpm_host.database.group_commit import ClosingError, GroupCommit

metadata = sa.MetaData()
things = sa.Table("things", metadata, sa.Column("key", sa.Integer, primary_key=True))


@pytest.fixture
def engine(tmp_path):
    engines = open_engines(f"sqlite:///{tmp_path / 'group.db'}")
    metadata.create_all(engines.write)
    yield engines.write
    engines.dispose()


class BadItemError(Exception):
    pass


def store(connection, items):
    """Insert what is new; a negative item breaks the whole batch."""
    results = []
    for item in items:
        if item < 0:
            raise BadItemError(item)
        known = connection.execute(sa.select(things.c.key).where(things.c.key == item)).first()
        if known is None:
            connection.execute(sa.insert(things).values(key=item))
        results.append(("repeated", item) if known else ("stored", item))
    return results


def test_thousand_concurrent_items_are_stored_once_and_answered_each(engine):
    writer = GroupCommit(engine, store, name="test")
    items = [number % 500 for number in range(1000)]

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda item: writer.submit(item).result(30), items))
    writer.close()

    assert [item for _, item in answers] == items
    assert sum(word == "stored" for word, _ in answers) == 500
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(things)).scalar() == 500


def test_a_bad_item_fails_alone_and_the_others_of_its_batch_are_stored(engine):
    gate = threading.Event()

    def gated(connection, items):
        gate.wait(10)
        return store(connection, items)

    writer = GroupCommit(engine, gated, name="test")
    futures = [writer.submit(item) for item in (1, 2, -3, 4)]
    gate.set()

    assert [future.result(10) for future in (futures[0], futures[1], futures[3])] == [
        ("stored", 1),
        ("stored", 2),
        ("stored", 4),
    ]
    with pytest.raises(BadItemError, match="-3"):
        futures[2].result(10)
    writer.close()


HOURS = 3600.0  # no test waits so long: who lingers is found out


def test_a_lone_caller_is_never_made_to_wait_for_others(engine):
    writer = GroupCommit(engine, store, name="test", linger=HOURS)

    answers = [writer.submit(number).result(10) for number in range(20)]

    assert answers == [("stored", number) for number in range(20)]
    writer.close()


def test_after_a_shared_batch_the_next_caller_waits_for_company(engine):
    begun, gate, sizes = threading.Event(), threading.Event(), []

    def gated(connection, items):
        sizes.append(len(items))
        begun.set()
        gate.wait(10)
        return store(connection, items)

    writer = GroupCommit(engine, gated, name="test", linger=HOURS)
    futures = [writer.submit(0)]
    assert begun.wait(10)
    futures += [writer.submit(number) for number in (1, 2, 3)]
    gate.set()
    assert futures[-1].result(10) == ("stored", 3)
    futures += [writer.submit(number) for number in range(4, 68)]

    assert [future.result(10) for future in futures] == [("stored", n) for n in range(68)]
    assert sizes == [1, 3, 64]  # a full batch goes at once
    writer.close()


def test_closing_answers_what_was_submitted_before(engine):
    writer = GroupCommit(engine, store, name="test")
    futures = [writer.submit(number) for number in range(100)]

    writer.close()

    assert [future.result(0) for future in futures] == [("stored", n) for n in range(100)]


def test_closing_gives_up_what_a_stuck_database_keeps_waiting(engine):
    begun, gate = threading.Event(), threading.Event()

    def stuck(connection, items):
        begun.set()
        gate.wait(10)
        return store(connection, items)

    writer = GroupCommit(engine, stuck, name="test")
    first = writer.submit(1)
    assert begun.wait(10)
    later = [writer.submit(number) for number in range(2, 200)]
    threading.Timer(0.3, gate.set).start()

    writer.close(within=0.1)

    assert first.result(0) == ("stored", 1)  # it was in hand, so it was finished
    assert {type(future.exception(0)) for future in later} == {ClosingError}
    with engine.connect() as connection:
        assert connection.execute(sa.select(things.c.key)).scalars().all() == [1]


def test_closing_gives_up_what_is_being_replayed(engine):
    def fails(_connection, items):
        time.sleep(0.05)
        raise BadItemError(items)

    writer = GroupCommit(engine, fails, name="test")
    futures = [writer.submit(number) for number in range(100)]

    began = time.monotonic()
    writer.close(within=0.2)

    assert time.monotonic() - began < 2
    assert {type(future.exception(0)) for future in futures} == {BadItemError, ClosingError}


def test_a_cancelled_wait_does_not_stop_the_writer(engine):
    writer = GroupCommit(engine, store, name="test")

    assert writer.submit(1).cancel() is False
    assert writer.submit(2).result(10) == ("stored", 2)
    writer.close()


def test_a_commit_whose_answer_was_lost_is_found_again_and_answered(engine, monkeypatch):
    """C9: the caller hears what was stored, once, though the first COMMIT seemed to fail."""
    commit, lost = engine.dialect.do_commit, []

    def lose_first_answer(connection):
        commit(connection)
        if not lost:
            lost.append(True)
            raise sqlite3.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(engine.dialect, "do_commit", lose_first_answer)
    writer = GroupCommit(engine, store, name="test")

    assert writer.submit(7).result(10) == ("repeated", 7)

    writer.close()
    assert lost == [True]
    with engine.connect() as connection:
        assert connection.execute(sa.select(things.c.key)).scalars().all() == [7]
