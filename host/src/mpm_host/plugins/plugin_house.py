"""Every company's plugins, loaded: the directory with what is wrong, and the instances to call.

A plugin is imported only if `mpm.toml` allows it and some company has it enabled or draining. What
fails, fails alone: it becomes the `problem` of its instance and nobody else notices.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs

from mpm_core import Company, UserError
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits
from mpm_core.company_plugins.plugin_instances import LoadedInstance
from mpm_core.settings import describe
from mpm_host.clock import Clock, system_clock
from mpm_host.companies.company_store import load_directory, load_sealed_settings, store_facts
from mpm_host.configuration.config_values import Config, InstanceConfig
from mpm_host.database.engines import Engines
from mpm_host.directory import (
    CompanyRecord,
    Directory,
    InstanceRecord,
    InstanceState,
    ManifestFacts,
)
from mpm_host.encryption import Vault
from mpm_host.outbox.outbox import hooks_of
from mpm_host.plugins.instance_loading import (
    InstancePlan,
    PlanRequest,
    make_instance,
    plan_instance,
)
from mpm_host.plugins.instance_settings import InstanceTable, open_table, parse_networks, storable
from mpm_host.plugins.plugin_catalog import LoadedPlugin, PluginCatalog

__all__ = ["PluginHouse"]

_LOG = logging.getLogger(__name__)
_LOADED_STATES = frozenset({InstanceState.ENABLED, InstanceState.DISABLED})


@attrs.frozen(kw_only=True, eq=False)
class _Built:
    """One company's plugins and what they were made of."""

    company: Company
    plans: tuple[InstancePlan, ...]
    failures: Mapping[str, str]  # by instance name: made of a good plan, and yet useless
    plugins: CompanyPlugins


@attrs.frozen(kw_only=True, eq=False)
class _State:
    """Everything a caller may see; replaced as a whole."""

    directory: Directory
    sealed: Mapping[str, bytes]
    plans: Mapping[str, InstancePlan]  # by instance id
    companies: Mapping[str, _Built]  # by company id


class PluginHouse:
    """Loads the plugins of all companies; safe to use from several threads.

    Args:
        config: what it allows and what it declares.
        vault: opens the settings that the database owns.
        engines: the database.
        clock: what hooks see as *now*.
        limits: of deadlines and circuits.
    """

    def __init__(
        self,
        *,
        config: Config,
        vault: Vault,
        engines: Engines,
        clock: Clock = system_clock,
        limits: DispatchLimits | None = None,
    ) -> None:
        self.catalog = PluginCatalog(config.host.allowed_plugins, file_name=config.source.file_name)
        self._config = config
        self._vault = vault
        self._engines = engines
        self._clock = clock
        self._limits = limits
        self._lock = threading.Lock()
        nothing = Directory(companies={}, instances={})
        self._state = _State(directory=nothing, sealed={}, plans={}, companies={})
        self._seen: tuple[Directory, Mapping[str, bytes]] | None = None

    @property
    def directory(self) -> Directory:
        """Every company and instance, with the problems of those that do not work."""
        return self._state.directory

    def plugins_of(self, company_id: str) -> CompanyPlugins:
        """Return a company's loaded instances.

        Raises:
            KeyError: there is no such company.
        """
        return self._state.companies[company_id].plugins

    def plan_of(self, instance_id: str) -> InstancePlan | None:
        """Return what a working instance is made of; nothing for one that does not work."""
        return self._state.plans.get(instance_id)

    def plain_settings(self, instance_id: str) -> dict[str, object]:
        """Return a working instance's settings as plain values, secrets revealed.

        Only for the simulator at the other side, which must sign as the telecom does.

        Raises:
            KeyError: it does not work.
        """
        plan = self._state.plans[instance_id]
        return {
            description.name: storable(getattr(plan.settings, description.name))
            for description in describe(type(plan.settings))
        }

    def reload(self) -> bool:
        """Read companies and instances again and load what changed; tell whether anything did.

        Companies that are as they were keep their plugins, with their circuits and calls under way.
        """
        with self._lock:
            with self._engines.read.begin() as connection:
                stored = load_directory(connection)
                sealed = load_sealed_settings(connection)
            if self._seen == (stored, sealed):
                return False
            before = self._state
            self._state = self._build(stored, sealed, before.companies)
            self._seen = (stored, sealed)
            self._store_facts(stored)
            for company_id, built in before.companies.items():
                kept = self._state.companies.get(company_id)
                if kept is None or kept.plugins is not built.plugins:
                    built.plugins.close()
        return True

    def check(self, company: Company, name: str, plugin: str, table: InstanceTable) -> InstancePlan:
        """Check settings that the database is to own by making an instance of them, for nobody.

        Raises:
            UserError: they do not work; one line per mistake.
        """
        request = self._request(company, name, plugin, table, managed=False)
        plan = plan_instance(request, self.catalog.load(plugin))
        make_instance(plan)
        return plan

    def table_of(self, record: InstanceRecord) -> InstanceTable:
        """Return an instance's raw settings, from the file or the database.

        Raises:
            UserError: they are gone from the file, or cannot be decrypted.
        """
        return self._table(record, self._state.directory, self._state.sealed)

    def is_gone(self, record: InstanceRecord) -> bool:
        """Tell whether the file managed an instance and does not declare it any more."""
        return record.managed and self._declared(record, self._state.directory) is None

    def close(self) -> None:
        """Begin no further vendor calls."""
        with self._lock:
            for built in self._state.companies.values():
                built.plugins.close()

    def give_up(self) -> None:
        """Begin no further vendor calls and wait for none: what they did is unknown."""
        with self._lock:
            for built in self._state.companies.values():
                built.plugins.give_up()

    # --- building ---------------------------------------------------------------------------------

    def _build(
        self, stored: Directory, sealed: Mapping[str, bytes], former: Mapping[str, _Built]
    ) -> _State:
        plans: dict[str, InstancePlan] = {}
        records: dict[str, InstanceRecord] = {}
        companies: dict[str, _Built] = {}
        for company_id, company in stored.companies.items():
            found = [
                self._plan(record, company, stored, sealed)
                for record in stored.instances_of(company_id)
            ]
            good = tuple(plan for _, plan in found if plan is not None)
            built = self._company(company, good, former.get(company_id))
            companies[company_id] = built
            for record, plan in found:
                failure = built.failures.get(record.name, "")
                records[record.id] = attrs.evolve(record, problem=failure or record.problem)
                if plan is not None and not failure:
                    plans[record.id] = plan
        return _State(
            directory=Directory(companies=stored.companies, instances=records),
            sealed=sealed,
            plans=MappingProxyType(plans),
            companies=companies,
        )

    def _plan(
        self,
        record: InstanceRecord,
        company: CompanyRecord,
        stored: Directory,
        sealed: Mapping[str, bytes],
    ) -> tuple[InstanceRecord, InstancePlan | None]:
        """Return the record with what can be known of it, and the plan of one that can work."""
        if record.state not in _LOADED_STATES:
            return record, None
        try:
            if record.managed and self._declared(record, stored) is None:
                raise self._gone(record, stored)  # whatever became of its plugin
            plugin = self.catalog.load(record.plugin)
            record = attrs.evolve(record, facts=_facts_of(plugin))
            table = self._table(record, stored, sealed)
            request = self._request(
                company.company, record.name, record.plugin, table, managed=record.managed
            )
            plan = plan_instance(request, plugin)
        except UserError as error:
            return attrs.evolve(record, problem=_one_line(error)), None
        networks = parse_networks(plan.options.allowed_addresses)
        return attrs.evolve(
            record, allowed_addresses=networks, amount_rules=plan.amount_rules
        ), plan

    def _table(
        self, record: InstanceRecord, directory: Directory, sealed: Mapping[str, bytes]
    ) -> InstanceTable:
        if not record.managed:
            return open_table(sealed.get(record.id), self._vault)
        declared = self._declared(record, directory)
        if declared is None:
            raise self._gone(record, directory)
        return declared.table

    def _declared(self, record: InstanceRecord, directory: Directory) -> InstanceConfig | None:
        slug = directory.companies[record.company_id].company.slug
        return self._config.instance(slug, record.name)

    def _gone(self, record: InstanceRecord, directory: Directory) -> UserError:
        slug = directory.companies[record.company_id].company.slug
        return UserError(
            f"Company {slug!r}, instance {record.name!r} is no longer in "
            f"{self._config.source.file_name}, so its settings are gone; put its section back with "
            "enabled = false to let it finish its work, or take it out: mpm company remove "
            f"{slug} {record.name}"
        )

    def _request(
        self, company: Company, name: str, plugin: str, table: InstanceTable, *, managed: bool
    ) -> PlanRequest:
        return PlanRequest(
            company=company,
            name=name,
            plugin=plugin,
            table=table,
            source=self._config.source if managed else None,
            production=self._config.host.production,
        )

    def _company(
        self, company: CompanyRecord, plans: tuple[InstancePlan, ...], former: _Built | None
    ) -> _Built:
        if former and (former.company, former.plans) == (company.company, plans):
            return former
        failures: dict[str, str] = {}
        loaded: list[LoadedInstance] = []
        for plan in plans:
            try:
                instance = make_instance(plan)
                self._plugins(company.company, [instance])  # hooks that do not fit stop only it
            except UserError as error:
                failures[plan.name] = _one_line(error)
            else:
                loaded.append(instance)
        return _Built(
            company=company.company,
            plans=plans,
            failures=failures,
            plugins=self._plugins(company.company, loaded),
        )

    def _plugins(self, company: Company, loaded: Iterable[LoadedInstance]) -> CompanyPlugins:
        return CompanyPlugins(company, loaded, clock=self._clock, limits=self._limits)

    def _store_facts(self, stored: Directory) -> None:
        fresh = {
            record.id: record.facts
            for record in self._state.directory.instances.values()
            if record.facts is not None and record.facts != stored.instances[record.id].facts
        }
        if fresh:
            with self._engines.write.begin() as connection:
                store_facts(connection, fresh)


def _facts_of(plugin: LoadedPlugin) -> ManifestFacts:
    return ManifestFacts.of(plugin.manifest, hooks=hooks_of(plugin.plugin_class))


def _one_line(error: UserError) -> str:
    return " ".join(str(error).split())
