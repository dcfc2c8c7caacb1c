"""Plugins as people and programs see them: what is installed, what it declares, what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

import attrs

from mpm_core import Manifest, PluginLoadError
from mpm_core.deprecations import deprecation_notices
from mpm_core.discovery import InstalledPlugin
from mpm_core.settings import describe
from mpm_core.settings.forms import format_value
from mpm_core.settings.values import SettingDescription
from mpm_host.directory import Directory, InstanceRecord, InstanceState
from mpm_host.plugins.plugin_catalog import LoadedPlugin, PluginCatalog

__all__ = ["PluginRow", "PluginStatus", "manifest_view", "plugin_rows", "setting_view"]


class PluginStatus(StrEnum):
    """How far a plugin has come, or what is wrong with it."""

    INSTALLED = "installed"  # nobody allowed it
    ALLOWED = "allowed"  # nobody has enabled it
    ENABLED = "enabled"
    MISSING = "missing"  # allowed or used, but not installed
    INCOMPATIBLE = "incompatible"
    BROKEN = "broken"


@attrs.frozen(kw_only=True)
class PluginRow:
    """One plugin in the list.

    Attributes:
        used_by: `company/instance` of those that have it enabled or draining.
        problem: why it cannot be used, and what to do.
    """

    name: str
    status: PluginStatus
    distribution: str = ""
    version: str = ""
    allowed: bool
    compatible: bool | None = None
    used_by: tuple[str, ...] = ()
    problem: str = ""

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {
            "name": self.name,
            "status": self.status.value,
            "distribution": self.distribution,
            "version": self.version,
            "installed": bool(self.distribution),
            "allowed": self.allowed,
            "compatible": self.compatible,
            "enabled": bool(self.used_by),
            "used_by": list(self.used_by),
            "problem": self.problem,
        }


def plugin_rows(
    catalog: PluginCatalog, directory: Directory, *, only: Collection[str] | None = None
) -> tuple[PluginRow, ...]:
    """List every plugin that is installed, allowed or used; imports only those in use.

    Args:
        catalog: what is installed and allowed.
        directory: who uses what.
        only: ids of the companies that count; all by default.
    """
    used = _used(directory, only)
    installed = catalog.installed()
    rows = [_installed_row(each, catalog, used.get(each.name, ())) for each in installed]
    absent = (catalog.allowed | used.keys()) - {each.name for each in installed}
    rows += [
        PluginRow(
            name=name,
            status=PluginStatus.MISSING,
            allowed=name in catalog.allowed,
            used_by=used.get(name, ()),
            problem=catalog.refusal(name)
            or f"Plugin {name!r} is not installed; type: pip install mpm-{name}",
        )
        for name in absent
    ]
    return tuple(sorted(rows, key=lambda row: (row.name, row.distribution)))


def manifest_view(plugin: LoadedPlugin) -> dict[str, object]:
    """Return what an imported plugin declares, as plain values."""
    manifest: Manifest = plugin.manifest
    return {
        "name": plugin.installed.name,
        "distribution": plugin.installed.distribution,
        "version": plugin.installed.version,
        "summary": plugin.installed.summary,
        "requires_core": plugin.installed.requires_core,
        "title": manifest.title,
        "kind": manifest.kind.value,
        "device_kinds": sorted(kind.value for kind in manifest.device_kinds),
        "operations": {
            kind.value: {
                "recovery": operation.recovery.value,
                "orphan_effect": operation.orphan_effect.value,
                "blocks_device": operation.blocks_device,
            }
            for kind, operation in sorted(manifest.operations.items())
        },
        "energy_step": manifest.energy_step,
        "currencies": sorted(manifest.currencies),
        "payment_step": dict(sorted(manifest.payment_step.items())),
        "minimum_amount": manifest.minimum_amount,
        "maximum_amount": manifest.maximum_amount,
        "serial_pattern": manifest.serial_pattern.pattern,
        "token_pattern": manifest.token_pattern.pattern if manifest.token_pattern else None,
        "callback_paths": list(manifest.callback_paths),
        "url_settings": list(manifest.url_settings),
        "deadline": f"{manifest.deadline:g}",
        "concurrency": manifest.concurrency,
        "settings": [setting_view(each) for each in describe(manifest.settings_class)],
        "details": [
            setting_view(each)
            for each in (describe(manifest.details_class) if manifest.details_class else ())
        ],
        "notices": list(deprecation_notices(plugin.plugin_class)),
    }


def setting_view(description: SettingDescription) -> dict[str, object]:
    """Return what is known of one setting, as plain values."""
    is_shown = not description.secret and not description.required
    return {
        "name": description.name,
        "type": description.type_label,
        "limits": description.limits_label,
        "required": description.required,
        "secret": description.secret,
        "default": format_value(description.default) if is_shown else "",
        "help": " ".join(description.help.split()),
    }


def _used(directory: Directory, only: Collection[str] | None) -> dict[str, tuple[str, ...]]:
    used: dict[str, tuple[str, ...]] = {}
    for record in _instances_in_use(directory, only):
        slug = directory.companies[record.company_id].company.slug
        used[record.plugin] = (*used.get(record.plugin, ()), f"{slug}/{record.name}")
    return {plugin: tuple(sorted(names)) for plugin, names in used.items()}


def _instances_in_use(
    directory: Directory, only: Collection[str] | None
) -> Iterable[InstanceRecord]:
    in_use = {InstanceState.ENABLED, InstanceState.DISABLED}
    for record in directory.instances.values():
        if record.state in in_use and (only is None or record.company_id in only):
            yield record


def _installed_row(
    installed: InstalledPlugin, catalog: PluginCatalog, used_by: tuple[str, ...]
) -> PluginRow:
    allowed = installed.name in catalog.allowed
    status = PluginStatus.ALLOWED if allowed else PluginStatus.INSTALLED
    problem = installed.problem and f"{installed} cannot be used: {installed.problem}"
    if problem:
        status = PluginStatus.BROKEN if installed.compatible else PluginStatus.INCOMPATIBLE
    elif used_by and not allowed:
        problem = f"Plugin {installed.name!r} is used but not in allowed_plugins; add it there."
    elif used_by:
        status, problem = PluginStatus.ENABLED, _loading_problem(catalog, installed.name)
        status = PluginStatus.BROKEN if problem else status
    return PluginRow(
        name=installed.name,
        status=status,
        distribution=installed.distribution,
        version=installed.version,
        allowed=allowed,
        compatible=installed.compatible,
        used_by=used_by,
        problem=problem,
    )


def _loading_problem(catalog: PluginCatalog, name: str) -> str:
    try:
        catalog.load(name)
    except PluginLoadError as error:
        return " ".join(str(error).split())
    return ""
