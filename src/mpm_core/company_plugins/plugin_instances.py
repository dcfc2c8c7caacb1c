"""One company's instance of a plugin, made and held."""

from __future__ import annotations

import attrs

from mpm_core.errors import PluginLoadError, UserError
from mpm_core.manifest import Manifest
from mpm_core.runtime import Company, PluginRuntime

__all__ = ["LoadedInstance", "PluginIdentity", "load_instance", "place_of"]


@attrs.frozen(kw_only=True)
class PluginIdentity:
    """Which code an instance runs.

    Attributes:
        name: canonical, such as `calin`.
        distribution: what was installed, such as `mpm-calin`.
        version: of the distribution.
    """

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """Return the name people know it by: `calin (mpm-calin 0.1.0)`."""
        return f"{self.name} ({self.distribution} {self.version})"


@attrs.frozen(kw_only=True, eq=False)
class LoadedInstance:
    """An instance that can be called.

    Attributes:
        name: unique within the company, such as `calin-south`.
        plugin: whose code it runs.
        manifest: what the plugin declares.
        instance: the plugin's object.
        company: whose instance it is.
    """

    name: str
    plugin: PluginIdentity
    manifest: Manifest
    instance: object = attrs.field(repr=False)
    company: Company


def load_instance(  # noqa: PLR0913 - an instance is the sum of these
    plugin_class: type,
    settings: object,
    runtime: PluginRuntime,
    *,
    name: str,
    plugin_name: str,
    distribution: str,
    version: str,
) -> LoadedInstance:
    """Make one instance of a plugin's class, which was checked before.

    Raises:
        PluginLoadError: its constructor failed, or it has no manifest.
    """
    plugin = PluginIdentity(name=plugin_name, distribution=distribution, version=version)
    whose = f"Plugin {plugin}, instance {name} of company {runtime.company.slug}"
    manifest = getattr(plugin_class, "manifest", None)
    if not isinstance(manifest, Manifest):
        raise PluginLoadError(
            f"{whose}: its class has no manifest; write "
            f"`manifest: ClassVar[Manifest] = Manifest(…)`."
        )
    failure = ""
    try:
        instance = plugin_class(settings, runtime)
    except UserError as error:  # says itself what a person must correct
        failure = str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - containment: a sick plugin stops only itself
        # the error's own text may hold a setting's value, so only its kind and place are told
        failure = f"its constructor raised {type(error).__name__} ({place_of(error)})."
    if failure:
        raise PluginLoadError(f"{whose}: {failure}")
    return LoadedInstance(
        name=name,
        plugin=plugin,
        manifest=manifest,
        instance=instance,
        company=runtime.company,
    )


def place_of(error: BaseException) -> str:
    """Return where an error was raised, such as `client.py line 31`, and nothing of its text."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "place unknown"
    file = frame.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{file} line {frame.tb_lineno}"
