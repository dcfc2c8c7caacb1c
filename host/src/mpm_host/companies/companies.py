"""Companies and their instances as people change them: at the command line, by API, in the console.

What `mpm.toml` declares is changed there and nowhere else; everything else is changed here. Each
change is one transaction with its line in the audit trail, and the plugins follow at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpm_core import UserError
from mpm_core.discovery import canonical_name
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.company_reconciliation import lock_companies
from mpm_host.companies.company_refusals import CompanyCode
from mpm_host.companies.company_store import change_company, insert_company, load_directory
from mpm_host.companies.instance_changes import (
    NO_CHANGE,
    InstanceChangedError,
    SettingsChange,
    check_in_use,
    check_instance_name,
    read_details,
    shown_table,
    write_instance,
)
from mpm_host.database.engines import Engines
from mpm_host.directory import CompanyRecord, InstanceRecord, InstanceState
from mpm_host.encryption import Vault
from mpm_host.plugins.instance_settings import InstanceTable, seal_table
from mpm_host.plugins.plugin_house import PluginHouse
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_name

__all__ = ["Companies"]


class Companies:
    """The one place that changes companies which the database owns.

    Args:
        engines: the database.
        vault: encrypts their settings.
        house: checks settings and loads what was changed.
    """

    def __init__(self, *, engines: Engines, vault: Vault, house: PluginHouse) -> None:
        self._engines = engines
        self._vault = vault
        self._house = house

    def find(self, slug: str) -> CompanyRecord:
        """Return a company.

        Raises:
            ServiceRefused: `unknown_company`.
        """
        record = self._house.directory.by_slug.get(slug)
        if record is None:
            raise ServiceRefused(
                RefusalCode.UNKNOWN_COMPANY,
                f"There is no company {slug!r}; `mpm company list` shows those there are.",
            )
        return record

    def find_instance(self, slug: str, name: str) -> InstanceRecord:
        """Return a company's instance.

        Raises:
            ServiceRefused: `unknown_company`, `unknown_instance`.
        """
        record = self._house.directory.instance_named(self.find(slug).id, name)
        if record is None:
            raise ServiceRefused(
                CompanyCode.UNKNOWN_INSTANCE,
                f"Company {slug!r} has no instance {name!r}; `mpm company show {slug}` shows those "
                "it has.",
            )
        return record

    def find_used_instance(self, slug: str, name: str) -> InstanceRecord:
        """Return a company's instance that works, or would if nothing were wrong with it.

        Raises:
            ServiceRefused: `unknown_company`, `unknown_instance`, `instance_not_in_use`.
        """
        record = self.find_instance(slug, name)
        check_in_use(slug, record)
        return record

    def create(self, slug: str, details: Mapping[str, object], actor: Actor) -> CompanyRecord:
        """Create a company.

        Args:
            slug: its short name.
            details: name, country, currency and, optionally, timezone: those of `CompanyDetails`.
            actor: who creates it.

        Raises:
            ServiceRefused: `slug_invalid`, `slug_taken`, `company_invalid`.
        """
        read = read_details(slug, details)
        with self._engines.write.begin() as connection:
            lock_companies(connection)
            taken = load_directory(connection).by_slug.get(slug)
            if taken is not None:
                where = "by the configuration" if taken.managed else "already"
                raise ServiceRefused(
                    CompanyCode.SLUG_TAKEN,
                    f"Company {slug!r} exists {where}; choose another slug.",
                )
            insert_company(
                connection,
                read.company(slug),
                actor,
                managed=False,
                arrears_buy_time=read.arrears_buy_time,
                demand_mapping=read.demand_mapping,
            )
        self._house.reload()
        return self.find(slug)

    def change(self, slug: str, changes: Mapping[str, object], actor: Actor) -> CompanyRecord:
        """Change a company's name or choices; repeating it changes nothing.

        Args:
            slug: of the company.
            changes: of `name`, `arrears_buy_time` and `demand_mapping`; what is absent stays.
            actor: who changes it.

        Raises:
            ServiceRefused: `unknown_company`, `managed_by_configuration`, `name_invalid`.
        """
        self.check_changeable(slug)
        wanted = dict(changes)
        if "name" in wanted:
            wanted["name"] = read_name(str(wanted["name"]), "company's name")
        with self._engines.write.begin() as connection:
            lock_companies(connection)
            record = load_directory(connection).by_slug[slug]
            change_company(connection, record, actor, wanted)
        self._house.reload()
        return self.find(slug)

    def check_changeable(self, slug: str) -> CompanyRecord:
        """Return a company that the database owns.

        Raises:
            ServiceRefused: `unknown_company`, `managed_by_configuration`.
        """
        record = self.find(slug)
        if record.managed:
            raise ServiceRefused(
                CompanyCode.MANAGED_BY_CONFIGURATION,
                f"Company {slug!r} is managed by configuration; change its section in mpm.toml "
                "instead.",
            )
        return record

    def stored_table(self, slug: str, name: str) -> InstanceTable:
        """Return an instance's raw settings to change them; an empty table for a new one.

        Raises:
            ServiceRefused: `unknown_company`.
            UserError: they cannot be decrypted.
        """
        record = self._house.directory.instance_named(self.find(slug).id, name)
        return InstanceTable() if record is None else self._house.table_of(record)

    def enable(
        self, slug: str, name: str, plugin: str, table: InstanceTable, actor: Actor
    ) -> InstanceRecord:
        """Let a company use a plugin, with settings that replace those it had.

        Args:
            slug: of the company.
            name: of the instance; made if there is none.
            plugin: what it runs.
            table: all its settings, raw. Only whoever runs the host may give `options`.
            actor: who enables it.

        Raises:
            ServiceRefused: `unknown_company`, `managed_by_configuration`, `instance_name_invalid`,
                `instance_in_use`.
            InstanceChangedError: its settings are not those any more that `table` was made of.
            UserError: the plugin or its settings do not work; one line per mistake.
        """
        return self._put(slug, name, plugin, table, actor, InstanceState.ENABLED)

    def configure(  # noqa: PLR0913 - as `enable`, and what it becomes
        self,
        slug: str,
        name: str,
        plugin: str,
        table: InstanceTable,
        actor: Actor,
        *,
        enabled: bool | None = None,
    ) -> InstanceRecord:
        """Give an instance other settings, or a plugin; by default it goes on as it was.

        Args:
            slug: of the company.
            name: of the instance; made if there is none and `enabled` says what it becomes.
            plugin: what it runs.
            table: all its settings, raw, as for `enable`.
            actor: who changes it.
            enabled: whether it takes new work from now on; `None` leaves that.

        Raises:
            ServiceRefused: as `enable`, and `unknown_instance` or `instance_not_in_use` where
                nothing says whether it shall work.
            InstanceChangedError: its settings are not those any more that `table` was made of.
            UserError: the plugin or its settings do not work; one line per mistake.
        """
        if enabled is not None:
            state = InstanceState.ENABLED if enabled else InstanceState.DISABLED
            return self._put(slug, name, plugin, table, actor, state)
        self.find_used_instance(slug, name)
        return self._put(slug, name, plugin, table, actor, None)

    def _put(  # noqa: PLR0913, PLR0917 - as above
        self,
        slug: str,
        name: str,
        plugin: str,
        table: InstanceTable,
        actor: Actor,
        state: InstanceState | None,
    ) -> InstanceRecord:
        company = self.check_changeable(slug)
        check_instance_name(slug, name)
        plugin = canonical_name(plugin)
        plan = self._house.check(company.company, name, plugin, table)
        change = self._change(company, name, table, plan.plugin.manifest.settings_class)
        self._write(company, name, plugin, state, actor, change)
        return self.find_instance(slug, name)

    def choose(self, slug: str, plugin: str, actor: Actor) -> InstanceRecord:
        """Note that a company wants a plugin whose settings it will give later (sign-up).

        Raises:
            ServiceRefused: `unknown_company`, `managed_by_configuration`, `instance_name_invalid`.
            UserError: the plugin is not allowed, or does not work.
        """
        company = self.check_changeable(slug)
        loaded = self._house.catalog.load(plugin)
        name = loaded.installed.name
        check_instance_name(slug, name)
        if self._house.directory.instance_named(company.id, name) is None:
            self._write(company, name, name, InstanceState.UNCONFIGURED, actor)
        return self.find_instance(slug, name)

    def disable(self, slug: str, name: str, actor: Actor) -> InstanceRecord:
        """Let an instance finish what was promised and take nothing new.

        Raises:
            ServiceRefused: `unknown_company`, `unknown_instance`, `managed_by_configuration`, and
                `instance_not_in_use` of one that was never configured.
        """
        self.check_changeable(slug)
        if self.find_instance(slug, name).state is InstanceState.UNCONFIGURED:
            raise ServiceRefused(
                CompanyCode.INSTANCE_NOT_IN_USE,
                f"Company {slug!r}: instance {name!r} was never configured, so it has no work to "
                f"finish; `mpm company remove {slug} {name}` takes it out.",
            )
        return self._retire(slug, name, InstanceState.DISABLED, actor)

    def remove(self, slug: str, name: str, actor: Actor) -> InstanceRecord:
        """Stop an instance altogether: its orders wait for a person. Its history stays.

        What the configuration managed goes, too, once the file does not declare it any more.

        Raises:
            ServiceRefused: `unknown_company`, `unknown_instance`, `managed_by_configuration`.
        """
        if not self._house.is_gone(self.find_instance(slug, name)):
            self.check_changeable(slug)
        return self._retire(slug, name, InstanceState.REMOVED, actor)

    def _retire(self, slug: str, name: str, state: InstanceState, actor: Actor) -> InstanceRecord:
        self.find_instance(slug, name)
        self._write(self.find(slug), name, None, state, actor)
        return self.find_instance(slug, name)

    def _change(
        self, company: CompanyRecord, name: str, table: InstanceTable, settings_class: type
    ) -> SettingsChange:
        record = self._house.directory.instance_named(company.id, name)
        try:
            former = InstanceTable() if record is None else self._house.table_of(record)
        except UserError:  # a key was lost: the old values are, too
            former = InstanceTable()
        return SettingsChange(
            sealed=seal_table(table, self._vault),
            read_from=table.read_from,
            before=shown_table(former, settings_class),
            after=shown_table(table, settings_class, former),
        )

    def _write(  # noqa: PLR0913, PLR0917 - one column each
        self,
        company: CompanyRecord,
        name: str,
        plugin: str | None,
        state: InstanceState | None,
        actor: Actor,
        change: SettingsChange = NO_CHANGE,
    ) -> None:
        try:
            with self._engines.write.begin() as connection:
                lock_companies(connection)
                write_instance(connection, company, name, plugin, state, actor, change)
        except InstanceChangedError:
            self._house.reload()  # whoever tries again begins with what is there now
            raise
        self._house.reload()
