"""Reconciliation: what `mpm.toml` declares becomes what the database has; nothing is deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from mpm_core import UserError
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.company_reconciliation import reconcile
from mpm_host.companies.company_store import load_directory
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.database import tables
from mpm_host.database.engines import open_engines
from mpm_host.directory import InstanceState
from mpm_host.refusals import ServiceRefused
from tests.support.hosts import NOW

ACTOR = Actor(name="configuration", at=NOW)
HOST = '[host]\ndatabase = "sqlite:///mpm.db"\nsecret_key = "k"\n'
UMEME = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
[companies.umeme.plugins.calin]
api_key = "canary"
[companies.umeme.plugins.airtel]
"""


def companies(text, folder="/srv"):
    return parse_config(HOST + text, ConfigSource(folder=folder, environ={})).companies


@pytest.fixture
def bring_in_line(engines, tmp_path):
    def run(text):
        with engines.write.begin() as connection:
            return reconcile(connection, companies(text, tmp_path), ACTOR)

    return run


def rows(engines, table, *names):
    columns = [table.c[name] for name in names]
    with engines.read.begin() as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(table.c.id))]


def test_new_companies_and_instances_are_created(engines, bring_in_line):
    assert bring_in_line(UMEME) == (
        "Company 'umeme' created.",
        "Company 'umeme': instance 'calin' created.",
        "Company 'umeme': instance 'airtel' created.",
    )

    assert rows(
        engines, tables.companies, "slug", "name", "country", "currency", "timezone", "managed",
        "enabled", "arrears_buy_time", "created_at",
    ) == [
        ("umeme", "Umeme", "TZ", "TZS", "Africa/Dar_es_Salaam", True, True, False, NOW)
    ]  # fmt: skip
    assert rows(engines, tables.instances, "name", "plugin", "state", "managed") == [
        ("calin", "calin", "enabled", True),
        ("airtel", "airtel", "enabled", True),
    ]
    keys = [key for (key,) in rows(engines, tables.instances, "callback_key")]
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {32}


def test_declared_settings_are_never_copied_to_the_database(engines, bring_in_line):
    bring_in_line(UMEME)

    assert rows(engines, tables.instances, "settings") == [(None,), (None,)]
    audited = rows(engines, tables.audit, "before", "after")
    assert "canary" not in str(audited)


def test_repeating_it_changes_nothing(engines, bring_in_line):
    bring_in_line(UMEME)
    before = rows(engines, tables.instances, "callback_key", "state")

    assert bring_in_line(UMEME) == ()
    assert rows(engines, tables.instances, "callback_key", "state") == before
    assert len(rows(engines, tables.audit, "id")) == 3


def test_what_changed_is_updated_and_audited(engines, bring_in_line):
    bring_in_line(UMEME)
    changed = UMEME.replace('"Umeme"', '"Umeme Vijijini"').replace(
        'api_key = "canary"', "enabled = false"
    )

    assert bring_in_line(changed) == (
        "Company 'umeme' updated.",
        "Company 'umeme': instance 'calin' updated.",
    )
    assert rows(engines, tables.audit, "actor", "action", "subject", "before", "after")[3:] == [
        (
            "configuration",
            "company.changed",
            "umeme",
            {"name": "Umeme"},
            {"name": "Umeme Vijijini"},
        ),
        (
            "configuration",
            "instance.changed",
            "calin",
            {"plugin": "calin", "state": "enabled"},
            {"plugin": "calin", "state": "disabled"},
        ),
    ]


def test_what_is_gone_is_disabled_and_nothing_deleted(engines, bring_in_line):
    bring_in_line(UMEME)
    keys = rows(engines, tables.instances, "name", "callback_key")

    assert bring_in_line("") == (
        "Company 'umeme' disabled.",
        "Company 'umeme': instance 'airtel' disabled.",
        "Company 'umeme': instance 'calin' disabled.",
    )
    assert rows(engines, tables.companies, "slug", "enabled") == [("umeme", False)]
    assert rows(engines, tables.instances, "state") == [("disabled",), ("disabled",)]
    assert rows(engines, tables.instances, "name", "callback_key") == keys
    assert bring_in_line("") == ()


def test_what_comes_back_is_enabled_under_its_old_callback_key(engines, bring_in_line):
    bring_in_line(UMEME)
    keys = rows(engines, tables.instances, "name", "callback_key")
    bring_in_line("")

    assert bring_in_line(UMEME) == (
        "Company 'umeme' updated.",
        "Company 'umeme': instance 'calin' updated.",
        "Company 'umeme': instance 'airtel' updated.",
    )
    assert rows(engines, tables.companies, "enabled") == [(True,)]
    assert rows(engines, tables.instances, "name", "callback_key") == keys


def test_an_instance_that_is_gone_is_disabled_alone(engines, bring_in_line):
    bring_in_line(UMEME)

    assert bring_in_line(UMEME.replace("[companies.umeme.plugins.airtel]", "")) == (
        "Company 'umeme': instance 'airtel' disabled.",
    )
    assert rows(engines, tables.instances, "name", "state") == [
        ("calin", "enabled"),
        ("airtel", "disabled"),
    ]


def test_a_slug_that_the_database_owns_is_refused_whole(engines, bring_in_line):
    bring_in_line(UMEME)
    with engines.write.begin() as connection:
        connection.execute(sa.update(tables.companies).values(managed=False))
    text = UMEME.replace("umeme", "solar") + UMEME.replace('"Umeme"', '"Mine"')

    with pytest.raises(ServiceRefused) as refused:
        bring_in_line(text)

    assert refused.value.code == "slug_taken"
    assert str(refused.value) == (
        "Company 'umeme' is declared in the configuration but was created in the database; remove "
        "its section, or declare it under another slug."
    )
    assert rows(engines, tables.companies, "slug", "name") == [("umeme", "Umeme")]


def test_companies_of_the_database_are_left_alone(engines, bring_in_line):
    bring_in_line(UMEME)
    with engines.write.begin() as connection:
        connection.execute(sa.update(tables.companies).values(managed=False))

    assert bring_in_line("") == ()
    assert rows(engines, tables.companies, "enabled") == [(True,)]


def insert_amount(engines, table):
    """Let a company have something with an amount."""
    with engines.write.begin() as connection:
        (company,) = load_directory(connection).companies.values()
        (instance, _) = load_directory(connection).instances_of(company.id)
        common = {"id": "1", "company_id": company.id, "created_at": NOW}
        values = {
            "mpm_payment": {
                "instance_id": instance.id,
                "number": 1,
                "status": "settled",
                "currency": "TZS",
                "details": {},
            },
            "mpm_tariff": {"name": "Household", "version": 1},
            "mpm_appliance": {"name": "Lamp", "kind": "other", "price": 5},
        }[table.name]
        connection.execute(sa.insert(table).values(**common, **values))


@pytest.mark.parametrize(
    "table",
    [tables.payments, tables.tariffs, tables.appliances],
    ids=lambda table: table.name,
)
def test_a_currency_never_changes_below_amounts(engines, bring_in_line, table):
    bring_in_line(UMEME)
    insert_amount(engines, table)

    with pytest.raises(ServiceRefused) as refused:
        bring_in_line(UMEME.replace("TZS", "KES"))

    assert refused.value.code == "currency_in_use"
    assert str(refused.value) == (
        "Company 'umeme' has amounts in TZS, so its currency cannot become KES; put TZS back, or "
        "create another company."
    )


def test_a_currency_may_change_before_there_are_amounts(engines, bring_in_line):
    bring_in_line(UMEME)

    assert bring_in_line(UMEME.replace("TZS", "KES")) == ("Company 'umeme' updated.",)
    assert rows(engines, tables.companies, "currency") == [("KES",)]


def test_an_instance_with_payments_keeps_its_plugin(engines, bring_in_line):
    bring_in_line(UMEME)
    insert_amount(engines, tables.payments)
    text = UMEME.replace("plugins.airtel]", 'plugins.airtel]\nuse = "vodacom"')

    with pytest.raises(ServiceRefused) as refused:
        bring_in_line(text)

    assert refused.value.code == "instance_in_use"
    assert str(refused.value) == (
        "Company 'umeme': instance 'airtel' has devices or payments of plugin 'airtel', so it "
        "cannot use 'vodacom'; give the new plugin an instance of another name."
    )


def test_an_unused_instance_may_change_its_plugin(engines, bring_in_line):
    bring_in_line(UMEME)

    bring_in_line(UMEME.replace("plugins.airtel]", 'plugins.airtel]\nuse = "vodacom"'))

    assert rows(engines, tables.instances, "name", "plugin") == [
        ("calin", "calin"),
        ("airtel", "vodacom"),
    ]


def test_processes_that_start_together_create_each_company_once(engines, bring_in_line):
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: bring_in_line(UMEME), range(6)))

    assert sorted(map(len, done)) == [0, 0, 0, 0, 0, 3]
    assert rows(engines, tables.companies, "slug") == [("umeme",)]


NAMES = st.sampled_from(["umeme", "solar"])
PLUGINS = st.dictionaries(st.sampled_from(["calin", "airtel"]), st.booleans())
DECLARATIONS = st.lists(st.dictionaries(NAMES, PLUGINS), min_size=1, max_size=5)


@given(DECLARATIONS)
@settings(max_examples=40, deadline=None)
def test_any_history_ends_as_the_last_file_says(sqlite_template, tmp_path_factory, history):
    folder = tmp_path_factory.mktemp("history")
    (folder / "mpm.db").write_bytes(sqlite_template.read_bytes())
    opened = open_engines(f"sqlite:///{folder / 'mpm.db'}")
    keys = {}
    for declaration in history:
        with opened.write.begin() as connection:
            reconcile(connection, companies(as_toml(declaration), folder), ACTOR)
            directory = load_directory(connection)
        keys = check(directory, declaration, keys)
    opened.dispose()


def as_toml(declaration):
    lines = []
    for slug, plugins in declaration.items():
        lines += [f"[companies.{slug}]", 'name = "X"', 'country = "TZ"', 'currency = "TZS"']
        for name, enabled in plugins.items():
            lines += [f"[companies.{slug}.plugins.{name}]", f"enabled = {str(enabled).lower()}"]
    return "\n".join(lines)


def check(directory, declaration, keys):
    """Hold the directory against what was declared last, and against what was known before."""
    found = {}
    for record in directory.instances.values():
        slug = directory.companies[record.company_id].company.slug
        is_enabled = declaration.get(slug, {}).get(record.name, False)
        assert record.state == (InstanceState.ENABLED if is_enabled else InstanceState.DISABLED)
        found[slug, record.name] = record.callback_key
    for record in directory.companies.values():
        assert record.enabled is (record.company.slug in declaration)
    assert found.items() >= keys.items()  # nothing is deleted, no key ever changes
    return found


def test_a_wrong_declaration_is_a_persons_mistake():
    assert issubclass(ServiceRefused, UserError)
