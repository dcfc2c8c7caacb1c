"""The same and different calls at once, from many threads and from two processes.

The desk is asked as the web server asks it: one inbound call, one reply. `MPM_REFERENCES` and
`MPM_COPIES` choose how many calls, `MPM_CONFLICTS` how many references are disputed, `MPM_OF_ONE`
how many payments one debtor makes.
"""

from __future__ import annotations

import multiprocessing
import os
import random
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor

import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from tests.concurrency.desks import SECRET, Said, opened_desk, say_in_another_process
from tests.support.config_text import config_text
from tests.support.debts import sell_overdue
from tests.support.seeding import register_meters
from tests.support.table_contents import differences

METERS = [f"470002{number:05d}" for number in range(40)]
REFERENCES = int(os.environ.get("MPM_REFERENCES", "1000"))
COPIES = int(os.environ.get("MPM_COPIES", "5"))
CONFLICTS = int(os.environ.get("MPM_CONFLICTS", "50"))
OF_ONE = int(os.environ.get("MPM_OF_ONE", "1600"))
CONFLICT = b"<COMMAND><STATUS>400</STATUS><MESSAGE>Duplicate Reference1</MESSAGE></COMMAND>"


def _configuration(database_url):
    return config_text(
        database=database_url,
        secret_key=new_key(),
        instances={
            "airtel": {"jwt_secret": SECRET},
            "calin": {"api_url": "http://127.0.0.1:9/api", "user_id": "1", "api_key": "k"},
        },
    )


@pytest.fixture
def desk(database_url, tmp_path):
    """A desk on a fresh database; nobody carries out its orders."""
    with opened_desk(_configuration(database_url), tmp_path) as opened:
        yield opened


def _accepted(reference):
    return (
        200,
        b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE>"
        b"<TXNID>%b</TXNID></COMMAND>" % reference.encode(),
    )


def _payments(engine):
    p = t.payments.c
    with engine.connect() as connection:
        return connection.execute(sa.select(p.reference, p.amount, p.serial, p.status)).all()


def test_five_copies_of_a_thousand_calls_make_a_thousand_payments_with_equal_answers(desk):
    register_meters(desk.host, "demo", METERS)
    calls = [
        Said(reference=f"AIR{number}", serial=METERS[number % len(METERS)], amount="100")
        for number in range(REFERENCES)
    ] * COPIES
    random.Random(4).shuffle(calls)  # noqa: S311 - the same order every time
    answers = desk.answer_all(calls)
    assert [said.reference for said, got in answers if got != _accepted(said.reference)] == []
    payments = _payments(desk.host.engines.read)
    assert len(payments) == REFERENCES
    assert {row.reference for row in payments} == {f"AIR{n}" for n in range(REFERENCES)}
    assert differences(desk.host.engines.read) == []


def test_of_conflicting_calls_one_is_booked_and_every_other_one_is_refused(desk):
    """The one that came first, whichever that was: all its copies are accepted, no other is."""
    register_meters(desk.host, "demo", METERS)
    calls = [
        Said(reference=f"AIR{number}", serial=METERS[number % len(METERS)], amount=amount)
        for number in range(CONFLICTS)
        for amount in ("100", "200", "300")
        for _ in range(4)
    ]
    random.Random(5).shuffle(calls)  # noqa: S311 - the same order every time
    answers = defaultdict(set)
    for said, answer in desk.answer_all(calls):
        answers[said].add(answer)
    booked = {
        (row.reference, row.amount // 100, row.serial) for row in _payments(desk.host.engines.read)
    }
    assert len(booked) == CONFLICTS
    wrong = [
        said
        for said, got in answers.items()
        if got
        != (
            {_accepted(said.reference)}
            if (said.reference, int(said.amount), said.serial) in booked
            else {(200, CONFLICT)}
        )
    ]
    assert wrong == []
    assert differences(desk.host.engines.read) == []


def test_payments_of_one_debtor_are_allocated_one_after_the_other(desk):
    """1,600 payments of 100 at once on debts of 50,000: cleared oldest first, to the shilling."""
    (customer,) = register_meters(desk.host, "demo", METERS[:1])
    sell_overdue(desk.host, "demo", customer, cost="50000", instalments=100)
    calls = [Said(reference=f"AIR{n}", serial=METERS[0], amount="100") for n in range(OF_ONE)]
    answers = desk.answer_all(calls)
    assert [said.reference for said, got in answers if got != _accepted(said.reference)] == []
    engine = desk.host.engines.read
    assert differences(engine) == []
    with engine.connect() as connection:
        rows = sa.select(t.plan_rows.c.remaining).order_by(t.plan_rows.c.due_on)
        assert set(connection.execute(rows).scalars()) == {0}
        sold = sa.select(sa.func.sum(t.entries.c.amount)).where(t.entries.c.account == "energy")
        assert connection.execute(sold).scalar_one() == (OF_ONE * 100 - 50_000) * 100
        orders = sa.select(sa.func.count()).select_from(t.orders)
        assert connection.execute(orders).scalar_one() == OF_ONE - 500


def test_debts_are_cleared_oldest_first_at_every_moment(desk):
    """After any number of payments no row has money while an older one still lacks some."""
    (customer,) = register_meters(desk.host, "demo", METERS[:1])
    sell_overdue(desk.host, "demo", customer, cost="50000", instalments=100)
    calls = [Said(reference=f"AIR{n}", serial=METERS[0], amount="70") for n in range(300)]
    desk.answer_all(calls)
    with desk.host.engines.read.connect() as connection:
        query = sa.select(t.plan_rows.c.cost, t.plan_rows.c.remaining)
        rows = connection.execute(query.order_by(t.plan_rows.c.due_on)).all()
    full = [row.remaining == 0 for row in rows]
    assert full == sorted(full, reverse=True)
    assert sum(0 < row.remaining < row.cost for row in rows) <= 1
    assert sum(row.cost - row.remaining for row in rows) == 300 * 70 * 100
    assert differences(desk.host.engines.read) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_processes_with_overlapping_references_agree(database_url, tmp_path):
    text = _configuration(database_url)
    with opened_desk(text, tmp_path) as desk:
        register_meters(desk.host, "demo", METERS)
        shares = []
        for share in range(2):
            calls = [
                Said(reference=f"AIR{number}", serial=METERS[number % 8], amount="100")
                for number in range(share * 200, share * 200 + 400)
            ] * 2
            random.Random(share).shuffle(calls)  # noqa: S311 - the same order every time
            shares.append(calls)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            doing = [pool.submit(say_in_another_process, text, tmp_path, s) for s in shares]
            answers = [answer for each in doing for answer in each.result(120)]
        assert [said.reference for said, got in answers if got != _accepted(said.reference)] == []
        engine = desk.host.engines.read
        count = Counter(row.reference for row in _payments(engine))
        assert (len(count), set(count.values())) == (600, {1})
        assert differences(engine) == []
