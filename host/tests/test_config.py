"""`mpm.toml`: what it may say, and what a person is told when it says something else."""

from __future__ import annotations

import os
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import Company, Secret, UserError
from mpm_core.settings import HOST_KEYS, describe
from mpm_host.configuration.config import find_config, load_config, parse_config, read_database_url
from mpm_host.configuration.config_company import read_company
from mpm_host.configuration.config_host import read_host
from mpm_host.configuration.config_problems import Problems
from mpm_host.configuration.config_values import ConfigSource, HostConfig, Mode, is_name
from mpm_host.database.engines import open_engines
from mpm_host.plugins.instance_settings import InstanceOptions, InstanceTable

FOLDER = Path("/srv/mpm")
HOST = """
[host]
database = "sqlite:///mpm.db"
secret_key = "first"
"""
COMPANY = """
[companies.umeme]
name = "Umeme Vijijini"
country = "TZ"
currency = "TZS"
"""


def parse(text, *, environ=None, folder=FOLDER, is_world_readable=False):
    source = ConfigSource(folder=folder, environ=environ or {}, is_world_readable=is_world_readable)
    return parse_config(text, source)


def refusal(text, **changes):
    with pytest.raises(UserError) as refused:
        parse(text, **changes)
    return str(refused.value)


# --- what it may say ------------------------------------------------------------------------------


def test_the_host_section_has_safe_defaults():
    assert parse(HOST).host == HostConfig(
        database="sqlite:////srv/mpm/mpm.db",
        allowed_plugins=(),
        secret_keys=(Secret("first"),),
        mode=Mode.PRODUCTION,
        public_url="http://127.0.0.1:8000",
        trusted_proxies=(),
        open_sign_up=False,
    )


def test_the_host_section_is_read_whole():
    config = parse("""
        [host]
        database = { env = "URL" }
        allowed_plugins = ["Calin", "acme_meters"]
        secret_key = [{ env = "NEW" }, "old"]
        mode = "development"
        public_url = "https://pay.example/"
        trusted_proxies = ["10.0.0.0/8", "192.0.2.7"]
    """, environ={"URL": "postgresql+psycopg://mpm@db/mpm", "NEW": "new\n"})  # fmt: skip

    assert config.host == HostConfig(
        database="postgresql+psycopg://mpm@db/mpm",
        allowed_plugins=("calin", "acme-meters"),
        secret_keys=(Secret("new"), Secret("old")),
        mode=Mode.DEVELOPMENT,
        public_url="https://pay.example",
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("192.0.2.7")),
        open_sign_up=True,
    )


@pytest.mark.parametrize(
    ("mode", "said", "expected"),
    [
        ("development", "", True),
        ("production", "", False),
        ("development", "open_sign_up = false", False),
        ("production", "open_sign_up = true", True),
    ],
)
def test_sign_up_is_open_by_default_in_development_only(mode, said, expected):
    config = parse(f'{HOST}mode = "{mode}"\n{said}')

    assert config.host.open_sign_up is expected


def test_a_declared_company_is_read_with_its_instances():
    config = parse(HOST + COMPANY + """
        arrears_buy_time = true
        demand_mapping = true
        [companies.umeme.plugins.calin]
        api_url = "https://calin.example/api"
        api_key = { env = "UMEME_CALIN_KEY" }
        [companies.umeme.plugins.calin-south]
        use = "Calin"
        enabled = false
        allowed_addresses = ["196.201.214.0/24"]
        minimum_amount = 500
        maximum_amount = "5000000"
        concurrency = 3
        allow_plain_http = true
        allow_private_addresses = true
    """)  # fmt: skip

    umeme = config.companies["umeme"]
    assert umeme.company == Company(
        slug="umeme",
        name="Umeme Vijijini",
        country="TZ",
        currency="TZS",
        timezone="Africa/Dar_es_Salaam",
    )
    assert umeme.arrears_buy_time is True
    assert umeme.demand_mapping is True
    calin, south = umeme.instances["calin"], umeme.instances["calin-south"]
    assert (calin.plugin, calin.options) == ("calin", InstanceOptions())
    assert calin.table == InstanceTable(
        settings={
            "api_url": "https://calin.example/api",
            "api_key": {"env": "UMEME_CALIN_KEY"},
        }
    )
    assert (south.plugin, south.table.settings) == ("calin", {})
    assert south.options == InstanceOptions(
        use="Calin",
        enabled=False,
        allowed_addresses=("196.201.214.0/24",),
        minimum_amount=Decimal(500),
        maximum_amount=Decimal(5000000),
        concurrency=3,
        allow_plain_http=True,
        allow_private_addresses=True,
    )


def test_settings_of_plugins_are_not_even_looked_at():
    """Only whoever loads a plugin knows its settings; others must work without their secrets."""
    parse(HOST + COMPANY + '[companies.umeme.plugins.calin]\napi_key = { env = "NOT_SET" }')


def test_references_work_for_every_value_of_the_file(tmp_path):
    (tmp_path / "currency").write_text("TZS\n")
    config = parse(HOST + """
        [companies.umeme]
        name = { env = "NAME" }
        country = "TZ"
        currency = { file = "currency" }
        [companies.umeme.plugins.calin]
        concurrency = { env = "AT_ONCE" }
        allowed_addresses = [{ env = "ADDRESS" }]
    """, environ={"NAME": "Umeme", "AT_ONCE": "4", "ADDRESS": "::1"}, folder=tmp_path)  # fmt: skip

    umeme = config.companies["umeme"]
    assert (umeme.company.name, umeme.company.currency) == ("Umeme", "TZS")
    assert umeme.instances["calin"].options == InstanceOptions(
        concurrency=4, allowed_addresses=("::1",)
    )


def test_the_hosts_keys_of_an_instance_are_those_that_core_reserves():
    assert {description.name for description in describe(InstanceOptions)} == HOST_KEYS


@pytest.mark.parametrize(
    ("given", "absolute"),
    [
        ("sqlite:///mpm.db", "sqlite:////srv/mpm/mpm.db"),
        ("sqlite:///data/mpm.db?timeout=5", "sqlite:////srv/mpm/data/mpm.db?timeout=5"),
        ("sqlite:////var/lib/mpm.db", "sqlite:////var/lib/mpm.db"),
        ("postgresql+psycopg://mpm@/mpm", "postgresql+psycopg://mpm@/mpm"),
    ],
)
def test_the_path_of_a_database_starts_at_the_file(given, absolute):
    """Else a command that runs elsewhere would quietly work on another, empty database."""
    assert parse(HOST.replace("sqlite:///mpm.db", given)).host.database == absolute


# --- where it is ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ("a.toml", {"MPM_CONFIG": "b.toml"}, "a.toml"),
        (None, {"MPM_CONFIG": "b.toml"}, "b.toml"),
        (None, {}, "mpm.toml"),
    ],
    ids=["option", "variable", "here"],
)
def test_the_file_is_found_by_option_then_variable_then_here(given, environ, expected):
    assert find_config(given, environ) == Path(expected)


def test_a_file_is_loaded_relative_to_its_folder(tmp_path, monkeypatch):
    (tmp_path / "mpm.key").write_text("key\n")
    (tmp_path / "mpm.key").chmod(0o600)
    (tmp_path / "own.toml").write_text(
        '[host]\ndatabase = "sqlite:///mpm.db"\nsecret_key = { file = "mpm.key" }'
    )
    monkeypatch.chdir("/")

    config = load_config(tmp_path / "own.toml", {})

    assert config.host.secret_keys == (Secret("key"),)
    assert config.host.database == f"sqlite:///{tmp_path}/mpm.db"
    assert config.source.file_name == "own.toml"


def test_the_database_alone_is_read_without_any_secret(tmp_path):
    path = tmp_path / "mpm.toml"
    path.write_text("""
        [host]
        database = "sqlite:///mpm.db"
        secret_key = { env = "NOT_SET" }
        nonsense = true
        [companies.UMEME]
    """)

    assert read_database_url(path, {}) == f"sqlite:///{tmp_path}/mpm.db"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, ("{path} does not exist; run `mpm init`, or name your file with --config or "
               "MPM_CONFIG.")),
        (b"\xff", "{path} is not UTF-8 text; write it anew."),
        (b"[host\n", ("mpm.toml is no valid TOML: Expected ']' at the end of a table declaration "
                     "(at line 1, column 6); correct that line.")),
    ],
    ids=["missing", "bytes", "broken"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / "mpm.toml"
    if content is not None:
        path.write_bytes(content)

    for read in (load_config, read_database_url):
        with pytest.raises(UserError) as refused:
            read(path, {})
        assert str(refused.value) == message.format(path=path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError) as refused:
        load_config(tmp_path, {})

    assert str(refused.value) == (
        f"{tmp_path} cannot be read (Is a directory); correct its permissions or name another file "
        "with --config."
    )


# --- what a person is told ------------------------------------------------------------------------

HOST_MISTAKES = {
    "unknown key": (
        HOST + 'allowed_plugin = ["calin"]',
        "mpm.toml [host], setting 'allowed_plugin' is unknown; did you mean 'allowed_plugins'?",
    ),
    "wrong type": (
        HOST + "open_sign_up = 1",
        "mpm.toml [host], setting 'open_sign_up' must be true or false, not 1.",
    ),
    "wrong mode": (
        HOST + 'mode = "prod"',
        "mpm.toml [host], setting 'mode' must be one of development, production, not 'prod'.",
    ),
    "wrong network": (
        HOST + 'trusted_proxies = ["10.0.0.1/8"]',
        (
            "mpm.toml [host]: '10.0.0.1/8' is no IP address or network; write 196.201.214.0/24 or "
            "196.201.214.5."
        ),
    ),
    "missing variable": (
        HOST + 'public_url = { env = "PUBLIC" }',
        (
            "mpm.toml [host], setting 'public_url': environment variable PUBLIC is not set; set it "
            "or write another value."
        ),
    ),
    "memory": (
        HOST.replace("sqlite:///mpm.db", "sqlite:///:memory:"),
        "mpm.toml [host], setting 'database' must name a file; write sqlite:///mpm.db.",
    ),
    "no file": (
        HOST.replace("sqlite:///mpm.db", "sqlite://"),
        "mpm.toml [host], setting 'database' must name a file; write sqlite:///mpm.db.",
    ),
    "no key": (
        '[host]\ndatabase = "sqlite:///mpm.db"',
        (
            "mpm.toml [host], setting 'secret_key' is missing; run `mpm init` or write: "
            'secret_key = { file = "mpm.key" }'
        ),
    ),
    "empty key": (
        HOST.replace('"first"', '""'),
        (
            "mpm.toml [host], setting 'secret_key' must be a text; run `mpm init` or write: "
            'secret_key = { file = "mpm.key" }'
        ),
    ),
    "key of another type": (
        HOST.replace('"first"', "[7]"),
        (
            "mpm.toml [host], setting 'secret_key' must be a text; run `mpm init` or write: "
            'secret_key = { file = "mpm.key" }'
        ),
    ),
    "key without variable": (
        HOST.replace('"first"', '{ env = "KEY" }'),
        (
            "mpm.toml [host], setting 'secret_key': environment variable KEY is not set; set it or "
            "write another value."
        ),
    ),
    "unknown section": (
        HOST + "[company.umeme]",
        "mpm.toml: section 'company' is unknown; did you mean 'companies'?",
    ),
    "no section": (
        "companies = 5\n" + HOST,
        "mpm.toml: 'companies' must be a section; write [companies].",
    ),
}


@pytest.mark.parametrize(("text", "message"), HOST_MISTAKES.values(), ids=HOST_MISTAKES.keys())
def test_a_mistake_of_the_host_section_is_one_plain_line(text, message):
    assert refusal(text) == message


def company(line, value):
    """The company with one line changed."""
    lines = [each for each in COMPANY.splitlines() if not each.startswith(f"{line} ")]
    return HOST + "\n".join([*lines, *([f"{line} = {value}"] if value else [])])


COMPANY_MISTAKES = {
    "unknown key": (
        company("time_zone", '"UTC"'),
        "Company 'umeme', setting 'time_zone' is unknown; did you mean 'timezone'?",
    ),
    "no country": (
        company("country", ""),
        "Company 'umeme', setting 'country' is missing; write for example: country = \"TZ\"",
    ),
    "wrong country": (
        company("country", '"TZA"'),
        "Company 'umeme': country 'TZA' is no ISO 3166 code; write two capitals such as TZ.",
    ),
    "wrong currency": (
        company("currency", '"TSH"'),
        "Company 'umeme': currency 'TSH' is no ISO 4217 code; write three capitals such as TZS.",
    ),
    "wrong zone": (
        company("timezone", '"Africa/Dodoma"'),
        (
            "Company 'umeme': timezone 'Africa/Dodoma' is no IANA time zone; write one such as "
            "Africa/Dar_es_Salaam."
        ),
    ),
    "zone outside": (
        company("timezone", '"../../etc/passwd"'),
        (
            "Company 'umeme': timezone '../../etc/passwd' is no IANA time zone; write one such as "
            "Africa/Dar_es_Salaam."
        ),
    ),
    "several zones": (
        company("country", '"CD"'),
        (
            "Company 'umeme': timezone is missing, and CD has several; write one such as "
            "Africa/Dar_es_Salaam."
        ),
    ),
    "name with a tab": (
        company("name", '"Umeme\\tVijijini"'),
        (
            "Company 'umeme': name 'Umeme\\tVijijini' has characters that cannot be shown; remove "
            "them."
        ),
    ),
    "blank name": (company("name", '"  "'), "Company 'umeme': name must have 1 to 200 characters."),
    "wrong slug": (
        HOST + COMPANY.replace("umeme", "Umeme"),
        (
            "Company 'Umeme' has no usable slug; write a small letter, then up to 62 small "
            "letters, digits or hyphens."
        ),
    ),
    "no section": (
        HOST + "[companies]\numeme = 5",
        (
            "[companies.umeme] must be a section; write [companies.umeme] above its keys.\n"
            "Company 'umeme', setting 'name' is missing; write for example: name = \"Umeme "
            'Vijijini"\n'
            "Company 'umeme', setting 'country' is missing; write for example: country = \"TZ\"\n"
            "Company 'umeme', setting 'currency' is missing; write for example: currency = \"TZS\""
        ),
    ),
    "plugins no section": (
        company("plugins", '["calin"]'),
        (
            "[companies.umeme.plugins] must be a section; write [companies.umeme.plugins] above "
            "its keys."
        ),
    ),
}


@pytest.mark.parametrize(
    ("text", "message"), COMPANY_MISTAKES.values(), ids=COMPANY_MISTAKES.keys()
)
def test_a_mistake_of_a_company_is_one_plain_line(text, message):
    assert refusal(text) == message


SOUTH = "Company 'umeme', instance 'calin-south' of plugin 'calin'"
INSTANCE_MISTAKES = {
    "wrong type": ("concurrency = '3'", (f"{SOUTH}, setting 'concurrency' must be a whole number, "
                                        "not '3'.")),
    "too many": ("concurrency = 0", f"{SOUTH}, setting 'concurrency' must be at least 1, not 0."),
    "float": ("minimum_amount = 5.5", (f"{SOUTH}, setting 'minimum_amount' must be a decimal "
                                      'number, not 5.5; write it in quotes: "12.5".')),
    "decimals": ("minimum_amount = '5.555'", (f"{SOUTH}: '5.555' has more decimals than TZS has "
                                             "(2).")),
    "crossed": ("minimum_amount = 9\nmaximum_amount = 8",
                f"{SOUTH}: minimum_amount 9 is above maximum_amount 8; correct one."),
    "network": ("allowed_addresses = ['telecom.example']",
                (f"{SOUTH}: 'telecom.example' is no IP address or network; write 196.201.214.0/24 "
                "or 196.201.214.5.")),
    "variable": ("enabled = { env = 'ON' }",
                 (f"{SOUTH}, setting 'enabled': environment variable ON is not set; set it or "
                 "write another value.")),
}  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "message"), INSTANCE_MISTAKES.values(), ids=INSTANCE_MISTAKES.keys()
)
def test_a_mistake_of_the_hosts_keys_names_company_instance_and_plugin(lines, message):
    text = f"{HOST}{COMPANY}[companies.umeme.plugins.calin-south]\nuse = 'calin'\n{lines}"

    assert refusal(text) == message


def test_an_instance_needs_a_usable_name_and_a_section():
    text = HOST + COMPANY + '[companies.umeme.plugins]\n"Calin South" = {}\ncalin = 5'

    assert refusal(text) == (
        "Company 'umeme': instance 'Calin South' has no usable name; write a small letter, then up "
        "to 62 small letters, digits or hyphens.\n"
        "[companies.umeme.plugins.calin] must be a section; write [companies.umeme.plugins.calin] "
        "above its keys."
    )


def test_every_mistake_is_told_at_once():
    text = """
        [host]
        databse = "sqlite:///mpm.db"
        [companies.umeme]
        name = "Umeme"
        country = "TZ"
        [companies.umeme.plugins.calin]
        concurrency = "many"
        [companies.solar]
        name = "Solar"
        country = "KE"
        currency = "kes"
    """

    assert refusal(text) == (
        "mpm.toml [host], setting 'secret_key' is missing; run `mpm init` or write: secret_key "
        '= { file = "mpm.key" }\n'
        "mpm.toml [host], setting 'databse' is unknown; did you mean 'database'?\n"
        "mpm.toml [host], setting 'database' is missing; write for example: database = "
        '"sqlite:///mpm.db"\n'
        "Company 'umeme', setting 'currency' is missing; write for example: currency = \"TZS\"\n"
        "Company 'umeme', plugin 'calin', setting 'concurrency' must be a whole number, not "
        "'many'.\n"
        "Company 'solar': currency 'kes' is no ISO 4217 code; write three capitals such as TZS."
    )


@given(st.text(max_size=80))
def test_a_name_is_exactly_what_the_rule_says(text):
    letters = "abcdefghijklmnopqrstuvwxyz"
    expected = (
        1 <= len(text) <= 63
        and text[0] in letters
        and all(character in letters + "0123456789-" for character in text)
    )

    assert is_name(text) is expected


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["env", "file", "plugins", "name", "calin"]), inner)
        ),
        max_leaves=5,
    )
)
def test_whatever_a_section_holds_is_read_or_refused_plainly(value):
    source, problems = ConfigSource(folder=FOLDER, environ={}), Problems()
    if isinstance(value, dict):
        read_host({**value, "secret_key": value}, source, problems)
    read_company("umeme", value, source, problems)

    with pytest.raises(UserError):
        problems.raise_if_any()


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path, mode):
    key = tmp_path / "mpm.key"
    key.write_text("canary")
    key.chmod(mode)
    text = HOST.replace('"first"', '{ file = "mpm.key" }')

    assert refusal(text, folder=tmp_path) == (
        f"mpm.toml [host], setting 'secret_key': file mpm.key may be read by others (mode {mode:o})"
        "; run `chmod 600 mpm.key`."
    )


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_of_the_owner_alone_is_taken(tmp_path, mode):
    key = tmp_path / "mpm.key"
    key.write_text("key")
    key.chmod(mode)
    text = HOST.replace('"first"', '[{ file = "mpm.key" }, "old"]')

    assert parse(text, folder=tmp_path).host.secret_keys == (Secret("key"), Secret("old"))


def test_a_missing_key_file_is_named(tmp_path):
    text = HOST.replace('"first"', '{ file = "mpm.key" }')

    assert refusal(text, folder=tmp_path) == (
        "mpm.toml [host], setting 'secret_key': file mpm.key cannot be read (No such file or "
        "directory); create it or write another value."
    )


def test_a_key_in_a_file_that_everybody_reads_is_refused():
    assert refusal(HOST, is_world_readable=True) == (
        "mpm.toml [host], setting 'secret_key' is written in clear, and everybody on this machine "
        'can read mpm.toml; run `chmod 600 mpm.toml` or write { env = "…" }.'
    )


def test_a_database_password_in_a_file_that_everybody_reads_is_refused():
    text = """
        [host]
        database = "postgresql+psycopg://mpm:canary@db/mpm"
        secret_key = { env = "KEY" }
    """

    assert refusal(text, environ={"KEY": "k"}, is_world_readable=True) == (
        "mpm.toml [host], setting 'database' holds a password, and everybody on this machine can "
        'read mpm.toml; run `chmod 600 mpm.toml` or write { env = "…" }.'
    )


def test_a_token_for_metrics_in_a_file_that_everybody_reads_is_refused(tmp_path):
    text = HOST.replace('"first"', '{ env = "KEY" }') + '\nmetrics_token = "canary"\n'
    keys = {"KEY": "k"}

    assert refusal(text, environ=keys, is_world_readable=True) == (
        "mpm.toml [host], setting 'metrics_token' is written in clear, and everybody on this "
        'machine can read mpm.toml; run `chmod 600 mpm.toml` or write { env = "…" }.'
    )
    assert parse(text, environ=keys).host.metrics_token == Secret("canary")

    token = tmp_path / "metrics.token"
    token.write_text("canary")
    token.chmod(0o644)
    text = text.replace('"canary"', '{ file = "metrics.token" }')
    assert refusal(text, environ=keys, folder=tmp_path) == (
        "mpm.toml [host], setting 'metrics_token' is in clear in metrics.token, which everybody on "
        "this machine can read; run `chmod 600 metrics.token`."
    )
    token.chmod(0o640)
    assert parse(text, environ=keys, folder=tmp_path).host.metrics_token == Secret("canary")


def test_a_broken_database_url_is_told_by_whoever_opens_it():
    text = HOST.replace("sqlite:///mpm.db", "postgresql://[::1/mpm").replace(
        '"first"', '{ env = "KEY" }'
    )

    config = parse(text, environ={"KEY": "k"}, is_world_readable=True)

    with pytest.raises(UserError) as refused:
        open_engines(config.host.database)
    assert str(refused.value) == (
        "[host] database is not a database URL; write sqlite:///mpm.db or "
        "postgresql+psycopg://user@host/name."
    )


@pytest.mark.parametrize(("mode", "expected"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_loaded_file_tells_whether_everybody_reads_it(tmp_path, mode, expected):
    path = tmp_path / "mpm.toml"
    path.write_text(HOST.replace('"first"', '{ env = "KEY" }'))
    path.chmod(mode)

    assert load_config(path, {"KEY": "k"}).source.is_world_readable is expected


def test_no_representation_shows_a_secret():
    text = HOST.replace('"first"', '"canary-key"') + COMPANY
    text = text.replace("sqlite:///mpm.db", "postgresql+psycopg://mpm:canary-password@db/mpm")
    text += '[companies.umeme.plugins.calin]\napi_key = "canary-setting"'

    assert "canary" not in repr(parse(text, environ={"X": "canary-variable"}))


def test_the_environment_is_copied(monkeypatch):
    config = parse(HOST, environ=os.environ)
    monkeypatch.setenv("LATER", "x")

    assert "LATER" not in config.source.environ
