"""`mpm user` and `mpm api-key` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def mpm(command_line):
    """An installation with the company `solar`."""
    command_line("init")
    command_line(
        "company", "create", "solar", "--name", "Solar Ltd", "--country", "KE", "--currency",
        "KES",
    )  # fmt: skip
    return command_line


def create_user(mpm, email="asha@example.com", *more, role="owner"):
    return mpm(
        "user", "create", "solar", "--email", email, "--role", role, "--password-env", "ASHAS",
        *more, ASHAS="correct horse",
    )  # fmt: skip


def test_a_user_is_created_listed_and_disabled(mpm):
    create_user(mpm)
    created = create_user(mpm, "Baraka@Example.com", "--name", "Baraka", role="finance")
    assert (created.exit_code, created.output) == (
        0,
        "User 'baraka@example.com' created; they log in with POST /api/v1/sessions.\n",
    )
    disabled = mpm("user", "disable", "solar", "--email", "baraka@example.com")
    assert disabled.output == "User 'baraka@example.com' is disabled and logged out.\n"
    listed = json.loads(mpm("user", "list", "solar", "--json").output)
    assert [(each["email"], each["name"], each["role"], each["enabled"]) for each in listed] == [
        ("asha@example.com", "asha@example.com", "owner", True),
        ("baraka@example.com", "Baraka", "finance", False),
    ]
    assert mpm("user", "list", "solar").output.splitlines() == [
        "EMAIL               NAME              ROLE     STATE",
        "asha@example.com    asha@example.com  owner    enabled",
        "baraka@example.com  Baraka            finance  disabled",
    ]


@pytest.mark.parametrize(("length", "exit_code"), [(200, 0), (201, 2)], ids=["longest", "longer"])
def test_an_address_is_as_long_as_its_column_at_most(mpm, length, exit_code):
    ended = create_user(mpm, f"{'a' * 64}@{'b' * (length - 86)}.{'c' * 20}", "--name", "A")

    error = f"Error: {'a' * 60!r} is not an e-mail address; write one such as asha@example.com.\n"
    assert (ended.exit_code, ended.errors) == (exit_code, error if exit_code else "")


def test_a_password_may_come_from_a_file(mpm):
    Path("password").write_text("correct horse\n")
    ended = mpm(
        "user", "create", "solar", "--email", "a@example.com", "--role", "admin",
        "--password-file", "password", "--json",
    )  # fmt: skip
    assert json.loads(ended.output)["role"] == "admin"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--password-env", "NOTHING"], "--password-env: there is no variable 'NOTHING'; set it."),
        (
            ["--password-file", "nothing"],
            (
                "--password-file: nothing cannot be read (No such file or directory); name a file "
                "that holds nothing but the password."
            ),
        ),
        (
            ["--password-file", "/"],
            (
                "--password-file: / cannot be read (Is a directory); name a file that holds "
                "nothing but the password."
            ),
        ),
        (
            ["--password-env", "A", "--password-file", "b"],
            "Give --password-env or --password-file, not both.",
        ),
        ([], "Nobody can be asked for the password; give --password-env or -file."),
        (["--password-env", "SHORT"], "The password has 5 characters; choose 8 to 128."),
    ],
    ids=["variable", "file", "folder", "both", "none", "short"],
)
def test_a_password_that_cannot_be_is_one_plain_line(mpm, arguments, error):
    ended = mpm(
        "user", "create", "solar", "--email", "a@example.com", "--role", "admin", *arguments,
        SHORT="horse",
    )  # fmt: skip
    assert (ended.exit_code, ended.errors) == (2, f"Error: {error}\n")


def test_the_last_owner_cannot_be_disabled(mpm):
    create_user(mpm)
    ended = mpm("user", "disable", "solar", "--email", "asha@example.com")
    assert (ended.exit_code, ended.errors) == (
        2,
        "Error: 'asha@example.com' is the company's last owner; make somebody else owner first.\n",
    )


def test_an_unknown_user_is_named(mpm):
    ended = mpm("user", "disable", "solar", "--email", "nobody@example.com")
    assert ended.errors == "Error: Company 'solar' has no user 'nobody@example.com'.\n"


def test_a_key_is_shown_once_and_revoked(mpm):
    made = mpm("api-key", "create", "solar", "--name", "robot")
    key = made.output.strip()
    assert key.startswith("mpmk_")
    assert key not in mpm("api-key", "list", "solar", "--json").output

    assert mpm("api-key", "list", "solar").output.splitlines() == [
        "NAME   ROLE   STATE",
        "robot  admin  works",
    ]
    revoked = mpm("api-key", "revoke", "solar", "--name", "robot")
    assert revoked.output == "API key 'robot' is revoked.\n"
    [stored] = json.loads(mpm("api-key", "list", "solar", "--json").output)
    assert stored["revoked_at"] is not None


def test_an_unknown_key_is_named(mpm):
    ended = mpm("api-key", "revoke", "solar", "--name", "robot")
    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Company 'solar' has no API key 'robot'; `mpm api-key list solar` shows those "
            "it has.\n"
        ),
    )


def test_a_code_for_another_password_is_shown_once(mpm):
    create_user(mpm)
    made = mpm(
        "user", "reset-password", "solar", "asha@example.com", "--by", "boss@example.com", "--json"
    )
    shown = json.loads(made.output)
    assert (made.exit_code, shown["email"]) == (0, "asha@example.com")

    again = mpm("user", "reset-password", "solar", "asha@example.com", "--by", "boss@example.com")
    assert again.output.strip() != shown["code"]
    assert again.errors == (
        "It is not shown again. With it 'asha@example.com' chooses another password within 30 "
        "minutes: POST /api/v1/password-resets/confirm {email, code, password}.\n"
    )


def test_nobody_gets_a_code_for_an_unknown_user(mpm):
    ended = mpm("user", "reset-password", "solar", "a@example.com", "--by", "boss@example.com")
    assert (ended.exit_code, ended.errors) == (
        2,
        "Error: Company 'solar' has no user 'a@example.com'.\n",
    )
