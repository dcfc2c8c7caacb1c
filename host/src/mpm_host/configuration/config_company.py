"""The `[companies.<slug>]` sections and the instances below them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import cast

from mpm_core import Company, SettingsError, read_settings
from mpm_core.discovery import canonical_name
from mpm_core.settings import SettingsPlace
from mpm_host.companies.company_details import CompanyDetails
from mpm_host.configuration.config_problems import ConfigPlace, Problems
from mpm_host.configuration.config_values import (
    NAME_RULE,
    CompanyConfig,
    ConfigSource,
    InstanceConfig,
    is_name,
)
from mpm_host.plugins.instance_settings import InstanceTable, read_options

__all__ = ["read_company"]


def read_company(
    slug: str, raw: object, source: ConfigSource, problems: Problems
) -> CompanyConfig | None:
    """Read a company's section; notes mistakes and returns nothing then."""
    if not is_name(slug):
        problems.add(f"Company {slug!r} has no usable slug; write {NAME_RULE}.")
        return None
    section = _table(raw, f"[companies.{slug}]", problems)
    details = problems.attempt(lambda: _read_details(slug, section, source))
    company = details.company(slug) if details else None
    plugins = _table(section.get("plugins", {}), f"[companies.{slug}.plugins]", problems)
    instances = [
        problems.attempt(partial(_read_instance, slug, name, table, company, source))
        for name, table in plugins.items()
    ]
    if details is None or company is None:
        return None
    return CompanyConfig(
        company=company,
        arrears_buy_time=details.arrears_buy_time,
        demand_mapping=details.demand_mapping,
        instances={each.name: each for each in instances if each is not None},
    )


def _read_details(slug: str, section: Mapping[str, object], source: ConfigSource) -> CompanyDetails:
    place = ConfigPlace(
        company=slug, instance="company", plugin="company", section=f"Company {slug!r}"
    )
    raw = {key: value for key, value in section.items() if key != "plugins"}
    return read_settings(
        CompanyDetails, raw, place=place, environ=source.environ, folder=source.folder
    )


def _read_instance(
    slug: str, name: str, raw: object, company: Company | None, source: ConfigSource
) -> InstanceConfig:
    if not is_name(name):
        raise SettingsError(
            f"Company {slug!r}: instance {name!r} has no usable name; write {NAME_RULE}."
        )
    if not isinstance(raw, dict):
        raise SettingsError(_no_table(f"[companies.{slug}.plugins.{name}]"))
    table = InstanceTable.split(raw)
    use = table.options.get("use")
    plugin = canonical_name(use if isinstance(use, str) else name)
    place = SettingsPlace(company=slug, instance=name, plugin=plugin)
    options = read_options(
        table.options,
        place=place,
        company=company,
        environ=source.environ,
        folder=source.folder,
    )
    return InstanceConfig(
        name=name,
        plugin=canonical_name(options.use or name),
        options=options,
        table=table,
    )


def _table(raw: object, where: str, problems: Problems) -> Mapping[str, object]:
    if isinstance(raw, dict):
        return cast("Mapping[str, object]", raw)
    problems.add(_no_table(where))
    return {}


def _no_table(where: str) -> str:
    return f"{where} must be a section; write {where} above its keys."
