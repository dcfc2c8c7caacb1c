"""Companies and instances as people and programs see them: plain values, secrets masked."""

from __future__ import annotations

from mpm_core import UserError
from mpm_core.settings import describe
from mpm_core.settings.forms import redact
from mpm_host.companies.instance_changes import shown_table
from mpm_host.directory import CompanyRecord, InstanceRecord
from mpm_host.host import Host
from mpm_host.plugins.instance_settings import InstanceOptions, storable

__all__ = ["callback_url", "callback_urls", "company_view", "instance_view"]


def company_view(record: CompanyRecord) -> dict[str, object]:
    """Return a company without its instances."""
    return {
        "slug": record.company.slug,
        "name": record.company.name,
        "country": record.company.country,
        "currency": record.company.currency,
        "timezone": record.company.timezone,
        "managed_by_configuration": record.managed,
        "enabled": record.enabled,
        "arrears_buy_time": record.arrears_buy_time,
        "demand_mapping": record.demand_mapping,
    }


def instance_view(host: Host, record: InstanceRecord) -> dict[str, object]:
    """Return an instance with its settings, as far as they can be shown."""
    return {
        "instance": record.name,
        "plugin": record.plugin,
        "kind": record.facts.kind.value if record.facts else None,
        "state": record.state.value,
        "managed_by_configuration": record.managed,
        "problem": record.problem,
        "callback_url": callback_url(host, record),
        "options": _shown_options(host, record),
        "settings": _shown_settings(host, record),
    }


def callback_url(host: Host, record: InstanceRecord) -> str:
    """Return the URL below which a telecom calls an instance."""
    return f"{host.config.host.public_url}/callbacks/{record.callback_key}"


def callback_urls(host: Host, record: InstanceRecord) -> dict[str, str]:
    """Return every URL a telecom may call, by the path that its plugin declares."""
    plan = host.house.plan_of(record.id)
    paths = plan.plugin.manifest.callback_paths if plan else ()
    return {path: f"{callback_url(host, record)}/{path}" for path in paths}


def _shown_options(host: Host, record: InstanceRecord) -> dict[str, object]:
    """Return the host's keys that differ from their defaults, of an instance that works."""
    plan = host.house.plan_of(record.id)
    if plan is None:
        return {}
    return {
        each.name: storable(getattr(plan.options, each.name))
        for each in describe(InstanceOptions)
        if getattr(plan.options, each.name) != each.default
    }


def _shown_settings(host: Host, record: InstanceRecord) -> dict[str, object]:
    """Return the values in use; of an instance that does not work, those that were given."""
    plan = host.house.plan_of(record.id)
    if plan is not None:
        return {**redact(plan.settings)}
    try:
        settings_class = host.house.catalog.load(record.plugin).manifest.settings_class
        return shown_table(host.house.table_of(record), settings_class)
    except UserError:
        return {}  # the problem says why
