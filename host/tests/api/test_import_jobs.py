"""Imports in the background: `/import-jobs` and the worker that carries them out (T-83)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.access.roles import Role
from mpm_host.database import tables as t
from mpm_host.database.import_tables import imports
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
    job = office.queue(HEADER + "".join(good(number) for number in range(1500)))

    def die(*_values, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_worker, "end_import", die)
        with pytest.raises(KeyboardInterrupt):
            office.services.imports.work_on(job["id"])
    running = office.show(job)
    assert told(running, "status", "rows_done") == ("running", 1000)
    done = office.work(job)
    assert told(done, "status", "created", "unchanged", "errors") == ("done", 0, 1500, 0)


def test_a_worker_whose_import_was_taken_over_stops_and_writes_nothing(office, monkeypatch):
    job = office.queue(HEADER + "".join(good(number) for number in range(1500)))
    real, taken_over = import_worker.note_progress, []

    def meanwhile(connection, taken, rows, until):
        if not taken_over and rows:
            taken_over.append(rows)
            move = sa.update(imports).values(fence=imports.c.fence + 1)
            connection.execute(move)
        return real(connection, taken, rows, until)

    with monkeypatch.context() as patch:
        patch.setattr(import_worker, "note_progress", meanwhile)
        assert office.work(job)["status"] == "running"
    assert taken_over == [1000]
    with office.engines.read.connect() as connection:
        registered = connection.scalar(sa.select(sa.func.count()).select_from(t.devices))
    assert registered == 1000  # the batch that was under way, and none after it
    assert office.work(job)["status"] == "done"


def test_an_import_that_never_ends_is_failed_after_five_beginnings(office, monkeypatch):
    job = office.queue(HEADER + good())

    def die(*_values, **_named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(import_worker, "import_file", die)
        for _ in range(5):
            with pytest.raises(KeyboardInterrupt):
                office.services.imports.work_on(job["id"])
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
