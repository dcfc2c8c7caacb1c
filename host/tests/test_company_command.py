"""`mpm company`: companies and their plugins at the command line."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from mpm_host.configuration.config import load_config
from mpm_host.database.engines import open_engines
from mpm_host.database.tables import audit
from mpm_host.host import Host
from tests.support.command_line import choose_plugin
from tests.support.terminals import on_a_terminal

SETTINGS = """
    api_url: str = setting(help="Where.", kind="url", example="https://acme.example")
    api_key: Secret = setting(help="Key of our account.")
    timeout: int = setting(help="Seconds to wait.", default=30, minimum=1)
    region: str | None = setting(help="Region.", default=None)
"""
MANAGED = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
[companies.umeme.plugins.tele]
"""
URL = ("--set", "api_url=http://127.0.0.1:9")
NOTHING = "Nothing to change; say what, for example --set user_id=…."


@pytest.fixture
def mpm(command_line, plugin_folder):
    """An installation with the company `solar`, the manufacturer `acme` and the telecom `tele`."""
    plugin_folder.install("acme", settings=SETTINGS)
    plugin_folder.install("tele", kind="telecom")
    command_line("init")
    path = Path("mpm.toml")
    text = path.read_text()
    line = next(line for line in text.splitlines() if line.startswith("allowed_plugins"))
    path.write_text(text.replace(line, 'allowed_plugins = ["acme", "tele"]'))
    create(command_line)
    return command_line


def create(command_line, *more):
    return command_line(
        "company", "create", "solar", "--name", "Solar Ltd", "--country", "KE", "--currency",
        "KES", *more,
    )  # fmt: skip


def declare(text):
    with Path("mpm.toml").open("a") as file:
        file.write(text)


def plain_settings(slug, instance):
    with Host.open(load_config(Path("mpm.toml"), os.environ)) as host:
        host.load()
        return host.house.plain_settings(host.companies.find_instance(slug, instance).id)


def show(mpm, slug="solar"):
    return json.loads(mpm("company", "show", slug, "--json").output)


# --- companies ------------------------------------------------------------------------------------

SOLAR = {
    "slug": "solar",
    "name": "Solar Ltd",
    "country": "KE",
    "currency": "KES",
    "timezone": "Africa/Nairobi",
    "managed_by_configuration": False,
    "enabled": True,
    "arrears_buy_time": False,
    "demand_mapping": False,
}


def test_create_makes_a_company(command_line):
    command_line("init")

    ended = create(command_line)

    assert (ended.exit_code, ended.output, ended.errors) == (
        0,
        "Company 'solar' created. Next: mpm company enable solar PLUGIN\n",
        "",
    )
    assert json.loads(command_line("company", "list", "--json").output) == [SOLAR]


def test_create_prints_json(command_line):
    command_line("init")

    ended = create(command_line, "--json", "--timezone", "Africa/Kampala")

    assert json.loads(ended.output) == SOLAR | {"timezone": "Africa/Kampala"}


def test_create_says_who_did_it(mpm):
    opened = open_engines(load_config(Path("mpm.toml"), os.environ).host.database)
    with opened.read.begin() as connection:
        actors = connection.execute(sa.select(audit.c.actor)).scalars().all()
    opened.dispose()

    assert [actor.startswith("command line (") for actor in actors] == [True]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("solar", "--name", "S", "--country", "KE", "--currency", "KES"),
            "Company 'solar' exists already; choose another slug.",
        ),
        (
            ("Solar", "--name", "S", "--country", "KE", "--currency", "KES"),
            (
                "'Solar' cannot be a slug; write a small letter, then up to 62 small letters, "
                "digits or hyphens."
            ),
        ),
        (
            ("new", "--name", "S", "--country", "CD", "--currency", "CDF"),
            (
                "Company 'new': timezone is missing, and CD has several; write one such as "
                "Africa/Dar_es_Salaam."
            ),
        ),
    ],
    ids=["taken", "slug", "zone"],
)
def test_create_refuses_with_one_line(mpm, arguments, error):
    ended = mpm("company", "create", *arguments)

    assert (ended.exit_code, ended.output, ended.errors) == (2, "", f"Error: {error}\n")


def test_list_in_a_pipe_is_plain_columns(mpm):
    declare(MANAGED)
    mpm("company", "reconcile")

    assert mpm("company", "list").output == (
        "SLUG   NAME       COUNTRY  CURRENCY  TIMEZONE              OWNER          ENABLED\n"
        "solar  Solar Ltd  KE       KES       Africa/Nairobi        database       yes\n"
        "umeme  Umeme      TZ       TZS       Africa/Dar_es_Salaam  configuration  yes\n"
    )


def test_list_says_what_to_do_first(command_line):
    command_line("init")

    assert command_line("company", "list").output == (
        "There are no companies; create one with `mpm company create`.\n"
    )
    assert command_line("company", "list", "--json").output == "[]\n"


@pytest.mark.parametrize("command", ["show", "enable", "disable", "callback-url"])
def test_an_unknown_company_is_named(mpm, command):
    arguments = ["nobody"] if command == "show" else ["nobody", "acme"]

    ended = mpm("company", command, *arguments)

    assert (ended.exit_code, ended.errors) == (
        2,
        "Error: There is no company 'nobody'; `mpm company list` shows those there are.\n",
    )


# --- enabling -------------------------------------------------------------------------------------


def test_enable_takes_secrets_from_variables_and_files(mpm):
    Path("key").write_text("canary-file\n")

    ended = mpm("company", "enable", "solar", "acme", *URL, "--set-env", "api_key=KEY",
                KEY="canary-variable")  # fmt: skip
    assert (ended.exit_code, ended.output, ended.errors) == (
        0,
        "Instance 'acme' of company 'solar' is enabled.\n",
        "",
    )
    assert plain_settings("solar", "acme") == {
        "api_url": "http://127.0.0.1:9",
        "api_key": "canary-variable",
        "timeout": 30,
        "region": None,
    }

    mpm("company", "enable", "solar", "acme", "--set-file", "api_key=key")
    assert plain_settings("solar", "acme")["api_key"] == "canary-file"


def test_enable_again_changes_only_what_is_given(mpm):
    mpm("company", "enable", "solar", "acme", *URL, "--set-env", "api_key=KEY", KEY="canary")

    mpm("company", "enable", "solar", "acme", "--set", "timeout=5", "--set", "region=north")
    assert plain_settings("solar", "acme") == {
        "api_url": "http://127.0.0.1:9",
        "api_key": "canary",
        "timeout": 5,
        "region": "north",
    }

    mpm("company", "enable", "solar", "acme", "--set", "timeout=", "--set", "region=")
    assert plain_settings("solar", "acme") == {
        "api_url": "http://127.0.0.1:9",
        "api_key": "canary",
        "timeout": 30,
        "region": None,
    }


def test_enable_takes_the_hosts_keys_too(mpm):
    values = (
        "minimum_amount=500",
        "allowed_addresses=192.0.2.1, 198.51.100.0/24",
        "allow_plain_http=yes",
    )
    mpm(
        "company", "enable", "solar", "tele", *(part for each in values for part in ("--set", each))
    )

    (tele,) = show(mpm)["plugins"]
    assert tele["options"] == {
        "allow_plain_http": True,
        "allowed_addresses": ["192.0.2.1", "198.51.100.0/24"],
        "minimum_amount": "500",
    }


def test_enable_prints_the_callback_url_of_a_telecom(mpm):
    ended = mpm("company", "enable", "solar", "tele")

    first, second = ended.output.splitlines()
    assert first == "Instance 'tele' of company 'solar' is enabled."
    url = mpm("company", "callback-url", "solar", "tele").output.strip()
    assert second == f"Its callback URL is {url}"
    base, _, key = url.rpartition("/")
    assert (base, len(key)) == ("http://127.0.0.1:8000/callbacks", 32)


def test_callback_url_prints_every_path_as_json(mpm):
    mpm("company", "enable", "solar", "tele")
    url = mpm("company", "callback-url", "solar", "tele").output.strip()

    ended = mpm("company", "callback-url", "solar", "tele", "--json")

    assert json.loads(ended.output) == {"url": url, "paths": {"pay": f"{url}/pay"}}


def test_an_instance_that_nobody_calls_has_no_callback_url(mpm):
    mpm("company", "enable", "solar", "acme", *URL, "--set-env", "api_key=KEY", KEY="canary")

    for options in ((), ("--json",)):
        ended = mpm("company", "callback-url", "solar", "acme", *options, KEY="canary")
        assert (ended.exit_code, ended.output, ended.errors) == (
            2,
            "",
            (
                "Error: Nobody calls instance 'acme' of company 'solar': plugin acme has no "
                "callback paths.\n"
            ),
        )


def test_an_instance_that_does_not_work_keeps_its_callback_url(mpm):
    enabled = mpm("company", "enable", "solar", "tele").output
    Path("mpm.toml").write_text(
        Path("mpm.toml").read_text().replace('["acme", "tele"]', '["acme"]')
    )

    ended = mpm("company", "callback-url", "solar", "tele")

    assert ended.exit_code == 0
    assert ended.output.strip() in enabled


@pytest.mark.parametrize("state", ["unconfigured", "removed"])
def test_an_instance_that_is_not_in_use_has_no_callback_url(mpm, state):
    choose_plugin("solar", "tele")
    if state == "removed":
        mpm("company", "remove", "solar", "tele")

    ended = mpm("company", "callback-url", "solar", "tele")

    assert (ended.exit_code, ended.output, ended.errors) == (
        2,
        "",
        (
            f"Error: Company 'solar': instance 'tele' is {state}; `mpm company enable solar tele` "
            "takes its settings and lets it work.\n"
        ),
    )


def test_a_second_instance_runs_under_a_name_of_its_own(mpm):
    ended = mpm("company", "enable", "solar", "tele-south", "--use", "tele", "--json")

    printed = json.loads(ended.output)
    assert (printed["instance"], printed["plugin"], printed["state"], printed["kind"]) == (
        "tele-south",
        "tele",
        "enabled",
        "telecom",
    )
    assert mpm("company", "enable", "solar", "tele-south").exit_code == 0


def test_another_plugin_starts_with_settings_of_its_own(mpm, plugin_folder):
    plugin_folder.install("acme", settings='name: str = setting(help="Name.", default="x")')
    mpm("company", "enable", "solar", "mine", "--use", "acme", "--set", "name=y")

    ended = mpm("company", "enable", "solar", "mine", "--use", "tele", "--json")

    printed = json.loads(ended.output)
    assert (printed["plugin"], printed["settings"]) == ("tele", {})


PLACE = "Company 'solar', plugin 'acme', setting"
REFUSED = {
    "secret": (
        ("--set", "api_key=canary"),
        ((f"{PLACE} 'api_key' is a secret, and a command line is none; write --set-env "
         "api_key=VARIABLE or --set-file api_key=PATH."),),
    ),
    "unknown": (
        ("--set", "api_kye=canary", "--set", "zzz=canary"),
        (
            f"{PLACE} 'api_kye' is unknown; did you mean 'api_key'?",
            (f"{PLACE} 'zzz' is unknown; known are: allow_plain_http, allow_private_addresses, "
            "allowed_addresses, api_key, api_url, concurrency, maximum_amount, minimum_amount, "
            "region, timeout."),
        ),
    ),
    "wrong": (
        ("--set", "timeout=soon", "--set", "concurrency=0"),
        (f"{PLACE} 'timeout' must be a whole number.",
         f"{PLACE} 'concurrency' must be at least 1."),
    ),
    "said elsewhere": (
        ("--set", "use=tele", "--set", "enabled=no"),
        (f"{PLACE} 'use' is said by --use PLUGIN.",
         f"{PLACE} 'enabled' is said by `mpm company disable`."),
    ),
    "no variable": (
        ("--set-env", "api_key=NOT_SET"),
        ((f"{PLACE} 'api_key' environment variable NOT_SET is not set; set it or write another "
         "value."),),
    ),
    "no file": (
        ("--set-file", "api_key=none"),
        ((f"{PLACE} 'api_key' file none cannot be read (No such file or directory); create it or "
         "write another value."),),
    ),
    "no key": (
        ("--set", "canary"),
        ("--set wants key=value; write for example --set user_id=….",),
    ),
    "missing": (
        (),
        (f"{PLACE} 'api_url' is missing; write --set api_url=https://acme.example",
         (f"{PLACE} 'api_key' is missing; write --set-env api_key=VARIABLE or --set-file "
         "api_key=PATH.")),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "errors"), REFUSED.values(), ids=REFUSED.keys())
def test_enable_refuses_with_one_line_per_mistake(mpm, arguments, errors):
    ended = mpm("company", "enable", "solar", "acme", *arguments)

    assert ended.exit_code == 2
    assert ended.errors == "".join(f"Error: {error}\n" for error in errors)
    assert "canary" not in ended.errors
    assert show(mpm)["plugins"] == []


def test_enable_asks_which_plugin_a_name_of_ones_own_runs(mpm):
    ended = mpm("company", "enable", "solar", "acme-south")

    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: No plugin 'acme-south' is installed; if that is a name of your own, say which "
            "plugin it runs: --use PLUGIN.\n"
        ),
    )


def test_enable_refuses_a_plugin_that_is_not_allowed(mpm):
    ended = mpm("company", "enable", "solar", "calin")

    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Plugin 'calin' is not allowed; if you trust it, add it to allowed_plugins in "
            "mpm.toml.\n"
        ),
    )


# --- what a company chooses -----------------------------------------------------------------------


def test_change_sets_what_it_names(mpm):
    ended = mpm("company", "change", "solar", "--demand-mapping", "--name", "Jua", "--json")
    assert json.loads(ended.output) == SOLAR | {"name": "Jua", "demand_mapping": True}
    ended = mpm("company", "change", "solar", "--no-demand-mapping", "--arrears-buy-time")
    assert ended.output.splitlines()[-2:] == [
        "arrears_buy_time          yes",
        "demand_mapping            no",
    ]


def test_change_of_nothing_says_so(mpm):
    ended = mpm("company", "change", "solar")
    assert (ended.exit_code, ended.errors) == (
        2,
        "Error: Nothing to change; say what, for example --demand-mapping.\n",
    )


def test_what_the_configuration_says_is_changed_there(mpm):
    declare(MANAGED)
    ended = mpm("company", "change", "umeme", "--demand-mapping")
    assert ended.errors.startswith("Error: Company 'umeme' is managed by configuration; ")

    path = Path("mpm.toml")
    path.write_text(
        path.read_text().replace('currency = "TZS"', 'currency = "TZS"\ndemand_mapping = true')
    )
    assert mpm("company", "reconcile").output == "Company 'umeme' updated.\n"
    assert show(mpm, "umeme")["demand_mapping"] is True


# --- later changes --------------------------------------------------------------------------------


@pytest.fixture
def acme(mpm):
    """`mpm` after `solar` has enabled `acme`."""
    ended = mpm(
        "company", "enable", "solar", "acme", *URL, "--set-env", "api_key=KEY", KEY="canary"
    )
    assert ended.exit_code == 0, ended.errors
    return mpm


def state(mpm, name="acme"):
    return next(each["state"] for each in show(mpm)["plugins"] if each["instance"] == name)


def test_configure_changes_what_it_names_and_keeps_the_rest(acme):
    ended = acme("company", "configure", "solar", "acme", "--set", "timeout=5")
    assert (ended.exit_code, ended.output) == (
        0,
        "Instance 'acme' of company 'solar' is configured and enabled.\n",
    )
    assert plain_settings("solar", "acme") == {
        "api_url": "http://127.0.0.1:9", "api_key": "canary", "timeout": 5, "region": None,
    }  # fmt: skip
    acme("company", "configure", "solar", "acme", "--set", "timeout=")
    assert plain_settings("solar", "acme")["timeout"] == 30


def test_a_disabled_instance_stays_disabled_when_it_is_configured(acme):
    acme("company", "disable", "solar", "acme")
    ended = acme("company", "configure", "solar", "acme", "--set", "region=north", "--json")
    shown = json.loads(ended.output)
    assert (shown["state"], shown["settings"]["region"]) == ("disabled", "north")


def test_remove_stops_an_instance_and_enable_brings_it_back_with_its_settings(acme):
    ended = acme("company", "remove", "solar", "acme")
    assert (ended.exit_code, ended.output) == (
        0,
        "Instance 'acme' of company 'solar' is removed; its history stays.\n",
    )
    assert state(acme) == "removed"
    assert acme("company", "enable", "solar", "acme").exit_code == 0
    assert state(acme) == "enabled"
    assert plain_settings("solar", "acme")["api_key"] == "canary"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("configure", "solar", "acme"),
            "Nothing to change; say what, for example --set user_id=….",
        ),
        (
            ("configure", "solar", "other", "--set", "timeout=5"),
            "Company 'solar' has no instance 'other'; `mpm company show solar` shows those it has.",
        ),
        (
            ("remove", "solar", "other"),
            "Company 'solar' has no instance 'other'; `mpm company show solar` shows those it has.",
        ),
        (
            ("configure", "solar", "acme", "--set", "timeout=soon"),
            ("Company 'solar', plugin 'acme', setting 'timeout' must be a whole number."),
        ),
        (
            ("configure", "solar", "acme", "--set", "api_key=visible"),
            (
                "Company 'solar', plugin 'acme', setting 'api_key' is a secret, and a "
                "command line is none; write --set-env api_key=VARIABLE or --set-file api_key=PATH."
            ),
        ),
    ],
    ids=["nothing", "unknown", "remove unknown", "wrong", "secret"],
)
def test_a_change_that_cannot_be_is_one_plain_line(acme, arguments, error):
    ended = acme("company", *arguments)
    assert (ended.exit_code, ended.errors) == (2, f"Error: {error}\n")
    assert plain_settings("solar", "acme")["timeout"] == 30


def test_a_setting_that_an_upgrade_asks_for_is_named_with_its_option(acme, plugin_folder):
    plugin_folder.install("acme", settings=SETTINGS + '    site: str = setting(help="Site.")\n')
    ended = acme("company", "configure", "solar", "acme", "--set", "timeout=5")
    assert (ended.exit_code, ended.errors) == (
        2,
        ("Error: Company 'solar', plugin 'acme', setting 'site' is missing; write --set site=…\n"),
    )


def test_a_removed_instance_is_not_configured(acme):
    acme("company", "remove", "solar", "acme")
    ended = acme("company", "configure", "solar", "acme", "--set", "timeout=5")
    assert ended.errors == (
        "Error: Company 'solar': instance 'acme' is removed; `mpm company enable solar acme` takes "
        "its settings and lets it work.\n"
    )


# --- on a terminal --------------------------------------------------------------------------------


def test_a_terminal_is_asked_for_everything_the_first_time(mpm, plugin_folder):
    shown = on_a_terminal(
        mpm,
        plugin_folder,
        ["nonsense", "http://127.0.0.1:9", "canary", "", "north"],
        "company",
        "enable",
        "solar",
        "acme",
    )

    assert "api_url: Where (URL, for example https://acme.example): " in shown
    assert "Error: It must be an http or https URL with a host" in shown
    assert "timeout: Seconds to wait (whole number, at least 1) [30]: " in shown
    assert "canary" not in shown  # the prompt hides it
    assert shown.endswith("Instance 'acme' of company 'solar' is enabled.\n")
    assert plain_settings("solar", "acme") == {
        "api_url": "http://127.0.0.1:9",
        "api_key": "canary",
        "timeout": 30,
        "region": "north",
    }


def test_a_terminal_is_asked_only_for_what_is_missing_afterwards(mpm, plugin_folder):
    arguments = ("company", "enable", "solar", "acme", "--set", "api_url=http://127.0.0.1:9")

    shown = on_a_terminal(mpm, plugin_folder, ["canary"], *arguments)

    assert "api_key: Key of our account (secret): " in shown
    assert "timeout" not in shown
    assert on_a_terminal(mpm, plugin_folder, [], "company", "enable", "solar", "acme") == (
        "Instance 'acme' of company 'solar' is enabled.\n"
    )


def test_a_terminal_sees_a_drawn_table(mpm, plugin_folder):
    shown = on_a_terminal(mpm, plugin_folder, [], "company", "list")

    assert "────" in shown
    assert "Solar Ltd" in shown


# --- disabling, showing ---------------------------------------------------------------------------


def test_disable_lets_an_instance_finish(mpm):
    mpm("company", "enable", "solar", "tele")

    ended = mpm("company", "disable", "solar", "tele")

    assert (ended.exit_code, ended.output) == (
        0,
        "Instance 'tele' of company 'solar' is disabled; it finishes its work.\n",
    )
    assert show(mpm)["plugins"][0]["state"] == "disabled"
    assert json.loads(mpm("company", "disable", "solar", "tele", "--json").output)["state"] == (
        "disabled"
    )


def test_what_was_never_configured_has_nothing_to_finish(mpm):
    choose_plugin("solar", "tele")

    ended = mpm("company", "disable", "solar", "tele")

    assert (ended.exit_code, ended.output, ended.errors) == (
        2,
        "",
        (
            "Error: Company 'solar': instance 'tele' was never configured, so it has no work to "
            "finish; `mpm company remove solar tele` takes it out.\n"
        ),
    )
    assert state(mpm, "tele") == "unconfigured"


def test_an_unknown_instance_is_named(mpm):
    ended = mpm("company", "disable", "solar", "tele")

    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Company 'solar' has no instance 'tele'; `mpm company show solar` shows those "
            "it has.\n"
        ),
    )


def test_show_masks_secrets(mpm):
    mpm("company", "enable", "solar", "acme", *URL, "--set-env", "api_key=KEY", KEY="canary")

    ended = mpm("company", "show", "solar")

    [url] = re.findall(
        r"^callback_url +(http://127.0.0.1:8000/callbacks/.{32})$", ended.output, re.MULTILINE
    )
    assert ended.output == (
        "slug                      solar\n"
        "name                      Solar Ltd\n"
        "country                   KE\n"
        "currency                  KES\n"
        "timezone                  Africa/Nairobi\n"
        "managed_by_configuration  no\n"
        "enabled                   yes\n"
        "arrears_buy_time          no\n"
        "demand_mapping            no\n"
        "\n"
        "instance                  acme\n"
        "plugin                    acme\n"
        "kind                      manufacturer\n"
        "state                     enabled\n"
        "managed_by_configuration  no\n"
        "problem\n"
        f"callback_url              {url}\n"
        "  api_url  http://127.0.0.1:9\n"
        "  api_key  ••••••\n"
        "  timeout  30\n"
        "  region   not set\n"
    )


def test_show_tells_what_is_wrong_with_settings_it_cannot_use(mpm):
    declare(MANAGED + '[companies.umeme.plugins.acme]\napi_key = "canary"\napi_url = "x"\n')
    mpm("company", "reconcile")

    acme, tele = show(mpm, "umeme")["plugins"]

    assert (tele["problem"], tele["managed_by_configuration"]) == ("", True)
    assert acme["problem"].startswith("Company 'umeme', plugin 'acme', setting 'api_url' must be")
    assert acme["settings"] == {"api_key": "••••••", "api_url": "x"}


# --- two owners -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["enable", "disable"])
def test_what_the_file_manages_is_changed_there(mpm, command):
    declare(MANAGED)

    ended = mpm("company", command, "umeme", "tele")

    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Company 'umeme' is managed by configuration; change its section in mpm.toml "
            "instead.\n"
        ),
    )


def test_reconcile_tells_what_it_changed(mpm):
    declare(MANAGED)

    assert mpm("company", "reconcile").output == (
        "Company 'umeme' created.\nCompany 'umeme': instance 'tele' created.\n"
    )
    assert mpm("company", "reconcile").output == "Nothing has changed.\n"
    assert mpm("company", "reconcile", "--json").output == "[]\n"


def test_commands_that_write_reconcile_first_and_others_change_nothing(mpm):
    declare(MANAGED)

    assert mpm("company", "show", "umeme").exit_code == 2
    assert mpm("company", "callback-url", "umeme", "tele").exit_code == 0
    assert show(mpm, "umeme")["managed_by_configuration"] is True


def test_a_declared_slug_that_the_database_owns_is_refused(mpm):
    declare(MANAGED.replace("umeme", "solar"))

    ended = mpm("company", "enable", "solar", "tele")

    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Company 'solar' is declared in the configuration but was created in the "
            "database; remove its section, or declare it under another slug.\n"
        ),
    )
