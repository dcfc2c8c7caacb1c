"""What is tested: a plugin's class, where it comes from, and what it can do."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from mpm_core.discovery import InstalledPlugin, find_plugin, load_plugin_class
from mpm_core.discovery.plugin_checks import hook_arguments
from mpm_core.errors import MpmError
from mpm_core.hookspecs import PROJECT_NAME
from mpm_core.manifest import Manifest
from mpm_core.money import Money
from mpm_core.orders import ChargeKind
from mpm_core.simulation import SimulatedPayment, SimulatedReply, Simulator
from mpm_core.simulation.simulators import simulator_of

__all__ = ["Subject", "installed_subject"]

_NOWHERE = "http://127.0.0.1:9"
_LINES = {ChargeKind.ENERGY, ChargeKind.TIME, ChargeKind.UNLOCK}


@attrs.frozen(kw_only=True)
class Subject:
    """A plugin under test.

    Attributes:
        plugin_class: the plugin.
        name: of its entry point.
        distribution: what installed it.
        version: of that.
        installed: what the installation's metadata say; `None` for a class that is not installed.
        serial: a serial its simulator can know.
        details: raw values of the manifest's `details_class`.
        country: of the companies it is tried with.
        currency: of the same.
        readme: its page for people.
        search_path: where its module can be imported from.
    """

    plugin_class: type
    name: str
    distribution: str = "unknown"
    version: str = "0"
    installed: InstalledPlugin | None = None
    serial: str = ""
    details: Mapping[str, object] = attrs.field(factory=dict)
    country: str = "TZ"
    currency: str = "TZS"
    readme: str = attrs.field(default="", repr=False)
    search_path: tuple[str, ...] = attrs.field(factory=lambda: tuple(sys.path), repr=False)

    def __str__(self) -> str:
        """Return who it is: `calin (mpm-calin 0.1.0)`."""
        return f"{self.name} ({self.distribution} {self.version})"

    @property
    def manifest(self) -> Manifest:
        """What it declares."""
        declared: Manifest = self.plugin_class.manifest  # type: ignore[attr-defined]  # checked first
        return declared

    @property
    def module(self) -> str:
        """The module of its class."""
        return self.plugin_class.__module__

    @property
    def hooks(self) -> frozenset[str]:
        """The hooks it implements."""
        marker = f"{PROJECT_NAME}_impl"
        return frozenset(
            name
            for name in hook_arguments()
            if hasattr(getattr(self.plugin_class, name, None), marker)
        )

    def has(self, hook: str) -> bool:
        """Tell whether it implements a hook."""
        return hook in self.hooks

    @property
    def calls_out(self) -> bool:
        """Whether it talks to a vendor at all; some compute everything themselves."""
        return bool(self.manifest.url_settings)

    @property
    def sellable(self) -> tuple[ChargeKind, ...]:
        """What orders can be for: its operations but clearing."""
        return tuple(kind for kind in self.manifest.operations if kind in _LINES)

    def simulator(self) -> Simulator:
        """Return a fresh simulator of its other side."""
        return simulator_of(self.plugin_class)

    @property
    def telecom_calls(self) -> frozenset[str]:
        """Which of `validate`, `process` and `enquiry` its simulated telecom makes."""
        return _telecom_calls(self.plugin_class, self.currency)


@functools.cache
def _telecom_calls(plugin_class: type, currency: str) -> frozenset[str]:
    payment = SimulatedPayment(
        reference="KIT0000000001",
        serial="47000124512",
        amount=Money.parse("1000", currency),
        msisdn="255621234567",
    )
    try:
        simulator = simulator_of(plugin_class)
        settings = simulator.settings(_NOWHERE)
        validates = simulator.validate_call(payment, settings) is not None
        processes = validates or (
            simulator.process_call(payment, settings, SimulatedReply()) is not None
        )
        enquires = simulator.enquiry_call(payment, settings) is not None
    except (MpmError, ValueError, TypeError):
        return frozenset({"validate", "process", "enquiry"})  # the rules about them say what it is
    made = {"validate": validates, "process": processes, "enquiry": enquires}
    return frozenset(name for name, does in made.items() if does)


def installed_subject(name: str, *, test_file: str = "", **known: object) -> Subject:
    """Return the installed plugin of a name as what is tested.

    Args:
        name: of its entry point.
        test_file: of the contract test; the README is looked for in the folders above it.
        known: other attributes of `Subject`.

    Raises:
        PluginLoadError: it is not installed, or cannot be loaded; says what to do.
    """
    installed = find_plugin(name)
    plugin_class = load_plugin_class(installed)
    manifest: Manifest = plugin_class.manifest  # type: ignore[attr-defined]  # just checked
    attributes: dict[str, object] = {
        "serial": manifest.example_serial,
        "details": manifest.example_details,
        "readme": _readme(test_file) or _description(installed.distribution),
        **{key: value for key, value in known.items() if value},
    }
    return Subject(
        plugin_class=plugin_class,
        name=installed.name,
        distribution=installed.distribution,
        version=installed.version,
        installed=installed,
        **attributes,  # type: ignore[arg-type]  # the contract classes annotate them
    )


def _readme(test_file: str) -> str:
    """Return the README beside the pyproject.toml nearest above a test."""
    if not test_file:
        return ""
    for folder in Path(test_file).resolve().parents:
        if (folder / "pyproject.toml").is_file():
            readme = folder / "README.md"
            return readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return ""


def _description(distribution: str) -> str:
    """Return the page of an installed distribution, as the package index shows it."""
    from importlib_metadata import metadata  # noqa: PLC0415 - late, as in discovery

    return str(metadata(distribution).get("Description", ""))
