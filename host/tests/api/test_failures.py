"""What is nobody's mistake outside: a bug of ours, or a damaged database. Both have an answer."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import attrs
import pytest
import sqlalchemy as sa
from litestar.testing import TestClient
from structlog.testing import capture_logs

from mpm_host.database.outages import error_facts, is_outage, is_passing
from mpm_host.web.application import make_application

SECRET = "canary of 12345678901234567890"


class BrokenDoor:
    """An API whose every operation has a bug."""

    def source_of(self, _request):
        return ""

    def answer(self, _operation, _request):
        raise ZeroDivisionError(SECRET)


@pytest.fixture
def broken(installation):
    doors = attrs.evolve(installation.services.doors(), callbacks=None, api=BrokenDoor())
    application = make_application(doors, public_url="http://127.0.0.1:8000")
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


SERVER = 'connection failed: connection to server at "10.0.0.7", port 5432 failed: '
OUTAGES = {
    f"{SERVER}Connection refused": "database_refused",
    f'{SERVER}FATAL:  password authentication failed for user "full"': "database_authentication",
    f"{SERVER}FATAL:  the database system is starting up": "database_starting",
    "The server did not answer within 4 s.": "database_hangs",
    "database or disk is full": "database_full",
    "cannot execute INSERT in a read-only transaction": "database_read_only",
    "attempt to write a readonly database": "database_read_only",
    "canceling statement due to lock timeout": "database_locked",
    "database is locked": "database_locked",
    "database disk image is malformed": "database_damaged",
    "server closed the connection unexpectedly": "database",
}


@pytest.mark.parametrize(("text", "code"), OUTAGES.items())
def test_a_log_says_which_outage_it_is_and_nothing_that_the_database_said(text, code):
    error = sa.exc.OperationalError("SELECT '+255712345678'", None, Exception(text))

    assert error_facts(error) == {"error": "OperationalError", "code": code}


def test_of_other_errors_a_log_says_the_kind_alone():
    wrong = sa.exc.ProgrammingError("SELECT '+255712345678'", None, Exception("disk is full"))

    assert error_facts(wrong) == {"error": "ProgrammingError"}
    assert error_facts(KeyError("+255712345678")) == {"error": "KeyError"}


def test_a_server_that_became_read_only_is_an_outage_by_its_words_alone():
    """The driver counts that among the errors that are usually our own."""

    def facts(text):
        return error_facts(sa.exc.InternalError("UPDATE x", None, Exception(text)))

    assert facts("cannot execute UPDATE in a read-only transaction") == {
        "error": "InternalError",
        "code": "database_read_only",
    }
    assert facts("current transaction is aborted") == {"error": "InternalError"}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (sa.exc.OperationalError("x", None, Exception("gone")), (True, True)),
        (sa.exc.InternalError("x", None, Exception("in a read-only transaction")), (True, True)),
        (sa.exc.InternalError("x", None, Exception("transaction is aborted")), (False, False)),
        (sa.exc.DatabaseError("x", None, Exception("malformed")), (True, False)),
        (sa.exc.InterfaceError("x", None, Exception("connection is closed")), (False, True)),
        (KeyError("x"), (False, False)),
    ],
    ids=["gone", "demoted", "aborted", "damaged", "closed", "a bug"],
)
def test_what_may_work_in_a_moment_is_told_from_what_does_not_mend_itself(error, expected):
    assert (is_outage(error), is_passing(error)) == expected


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


def company_with_damaged(installation, table):
    """Let a company sign up, damage a table, and return the way to its API."""
    api, engines = installation.company("umeme"), installation.host.engines
    engines.write.dispose()
    engines.read.dispose()
    damage(engines.write.url.database, table)
    return api


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
    api = company_with_damaged(installation, "mpm_payment")

    answer = api("GET", "/payments")

    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "unavailable")
    assert json.loads(answer.content)["detail"] == "The database does not answer. Try again."


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_a_change_that_got_no_answer_nobody_is_told_that_nothing_was_changed(installation):
    api = company_with_damaged(installation, "mpm_cluster")

    answer = api("POST", "/clusters", {"name": "Coast"})

    assert answer.status_code == 503
    assert json.loads(answer.content)["detail"] == (
        "The database does not answer, and nobody knows whether anything was changed. Send it "
        "again with the same Idempotency-Key; if it had none, look first."
    )
