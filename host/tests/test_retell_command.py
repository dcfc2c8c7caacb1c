"""`mpm doctor` and `mpm plugins retell`: what a plugin was not told, and telling it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from mpm_host.configuration.config import load_config
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.database.outbox_tables import tellings
from mpm_host.identifiers import new_identifier
from tests.support.hosts import NOW

HOOKS = """
    @hookimpl
    def mpm_check(self):
        return Health(ok=True, detail="It answers.")

    @hookimpl
    def mpm_device_registered(self, device):
        raise NotSent("Nobody is there.")
"""
UMEME = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"

[companies.umeme.plugins.good]
"""


@pytest.fixture
def mpm(command_line, plugin_folder):
    """A company whose plugin was not told two facts, and waits to be told one."""
    plugin_folder.install("good", hooks=HOOKS)
    command_line("init")
    path = Path("mpm.toml")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join(
            'allowed_plugins = ["good"]\n' if line.startswith("allowed_plugins") else line
            for line in lines
        )
        + UMEME
    )
    command_line("company", "reconcile")
    for next_at in (None, None, NOW):
        set_aside(next_at)
    return command_line


def database():
    return open_engines(load_config(Path("mpm.toml"), {}).host.database)


def set_aside(next_at):
    engines = database()
    with engines.write.begin() as connection:
        instance = connection.execute(sa.select(t.instances)).one()
        connection.execute(
            sa.insert(tellings).values(
                id=new_identifier(), company_id=instance.company_id, instance_id=instance.id,
                hook="mpm_device_registered", subject_id="0" * 32, failures=6,
                detail="Nobody is there.", next_at=next_at, created_at=NOW,
            )
        )  # fmt: skip
    engines.dispose()


def waiting():
    engines = database()
    with engines.read.connect() as connection:
        rows = connection.execute(sa.select(tellings.c.next_at, tellings.c.failures)).all()
    engines.dispose()
    return sorted((row.next_at is not None, row.failures) for row in rows)


def audited():
    engines = database()
    with engines.read.connect() as connection:
        query = sa.select(t.audit.c.action, t.audit.c.subject, t.audit.c.after)
        rows = [tuple(row) for row in connection.execute(query) if "told" in row.action]
    engines.dispose()
    return rows


def test_doctor_shows_what_a_plugin_was_not_told(mpm):
    ended = mpm("doctor", "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.output)["remarks"] == [
        (
            "umeme/good was not told 2 facts, though it was tried again and again: Nobody is "
            "there. Mend it, then `mpm plugins retell umeme good`."
        )
    ]


def test_retell_tells_again_what_was_set_aside_and_is_audited_once(mpm):
    assert mpm("plugins", "retell", "umeme", "good").output == "2 facts are told again.\n"
    assert waiting() == [(True, 0), (True, 0), (True, 6)]
    assert mpm("plugins", "retell", "umeme", "good").output == "0 facts are told again.\n"
    assert audited() == [("instance.told_again", "good", {"facts": 2})]
    assert json.loads(mpm("doctor", "--json").output)["remarks"] == []


def test_retell_can_forget_instead(mpm):
    ended = mpm("plugins", "retell", "umeme", "good", "--forget", "--json")
    assert json.loads(ended.output) == {"facts": 2, "forgotten": True}
    assert waiting() == [(True, 6)]
    assert audited() == [("instance.not_told", "good", {"facts": 2})]


def test_retell_of_an_unknown_instance_says_which_there_are(mpm):
    ended = mpm("plugins", "retell", "umeme", "nobody")
    assert (ended.exit_code, ended.output) == (2, "")
    assert "Company 'umeme' has no instance 'nobody'" in ended.errors
