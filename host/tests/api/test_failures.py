"""What is nobody's mistake outside: a bug of ours, or a damaged database. Both have an answer."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient
from structlog.testing import capture_logs

from mpm_host.database.outages import is_outage
from mpm_host.web.application import make_application

SECRET = "canary of 12345678901234567890"


class BrokenDoor:
    """An API whose every operation has a bug."""

    def answer(self, _operation, _request):
        raise ZeroDivisionError(SECRET)


@pytest.fixture
def broken(installation):
    application = make_application(
        door=None,
        api=BrokenDoor(),
        operations=installation.services.operations(),
        public_url="http://127.0.0.1:8000",
    )
    with TestClient(application) as client:
        yield client


def test_a_bug_is_answered_with_a_problem_and_logged_without_values(broken):
    with capture_logs() as logged:
        answer = broken.get("/api/v1/customers/47")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json() == {
        "type": "urn:mpm:problem:internal_error",
        "title": "Internal Server Error",
        "status": 500,
        "code": "internal_error",
        "detail": "This is a mistake of ours, and it was logged. Whether anything was changed is "
        "not known: look before you send it again.",
        "errors": [],
    }
    [line] = [each for each in logged if each["event"] == "request_failed"]
    assert (line["error"], line["method"], line["route"]) == (
        "ZeroDivisionError",
        "GET",
        "/api/v1/customers/{id}",
    )
    assert line["places"][-1].endswith(" answer")
    assert "canary" not in f"{answer.text} {logged}"


def test_a_bug_outside_the_api_is_one_line(broken):
    answer = broken.post("/callbacks/key/c2b/process")

    assert (answer.status_code, answer.headers["content-type"], answer.text) == (
        500,
        "text/plain; charset=utf-8",
        "A mistake of ours; it was logged.\n",
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sa.exc.OperationalError, True),
        (sa.exc.DatabaseError, True),
        (sa.exc.IntegrityError, False),
        (sa.exc.ProgrammingError, False),
        (sa.exc.DataError, False),
        (sa.exc.InternalError, False),
        (sa.exc.InterfaceError, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_an_outage_is_told_from_a_wrong_statement(error, expected):
    assert is_outage(error("SELECT 1", None, Exception("why"))) is expected


def test_waiting_for_a_connection_in_vain_is_an_outage():
    assert is_outage(sa.exc.TimeoutError("no connection"))


def damage(path, table):
    """Overwrite the first pages of a table and of its indexes."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        [[size]] = connection.execute("PRAGMA page_size")
        pages = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", (table,)
        ).fetchall()
    with Path(path).open("r+b") as file:
        for [page] in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)


def test_commands_name_a_damaged_database(command_line):
    command_line("init")
    command_line(
        "company", "create", "umeme", "--name", "Umeme", "--country", "TZ", "--currency", "TZS"
    )
    damage("mpm.db", "mpm_payment")

    ended = command_line("payments", "list", "umeme")

    assert ended.exit_code == 2
    assert ended.errors == (
        "Error: The database gave up (database disk image is malformed); look after it, then try "
        "again.\n"
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_api_says_that_a_damaged_database_is_unavailable(installation):
    api = installation.company("umeme")
    installation.host.engines.write.dispose()
    installation.host.engines.read.dispose()
    damage(installation.host.engines.write.url.database, "mpm_payment")

    answer = api("GET", "/payments")

    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "unavailable")
    assert json.loads(answer.content)["detail"] == "The database does not answer. Try again."


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_a_change_that_got_no_answer_nobody_is_told_that_nothing_was_changed(installation):
    api = installation.company("umeme")
    installation.host.engines.write.dispose()
    installation.host.engines.read.dispose()
    damage(installation.host.engines.write.url.database, "mpm_cluster")

    answer = api("POST", "/clusters", {"name": "Coast"})

    assert answer.status_code == 503
    assert json.loads(answer.content)["detail"] == (
        "The database does not answer, and nobody knows whether anything was changed. Send it "
        "again with the same Idempotency-Key; if it had none, look first."
    )
