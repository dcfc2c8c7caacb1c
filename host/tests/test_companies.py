"""Changing companies and their plugins by hand: one owner, one transaction, one audit line each."""

from __future__ import annotations

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import SettingsError, UserError
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.instance_changes import shown_table
from mpm_host.database import tables
from mpm_host.directory import InstanceState
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_host.refusals import ServiceRefused
from tests.support.hosts import NOW

ACTOR = Actor(name="anna@umeme.example", at=NOW, reason="they asked for it")
DETAILS = {"name": "Solar Ltd", "country": "KE", "currency": "KES"}
SETTINGS = """
    user_id: str = setting(help="User.")
    api_key: Secret = setting(help="Key.")
"""
GOOD = {"user_id": "solar", "api_key": "canary-1"}
MANAGED = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
[companies.umeme.plugins.acme]
user_id = "umeme"
api_key = "canary-0"
"""


@pytest.fixture
def host(open_host, plugin_folder):
    plugin_folder.install("acme", settings=SETTINGS)
    plugin_folder.install("other")
    opened = open_host(MANAGED, allowed=["acme", "other"])
    opened.companies.create("solar", DETAILS, ACTOR)
    return opened


def audit(host, *names):
    columns = [tables.audit.c[name] for name in names]
    query = sa.select(*columns).order_by(tables.audit.c.id)
    with host.engines.read.begin() as connection:
        return [tuple(row) for row in connection.execute(query)]


def refusal(call, *arguments):
    with pytest.raises(ServiceRefused) as refused:
        call(*arguments)
    return refused.value.code, str(refused.value)


# --- companies ------------------------------------------------------------------------------------


def test_creating_a_company_is_audited(host):
    record = host.companies.find("solar")

    assert (record.managed, record.enabled, record.company.timezone) == (
        False,
        True,
        "Africa/Nairobi",
    )
    assert audit(host, "company_id", "actor", "at", "action", "subject", "after", "reason")[-1] == (
        record.id,
        "anna@umeme.example",
        NOW,
        "company.created",
        "solar",
        {
            "name": "Solar Ltd",
            "country": "KE",
            "currency": "KES",
            "timezone": "Africa/Nairobi",
            "arrears_buy_time": False,
            "demand_mapping": False,
            "enabled": True,
        },
        "they asked for it",
    )


@pytest.mark.parametrize(
    ("slug", "details", "expected"),
    [
        (
            "Solar",
            DETAILS,
            (
                "slug_invalid",
                (
                    "'Solar' cannot be a slug; write a small letter, then up to 62 small letters, "
                    "digits or hyphens."
                ),
            ),
        ),
        ("solar", DETAILS, ("slug_taken", "Company 'solar' exists already; choose another slug.")),
        (
            "umeme",
            DETAILS,
            ("slug_taken", "Company 'umeme' exists by the configuration; choose another slug."),
        ),
        (
            "new",
            DETAILS | {"currency": "XXX"},
            (
                "company_invalid",
                (
                    "Company 'new': currency 'XXX' is no ISO 4217 code; write three capitals such "
                    "as TZS."
                ),
            ),
        ),
        *(
            (
                "new",
                DETAILS | {"name": name},
                (
                    "company_invalid",
                    (
                        f"Company 'new': name {name!r} has characters that cannot be shown; "
                        "remove them."
                    ),
                ),
            )
            for name in ("a\tb", "a\nb")
        ),
        (
            "new",
            {"name": "N", "country": "KE"},
            (
                "company_invalid",
                "Company 'new', setting 'currency' is missing; give its value, such as TZS",
            ),
        ),
        (
            "new",
            DETAILS | {"name": {"env": "HOME"}},
            (
                "company_invalid",
                (
                    "Company 'new', setting 'name': { env = … } and { file = … } work in mpm.toml "
                    "only; give the value."
                ),
            ),
        ),
    ],
    ids=["slug", "taken", "declared", "currency", "tab", "new line", "missing", "reference"],
)
def test_a_company_that_cannot_be_is_refused(host, slug, details, expected):
    assert refusal(host.companies.create, slug, details, ACTOR) == expected


def test_an_unknown_company_or_instance_is_named(host):
    assert refusal(host.companies.find, "nobody") == (
        "unknown_company",
        "There is no company 'nobody'; `mpm company list` shows those there are.",
    )
    assert refusal(host.companies.find_instance, "solar", "acme") == (
        "unknown_instance",
        "Company 'solar' has no instance 'acme'; `mpm company show solar` shows those it has.",
    )


# --- instances ------------------------------------------------------------------------------------


def test_enabling_stores_settings_encrypted_and_loads_the_plugin(host):
    record = host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)

    assert (record.state, record.problem, record.managed) == (InstanceState.ENABLED, "", False)
    assert host.house.plain_settings(record.id) == GOOD
    with host.engines.read.begin() as connection:
        query = sa.select(tables.instances.c.settings).where(tables.instances.c.id == record.id)
        sealed = connection.execute(query).scalar_one()
    assert b"canary" not in sealed
    assert audit(host, "action", "subject", "before", "after")[-1] == (
        "instance.created",
        "acme",
        {},
        {"plugin": "acme", "state": "enabled", "user_id": "solar", "api_key": "••••••"},
    )


def test_changing_a_secret_is_audited_without_it(host):
    host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)
    table = InstanceTable(
        options={"concurrency": 2}, settings={"user_id": "sun", "api_key": "canary-2"}
    )

    host.companies.enable("solar", "acme", "acme", table, ACTOR)

    assert audit(host, "action", "before", "after")[-1] == (
        "instance.changed",
        {"plugin": "acme", "state": "enabled", "user_id": "solar", "api_key": "••••••"},
        {
            "plugin": "acme",
            "state": "enabled",
            "concurrency": 2,
            "user_id": "sun",
            "api_key": "•••••• (changed)",
        },
    )
    assert "canary" not in str(audit(host, "before", "after"))


def test_disabling_lets_an_instance_finish_and_enabling_wakes_it(host):
    table = InstanceTable(settings=GOOD)
    enabled = host.companies.enable("solar", "acme", "acme", table, ACTOR)

    disabled = host.companies.disable("solar", "acme", ACTOR)
    assert (disabled.state, disabled.takes_new_work, disabled.finishes_work) == (
        InstanceState.DISABLED,
        False,
        True,
    )

    again = host.companies.enable("solar", "acme", "acme", table, ACTOR)
    assert (again.state, again.callback_key) == (InstanceState.ENABLED, enabled.callback_key)


def test_removing_unloads_an_instance_and_keeps_its_settings(host):
    host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)

    removed = host.companies.remove("solar", "acme", ACTOR)

    assert (removed.state, removed.finishes_work) == (InstanceState.REMOVED, False)
    assert host.house.plugins_of(host.companies.find("solar").id).names == ()
    assert host.companies.stored_table("solar", "acme").settings == GOOD


def test_a_chosen_plugin_waits_for_its_settings(host):
    record = host.companies.choose("solar", "Acme", ACTOR)

    assert (record.name, record.plugin, record.state) == (
        "acme",
        "acme",
        InstanceState.UNCONFIGURED,
    )
    assert host.companies.choose("solar", "acme", ACTOR) == record


@pytest.fixture
def late(host, open_host):
    """Open another process, whose memory does not follow what `host` changes from now on."""
    host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)
    return open_host(MANAGED, allowed=["acme", "other"])


def changed(host, **settings):
    table = host.companies.stored_table("solar", "acme")
    return attrs.evolve(table, settings={**table.settings, **settings})


def test_a_change_of_settings_that_are_no_more_is_refused_and_undoes_nothing(host, late):
    host.companies.configure("solar", "acme", "acme", changed(host, user_id="new"), ACTOR)

    table = changed(late, api_key="canary-2")
    assert refusal(late.companies.configure, "solar", "acme", "acme", table, ACTOR) == (
        "changed_meanwhile",
        (
            "Somebody else changed instance 'acme' of company 'solar' at the same time; nothing "
            "was done. Look at it and try again."
        ),
    )
    late.companies.configure("solar", "acme", "acme", changed(late, api_key="canary-2"), ACTOR)

    host.house.reload()
    assert changed(host).settings == {"user_id": "new", "api_key": "canary-2"}


def test_another_change_never_undoes_disabling_or_removing(host, late):
    host.companies.disable("solar", "acme", ACTOR)
    table = changed(late, user_id="new")
    record = late.companies.configure("solar", "acme", "acme", table, ACTOR)
    assert record.state is InstanceState.DISABLED

    host.companies.remove("solar", "acme", ACTOR)
    table = changed(late, user_id="newer")
    assert refusal(late.companies.configure, "solar", "acme", "acme", table, ACTOR) == (
        "instance_not_in_use",
        (
            "Company 'solar': instance 'acme' is removed; `mpm company enable solar acme` takes "
            "its settings and lets it work."
        ),
    )


def test_disabling_never_undoes_another_plugin(host, late):
    host.companies.enable("solar", "acme", "other", InstanceTable(), ACTOR)
    record = late.companies.disable("solar", "acme", ACTOR)
    assert (record.plugin, record.state) == ("other", InstanceState.DISABLED)


def test_choosing_late_never_undoes_enabling(host, open_host):
    late = open_host(MANAGED, allowed=["acme", "other"])
    host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)
    assert late.companies.choose("solar", "acme", ACTOR).state is InstanceState.ENABLED


def test_choosing_again_never_undoes_enabling(host):
    host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)

    assert host.companies.choose("solar", "acme", ACTOR).state is InstanceState.ENABLED


def test_wrong_settings_are_refused_and_nothing_changes(host):
    host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)
    lines = len(audit(host, "id"))
    wrong = InstanceTable(options={"concurrency": "x"}, settings=GOOD)
    missing = InstanceTable(settings={"api_key": "canary-3", "size": 1})

    with pytest.raises(SettingsError) as refused:
        host.companies.enable("solar", "acme", "acme", wrong, ACTOR)
    assert str(refused.value) == (
        "Company 'solar', plugin 'acme', setting 'concurrency' must be a whole number, not 'x'."
    )
    with pytest.raises(SettingsError) as refused:
        host.companies.enable("solar", "acme", "acme", missing, ACTOR)
    assert str(refused.value) == (
        "Company 'solar', plugin 'acme', setting 'size' is unknown; known are: user_id, api_key.\n"
        "Company 'solar', plugin 'acme', setting 'user_id' is missing; give its value."
    )
    assert host.companies.stored_table("solar", "acme").settings == GOOD
    assert len(audit(host, "id")) == lines


def test_a_plugin_that_is_not_allowed_cannot_be_enabled(host, plugin_folder):
    plugin_folder.install("stranger")

    with pytest.raises(UserError, match="Plugin 'stranger' is not allowed; if you trust it"):
        host.companies.enable("solar", "stranger", "stranger", InstanceTable(), ACTOR)


def test_an_instance_needs_a_usable_name(host):
    arguments = ("solar", "Acme South", "acme", InstanceTable(settings=GOOD), ACTOR)

    assert refusal(host.companies.enable, *arguments) == (
        "instance_name_invalid",
        (
            "Company 'solar': 'Acme South' cannot be an instance's name; write a small letter, "
            "then up to 62 small letters, digits or hyphens."
        ),
    )


def test_an_instance_with_devices_keeps_its_plugin(host):
    record = host.companies.enable("solar", "acme", "acme", InstanceTable(settings=GOOD), ACTOR)
    with host.engines.write.begin() as connection:
        connection.execute(
            sa.insert(tables.payments).values(
                id="1",
                company_id=record.company_id,
                instance_id=record.id,
                number=1,
                status="settled",
                currency="KES",
                details={},
                created_at=NOW,
            )
        )

    code, _ = refusal(host.companies.enable, "solar", "acme", "other", InstanceTable(), ACTOR)

    assert code == "instance_in_use"
    assert host.companies.find_instance("solar", "acme").plugin == "acme"


# --- two owners -----------------------------------------------------------------------------------

MANAGED_LINE = (
    "managed_by_configuration",
    "Company 'umeme' is managed by configuration; change its section in mpm.toml instead.",
)


def test_what_the_file_manages_is_changed_in_the_file_only(host):
    companies, table = host.companies, InstanceTable(settings=GOOD)

    assert refusal(companies.enable, "umeme", "acme", "acme", table, ACTOR) == MANAGED_LINE
    assert refusal(companies.disable, "umeme", "acme", ACTOR) == MANAGED_LINE
    assert refusal(companies.remove, "umeme", "acme", ACTOR) == MANAGED_LINE
    assert refusal(companies.choose, "umeme", "other", ACTOR) == MANAGED_LINE


def test_what_is_gone_from_the_file_can_be_removed_and_comes_back_with_its_section(
    open_host, plugin_folder
):
    plugin_folder.install("acme", settings=SETTINGS)
    open_host(MANAGED, allowed=("acme",))
    host = open_host(MANAGED.partition("[companies.umeme.plugins")[0], allowed=("acme",))
    assert host.companies.find_instance("umeme", "acme").state is InstanceState.DISABLED

    assert host.companies.remove("umeme", "acme", ACTOR).state is InstanceState.REMOVED

    assert host.reconcile() == ()
    assert refusal(host.companies.find_used_instance, "umeme", "acme") == (
        "instance_not_in_use",
        "Company 'umeme': instance 'acme' is removed; its section in mpm.toml lets it work again.",
    )
    host = open_host(MANAGED, allowed=("acme",))
    assert host.companies.find_instance("umeme", "acme").state is InstanceState.ENABLED


def test_one_company_never_sees_the_instances_of_another(host):
    assert refusal(host.companies.disable, "solar", "acme", ACTOR)[0] == "unknown_instance"


def test_values_that_no_setting_knows_are_masked():
    class_of_nothing = type("Nothing", (), {})
    import attrs  # noqa: PLC0415 - only here

    settings_class = attrs.frozen(class_of_nothing)

    assert shown_table(InstanceTable(settings={"typo": "canary"}), settings_class) == {
        "typo": "••••••"
    }
