"""`mpm plugins` and `mpm doctor`: what is installed, what is wrong, what to type next."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from mpm_core import deprecations
from mpm_core.deprecations import Deprecation
from mpm_host.configuration.config import load_config
from mpm_host.database import tables
from mpm_host.database.engines import open_engines
from mpm_host.encryption import new_key
from mpm_host.plugins.diagnosis import diagnose

NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
KEY = 'api_key: Secret = setting(help="Key.")'
CHECK = """
    @hookimpl
    def mpm_check(self):
        {}
"""
UMEME = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
"""


@pytest.fixture
def mpm(command_line, plugin_folder):
    """An installation that allows five plugins; one is missing and one was never allowed."""
    plugin_folder.install(
        "good", hooks=CHECK.format('return Health(ok=True, detail="It answers.")')
    )
    plugin_folder.install("down", hooks=CHECK.format('raise NotSent("Nobody is there.")'))
    plugin_folder.install("idle")
    plugin_folder.install("old", requires="mpm-payg-core>=7")
    plugin_folder.install("broken", code="raise KeyError('acme.cfg')")
    plugin_folder.install("stranger")
    command_line("init")
    allow("good", "down", "idle", "old", "broken", "missing")
    return command_line


def allow(*names):
    path = Path("mpm.toml")
    lines = path.read_text().splitlines(keepends=True)
    allowed = f"allowed_plugins = {json.dumps(names)}\n"
    path.write_text(
        "".join(allowed if line.startswith("allowed_plugins") else line for line in lines)
    )


def use(mpm, *names, text=UMEME):
    sections = "".join(f"[companies.umeme.plugins.{name}]\n" for name in names)
    with Path("mpm.toml").open("a") as file:
        file.write(text + sections)
    mpm("company", "reconcile")


def production():
    path = Path("mpm.toml")
    path.write_text(path.read_text().replace('mode = "development"', 'mode = "production"'))


# --- plugins list ---------------------------------------------------------------------------------


def listed(mpm, *arguments):
    rows = json.loads(mpm("plugins", "list", "--json", *arguments).output)
    return {row["name"]: row for row in rows}


OLD = (
    "Plugin 'old' (mpm-old 1.2) cannot be used: it needs mpm-payg-core >=7, but 0.1.0 is "
    "installed; install a version of it made for this core."
)
BROKEN = (
    "Plugin 'broken' (mpm-broken 1.2) cannot be loaded: importing mpm_broken_of_a_test raised "
    "KeyError: 'acme.cfg' (mpm_broken_of_a_test.py line 1). Reinstall it, or tell its author."
)


def test_list_tells_of_every_plugin_how_far_it_has_come(mpm):
    use(mpm, "good", "old", "broken", "stranger", "missing")

    rows = listed(mpm)

    assert {name: (row["status"], row["problem"]) for name, row in rows.items()
            if name in {"good", "idle", "old", "broken", "stranger", "missing"}} == {
        "good": ("enabled", ""),
        "idle": ("allowed", ""),
        "old": ("incompatible", OLD),
        "broken": ("broken", BROKEN),
        "stranger": ("installed",
                     "Plugin 'stranger' is used but not in allowed_plugins; add it there."),
        "missing": ("missing", "Plugin 'missing' is not installed; type: pip install mpm-missing"),
    }  # fmt: skip
    assert rows["good"] == {
        "name": "good",
        "status": "enabled",
        "distribution": "mpm-good",
        "version": "1.2",
        "installed": True,
        "allowed": True,
        "compatible": True,
        "enabled": True,
        "used_by": ["umeme/good"],
        "problem": "",
    }


def test_list_imports_only_plugins_in_use(mpm):
    use(mpm, "good")

    mpm("plugins", "list")

    loaded = {name for name in sys.modules if name.endswith("_of_a_test")}
    assert loaded == {"mpm_good_of_a_test"}


def test_list_counts_one_company_alone_when_asked(mpm):
    use(mpm, "good")
    mpm("company", "create", "solar", "--name", "S", "--country", "KE", "--currency", "KES")

    assert listed(mpm, "--company", "umeme")["good"]["used_by"] == ["umeme/good"]
    assert listed(mpm, "--company", "solar")["good"]["status"] == "allowed"
    assert mpm("plugins", "list", "--company", "nobody").exit_code == 2


def test_list_in_a_pipe_is_plain_columns(mpm):
    use(mpm, "good")

    lines = mpm("plugins", "list").output.splitlines()

    assert lines[0].split() == ["PLUGIN", "STATUS", "DISTRIBUTION", "VERSION", "USED", "BY",
                                "PROBLEM"]  # fmt: skip
    assert ["good", "enabled", "mpm-good", "1.2", "umeme/good"] in [line.split() for line in lines]


# --- plugins show ---------------------------------------------------------------------------------


def test_show_tells_what_a_plugin_declares(mpm, plugin_folder):
    plugin_folder.install("good", settings=KEY, manifest="url_settings=(), deadline=5.0")

    printed = json.loads(mpm("plugins", "show", "Good", "--json").output)

    assert printed == {
        "name": "good",
        "distribution": "mpm-good",
        "version": "1.2",
        "summary": "Made for a test",
        "requires_core": "<0.2,>=0.1",
        "title": "Good",
        "kind": "manufacturer",
        "device_kinds": ["meter"],
        "operations": {},
        "energy_step": None,
        "currencies": [],
        "payment_step": {},
        "minimum_amount": None,
        "maximum_amount": None,
        "serial_pattern": "[!-~]{1,64}",
        "token_pattern": None,
        "callback_paths": [],
        "url_settings": [],
        "deadline": "5",
        "concurrency": 8,
        "settings": [
            {
                "name": "api_key",
                "type": "secret",
                "limits": "",
                "required": True,
                "secret": True,
                "default": "",
                "help": "Key.",
            }
        ],
        "details": [],
        "notices": [],
    }
    text = mpm("plugins", "show", "good").output
    assert "title           Good\n" in text
    assert text.endswith("| `api_key` | secret | required | Key. |\n")


def test_show_of_a_plugin_without_settings_says_so(mpm):
    assert mpm("plugins", "show", "good").output.endswith("\n\nIt has no settings.\n")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (
            "stranger",
            ("Plugin 'stranger' is not allowed; if you trust it, add it to allowed_plugins in "
            "mpm.toml."),
        ),
        (
            "nosuch",
            ("Plugin 'nosuch' is not installed; correct its name, or install it and add it to "
            "allowed_plugins in mpm.toml."),
        ),
        ("broken", BROKEN),
        ("old", OLD),
    ],
)  # fmt: skip
def test_show_of_a_plugin_that_cannot_be_used_says_why(mpm, name, error):
    ended = mpm("plugins", "show", name)

    assert (ended.exit_code, ended.output, ended.errors) == (2, "", f"Error: {error}\n")


# --- plugins check --------------------------------------------------------------------------------

CHECKED = {
    "answers": ("good", True, "It answers."),
    "nobody there": ("down", False, "Nobody is there."),
    "broken": ("broken", False, BROKEN),
    "no check": (
        "idle",
        False,
        (
            "Plugin idle (mpm-idle 1.2), instance idle of company umeme has no mpm_check. Nothing "
            "was called."
        ),
    ),
}


@pytest.mark.parametrize(("name", "ok", "detail"), CHECKED.values(), ids=CHECKED.keys())
def test_check_tells_whether_the_other_side_answers(mpm, name, ok, detail):
    use(mpm, name)

    ended = mpm("plugins", "check", "umeme", name)

    word = "ok" if ok else "problem"
    assert (ended.exit_code, ended.output) == (0 if ok else 1, f"{word}: {detail}\n")
    printed = mpm("plugins", "check", "umeme", name, "--json")
    assert (printed.exit_code, json.loads(printed.output)) == (
        0 if ok else 1,
        {"ok": ok, "detail": detail},
    )


def test_a_failure_that_is_printed_is_not_logged_as_well(mpm, plugin_folder):
    use(mpm, "down")
    path = {"PYTHONPATH": str(plugin_folder.path)}

    assert mpm.program("plugins", "check", "umeme", "down", **path).errors == ""
    assert mpm.program("doctor", **path).errors == ""


def test_check_of_an_unknown_instance_is_wrong_use(mpm):
    use(mpm, "good")

    ended = mpm("plugins", "check", "umeme", "goood")

    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Company 'umeme' has no instance 'goood'; `mpm company show umeme` shows those "
            "it has.\n"
        ),
    )


def test_check_of_an_instance_without_settings_says_so(mpm):
    use(mpm, "good")
    with database().write.begin() as connection:
        connection.execute(sa.update(tables.instances).values(state="unconfigured"))

    assert mpm("plugins", "check", "umeme", "good").output == (
        "problem: It is unconfigured; enable it first.\n"
    )


def database():
    return open_engines(load_config(Path("mpm.toml"), os.environ).host.database)


# --- what goes away -------------------------------------------------------------------------------

GONE_SOON = Deprecation(hook="mpm_check", since="0.3", removed_in="0.5", write="mpm_health")
NOTICE = "Plugin.mpm_check is deprecated since mpm-payg-core 0.3 and gone in 0.5; write: mpm_health"


@pytest.fixture
def deprecated(monkeypatch):
    """Deprecate a hook; the table is empty as long as nothing is."""
    monkeypatch.setattr(deprecations, "DEPRECATIONS", (GONE_SOON,))


@pytest.mark.usefixtures("deprecated")
def test_show_tells_what_a_plugin_uses_that_goes_away(mpm):
    assert json.loads(mpm("plugins", "show", "good", "--json").output)["notices"] == [NOTICE]
    assert mpm("plugins", "show", "good").output.endswith(f"\nNotice: {NOTICE}\n")
    assert json.loads(mpm("plugins", "show", "idle", "--json").output)["notices"] == []


@pytest.mark.usefixtures("deprecated")
def test_doctor_gives_notice_and_finds_nothing_wrong(mpm):
    use(mpm, "good")
    ended = mpm("doctor")
    assert ended.exit_code == 0
    assert ended.output.endswith(f"Notice: Plugin 'good': {NOTICE}\nNothing is wrong.\n")


def test_show_tells_what_a_manufacturer_asks_of_each_device(mpm, plugin_folder):
    plugin_folder.install("careful", settings=KEY, manifest="details_class=Settings")
    allow("careful")
    shown = json.loads(mpm("plugins", "show", "careful", "--json").output)
    assert [each["name"] for each in shown["details"]] == ["api_key"]
    text = mpm("plugins", "show", "careful").output
    assert "\nIt asks of each device:\n" in text


# --- doctor ---------------------------------------------------------------------------------------


def findings(mpm, *arguments):
    ended = mpm("doctor", "--json", *arguments)
    printed = json.loads(ended.output)
    assert printed["ok"] is (ended.exit_code == 0)
    return {finding["instance"]: finding for finding in printed["findings"]}


def test_doctor_finds_nothing_wrong(mpm):
    use(mpm, "good")

    ended = mpm("doctor")

    assert (ended.exit_code, ended.output) == (
        0,
        (
            "COMPANY  INSTANCE  PLUGIN  STATE    CONFIGURED  REACHABLE\n"
            "umeme    good      good    enabled  yes         yes\n"
            "Nothing is wrong.\n"
        ),
    )
    assert findings(mpm)["good"] == {
        "company": "umeme",
        "instance": "good",
        "plugin": "good",
        "state": "enabled",
        "installed": True,
        "allowed": True,
        "compatible": True,
        "enabled": True,
        "configured": True,
        "reachable": True,
        "detail": "It answers.",
        "problem": "",
        "last_error": "",
        "next": "",
    }


def test_doctor_without_companies_says_what_to_type(mpm):
    ended = mpm("doctor")

    assert (ended.exit_code, ended.output) == (
        1,
        (
            "There are no companies; run `mpm company create SLUG --name … --country … --currency "
            "…`, or declare one in the configuration.\n"
        ),
    )


def test_doctor_tells_of_every_trouble_what_to_type_next(mpm, plugin_folder):
    plugin_folder.install("idle", settings=KEY)
    use(mpm, "good", "down", "idle", "old", "broken", "missing", "stranger")

    found = findings(mpm)

    facts = ("installed", "allowed", "compatible", "configured", "reachable")
    assert {name: tuple(each[fact] for fact in facts) for name, each in found.items()} == {
        "good": (True, True, True, True, True),
        "down": (True, True, True, True, False),
        "idle": (True, True, True, False, None),
        "old": (True, True, False, False, None),
        "broken": (True, True, True, False, None),
        "missing": (False, True, None, False, None),
        "stranger": (True, False, True, False, None),
    }
    assert {name: (each["problem"], each["next"]) for name, each in found.items()} == {
        "good": ("", ""),
        "down": (
            "Nobody is there.",
            ("see that the other side is up and its settings are right, then mpm plugins check "
            "umeme down"),
        ),
        "idle": (
            ("Company 'umeme', plugin 'idle', setting 'api_key' is missing; write for example: "
            'api_key = { env = "UMEME_IDLE_API_KEY" }'),
            "correct [companies.umeme.plugins.idle] in mpm.toml",
        ),
        "old": (OLD, "pip install --upgrade mpm-old"),
        "broken": (BROKEN, "reinstall mpm-broken, or tell its author"),
        "missing": (found["missing"]["problem"], "pip install mpm-missing"),
        "stranger": (
            ("Plugin 'stranger' is not allowed; if you trust it, add it to allowed_plugins in "
            "mpm.toml."),
            'add "stranger" to allowed_plugins in mpm.toml',
        ),
    }  # fmt: skip


def test_doctor_never_sends_for_a_package_that_nobody_allowed(mpm):
    use(mpm, "godo", "acme-solar")

    found = findings(mpm)

    assert {name: (each["problem"], each["next"]) for name, each in found.items()} == {
        "godo": ("Plugin 'godo' is not allowed; did you mean 'good'?", "did you mean 'good'?"),
        "acme-solar": (
            (
                "Plugin 'acme-solar' is not installed; correct its name, or install it and add it "
                "to allowed_plugins in mpm.toml."
            ),
            'add "acme-solar" to allowed_plugins in mpm.toml',
        ),
    }
    listed = json.loads(mpm("plugins", "list", "--json").output)
    assert {row["name"]: row["problem"] for row in listed if row["name"] in found} == {
        name: each["problem"] for name, each in found.items()
    }


def test_a_mistyped_instance_can_be_taken_out(mpm):
    path = Path("mpm.toml")
    before = path.read_text()
    use(mpm, "godo")
    path.write_text(before)
    use(mpm, "good")
    gone = (
        "umeme/godo: Company 'umeme', instance 'godo' is no longer in mpm.toml, so its settings "
        "are gone; put its section back with enabled = false to let it finish its work, or take it "
        "out: mpm company remove umeme godo"
    )

    told = mpm("doctor", "umeme")
    assert (told.exit_code, told.output.splitlines()[3:]) == (
        1,
        [gone, "umeme/godo: next: mpm company remove umeme godo, or put its section back"],
    )
    again = mpm("company", "reconcile")
    assert (again.output, again.errors.splitlines()[0]) == (
        "Nothing has changed.\n",
        f"Warning: {gone}",
    )

    removed = mpm("company", "remove", "umeme", "godo")
    assert (removed.exit_code, removed.output, removed.errors) == (
        0,
        "Instance 'godo' of company 'umeme' is removed; its history stays.\n",
        "",
    )
    assert "godo" not in mpm("company", "reconcile").errors
    assert (mpm("doctor", "umeme").exit_code, findings(mpm)["godo"]["problem"]) == (0, "")


def test_doctor_prints_trouble_below_the_table(mpm):
    use(mpm, "down")

    ended = mpm("doctor")

    assert (ended.exit_code, ended.output) == (
        1,
        (
            "COMPANY  INSTANCE  PLUGIN  STATE    CONFIGURED  REACHABLE\n"
            "umeme    down      down    enabled  yes         no\n"
            "umeme/down: Nobody is there.\n"
            "umeme/down: next: see that the other side is up and its settings are right, then mpm "
            "plugins check umeme down\n"
        ),
    )


def test_doctor_looks_at_one_company_when_asked(mpm):
    use(mpm, "down")
    mpm("company", "create", "solar", "--name", "S", "--country", "KE", "--currency", "KES")
    mpm("company", "enable", "solar", "good")

    assert list(findings(mpm, "solar")) == ["good"]
    assert mpm("doctor", "solar").exit_code == 0
    assert mpm("doctor", "nobody").errors == (
        "Error: There is no company 'nobody'; `mpm company list` shows those there are.\n"
    )


def test_doctor_sends_a_company_of_the_database_to_the_command_line(mpm, plugin_folder):
    mpm("company", "create", "solar", "--name", "S", "--country", "KE", "--currency", "KES")
    mpm("company", "enable", "solar", "good")
    plugin_folder.install("good", settings=KEY)

    finding = findings(mpm)["good"]

    assert finding["next"] == "mpm company enable solar good"


def test_doctor_asks_for_the_key_that_settings_were_encrypted_with(mpm):
    mpm("company", "create", "solar", "--name", "S", "--country", "KE", "--currency", "KES")
    mpm("company", "enable", "solar", "good")
    Path("mpm.key").write_text(new_key())

    finding = findings(mpm)["good"]

    assert (finding["problem"], finding["next"]) == (
        (
            "Stored data cannot be decrypted with [host] secret_key; put the former key back as "
            "the last of the list."
        ),
        "put the former key back as the last of [host] secret_key in mpm.toml",
    )


@pytest.mark.parametrize(
    ("state", "problem", "next_step"),
    [
        ("unconfigured", "It has no settings yet.", ("correct [companies.umeme.plugins.good] in "
                                                    "mpm.toml")),
        ("disabled", "", ""),
        ("removed", "", ""),
    ],
)  # fmt: skip
def test_doctor_knows_every_state(mpm, state, problem, next_step):
    use(mpm, "good")
    with database().write.begin() as connection:
        connection.execute(sa.update(tables.instances).values(state=state))

    finding = findings(mpm)["good"]

    assert (finding["state"], finding["enabled"]) == (state, False)
    assert (finding["problem"], finding["next"]) == (problem, next_step)


def test_doctor_says_what_is_only_declared(mpm):
    use(mpm, "good")
    with Path("mpm.toml").open("a") as file:
        file.write("[companies.umeme.plugins.idle]\n" + UMEME.replace("umeme", "solar"))

    ended = mpm("doctor")

    rest = (
        "is declared in mpm.toml but not in the database yet; run `mpm company reconcile`, or "
        "start `mpm serve`."
    )
    assert ended.exit_code == 1
    assert ended.output.splitlines()[2:] == [
        f"Instance 'idle' of company 'umeme' {rest}",
        f"Company 'solar' {rest}",
    ]
    assert mpm("doctor", "solar").output == f"Company 'solar' {rest}\n"


def test_doctor_in_production_lists_plain_http_and_private_addresses(mpm, plugin_folder):
    plugin_folder.install(
        "good",
        manifest="url_settings=('url',)",
        settings='url: str = setting(help="Where.", kind="url")',
    )
    production()
    use(mpm, text=UMEME + """
        [companies.umeme.plugins.plain]
        use = "good"
        url = "http://vendor.example/api"
        allow_plain_http = true
        [companies.umeme.plugins.private]
        use = "good"
        url = "https://10.1.2.3/api"
        allow_private_addresses = true
    """)  # fmt: skip

    ended = mpm("doctor")

    assert (ended.exit_code, ended.output.splitlines()[3:]) == (
        0,
        [
            "Plain http in production: umeme/plain: url is http://vendor.example/api",
            "Private addresses in production: umeme/private: may call addresses of our own network",
            "Nothing is wrong.",
        ],
    )


def insert_attempts(outcomes):
    """Let the company's meter have an order with attempts that ended so."""
    opened = database()
    with opened.write.begin() as connection:
        company, instance = connection.execute(
            sa.select(tables.instances.c.company_id, tables.instances.c.id)
        ).one()
        place = {"company_id": company, "created_at": NOW}
        rows = [
            (tables.clusters, {"id": "c", "name": "C"}),
            (tables.mini_grids, {"id": "m", "cluster_id": "c", "name": "M"}),
            (tables.villages, {"id": "v", "mini_grid_id": "m", "name": "V"}),
            (tables.devices, {"id": "d", "village_id": "v", "kind": "meter", "serial": "1",
                              "instance_id": instance, "state": {}, "mapping": "unknown"}),
            (tables.payments, {"id": "p", "instance_id": instance, "number": 1,
                               "status": "token_pending", "currency": "TZS", "details": {}}),
            (tables.orders, {"id": "o", "payment_id": "p", "device_id": "d",
                             "instance_id": instance, "kind": "energy", "money": 1,
                             "currency": "TZS", "calculation": {}, "status": "queued",
                             "next_at": NOW}),
        ]  # fmt: skip
        for table, values in rows:
            connection.execute(sa.insert(table).values(**place, **values))
        for number, outcome in enumerate(outcomes):
            connection.execute(
                sa.insert(tables.attempts).values(
                    id=str(number), company_id=company, order_id="o", number=number, at=NOW,
                    outcome=outcome, detail="The server is away.", plugin="good 1.2",
                )
            )  # fmt: skip
    opened.dispose()


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["issued", "not_sent"], "2026-01-05 09:30 not_sent: The server is away."),
        (["not_sent", "issued"], ""),
        (["unknown", "sent"], "2026-01-05 09:30 unknown: The server is away."),
    ],
    ids=["failed last", "works again", "under way"],
)
def test_doctor_tells_the_last_error_unless_it_works_again(mpm, outcomes, expected):
    use(mpm, "good")
    insert_attempts(outcomes)

    assert findings(mpm)["good"]["last_error"] == expected
    line = f"umeme/good: last error {expected}\n"
    assert (line in mpm("doctor").output) is bool(expected)


def test_diagnosing_asks_vendors_but_changes_nothing(open_host, plugin_folder):
    plugin_folder.install("good", hooks=CHECK.format("return Health(ok=True)"))
    host = open_host(UMEME + "[companies.umeme.plugins.good]", allowed=["good"])
    with host.engines.read.begin() as connection:
        before = connection.execute(sa.select(tables.audit)).all()

    assert diagnose(host).is_sound

    with host.engines.read.begin() as connection:
        assert connection.execute(sa.select(tables.audit)).all() == before
