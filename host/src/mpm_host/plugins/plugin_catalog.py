"""The plugins this host may import: allowed by `mpm.toml`, imported once, only when asked for."""

from __future__ import annotations

import threading
from collections.abc import Collection

import attrs

from mpm_core import Manifest, PluginLoadError
from mpm_core.discovery import (
    InstalledPlugin,
    canonical_name,
    find_plugin,
    installed_plugins,
    load_plugin_class,
)
from mpm_core.settings.values import did_you_mean

__all__ = ["LoadedPlugin", "PluginCatalog"]


@attrs.frozen(kw_only=True)
class LoadedPlugin:
    """An imported plugin, checked against the contract.

    Attributes:
        installed: where it comes from.
        plugin_class: what instances are made of.
        manifest: what it declares.
    """

    installed: InstalledPlugin
    plugin_class: type
    manifest: Manifest


class PluginCatalog:
    """Imports allowed plugins and remembers them, also those that fail.

    Args:
        allowed: names; nothing else is ever imported.
        file_name: of the configuration, for messages.
    """

    def __init__(self, allowed: Collection[str], *, file_name: str = "mpm.toml") -> None:
        self._allowed = frozenset(canonical_name(name) for name in allowed)
        self._file_name = file_name
        self._loaded: dict[str, LoadedPlugin | PluginLoadError] = {}
        self._lock = threading.Lock()

    @property
    def allowed(self) -> frozenset[str]:
        """The canonical names of what may be imported."""
        return self._allowed

    def installed(self) -> tuple[InstalledPlugin, ...]:
        """List what is installed; imports nothing."""
        return installed_plugins()

    def load(self, name: str) -> LoadedPlugin:
        """Import an allowed plugin, once.

        Raises:
            PluginLoadError: it is not allowed, not installed, incompatible or broken.
        """
        canonical = canonical_name(name)
        with self._lock:
            if canonical not in self._loaded:
                self._loaded[canonical] = self._try(canonical)
            found = self._loaded[canonical]
        if isinstance(found, PluginLoadError):
            raise PluginLoadError(str(found))
        return found

    def refusal(self, name: str) -> str:
        """Return why a plugin may not be imported, and what to write; nothing if it may."""
        name = canonical_name(name)
        if name in self._allowed:
            return ""
        near = did_you_mean(name, sorted(self._allowed))
        if not near and all(plugin.name != name for plugin in self.installed()):
            return (
                f"Plugin {name!r} is not installed; correct its name, or install it and add it to "
                f"allowed_plugins in {self._file_name}."
            )
        advice = f"if you trust it, add it to allowed_plugins in {self._file_name}."
        return f"Plugin {name!r} is not allowed; {near or advice}"

    def _try(self, name: str) -> LoadedPlugin | PluginLoadError:
        try:
            if refusal := self.refusal(name):
                return PluginLoadError(refusal)
            installed = find_plugin(name)
            plugin_class = load_plugin_class(installed)
        except PluginLoadError as error:
            return error
        manifest: Manifest = plugin_class.manifest  # type: ignore[attr-defined]  # it was checked
        return LoadedPlugin(installed=installed, plugin_class=plugin_class, manifest=manifest)
