"""Which plugins are installed, told from metadata without importing any, and importing one of them.

A plugin announces itself by an entry point of the group `mpm_core.plugins`; the entry's name is the
plugin's name, its value `module:Class`. Whether it fits this core is read from its requirement on
`mpm-payg-core`, before any of its code runs.
"""

from __future__ import annotations

import importlib
import logging
import re
import traceback
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

import attrs

from mpm_core.deprecations import deprecation_notices
from mpm_core.discovery.plugin_checks import class_problems
from mpm_core.errors import PluginLoadError
from mpm_core.settings.values import did_you_mean

if TYPE_CHECKING:  # loaded late: `import mpm_core` must not pay for reading metadata
    from importlib_metadata import Distribution, EntryPoint

__all__ = [
    "CORE_DISTRIBUTION",
    "ENTRY_POINT_GROUP",
    "InstalledPlugin",
    "canonical_name",
    "find_plugin",
    "installed_plugins",
    "load_plugin_class",
]

_LOG = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "mpm_core.plugins"
CORE_DISTRIBUTION = "mpm-payg-core"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_IMPORTING = (__file__, importlib.__file__, "<frozen importlib")  # no plugin's own code
_SHOWN_REASON = 300  # characters of a stranger's exception that enter a message


@attrs.frozen(kw_only=True)
class InstalledPlugin:
    """One entry point of an installed distribution.

    Attributes:
        name: canonical: lower case, words joined by single hyphens.
        distribution: the distribution it comes from, as that spells itself.
        version: of that distribution.
        value: `module:Class`.
        summary: the distribution's one-line description.
        requires_core: the versions of `mpm-payg-core` it works with, such as `<0.2,>=0.1`; empty if
            it does not say.
        compatible: whether this core is one of them.
        problem: why it cannot be used, and what to do; empty if it can.
    """

    name: str
    distribution: str
    version: str
    value: str
    summary: str
    requires_core: str
    compatible: bool
    problem: str = ""

    def __str__(self) -> str:
        """Return who it is, for messages: `Plugin 'calin' (mpm-calin 0.1.0)`."""
        return f"Plugin {self.name!r} ({self.distribution} {self.version})"


def canonical_name(name: str) -> str:
    """Return the one spelling of a plugin's name: `Acme_Meters` is `acme-meters`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_plugins() -> tuple[InstalledPlugin, ...]:
    """List every installed plugin by name, broken ones with their problem. Imports none of them."""
    from importlib_metadata import entry_points  # noqa: PLC0415 - late: import budget

    core_version = _core_version()
    found = [
        _read_entry(entry, entry.dist, core_version)
        for entry in entry_points(group=ENTRY_POINT_GROUP)
        if entry.dist is not None
    ]
    in_order = sorted(found, key=lambda plugin: (plugin.name, plugin.distribution, plugin.value))
    return tuple(_with_conflicts(in_order))


def find_plugin(name: str) -> InstalledPlugin:
    """Return the installed plugin of a name, which may be spelled in any way.

    Raises:
        PluginLoadError: none is installed under that name.
    """
    plugins = installed_plugins()
    for plugin in plugins:
        if plugin.name == canonical_name(name):
            return plugin
    names = sorted({plugin.name for plugin in plugins})
    listed = f"installed are: {', '.join(names) or 'none'}."
    hint = did_you_mean(canonical_name(name), names) or listed
    raise PluginLoadError(f"Plugin {name!r} is not installed; {hint}")


def load_plugin_class(installed: InstalledPlugin) -> type:
    """Import a plugin's class and check that it can be called the way hooks are called.

    Raises:
        PluginLoadError: it has a problem, its import fails in whatever way, or its class breaks a
            rule of the contract; one line per broken rule, each with the line to write.
    """
    if installed.problem:
        raise PluginLoadError(f"{installed} cannot be used: {installed.problem}")
    loaded = _import_value(installed)
    if not isinstance(loaded, type):
        raise PluginLoadError(
            f"{installed} cannot be loaded: {installed.value} is no class; write in its"
            f' pyproject.toml: {installed.name} = "{_module_of(installed)}:Class"'
        )
    problems = class_problems(loaded)
    if problems:
        raise PluginLoadError("\n".join(f"{installed}: {problem}" for problem in problems))
    for notice in deprecation_notices(loaded):
        _LOG.warning("deprecated_hook %s: %s", installed, notice)
    return loaded


def _core_version() -> str:
    from importlib_metadata import version  # noqa: PLC0415 - late: import budget

    return version(CORE_DISTRIBUTION)


def _read_entry(
    entry: EntryPoint, distribution: Distribution, core_version: str
) -> InstalledPlugin:
    if not (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO")):
        return _torn(entry)
    requires_core, problem = _compatibility(distribution.requires or [], core_version)
    return InstalledPlugin(
        name=canonical_name(entry.name),
        distribution=distribution.name,
        version=distribution.version,
        value=entry.value,
        summary=distribution.metadata.get("Summary", ""),
        requires_core=requires_core,
        compatible=not problem,
        problem=_spelling_problem(entry) or problem,
    )


def _torn(entry: EntryPoint) -> InstalledPlugin:
    """Describe what an interrupted installation leaves behind."""
    return InstalledPlugin(
        name=canonical_name(entry.name),
        distribution="unknown",
        version="unknown",
        value=entry.value,
        summary="",
        requires_core="",
        compatible=False,
        problem="its installation has no metadata; install its distribution again.",
    )


def _spelling_problem(entry: EntryPoint) -> str:
    if not _NAME.fullmatch(canonical_name(entry.name)):
        return f"its name {entry.name!r} is none; use letters, digits and hyphens."
    if not re.fullmatch(r"[\w.]+:[\w.]+", entry.value):
        return f'its entry point is {entry.value!r}; write {entry.name} = "module:Class".'
    return ""


def _compatibility(requirements: Iterable[str], core_version: str) -> tuple[str, str]:
    """Return the specifier of the requirement on the core, and what is wrong with it."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - late
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - late: import budget

    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            return "", f"its requirement {text!r} cannot be read; its author must correct it."
        needed = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if needed and canonicalize_name(requirement.name) == CORE_DISTRIBUTION:
            fits = requirement.specifier.contains(core_version, prereleases=True)
            specifier = str(requirement.specifier)
            return specifier, "" if fits else _mismatch(specifier, core_version)
    return "", (
        f"it does not say which {CORE_DISTRIBUTION} it works with; write in its pyproject.toml:"
        f' dependencies = ["{CORE_DISTRIBUTION}>={core_version}"]'
    )


def _mismatch(specifier: str, core_version: str) -> str:
    return (
        f"it needs {CORE_DISTRIBUTION} {specifier}, but {core_version} is installed;"
        " install a version of it made for this core."
    )


def _with_conflicts(plugins: list[InstalledPlugin]) -> Iterable[InstalledPlugin]:
    """Mark every plugin whose name another one claims too: neither may be chosen by chance."""
    count = Counter(plugin.name for plugin in plugins)
    for plugin in plugins:
        if count[plugin.name] == 1:
            yield plugin
        else:
            claims = " and ".join(
                f"{other.distribution} {other.version}"
                for other in plugins
                if other.name == plugin.name
            )
            problem = f"the name {plugin.name!r} is claimed by {claims}; uninstall all but one."
            yield attrs.evolve(plugin, problem=problem)


def _module_of(installed: InstalledPlugin) -> str:
    return installed.value.partition(":")[0]


def _reason(error: BaseException) -> str:
    """Return an exception as one line, also if its own text cannot be made."""
    lines = traceback.format_exception_only(error)
    words = next(line for line in lines if not line.startswith(" "))  # code comes first, indented
    return " ".join(words.split()).rstrip(".")[:_SHOWN_REASON]


def _place(error: BaseException) -> str:
    """Return in brackets where an import failed; nothing if none of the module's lines ran."""
    walked = traceback.walk_tb(error.__traceback__)
    places = [(frame.f_code.co_filename, line) for frame, line in walked]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        places.append((error.filename, error.lineno))
    own = [(file, line) for file, line in places if not file.startswith(_IMPORTING)]
    return f" ({PurePath(own[-1][0]).name} line {own[-1][1]})" if own else ""


def _import_value(installed: InstalledPlugin) -> object:
    module_name, _, path = installed.value.partition(":")
    try:
        loaded: object = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a stranger's module runs here
        raise PluginLoadError(
            f"{installed} cannot be loaded: importing {module_name} raised {_reason(error)}"
            f"{_place(error)}. Reinstall it, or tell its author."
        ) from error
    for name in path.split("."):
        if not hasattr(loaded, name):
            raise PluginLoadError(
                f"{installed} cannot be loaded: {module_name} has no {path!r}; write in its"
                f' pyproject.toml: {installed.name} = "{module_name}:Class"'
            )
        loaded = getattr(loaded, name)
    return loaded
