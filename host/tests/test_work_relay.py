"""What the relay hands over, and that slots come back from pieces other processes have done."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from mpm_host.database import tables as t
from mpm_host.database.engines import Engines
from mpm_host.work_limits import WorkLimits
from mpm_host.work_relay import Relay, piece_name
from mpm_host.work_shares import WorkShares
from mpm_host.work_sources import SOURCES
from tests.support.order_bench import OrderBench
from tests.support.played_relay import Played


@pytest.fixture
def bench(engines):
    """Ten meters of one manufacturer, each with an order."""
    bench = OrderBench(engines)
    for number in range(10):
        serial = f"4700000{number:04d}"
        bench.meter(serial)
        bench.pay(serial, "1000", f"R{number}")
    return bench


def handed(bench):
    return Counter(row["handed"] for row in bench.rows(t.orders))


def test_no_more_of_an_owner_is_handed_over_than_its_share(bench):
    played = Played(bench)
    first = played.look()
    assert len(first) == 4
    assert handed(bench) == {1: 4, 0: 6}
    assert played.look() == []
    played.end(first[:2])
    assert len(played.look()) == 2
    assert handed(bench) == {1: 6, 0: 4}


def test_what_waits_for_a_slot_is_not_handed_over_again_and_again(bench):
    played = Played(bench)
    for _ in range(5):
        played.look()
        bench.later(minutes=3)  # more than the patience
    assert handed(bench) == {1: 4, 0: 6}
    assert len(played.given) == 4


def test_another_owner_s_order_is_handed_over_beside_a_backlog(bench):
    played = Played(bench)
    played.look()
    bench.later(seconds=1)
    move_to_another_owner(bench)
    [piece] = played.look()
    assert piece == piece_name(last_order(bench), 1)


def test_slots_come_back_from_what_another_process_has_done(bench):
    played = Played(bench)
    first = played.look()
    played.open.clear()  # the engine says that they have ended, and none was begun here
    second = played.look()
    assert (len(first), len(second)) == (4, 4)
    assert not set(first) & set(second)


def test_slots_of_what_is_still_under_way_elsewhere_are_kept(bench):
    played = Played(bench)
    assert len(played.look()) == 4
    assert played.look() == []


def test_slots_come_back_when_the_engine_takes_nothing(bench):
    played = Played(bench)
    played.fails = True
    with pytest.raises(ConnectionError, match="the engine's database is gone"):
        played.look()
    assert played.shares.room("orders").used == {}
    played.fails = False
    assert len(played.look()) == 4


def test_what_the_engine_does_not_take_is_due_since_when_it_was_and_under_the_same_number(bench):
    before = waiting_orders(bench)
    played = Played(bench)
    played.fails = True
    bench.later(seconds=40)
    with pytest.raises(ConnectionError, match="the engine's database is gone"):
        played.look()
    assert waiting_orders(bench) == before
    played.fails = False
    assert [piece.rpartition(":")[2] for piece in played.look()] == ["1"] * 4


def test_what_the_engine_took_before_it_failed_stays_handed_over(bench):
    played = Played(bench)
    played.takes = 2
    with pytest.raises(ConnectionError, match="the engine's database is gone"):
        played.look()
    assert len(played.given) == 2
    assert handed(bench) == {1: 2, 0: 8}


def test_a_row_that_somebody_changed_meanwhile_is_not_put_back(bench):
    played, later = Played(bench), bench.clock() + timedelta(days=1)

    def change_and_fail(_kind, key, _number):
        with bench.engines.write.begin() as connection:
            connection.execute(
                sa.update(t.orders).where(t.orders.c.id == key).values(next_at=later)
            )
        raise ConnectionError("the answer is lost")

    played.relay._enqueue = change_and_fail
    with pytest.raises(ConnectionError, match="the answer is lost"):
        played.look()
    assert handed(bench) == {1: 1, 0: 9}
    assert [row["next_at"] for row in bench.rows(t.orders) if row["handed"]] == [later]


def waiting_orders(bench):
    return {row["id"]: (row["handed"], row["next_at"]) for row in bench.rows(t.orders)}


def test_of_two_relays_only_one_hands_a_row_over(bench):
    one, other = Played(bench), Played(bench)
    waiting = one.relay._waiting

    def read_then_be_overtaken(*given):
        rows = waiting(*given)
        other.look()
        return rows

    one.relay._waiting = read_then_be_overtaken
    one.look()
    assert not set(one.given) & set(other.given)
    assert max(handed(bench)) == 1


def last_order(bench):
    return max(row["id"] for row in bench.rows(t.orders))


def move_to_another_owner(bench):
    [other] = {one.id for one in bench.directory.instances.values() if one.name == "sunking"}
    with bench.engines.write.begin() as connection:
        connection.execute(
            sa.update(t.orders).where(t.orders.c.id == last_order(bench)).values(instance_id=other)
        )


# --- what it says of an engine that takes nothing -------------------------------------------------


@pytest.fixture
def watched(bench, monkeypatch):
    """A relay whose engine takes nothing, and whose thread is alive."""
    played = Played(bench)
    played.fails, began = True, played.seconds
    monkeypatch.setattr(played.relay._thread, "is_alive", lambda: True)

    def fail_at(seconds):
        played.seconds = began + seconds
        with pytest.raises(ConnectionError, match="the engine's database is gone"):
            played.look()
        return played.relay.problem()

    played.fail_at = fail_at
    return played


def test_an_engine_that_takes_nothing_for_long_is_a_problem(watched):
    assert [watched.fail_at(seconds) for seconds in (0, 20, 30)] == ["", "", ""]
    assert watched.fail_at(31) == "the job engine has taken no work for 31 s"


def test_only_work_that_the_engine_takes_ends_the_problem(bench, watched):
    watched.fail_at(0)
    watched.fail_at(31)
    set_due(bench, bench.clock() + timedelta(hours=1))
    assert watched.look() == []
    assert watched.relay.problem() == "the job engine has taken no work for 31 s"
    watched.fails = False
    set_due(bench, bench.clock())
    assert len(watched.look()) == 4
    assert watched.relay.problem() == ""


def test_what_is_not_asked_any_more_is_no_problem_for_ever(bench, watched):
    """Another process did the work; who asks whether this one is ready would send it none."""
    watched.fail_at(0)
    watched.fail_at(31)
    set_due(bench, bench.clock() + timedelta(hours=1))
    watched.seconds += 300
    assert watched.look() == []
    assert watched.relay.problem() == "the job engine has taken no work for 331 s"
    watched.seconds += 1
    assert watched.relay.problem() == ""
    set_due(bench, bench.clock())
    assert [watched.fail_at(seconds) for seconds in (400, 430)] == ["", ""]
    assert watched.fail_at(431) == "the job engine has taken no work for 31 s"


def test_one_failure_of_the_engine_is_no_problem_however_long_nothing_is_due_then(bench, watched):
    watched.fail_at(0)
    set_due(bench, bench.clock() + timedelta(hours=1))
    watched.seconds += 3600
    assert watched.look() == []
    assert watched.relay.problem() == ""


def test_an_engine_that_does_not_say_what_has_ended_is_a_problem(watched, monkeypatch):
    watched.fails = False
    assert len(watched.look()) == 4
    watched.fails = True

    def fail(_pieces):
        raise ConnectionError("the engine's database is gone")

    monkeypatch.setattr(watched.relay, "_still_open", fail)
    watched.fail_at(1)
    assert watched.fail_at(40) == "the job engine has taken no work for 39 s"


def set_due(bench, at):
    """Let all work be due then."""
    with bench.engines.write.begin() as connection:
        for source in SOURCES.values():
            connection.execute(sa.update(source.table).where(source.is_open).values(next_at=at))


# --- what it says of an outage --------------------------------------------------------------------


class GoneDatabase:
    """A database that cannot be reached, for a reason that changes."""

    def __init__(self):
        self.reason = 'connection to server at "10.0.0.7" failed: Connection refused'
        self.tried = 0

    def connect(self):
        self.tried += 1
        raise sa.exc.OperationalError("SELECT 1", None, Exception(self.reason))

    def wait(self, tries):
        """Wait until it was tried so often again."""
        until, most = time.monotonic() + 30, self.tried + tries
        while self.tried < most:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_an_outage_is_told_by_its_code_and_seldom_while_it_is_the_same(monkeypatch):
    gone = GoneDatabase()
    relay = Relay(
        engines=Engines(write=gone, read=gone),
        clock=lambda: None,
        limits=WorkLimits(poll=0.001),
        shares=WorkShares(4),
        enqueue=lambda *_: None,
        still_open=lambda _: (),
        hurry=lambda: None,
        tidy=lambda: None,
    )
    with capture_logs() as logged:
        relay.start()
        gone.wait(tries=20)
        same = list(logged)
        gone.reason = "FATAL:  password authentication failed for user"
        gone.wait(tries=20)
        other = list(logged)
        monkeypatch.setattr("mpm_host.failure_log._REPEATED", 0.0)
        gone.wait(tries=3)
        relay.begin_stop()
        relay.join(10)

    assert same == [failed("database_refused")]
    assert other == [failed("database_refused"), failed("database_authentication")]
    assert len(logged) >= 4
    assert all(line == other[-1] for line in logged[2:])


def failed(code):
    return {
        "event": "relay_failed", "log_level": "error", "error": "OperationalError", "code": code,
    }  # fmt: skip
