"""What a change of a company or an instance consists of: checked words, and the row it writes.

`Companies` decides what is changed, and in which transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
from sqlalchemy.engine import Connection

from mpm_core import SettingsError, read_settings
from mpm_core.secrets import MASK
from mpm_core.settings import describe
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.company_details import CompanyDetails
from mpm_host.companies.company_reconciliation import check_plugin_change
from mpm_host.companies.company_refusals import CompanyCode
from mpm_host.companies.company_store import (
    change_instance,
    insert_instance,
    load_directory,
    load_sealed_settings,
)
from mpm_host.configuration.config_problems import ConfigPlace
from mpm_host.configuration.config_values import NAME_RULE, is_name
from mpm_host.directory import CompanyRecord, InstanceRecord, InstanceState
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_host.refusals import ServiceRefused

__all__ = [
    "NO_CHANGE",
    "InstanceChangedError",
    "SettingsChange",
    "check_in_use",
    "check_instance_name",
    "read_details",
    "shown_table",
    "write_instance",
]


@attrs.frozen(kw_only=True)
class SettingsChange:
    """New settings for the database, and both old and new ones for the audit trail.

    Attributes:
        sealed: the new ones, encrypted; `None` leaves those there are.
        read_from: the stored ones that they were made of, encrypted; `None` if of none.
        before: shown to people.
        after: shown to people.
    """

    sealed: bytes | None = None
    read_from: bytes | None = None
    before: Mapping[str, object] = attrs.field(factory=dict)
    after: Mapping[str, object] = attrs.field(factory=dict)


NO_CHANGE = SettingsChange()


def read_details(slug: str, details: Mapping[str, object]) -> CompanyDetails:
    """Read what a new company says of itself.

    Raises:
        ServiceRefused: `slug_invalid`, `company_invalid`.
    """
    if not is_name(slug):
        raise ServiceRefused(
            CompanyCode.SLUG_INVALID, f"{slug[:80]!r} cannot be a slug; write {NAME_RULE}."
        )
    place = ConfigPlace(
        company=slug, instance="company", plugin="company", section=f"Company {slug!r}"
    )
    try:
        return read_settings(
            CompanyDetails,
            details,
            place=place,
            environ={},
            folder=Path(),
            allow_references=False,
        )
    except SettingsError as error:
        raise ServiceRefused(CompanyCode.COMPANY_INVALID, str(error)) from None


def check_instance_name(slug: str, name: str) -> None:
    """Refuse what cannot name an instance.

    Raises:
        ServiceRefused: `instance_name_invalid`.
    """
    if not is_name(name):
        raise ServiceRefused(
            CompanyCode.INSTANCE_NAME_INVALID,
            f"Company {slug!r}: {name[:80]!r} cannot be an instance's name; write {NAME_RULE}.",
        )


class InstanceChangedError(ServiceRefused):
    """Somebody else changed an instance after its settings were read; nothing was done."""


def write_instance(  # noqa: PLR0913, PLR0917 - one column each
    connection: Connection,
    company: CompanyRecord,
    name: str,
    plugin: str | None,
    state: InstanceState | None,
    actor: Actor,
    change: SettingsChange,
) -> None:
    """Make an instance or change it, with its line in the audit trail; the caller holds the lock.

    Args:
        connection: of the caller's transaction.
        company: whose instance it is.
        name: of the instance.
        plugin: what it runs from now on; `None` leaves that.
        state: what it is in from now on; `None` leaves that of one in use.
        actor: who changes it.
        change: of its settings.

    Raises:
        ServiceRefused: `instance_in_use`, `instance_not_in_use`.
        InstanceChangedError: its settings are not those that the change was made of.
    """
    record = load_directory(connection).instance_named(company.id, name)
    if record is None:
        insert_instance(
            connection,
            company,
            actor,
            name=name,
            plugin=plugin or name,
            state=state or InstanceState.ENABLED,
            sealed=change.sealed,
            shown=change.after,
        )
    elif state is not InstanceState.UNCONFIGURED:  # chosen meanwhile, or more: that stays
        stored = load_sealed_settings(connection).get(record.id)
        if change.read_from is not None and stored != change.read_from:
            raise InstanceChangedError(
                CompanyCode.CHANGED_MEANWHILE,
                f"Somebody else changed instance {name!r} of company {company.company.slug!r} at "
                "the same time; nothing was done. Look at it and try again.",
            )
        if state is None:
            check_in_use(company.company.slug, record)
        plugin = plugin or record.plugin
        check_plugin_change(connection, company.company.slug, record, plugin)
        change_instance(
            connection,
            record,
            actor,
            plugin=plugin,
            state=state or record.state,
            sealed=change.sealed,
            shown_before=change.before,
            shown_after=change.after,
        )


def check_in_use(slug: str, record: InstanceRecord) -> None:
    """Refuse an instance that must be enabled before it is used, or anything of it changed.

    Raises:
        ServiceRefused: `instance_not_in_use`.
    """
    if record.state in {InstanceState.UNCONFIGURED, InstanceState.REMOVED}:
        how = (
            "its section in mpm.toml lets it work again"
            if record.managed
            else f"`mpm company enable {slug} {record.name}` takes its settings and lets it work"
        )
        raise ServiceRefused(
            CompanyCode.INSTANCE_NOT_IN_USE,
            f"Company {slug!r}: instance {record.name!r} is {record.state.value}; {how}.",
        )


def shown_table(
    table: InstanceTable, settings_class: type, former: InstanceTable | None = None
) -> dict[str, object]:
    """Return a raw table as people may see it: secrets masked, changed ones marked.

    Args:
        table: what to show.
        settings_class: says which settings are secrets.
        former: what it was before, to mark the secrets that changed.
    """
    secrets = {each.name for each in describe(settings_class) if each.secret}
    known = {each.name for each in describe(settings_class)} - secrets
    shown = dict(table.options)
    for name, value in table.settings.items():
        if name in known:
            shown[name] = value
        else:  # what the class does not know may be anything
            is_changed = former is not None and former.settings.get(name, value) != value
            shown[name] = f"{MASK} (changed)" if is_changed else MASK
    return shown
