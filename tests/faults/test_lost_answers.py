"""Answers that nobody hears: ours to the telecom, and the database's to COMMIT."""

from __future__ import annotations

import random
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from mpm_host.database import tables as t
from tests.faults.evidence import Findings, examine
from tests.faults.forgetful_postgres import Kind, forgetful_postgres
from tests.faults.impatient_telecom import ImpatientTelecom, planned_payments
from tests.faults.insistent_person import InsistentPerson
from tests.faults.scene import crash_scene
from tests.faults.sizes import lost_answers
from tests.faults.waiting import wait_until_nothing_is_open

pytestmark = pytest.mark.slow

CLEAN = Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())
WHILE = 60.0  # seconds; far longer than anything takes
OVER_A_LEASE = timedelta(minutes=3)
CROWD = 12  # payments at once
DICE = random.Random(0)  # noqa: S311 - dice: which acknowledged payments are said again


def booked(scene):
    query = sa.select(t.payments.c.reference).where(t.payments.c.accepted_at.is_not(None))
    with scene.opened.engines.read.connect() as connection:
        return set(connection.execute(query).scalars())


def test_a_kill_between_decision_and_reply_leaves_one_payment_for_all_repeats(
    tmp_path, sqlite_template, capsys
):
    """The host dies with replies decided and none of them sent; the telecom repeats its calls."""
    database = tmp_path / "mpm.db"
    database.write_bytes(sqlite_template.read_bytes())
    wanted, unsent, deaths = lost_answers(50), 0, 0
    with (
        crash_scene(tmp_path, f"sqlite:///{database}", payments=20 * wanted) as scene,
        ImpatientTelecom(scene=scene, dice=DICE) as telecom,
    ):
        payments = iter(planned_payments(scene, 20 * wanted))
        while unsent < wanted:
            telecom.release([next(payments) for _ in range(CROWD)])
            # the first hits are validations; a hit later falls among the process calls
            scene.host.start(crash_at=f"reply.decided:{CROWD + 1 + deaths % 4}")
            scene.host.wait_until_it_died(WHILE)
            unsent += len(booked(scene) - set(telecom.acknowledged))
            deaths += 1
            scene.clock.move(OVER_A_LEASE)
        with scene.host.running():
            telecom.wait_until_all_are_answered(WHILE)
            wait_until_nothing_is_open(scene, seconds=WHILE)
        found = examine(scene, dict(telecom.acknowledged))
        once = booked(scene) == set(telecom.acknowledged)
    with capsys.disabled():
        print(f"\n{deaths} deaths, {unsent} accepted payments whose reply was never sent")  # noqa: T201 - the counts are the report
    assert found == CLEAN
    assert once
    assert (telecom.refused, telecom.differing) == ([], [])


def test_lost_answers_to_commit_double_nothing_and_every_caller_gets_an_answer(
    tmp_path, postgresql, postgres_template, capsys
):
    """Under load; telecom and person repeat what was answered by *ask again* or not at all.

    So many of the lost answers are to bookings, and some more to everything else: the job engine's
    notes, the workers' steps.
    """
    wanted = lost_answers(20)
    with (
        postgresql.database(template=postgres_template) as url,
        tempfile.TemporaryDirectory() as folder,  # a socket's path must be short
        forgetful_postgres(Path(folder), postgresql.socket_folder) as way,
        crash_scene(tmp_path, way.url(url), payments=40 * wanted) as scene,
        ImpatientTelecom(scene=scene, dice=DICE) as telecom,
    ):
        person = InsistentPerson.with_new_key(scene)
        payments = iter(planned_payments(scene, 40 * wanted))
        with scene.host.running():
            way.lose_one_in(20, of_bookings=2)
            until = time.monotonic() + WHILE * max(1.0, wanted / 20)
            while min(way.lost[kind] for kind in Kind) < wanted and time.monotonic() < until:
                telecom.release([next(payments) for _ in range(CROWD)])
                person.begin(2)
                telecom.wait_until_all_are_answered(WHILE)
            way.lose_one_in(0, of_bookings=0)
            person.wait_until_all_are_answered(WHILE)
            wait_until_nothing_is_open(scene, seconds=WHILE)
        found = examine(scene, dict(telecom.acknowledged))
    with capsys.disabled():
        print(  # noqa: T201 - the counts are the report
            f"\n{way.lost.total()} answers to COMMIT lost, {way.lost[Kind.BOOKING]} of them to "
            f"bookings; {len(telecom.acknowledged)} payments acknowledged, "
            f"{len(person.done)} taken back"
        )
    assert min(way.lost[kind] for kind in Kind) >= wanted
    assert found == CLEAN
    assert (telecom.refused, telecom.differing) == ([], [])
    assert (person.refused, person.differing) == ([], [])
