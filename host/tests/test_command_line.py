"""The command tree itself: what `mpm` costs, how it fails, what `init` and `db` do."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import click
import pytest
import sqlalchemy as sa

from mpm_host.commands import COMMANDS, cli
from mpm_host.configuration.config import load_config
from mpm_host.database.engines import open_engines
from mpm_host.database.upgrade import current, head, upgrade
from mpm_host.encryption import Vault

HEAVY = ("alembic", "attrs", "cryptography", "httpx", "litestar", "mpm_core", "rich", "sqlalchemy")


def modules_after(program):
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


# --- what it costs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], []], ids=["help", "version", "bare"]
)
def test_asking_mpm_for_help_imports_click_and_nothing_heavy(arguments):
    program = (
        "import sys; from mpm_host.__main__ import main; sys.argv = ['mpm', *"
        f"{arguments}]\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules)"
    )

    found = modules_after(program)

    assert sorted(found & set(HEAVY)) == []
    assert "click" in found


def test_help_tells_every_command_in_the_tables_order(command_line):
    ended = command_line("--help")

    lines = ended.output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert ended.exit_code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name):
    module, short = COMMANDS[name]

    command = import_module(f"mpm_host.commands.{module}").command

    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help
    assert short.endswith(".")


def commands_below(command, path=()):
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from commands_below(command.get_command(context, name), (*path, name))


PRINTS_NO_DATA = {("serve",), ("worker",), ("sandbox",), ("plugins", "new")}


@pytest.mark.parametrize(
    "path",
    [path for path, _ in commands_below(cli) if path not in PRINTS_NO_DATA],
    ids=" ".join,
)
def test_every_command_prints_json_when_asked(path):
    command = dict(commands_below(cli))[path]

    assert "--json" in {option for each in command.params for option in each.opts}


def test_the_version_is_the_distributions(command_line):
    ended = command_line("--version")

    assert (ended.exit_code, ended.output) == (0, f"mpm {version('mpm-host')}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        "db current",
        "company list",
        "payments list umeme",
        "messages list umeme",
        "verify",
        "doctor",
    ],
)
def test_commands_that_only_look_stand_behind_no_writer(command_line, arguments):
    command_line("init")
    made = ["company", "create", "umeme", "--name", "Umeme", "--country", "TZ", "--currency", "TZS"]
    assert command_line(*made).exit_code == 0
    with contextlib.closing(sqlite3.connect("mpm.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        ended = command_line(*arguments.split())
        took = time.monotonic() - began

    assert (ended.exit_code, ended.errors) == (0, "")
    assert took < 10  # a writer waits longer


# --- how it fails ---------------------------------------------------------------------------------


def test_an_unknown_command_is_wrong_use(command_line):
    ended = command_line("docter")

    assert ended.exit_code == 2
    assert "Error: No such command 'docter'." in ended.errors


def test_a_persons_mistake_is_one_line_and_exit_code_2(command_line):
    ended = command_line.program("company", "list")

    assert ended.exit_code == 2
    assert ended.output == ""
    assert ended.errors == (
        "Error: mpm.toml does not exist; run `mpm init`, or name your file with --config or "
        "MPM_CONFIG.\n"
    )


def test_several_mistakes_are_one_line_each(command_line):
    Path("mpm.toml").write_text('[host]\ndatabase = "sqlite:///mpm.db"\nmodes = 1\n')

    ended = command_line("doctor")

    assert ended.exit_code == 2
    assert ended.errors == (
        "Error: mpm.toml [host], setting 'secret_key' is missing; run `mpm init` or write: "
        'secret_key = { file = "mpm.key" }\n'
        "Error: mpm.toml [host], setting 'modes' is unknown; did you mean 'mode'?\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("payments", "show", "Caf\udce9"),
        (
            "company",
            "create",
            "umeme",
            "--name",
            "Caf\udce9",
            "--country",
            "TZ",
            "--currency",
            "TZS",
        ),
        ("--config", "Caf\udce9", "company", "list"),
        ("Caf\udce9",),
    ],
    ids=["argument", "option", "option of mpm itself", "command"],
)
def test_bytes_that_are_no_text_are_refused_before_anything_else(command_line, arguments):
    ended = command_line(*arguments)

    assert (ended.exit_code, ended.output, ended.errors) == (
        2,
        "",
        "Error: Argument 'Caf?' is not UTF-8; write it in UTF-8.\n",
    )
    assert command_line.program(*arguments) == ended


def test_a_bug_is_not_hidden(command_line, monkeypatch):
    def broken(*_arguments):
        raise ZeroDivisionError

    monkeypatch.setattr("mpm_host.commands.db.head", broken)
    command_line("init")

    with pytest.raises(ZeroDivisionError):
        command_line("db", "current")


@pytest.mark.parametrize("way", ["option", "variable"])
def test_the_configuration_is_found_from_anywhere(command_line, tmp_path, monkeypatch, way):
    command_line("init")
    path = Path("mpm.toml").absolute()
    monkeypatch.chdir(tmp_path)

    ended = (
        command_line("--config", str(path), "db", "current")
        if way == "option"
        else command_line("db", "current", MPM_CONFIG=str(path))
    )

    assert ended.output == f"{head()} (up to date)\n"
    assert not (tmp_path / "mpm.db").exists()


def test_a_database_that_gives_up_is_one_line(command_line):
    command_line("init")
    opened = open_engines(f"sqlite:///{Path('mpm.db').absolute()}")
    with opened.write.begin() as connection:
        connection.execute(sa.text("ALTER TABLE mpm_company RENAME TO elsewhere"))
    opened.dispose()

    ended = command_line("company", "list")

    assert ended.exit_code == 2
    assert ended.errors == (
        "Error: The database gave up (no such table: mpm_company); look after it, then try again.\n"
    )


# --- init -----------------------------------------------------------------------------------------


def test_init_writes_a_configuration_that_works(command_line):
    ended = command_line("init")

    key = Path("mpm.key").absolute()
    assert (ended.exit_code, ended.output) == (
        0,
        (
            f"Wrote mpm.toml and {key}, and created the database. Keep a copy of the key.\n"
            "Next: mpm company create, or declare companies in the file; then mpm serve.\n"
        ),
    )
    config = load_config(Path("mpm.toml"), {})
    assert config.host.mode == "development"
    assert {"airtel", "calin", "sunking", "vodacom"} <= set(config.host.allowed_plugins)
    assert Vault(config.host.secret_keys).seal("text")
    opened = open_engines(config.host.database)
    assert current(opened.write) == head()
    opened.dispose()


def test_what_init_writes_is_the_owners_alone(command_line):
    before = os.umask(0)
    try:
        command_line("init")
    finally:
        os.umask(before)

    modes = {path.name: path.stat().st_mode & 0o777 for path in Path().iterdir()}
    assert modes == {"mpm.toml": 0o600, "mpm.key": 0o600, "mpm.db": 0o600}


def test_init_prints_json(command_line):
    ended = command_line("init", "--json", "--mode", "production")

    printed = json.loads(ended.output)
    assert printed["config"] == "mpm.toml"
    assert printed["key"] == str(Path("mpm.key").absolute())
    assert load_config(Path("mpm.toml"), {}).host.mode == "production"


@pytest.mark.parametrize("existing", ["mpm.toml", "mpm.key"])
def test_init_overwrites_nothing(command_line, existing):
    Path(existing).write_text("mine")

    ended = command_line("init")

    assert ended.exit_code == 2
    assert ended.errors.endswith(
        f"{existing} exists already; nothing was changed. Move it away first.\n"
    )
    assert [(path.name, path.read_text()) for path in Path().iterdir()] == [(existing, "mine")]


def test_init_leaves_a_database_that_has_tables_alone(command_line):
    """A new key could not decrypt what is in it."""
    opened = open_engines(f"sqlite:///{Path('mpm.db').absolute()}")
    upgrade(opened.write)
    opened.dispose()

    ended = command_line("init")

    assert ended.exit_code == 2
    assert ended.errors == (
        "Error: The database has tables already, which another key may have encrypted; name "
        "another one with --database, or copy the mpm.toml and mpm.key that belong to it.\n"
    )
    assert not Path("mpm.toml").exists()
    assert not Path("mpm.key").exists()


@pytest.mark.parametrize(
    ("database", "error"),
    [
        (
            "mysql://db",
            "[host] database: mysql is not supported; use sqlite or postgresql+psycopg.",
        ),
        (
            "sqlite://",
            "mpm.toml [host], setting 'database' must name a file; write sqlite:///mpm.db.",
        ),
        (
            "mpm.db",
            (
                "[host] database is not a database URL; write sqlite:///mpm.db or "
                "postgresql+psycopg://user@host/name."
            ),
        ),
    ],
)
def test_init_refuses_a_database_it_cannot_use(command_line, database, error):
    ended = command_line("init", "--database", database)

    assert (ended.exit_code, ended.errors) == (2, f"Error: {error}\n")
    assert list(Path().iterdir()) == []


def test_init_that_fails_leaves_nothing_and_can_be_repeated(command_line):
    ended = command_line("init", "--database", "sqlite:///no/such/folder/x.db")

    file = Path("no/such/folder/x.db").absolute()
    assert (ended.exit_code, ended.output, ended.errors) == (
        2,
        "",
        (
            f"Error: Database sqlite:///{file} cannot be opened (unable to open database file); "
            "correct [host] database, or start it.\n"
        ),
    )
    assert list(Path().iterdir()) == []
    assert command_line("init").exit_code == 0


def test_init_names_a_server_that_is_not_there(command_line, tmp_path):
    ended = command_line("init", "--database", f"postgresql+psycopg://m:canary@/m?host={tmp_path}")

    assert ended.exit_code == 2
    assert ended.errors.startswith("Error: Database postgresql+psycopg://m:***@/m?host=")
    assert "canary" not in ended.errors
    assert list(Path().iterdir()) == []


def test_init_in_a_missing_folder_says_so(command_line):
    ended = command_line("--config", "none/mpm.toml", "init")

    key = Path("none/mpm.key").absolute()
    assert ended.exit_code == 2
    assert ended.errors == (
        f"Error: {key} cannot be written (No such file or directory); create its folder, or "
        "correct its permissions.\n"
    )


def test_init_on_postgresql_creates_the_tables(command_line, postgresql):
    with postgresql.database() as url:
        ended = command_line("init", "--database", url)
        assert ended.errors == ""

        again = command_line("db", "current", "--json")

    assert json.loads(again.output) == {"current": head(), "head": head(), "up_to_date": True}


# --- db -------------------------------------------------------------------------------------------

UNREADABLE = """
[host]
database = "sqlite:///mpm.db"
secret_key = { env = "NOT_SET" }
[companies.UMEME]
nonsense = 1
"""


def test_db_works_without_any_secret_or_plugin(command_line):
    Path("mpm.toml").write_text(UNREADABLE)

    assert command_line("db", "current").output == (
        f"no tables (this version needs {head()}; run `mpm db upgrade`)\n"
    )
    assert not Path("mpm.db").exists()
    assert command_line("db", "upgrade").output == f"The database is at revision {head()} now.\n"
    assert command_line("db", "upgrade").output == (
        f"The database is at revision {head()} already.\n"
    )
    assert command_line("db", "current").output == f"{head()} (up to date)\n"


def test_a_database_of_a_newer_version_needs_that_version_and_no_upgrade(command_line):
    Path("mpm.toml").write_text(UNREADABLE)
    command_line("db", "upgrade")
    opened = open_engines(f"sqlite:///{Path('mpm.db').absolute()}")
    with opened.write.begin() as connection:
        connection.execute(sa.text("UPDATE mpm_alembic SET version_num = '9999'"))
    opened.dispose()

    assert command_line("db", "current").output == (
        f"9999 (this version needs {head()}; install the version of mpm-host that wrote it, or a "
        "newer one)\n"
    )
    refused = command_line("db", "upgrade").errors
    assert refused.endswith("install the version of mpm-host that wrote it, or a newer one.\n")


def test_db_prints_json(command_line):
    Path("mpm.toml").write_text(UNREADABLE)

    upgraded = command_line("db", "upgrade", "--json")
    assert json.loads(upgraded.output) == {"before": None, "after": head()}


def test_commands_before_the_first_upgrade_say_what_to_type(command_line):
    command_line("init")
    Path("mpm.db").unlink()

    for arguments in (["company", "list"], ["plugins", "list"], ["doctor"]):
        ended = command_line(*arguments)
        assert (ended.exit_code, ended.errors) == (
            2,
            (
                f"Error: Database sqlite:///{Path('mpm.db').absolute()} has no tables yet; run "
                "`mpm db upgrade`.\n"
            ),
        )


# --- serve ----------------------------------------------------------------------------------------


def test_serve_on_an_address_of_another_machine_says_which_option_to_change(command_line):
    command_line("init")

    ended = command_line.program("serve", "--host", "203.0.113.1", "--port", "0")

    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Cannot listen on 203.0.113.1 port 0: Cannot assign requested address; choose "
            "another with --host.\n"
        ),
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(b"no database" * 1000, "file is not a database", id="another file"),
        pytest.param(None, "database disk image is malformed", id="overwritten pages"),
    ],
)
def test_a_damaged_file_of_the_job_engine_is_named(command_line, damage, reason):
    command_line("init")
    work = Path("mpm.db.work").absolute()
    work.write_bytes(damage or malformed_database())

    ended = command_line.program("serve", "--port", "0")

    assert ended.exit_code == 2
    assert ended.errors.endswith(
        f"Error: {work} is damaged ({reason}); remove it, and {work}-wal and {work}-shm if they "
        "are there: it is the job engine's, and losing it loses nothing.\n"
    )


def malformed_database():
    """Return a file that begins as a database does, and whose page of its tables is overwritten."""
    path = Path("malformed.db")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE some_table (id INTEGER)")
    whole = path.read_bytes()
    return whole[:100] + b"\xff" * (len(whole) - 100)


@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_a_port_that_is_taken_is_named(command_line, command):
    command_line("init")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = command_line.program(command, "--port", str(port))

    assert ended.exit_code == 2
    assert re.fullmatch(
        rf"Error: Cannot listen on (127\.0\.0\.1 )?port {port}: Address already in use; choose "
        r"another with --port\.\n",
        ended.errors,
    )
