"""Imports in the background: `/import-jobs` and the worker that carries them out (T-83)."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.access.roles import Role
from mpm_host.database import tables as t
from mpm_host.database.import_tables import imports
from mpm_host.database.turns import wait_for_turn
from mpm_host.imports import import_worker

HEADER = (
    "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer,tariff,"
    "tariff_price\n"
)
BAD = "Kagera,Muleba,Kimwani,Asha,Juma,nonsense,meter,47001234568,calin,Household,100\n"


def good(number=0):
    phone, serial = f"07123{number:05}", f"4700{number:07}"
    return f"Kagera,Muleba,Kimwani,Asha,Juma,{phone},meter,{serial},calin,Household,100\n"


class Office:
    """A company that imports files, and the worker."""

    def __init__(self, installation, api):
        self.installation, self.api = installation, api
        self.engines, self.services = installation.host.engines, installation.services

    def send(self, text, *, path="/import-jobs", headers=None, **query):
        given = {"Content-Type": "text/csv"} | (headers or {})
        return self.api("POST", path, content=text.encode(), headers=given, **query)

    def queue(self, text, **query):
        answer = self.send(text, **query)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def work(self, job):
        self.services.imports.work_on(job["id"])
        return self.show(job)

    def show(self, job):
        return self.api.ok("GET", f"/import-jobs/{job['id']}")

    def lose_lease(self):
        """Let the lease of an import end whose worker is dead."""
        self.installation.clock.move(hours=2)

    def devices(self):
        return len(self.api.ok("GET", "/devices", limit=200)["items"])

    def row(self, job):
        with self.engines.read.connect() as connection:
            query = sa.select(imports).where(imports.c.id == job["id"])
            return connection.execute(query).one()


@pytest.fixture
def office(installation, umeme):
    Shop(umeme)
    return Office(installation, umeme)


def told(job, *names):
    return tuple(job[name] for name in names)


def test_a_job_is_answered_at_once_and_done_by_a_worker(office):
    job = office.queue(HEADER + good() + BAD)
    assert told(job, "status", "rows", "rows_done", "written") == ("queued", 2, 0, False)
    assert office.devices() == 0

    done = office.work(job)

    assert told(done, "status", "rows_done", "created", "unchanged", "errors", "written") == (
        "done", 2, 1, 0, 1, True,
    )  # fmt: skip
    [error] = done["row_errors"]
    assert (error["row"], error["code"]) == (3, "phone_invalid")
    assert office.devices() == 1
    assert (done["finished_at"], done["detail"]) == ("2026-03-02T09:00:00Z", "")


def test_the_file_is_kept_encrypted_and_only_until_the_import_ends(office):
    job = office.queue(HEADER + good())
    sealed = office.row(job).file
    assert b"Asha" not in sealed
    assert b"0712300000" not in sealed
    office.work(job)
    assert (office.row(job).file, office.row(job).next_at) == (None, None)


@pytest.mark.parametrize(
    ("query", "expected", "devices"),
    [
        ({"dry_run": "true"}, (1, 1, False), 0),
        ({"all_or_nothing": "true"}, (1, 1, False), 0),
        ({}, (1, 1, True), 1),
    ],
    ids=["dry run", "all or nothing", "row by row"],
)
def test_a_job_has_the_options_of_an_import(office, query, expected, devices):
    done = office.work(office.queue(HEADER + good() + BAD, **query))
    assert told(done, "created", "errors", "written") == expected
    assert office.devices() == devices


def test_working_on_a_job_again_changes_nothing(office):
    job = office.queue(HEADER + good())
    done = office.work(job)
    assert office.work(job) == done
    again = office.work(office.queue(HEADER + good()))
    assert told(again, "created", "unchanged") == (0, 1)


def test_a_repeated_request_with_one_key_is_one_job(office):
    key = {"Idempotency-Key": "import-1"}
    first = office.queue(HEADER + good(), headers=key)
    assert office.queue(HEADER + good(), headers=key) == first
    assert [each["id"] for each in office.api.ok("GET", "/import-jobs")["items"]] == [first["id"]]


def test_an_import_that_broke_off_is_carried_out_from_the_beginning(office, monkeypatch):
    job = office.queue(many())

    def die(*_values, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_worker, "end_import", die)
        with pytest.raises(KeyboardInterrupt):
            office.services.imports.work_on(job["id"])
    running = office.show(job)
    assert told(running, "status", "rows_done") == ("running", 1000)
    office.lose_lease()
    done = office.work(job)
    assert told(done, "status", "created", "unchanged", "errors") == ("done", 0, 1500, 0)


def test_a_worker_whose_import_was_taken_over_stops_and_writes_nothing(office, monkeypatch):
    job = office.queue(many())
    real, taken_over = import_worker.note_progress, []

    def meanwhile(connection, taken, rows, now):
        if not taken_over and rows:
            taken_over.append(rows)
            move = sa.update(imports).values(fence=imports.c.fence + 1)
            connection.execute(move)
        return real(connection, taken, rows, now)

    with monkeypatch.context() as patch:
        patch.setattr(import_worker, "note_progress", meanwhile)
        assert office.work(job)["status"] == "running"
    assert taken_over == [1000]
    with office.engines.read.connect() as connection:
        registered = connection.scalar(sa.select(sa.func.count()).select_from(t.devices))
    assert registered == 1000  # the batch that was under way, and none after it
    office.lose_lease()
    assert office.work(job)["status"] == "done"


def test_a_worker_whose_import_was_taken_over_does_not_end_it(office, monkeypatch):
    job = office.queue(HEADER + good())
    real, ended = import_worker.end_import, []

    def too_late(connection, *values):
        connection.execute(sa.update(imports).values(fence=imports.c.fence + 1))
        ended.append(real(connection, *values))
        return ended[-1]

    with monkeypatch.context() as patch:
        patch.setattr(import_worker, "end_import", too_late)
        office.services.imports.work_on(job["id"])

    row = office.row(job)
    assert (ended, row.status, row.finished_at) == ([False], "running", None)
    assert row.file is not None  # whoever took it over still needs it
    with office.engines.read.connect() as connection:
        actions = connection.execute(sa.select(t.audit.c.action)).scalars().all()
    assert "import.done" not in actions


@contextlib.contextmanager
def in_the_middle(office, monkeypatch, act):
    """Act once when the first thousand rows of an import have been reported."""
    real, acted = import_worker._Progress.report, []

    def report(progress, row):
        if progress._rows == 999 and not acted:
            acted.append(row)
            act()
        real(progress, row)

    with monkeypatch.context() as patch:
        patch.setattr(import_worker._Progress, "report", report)
        yield
    assert acted


def many(rows=1500):
    return HEADER + "".join(good(number) for number in range(rows))


def test_work_that_is_handed_over_again_leaves_a_running_import_alone(office, monkeypatch):
    job, seen = office.queue(many()), []

    def again():
        before = office.row(job)
        office.services.imports.work_on(job["id"])
        seen.append(office.row(job) == before)

    with in_the_middle(office, monkeypatch, again):
        done = office.work(job)

    assert seen == [True]
    assert told(done, "status", "created", "unchanged") == ("done", 1500, 0)
    assert (office.row(job).failures, office.row(job).lease_until) == (1, None)


def test_an_import_waits_uncounted_while_another_of_its_company_runs(office, monkeypatch):
    job, other, waiting = office.queue(many()), office.queue(HEADER + good(9000)), []

    def begin_other():
        waiting.append(office.work(other)["status"])
        row, now = office.row(other), office.installation.clock()
        waiting.append((row.failures, row.fence, row.next_at - now))

    with in_the_middle(office, monkeypatch, begin_other):
        assert office.work(job)["status"] == "done"

    assert waiting == ["queued", (0, 0, timedelta(seconds=5))]
    assert told(office.work(other), "status", "created") == ("done", 1)


def test_imports_begun_at_the_same_moment_are_carried_out_one_after_the_other(office):
    jobs = [office.queue(HEADER + good(number)) for number in range(4)]
    for _ in jobs:
        with ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(office.services.imports.work_on, [job["id"] for job in jobs]))
    assert [office.show(job)["status"] for job in jobs] == ["done"] * 4
    assert [office.row(job).failures for job in jobs] == [1] * 4
    assert office.devices() == 4


@pytest.mark.parametrize("query", [{}, {"all_or_nothing": "true"}], ids=["batches", "all"])
def test_an_outage_puts_an_import_off_and_does_not_count(office, monkeypatch, query):
    job = office.queue(many(), **query)

    def break_down():
        raise sa.exc.OperationalError("SELECT", {}, Exception("lock timeout"))

    for _ in range(6):  # more often than an import may begin
        with in_the_middle(office, monkeypatch, break_down):
            assert office.work(job)["status"] == "queued"
        row, now = office.row(job), office.installation.clock()
        assert (row.failures, row.lease_until) == (0, None)
        assert row.next_at - now == timedelta(seconds=10)

    assert office.work(job)["status"] == "done"


@pytest.mark.parametrize(
    ("query", "landed", "expected"),
    [({}, 1000, (500, 1000, 0)), ({"all_or_nothing": "true"}, 0, (1500, 0, 0))],
    ids=["batches", "all or nothing"],
)
def test_an_import_in_hand_is_given_back_when_the_process_stops(
    office, monkeypatch, query, landed, expected
):
    job = office.queue(many(), **query)
    with in_the_middle(office, monkeypatch, office.services.begin_stop):
        assert office.work(job)["status"] == "queued"

    row = office.row(job)
    assert (row.failures, row.lease_until, row.next_at) == (0, None, office.installation.clock())
    with office.engines.read.connect() as connection:
        registered = connection.scalar(sa.select(sa.func.count()).select_from(t.devices))
    assert registered == landed
    office.services._stopping.clear()  # as in another process
    assert told(office.work(job), "created", "unchanged", "errors") == expected


def test_a_stored_file_that_cannot_be_read_fails_its_import(office):
    job = office.queue(HEADER + good())
    with office.engines.write.begin() as connection:
        connection.execute(sa.update(imports).values(file=b"nonsense"))

    failed = office.work(job)
    assert failed["status"] == "failed"
    assert failed["detail"] == (
        "The stored file cannot be read: it is damaged, or [host] secret_key is another one than "
        "when it was sent; send the file again."
    )
    assert (office.row(job).file, office.row(job).failures) == (None, 1)


def test_a_beginning_is_counted_before_the_file_is_read(office, monkeypatch):
    job = office.queue(HEADER + good())

    def die(*_values):
        raise MemoryError

    monkeypatch.setattr(import_worker, "read_import", die)
    with pytest.raises(MemoryError):
        office.services.imports.work_on(job["id"])
    assert (office.row(job).failures, office.row(job).status) == (1, "running")


def test_asking_how_far_imports_are_does_not_read_their_files(office):
    job, asked = office.queue(HEADER + good()), []

    def note(_connection, _cursor, statement, *_rest):
        asked.append(statement)

    sa.event.listen(office.engines.read, "before_cursor_execute", note)
    office.show(job)
    office.api.ok("GET", "/import-jobs")
    sa.event.remove(office.engines.read, "before_cursor_execute", note)

    assert len([each for each in asked if "mpm_import" in each]) == 3  # one by a stranger
    assert [each for each in asked if "mpm_import.file" in each] == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer
def test_a_batch_locks_no_row_of_the_company_and_waits_for_other_batches(office):
    company = office.installation.host.house.directory.by_slug["umeme"]
    job, turn = office.queue(HEADER + good()), f"mpm_import writing {company.id}"
    with office.engines.write.begin() as connection:
        lock = sa.select(t.companies.c.id).where(t.companies.c.id == company.id)
        connection.execute(lock.with_for_update(key_share=True))  # as a booking
        assert office.work(job)["status"] == "done"

    with office.engines.write.begin() as holder, office.engines.write.begin() as waiting:
        wait_for_turn(holder, turn)
        waiting.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            wait_for_turn(waiting, turn)


def test_an_import_that_never_ends_is_failed_after_five_beginnings(office, monkeypatch):
    job = office.queue(HEADER + good())

    def die(*_values, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_worker, "import_file", die)
        for _ in range(5):
            with pytest.raises(KeyboardInterrupt):
                office.services.imports.work_on(job["id"])
            office.lose_lease()
    failed = office.work(job)
    assert told(failed, "status", "detail") == (
        "failed",
        "It was begun 5 times and never ended; send the file again.",
    )
    assert office.row(job).file is None


@pytest.mark.parametrize("path", ["/imports", "/import-jobs"])
def test_t_83_a_file_that_cannot_be_read_is_refused_while_somebody_waits(office, path):
    answer = office.send("colour\nred\n", path=path)
    assert (answer.status_code, answer.json()["code"]) == (422, "columns_invalid")
    assert "import.csv" not in answer.text
    assert office.api.ok("GET", "/import-jobs")["items"] == []


def test_a_request_that_waits_takes_no_file_that_takes_minutes(office):
    text = HEADER + "".join(good(number) for number in range(5001))
    answer = office.send(text, path="/imports")
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_rows")
    assert answer.json()["detail"] == (
        "The file has 5001 rows; send more than 5000 to POST /import-jobs, which imports in the "
        "background."
    )
    assert office.queue(text)["rows"] == 5001
    assert office.devices() == 0


def test_jobs_are_of_the_own_company_and_for_those_who_may_import(office):
    job = office.queue(HEADER + good())
    stranger = office.api.as_(office.installation.stranger)
    assert stranger.refused("GET", f"/import-jobs/{job['id']}") == (404, "unknown_import")
    assert stranger.ok("GET", "/import-jobs")["items"] == []
    operator = office.installation.key(role=Role.OPERATOR)
    assert operator.refused("GET", "/import-jobs") == (403, "forbidden")


def test_who_sent_a_file_and_what_became_of_it_is_audited(office):
    job = office.queue(HEADER + good())
    office.work(job)
    noted = [
        (each["action"], each["after"])
        for each in office.installation.audit(office.api)
        if each["subject"] == job["id"]
    ]
    assert noted == [
        ("import.done", {"created": 1, "unchanged": 0, "errors": 0, "written": True}),
        ("import.queued", {"rows": 1, "dry_run": False, "all_or_nothing": False}),
    ]
