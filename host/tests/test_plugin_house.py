"""The plugin house: what fails, fails alone and says why; nothing else is ever imported."""

from __future__ import annotations

import sys
from ipaddress import ip_network

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import Company, DeviceKind, Money, NotSent, PluginKind
from mpm_host.companies.audit_trail import Actor
from mpm_host.database.tables import instances
from mpm_host.directory import AmountRules, InstanceState, ManifestFacts
from mpm_host.encryption import new_key
from mpm_host.plugins.instance_settings import InstanceTable
from tests.support.hosts import KEY, NOW

COMPANY = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
"""
ACTOR = Actor(name="a test", at=NOW)


def declared(*sections):
    """The company with instances: each a name, or a name and its lines."""
    text = COMPANY
    for section in sections:
        name, lines = section if isinstance(section, tuple) else (section, "")
        text += f"[companies.umeme.plugins.{name}]\n{lines}\n"
    return text


def umeme(host, name):
    return host.companies.find_instance("umeme", name)


def loaded(host):
    return host.house.plugins_of(host.companies.find("umeme").id).names


def problems(host):
    return {record.name: record.problem for record in host.house.directory.instances.values()}


# --- what is imported -----------------------------------------------------------------------------


def test_the_house_imports_only_what_is_allowed_and_in_use(open_host, plugin_folder):
    modules = {
        name: plugin_folder.install(name) for name in ("used", "draining", "unused", "forbidden")
    }
    sections = declared("used", ("draining", "enabled = false"), "forbidden")

    host = open_host(sections, allowed=["used", "draining", "unused"])

    assert {name for name, module in modules.items() if module in sys.modules} == {
        "used",
        "draining",
    }
    assert loaded(host) == ("draining", "used")
    assert problems(host) == {
        "used": "",
        "draining": "",
        "forbidden": (
            "Plugin 'forbidden' is not allowed; if you trust it, add it to allowed_plugins in "
            "mpm.toml."
        ),
    }


@pytest.mark.parametrize("state", ["removed", "unconfigured"])
def test_the_house_imports_nothing_for_an_instance_that_does_not_work(
    open_host, plugin_folder, state
):
    module = plugin_folder.install("acme")
    host = open_host(declared("acme"), allowed=["acme"])
    with host.engines.write.begin() as connection:
        connection.execute(sa.update(instances).values(state=state))
    sys.modules.pop(module)

    again = open_host("", allowed=["acme"], reconcile=False)
    again.load()

    assert module not in sys.modules
    assert loaded(again) == ()
    assert umeme(again, "acme").state == InstanceState(state)


# --- what fails, fails alone ----------------------------------------------------------------------

SETTINGS = 'api_key: Secret = setting(help="Key.")'
WHOSE = "Company 'umeme', plugin 'sick'"
PLUGIN = "Plugin 'sick' (mpm-sick 1.2)"
SICK = {
    "raises on import": (
        {"code": "raise KeyError('acme.cfg')"},
        "",
        (f"{PLUGIN} cannot be loaded: importing mpm_sick_of_a_test raised KeyError: 'acme.cfg' "
        "(mpm_sick_of_a_test.py line 1). Reinstall it, or tell its author."),
    ),
    "exits on import": (
        {"code": "import sys; sys.exit(3)"},
        "",
        (f"{PLUGIN} cannot be loaded: importing mpm_sick_of_a_test raised SystemExit: 3 "
        "(mpm_sick_of_a_test.py line 1). Reinstall it, or tell its author."),
    ),
    "incompatible": (
        {"requires": "mpm-payg-core>=7"},
        "",
        (f"{PLUGIN} cannot be used: it needs mpm-payg-core >=7, but 0.1.0 is installed; install a "
        "version of it made for this core."),
    ),
    "misspelt hook": (
        {"hooks": "@hookimpl\ndef mpm_chek(self):\n    return Health(ok=True)"},
        "",
        None,
    ),
    "missing setting": (
        {"settings": SETTINGS},
        "",
        (f"{WHOSE}, setting 'api_key' is missing; write for example: api_key = {{ env = "
        '"UMEME_SICK_API_KEY" }'),
    ),
    "missing variable": (
        {"settings": SETTINGS},
        'api_key = { env = "UMEME_KEY" }',
        (f"{WHOSE}, setting 'api_key': environment variable UMEME_KEY is not set; set it or write "
        "another value."),
    ),
    "unknown settings": (
        {},
        "a = 1\nb = 2",
        (f"{WHOSE}, setting 'a' is unknown; known are: none. {WHOSE}, setting 'b' is unknown; "
        "known are: none."),
    ),
    "constructor": (
        {"init": "raise RuntimeError('canary')"},
        "",
        ("Plugin sick (mpm-sick 1.2), instance sick of company umeme: its constructor raised "
        "RuntimeError (mpm_sick_of_a_test.py line 15)."),
    ),
    "constructor says what to correct": (
        {"init": "raise SettingsError('The key is too short; agree on a longer one.')"},
        "",
        ("Plugin sick (mpm-sick 1.2), instance sick of company umeme: The key is too short; agree "
        "on a longer one."),
    ),
    "settings class": (
        {"settings": f"{SETTINGS}\ndef __attrs_post_init__(self):\n    "
                     "raise RuntimeError(self.api_key.reveal())"},
        'api_key = "canary"',
        (f"{WHOSE}: its settings class raised RuntimeError (mpm_sick_of_a_test.py line 10); tell "
        "the plugin's author."),
    ),
    "currency": (
        {"manifest": "currencies={'UGX', 'KES'}"},
        "",
        (f"{WHOSE} serves KES, UGX, not the company's TZS; disable it, or choose a plugin for your "
        "currency."),
    ),
    "manifest's limit": (
        {"manifest": "minimum_amount='0.005'"},
        "",
        (f"{WHOSE}: its manifest's limit '0.005' is no amount in TZS; set minimum_amount and "
        "maximum_amount yourself."),
    ),
    "crossed limits": (
        {"manifest": "maximum_amount='100'"},
        "minimum_amount = 200",
        (f"{WHOSE}: no amount is from minimum_amount 200 to maximum_amount 100 TZS; correct one of "
        "them."),
    ),
    "no url": (
        {"manifest": "url_settings=('where',)", "settings": 'where: str = setting(help="Where.")'},
        'where = "vendor.example"',
        f"{WHOSE}, setting 'where': the URL's scheme is '', not https; correct it.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("plugin", "lines", "problem"), SICK.values(), ids=SICK.keys())
def test_a_sick_instance_says_why_and_stops_nobody(
    open_host, plugin_folder, plugin, lines, problem
):
    plugin_folder.install("sick", **plugin)
    plugin_folder.install("sound")

    host = open_host(declared(("sick", lines), "sound"), allowed=["sick", "sound"])

    assert umeme(host, "sound").problem == ""
    assert loaded(host) == ("sound",)
    sick = umeme(host, "sick")
    assert sick.takes_new_work is False
    assert sick.finishes_work is False
    assert host.house.plan_of(sick.id) is None
    assert "\n" not in sick.problem
    if problem is None:
        assert sick.problem.startswith(f"{PLUGIN}: ")
    else:
        assert sick.problem == problem


def test_a_plugin_that_is_not_installed_is_named(open_host):
    host = open_host(declared("acme"), allowed=["acme"])

    assert problems(host)["acme"].startswith("Plugin 'acme' is not installed; ")


def test_two_instances_of_one_plugin_fail_apart(open_host, plugin_folder):
    plugin_folder.install("acme", settings='size: int = setting(help="Size.")')
    sections = declared(("north", 'use = "acme"\nsize = 1'), ("south", 'use = "acme"\nsize = "a"'))

    host = open_host(sections, allowed=["acme"])

    assert loaded(host) == ("north",)
    assert problems(host) == {
        "north": "",
        "south": "Company 'umeme', instance 'south' of plugin 'acme', setting 'size' must be a "
        "whole number, not 'a'.",
    }


def test_two_companies_have_instances_of_their_own(open_host, plugin_folder):
    plugin_folder.install("acme")
    other = declared("acme").replace("umeme", "solar")

    host = open_host(declared("acme") + other, allowed=["acme"])

    objects = {
        slug: host.house.plugins_of(host.companies.find(slug).id).instance("acme").instance
        for slug in ("umeme", "solar")
    }
    assert objects["umeme"] is not objects["solar"]
    assert objects["solar"].runtime.company == Company(
        slug="solar",
        name="Umeme",
        country="TZ",
        currency="TZS",
        timezone="Africa/Dar_es_Salaam",
    )


# --- what an instance is given --------------------------------------------------------------------


def test_an_instance_has_the_limits_of_manifest_and_settings(open_host, plugin_folder):
    plugin_folder.install(
        "acme",
        kind="telecom",
        manifest="payment_step={'TZS': 100}, minimum_amount='10', maximum_amount='3000000'",
    )
    lines = 'minimum_amount = 500\nconcurrency = 3\nallowed_addresses = ["196.201.214.0/24"]'

    host = open_host(declared(("acme", lines), ("plain", 'use = "acme"')), allowed=["acme"])

    assert umeme(host, "acme").amount_rules == AmountRules(
        step=100, minimum=Money(50_000, "TZS"), maximum=Money(300_000_000, "TZS")
    )
    assert umeme(host, "plain").amount_rules == AmountRules(
        step=100, minimum=Money(1_000, "TZS"), maximum=Money(300_000_000, "TZS")
    )
    assert umeme(host, "acme").allowed_addresses == (ip_network("196.201.214.0/24"),)
    plugins = host.house.plugins_of(host.companies.find("umeme").id)
    assert plugins.instance("acme").manifest.concurrency == 3
    assert plugins.instance("plain").manifest.concurrency == 8


@pytest.mark.parametrize(("mode", "expected"), [("development", False), ("production", True)])
def test_an_instance_knows_whether_real_money_moves(open_host, plugin_folder, mode, expected):
    plugin_folder.install("acme")

    host = open_host(declared("acme"), allowed=["acme"], mode=mode)

    plugins = host.house.plugins_of(host.companies.find("umeme").id)
    assert plugins.instance("acme").instance.runtime.production is expected


URL_PLUGIN = {
    "manifest": "url_settings=('url',)",
    "settings": 'url: str = setting(help="Where.", kind="url")',
    "hooks": """
        @hookimpl
        def mpm_check(self, context):
            self.runtime.http.request("GET", self.settings.url, context=context)
            return Health(ok=True)
    """,
}
PLAIN = (
    "is plain http, which production refuses; use https, or write allow_plain_http = true if "
    "nobody else is on the way."
)
PRIVATE = (
    "is an address of our own network, which production refuses; write "
    "allow_private_addresses = true if the vendor is there."
)


@pytest.mark.parametrize(
    ("mode", "url", "lines", "rest"),
    [
        ("development", "http://127.0.0.1:9", "", ""),
        ("production", "https://vendor.example/api", "", ""),
        ("production", "http://vendor.example/api", "", PLAIN),
        ("production", "http://vendor.example/api", "allow_plain_http = true", ""),
        ("production", "https://10.1.2.3/api", "", PRIVATE),
        ("production", "https://[::1]/api", "", PRIVATE),
        ("production", "https://localhost/api", "", PRIVATE),
        ("production", "https://10.1.2.3/api", "allow_private_addresses = true", ""),
        ("production", "https://8.8.8.8/api", "", ""),
    ],
)
def test_production_refuses_plain_http_and_private_addresses(  # the table is what counts
    open_host, plugin_folder, mode, url, lines, rest
):
    plugin_folder.install("acme", **URL_PLUGIN)

    host = open_host(declared(("acme", f'url = "{url}"\n{lines}')), allowed=["acme"], mode=mode)

    expected = f"Company 'umeme', plugin 'acme', setting 'url' {rest}" if rest else ""
    assert umeme(host, "acme").problem == expected


def test_an_instance_may_call_the_hosts_of_its_settings_only(open_host, plugin_folder):
    plugin_folder.install("acme", **URL_PLUGIN | {"manifest": ""})

    host = open_host(declared(("acme", 'url = "http://127.0.0.1:9/x"')), allowed=["acme"])

    plugins = host.house.plugins_of(host.companies.find("umeme").id)
    with pytest.raises(Exception, match="is not among the hosts this instance may call"):
        plugins.check("acme", correlation_id="c")


def test_a_secret_that_everybody_can_read_stops_the_instance(open_host, plugin_folder, tmp_path):
    plugin_folder.install("acme", settings=SETTINGS)
    (tmp_path / "open.key").write_text("canary")
    (tmp_path / "open.key").chmod(0o644)
    (tmp_path / "own.key").write_text("canary")
    (tmp_path / "own.key").chmod(0o600)
    use = 'use = "acme"\napi_key = '
    sections = declared(
        ("clear", f'{use}"canary"'),
        ("open", f'{use}{{ file = "open.key" }}'),
        ("own", f'{use}{{ file = "own.key" }}'),
        ("variable", f'{use}{{ env = "KEY" }}'),
    )

    host = open_host(sections, allowed=["acme"], environ={"KEY": "k"}, is_world_readable=True)

    line = (
        "Company 'umeme', instance '{}' of plugin 'acme', setting 'api_key' is in clear in {}, "
        "which everybody on this machine can read; run `chmod 600 {}`."
    )
    assert problems(host) == {
        "clear": line.format("clear", "mpm.toml", "mpm.toml"),
        "open": line.format("open", "open.key", "open.key"),
        "own": "",
        "variable": "",
    }


def test_settings_of_the_database_cannot_refer_to_the_hosts_files(open_host, plugin_folder):
    plugin_folder.install("acme", settings=SETTINGS)
    host = open_host(allowed=["acme"], environ={"HOME_SECRET": "canary"})
    details = {"name": "U", "country": "TZ", "currency": "TZS"}
    host.companies.create("umeme", details, ACTOR)
    table = InstanceTable(settings={"api_key": {"env": "HOME_SECRET"}})

    with pytest.raises(Exception, match="work in mpm\\.toml only") as refused:
        host.companies.enable("umeme", "acme", "acme", table, ACTOR)

    assert "canary" not in str(refused.value)


# --- facts, for when a plugin cannot be loaded ----------------------------------------------------


def test_facts_are_kept_for_when_the_plugin_is_gone(open_host, plugin_folder):
    plugin_folder.install("acme")
    open_host(declared("acme"), allowed=["acme"])

    again = open_host(declared("acme"), allowed=[])

    acme = umeme(again, "acme")
    assert acme.problem.startswith("Plugin 'acme' is not allowed")
    assert acme.facts == ManifestFacts(
        kind=PluginKind.MANUFACTURER,
        device_kinds=frozenset({DeviceKind.METER}),
        operations={},
        energy_step=None,
    )


def test_facts_follow_a_new_version_of_the_plugin(open_host, plugin_folder):
    plugin_folder.install("acme")
    open_host(declared("acme"), allowed=["acme"])
    plugin_folder.install("acme", manifest="energy_step=100")

    open_host(declared("acme"), allowed=["acme"])
    third = open_host(declared("acme"), allowed=[])

    assert umeme(third, "acme").facts.energy_step == 100


def test_facts_of_another_plugin_are_forgotten(open_host, plugin_folder):
    plugin_folder.install("acme")
    open_host(declared("acme"), allowed=["acme"])

    again = open_host(declared(("acme", 'use = "other"')), allowed=[])

    assert (umeme(again, "acme").plugin, umeme(again, "acme").facts) == ("other", None)


def test_facts_are_known_although_the_settings_are_wrong(open_host, plugin_folder):
    plugin_folder.install("acme", settings=SETTINGS)

    host = open_host(declared("acme"), allowed=["acme"])

    assert umeme(host, "acme").facts.kind is PluginKind.MANUFACTURER


# --- reloading ------------------------------------------------------------------------------------


def test_reloading_notices_what_another_process_changed(open_host, plugin_folder):
    plugin_folder.install("acme")
    plugin_folder.install("other")
    server = open_host(allowed=["acme", "other"])
    shell = open_host(allowed=["acme", "other"])
    details = {"name": "U", "country": "TZ", "currency": "TZS"}
    shell.companies.create("umeme", details, ACTOR)
    shell.companies.enable("umeme", "acme", "acme", InstanceTable(), ACTOR)

    assert server.house.reload() is True
    assert loaded(server) == ("acme",)
    assert server.house.reload() is False


def test_reloading_keeps_the_plugins_of_companies_that_did_not_change(open_host, plugin_folder):
    plugin_folder.install("acme")
    host = open_host(declared("acme"), allowed=["acme"])
    before = host.house.plugins_of(host.companies.find("umeme").id)

    host.companies.create("solar", {"name": "S", "country": "KE", "currency": "KES"}, ACTOR)

    assert host.house.plugins_of(host.companies.find("umeme").id) is before


def test_reloading_closes_the_plugins_it_replaces(open_host, plugin_folder):
    plugin_folder.install("acme", hooks="""
        @hookimpl
        def mpm_check(self):
            return Health(ok=True)
    """)  # fmt: skip
    host = open_host(allowed=["acme"])
    details = {"name": "U", "country": "TZ", "currency": "TZS"}
    host.companies.create("umeme", details, ACTOR)
    host.companies.enable("umeme", "acme", "acme", InstanceTable(), ACTOR)
    before = host.house.plugins_of(host.companies.find("umeme").id)
    assert before.check("acme", correlation_id="c").ok

    table = InstanceTable(options={"concurrency": 2})
    host.companies.enable("umeme", "acme", "acme", table, ACTOR)

    with pytest.raises(NotSent, match="the instance is closed"):
        before.check("acme", correlation_id="c")
    after = host.house.plugins_of(host.companies.find("umeme").id)
    assert after.check("acme", correlation_id="c").ok


def test_the_directory_of_a_call_in_flight_stays_as_it_was(open_host):
    host = open_host()
    before = host.house.directory

    host.companies.create("umeme", {"name": "U", "country": "TZ", "currency": "TZS"}, ACTOR)

    assert before.by_slug == {}
    assert list(host.house.directory.by_slug) == ["umeme"]


# --- keys -----------------------------------------------------------------------------------------


def test_a_lost_key_is_the_problem_of_its_instances_only(open_host, plugin_folder):
    plugin_folder.install("acme")
    first = open_host(declared("acme"), allowed=["acme"])
    first.companies.create("solar", {"name": "S", "country": "KE", "currency": "KES"}, ACTOR)
    first.companies.enable("solar", "acme", "acme", InstanceTable(), ACTOR)

    second = open_host(declared("acme"), allowed=["acme"], keys=[new_key()])

    assert umeme(second, "acme").problem == ""
    assert second.companies.find_instance("solar", "acme").problem == (
        "Stored data cannot be decrypted with [host] secret_key; put the former key back as the "
        "last of the list."
    )


def test_a_rotated_key_still_opens_settings(open_host, plugin_folder):
    plugin_folder.install("acme", settings=SETTINGS)
    first = open_host(allowed=["acme"])
    first.companies.create("solar", {"name": "S", "country": "KE", "currency": "KES"}, ACTOR)
    table = InstanceTable(settings={"api_key": "canary"})
    first.companies.enable("solar", "acme", "acme", table, ACTOR)

    second = open_host(allowed=["acme"], keys=[new_key(), KEY])

    acme = second.companies.find_instance("solar", "acme")
    assert second.house.plain_settings(acme.id) == {"api_key": "canary"}


def test_plans_and_directory_never_show_a_secret(open_host, plugin_folder):
    plugin_folder.install("acme", settings=SETTINGS)
    host = open_host(declared(("acme", 'api_key = "canary"')), allowed=["acme"])

    plan = host.house.plan_of(umeme(host, "acme").id)

    assert "canary" not in repr((plan, host.house.directory, attrs.asdict(plan, recurse=False)))
