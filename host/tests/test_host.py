"""The composition root: what opening, reconciling, locking and closing do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mpm_core import UserError
from mpm_host.database.exclusive_lock import lock_database
from mpm_host.database.upgrade import upgrade

UMEME = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
"""


def test_opening_touches_no_database(open_host, tmp_path):
    url = f"sqlite:///{tmp_path / 'not-there.db'}"

    open_host(url=url, reconcile=False)

    assert not (tmp_path / "not-there.db").exists()


@pytest.mark.parametrize("method", ["load", "reconcile"])
def test_a_database_without_tables_is_refused(open_host, tmp_path, method):
    url = f"sqlite:///{tmp_path / 'not-there.db'}"
    host = open_host(url=url, reconcile=False)

    with pytest.raises(UserError) as refused:
        getattr(host, method)()

    assert str(refused.value) == f"Database {url} has no tables yet; run `mpm db upgrade`."
    assert not (tmp_path / "not-there.db").exists()


def test_a_fresh_database_can_be_upgraded_and_reconciled(open_host, tmp_path):
    host = open_host(UMEME, url=f"sqlite:///{tmp_path / 'fresh.db'}", reconcile=False)

    upgrade(host.engines.write)

    assert host.reconcile() == ("Company 'umeme' created.",)
    assert list(host.house.directory.by_slug) == ["umeme"]
    assert (tmp_path / "fresh.db").stat().st_mode & 0o777 == 0o600


def test_looking_changes_nothing(open_host):
    open_host(reconcile=True)
    host = open_host(UMEME, reconcile=False)

    host.load()

    assert host.house.directory.by_slug == {}


def test_a_key_that_is_none_is_refused_without_showing_it(open_host):
    with pytest.raises(UserError) as refused:
        open_host(keys=["canary"], reconcile=False)

    assert str(refused.value) == (
        "[host] secret_key is not a key; use the text that `mpm init` writes to mpm.key."
    )


# --- one server per SQLite file -------------------------------------------------------------------


def test_a_second_server_on_one_sqlite_file_is_refused_until_the_first_ends(tmp_path):
    url = f"sqlite:///{tmp_path / 'mpm.db'}"
    first = lock_database(url)

    with pytest.raises(UserError) as refused:
        lock_database(url)
    assert str(refused.value) == (
        f"Database {tmp_path / 'mpm.db'} is in use by another `mpm serve` or `mpm worker`; stop "
        "that one, or use PostgreSQL to run several."
    )

    first.close()
    lock_database(url).close()


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    url = f"sqlite:///{tmp_path / 'mpm.db'}"
    program = (
        "import sys, time; from mpm_host.database.exclusive_lock import lock_database; "
        f"held = lock_database({url!r}); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="is in use by another"):
            lock_database(url)
        other.kill()

    lock_database(url).close()


def test_the_lock_is_beside_other_commands(open_host, database_url):
    server = open_host()
    server.lock_database()

    shell = open_host(UMEME)

    assert list(shell.house.directory.by_slug) == ["umeme"]
    server.close()
    if database_url.startswith("sqlite"):
        lock_database(database_url).close()


def test_postgresql_needs_no_lock():
    assert lock_database("postgresql+psycopg://mpm@/mpm") is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError) as refused:
        lock_database(f"sqlite:///{tmp_path / 'none' / 'mpm.db'}")

    assert str(refused.value) == (
        f"{tmp_path / 'none' / 'mpm.db.lock'} cannot be written (No such file or directory); "
        "correct the folder's permissions."
    )


def test_locking_twice_holds_one_lock(open_host, database_url):
    server = open_host()
    server.lock_database()
    server.lock_database()
    server.close()

    if database_url.startswith("sqlite"):
        lock_database(database_url).close()
