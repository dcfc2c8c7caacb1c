"""Writing a new plugin's files from the templates that ship with the core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mpm_core.devices import DeviceKind
from mpm_core.errors import UserError
from mpm_core.manifest import PluginKind
from mpm_core.orders import ChargeKind
from mpm_core.scaffold.plans import PluginPlan, compatible_range
from mpm_core.scaffold.rendering import render

__all__ = ["plugin_files", "write_plugin"]

_SUFFIX = ".template"
_DEVICE_WORDS: Mapping[DeviceKind, str] = {
    DeviceKind.METER: "meters",
    DeviceKind.SHS: "solar home systems",
    DeviceKind.E_BIKE: "e-bikes",
}
_SOLD_WORDS: Mapping[ChargeKind, str] = {
    ChargeKind.ENERGY: "energy",
    ChargeKind.TIME: "days and unlocks",
}


def plugin_files(plan: PluginPlan) -> Mapping[str, str]:
    """Return every file of a new plugin, by its path in the distribution's folder."""
    words, features = _words(plan), _features(plan)
    templates = files("mpm_core.scaffold").joinpath("templates")
    return {
        _target(path, plan): render(template.read_text(encoding="utf-8"), words, features)
        for folder in ("common", plan.kind.value)
        for path, template in _templates(templates.joinpath(folder))
    }


def write_plugin(plan: PluginPlan, folder: Path) -> Path:
    """Write a new plugin into a folder of its own and return that folder.

    Args:
        plan: what to write.
        folder: where the plugin's folder `mpm-…` is made.

    Raises:
        UserError: that folder exists and is not empty, or cannot be written.
    """
    target = folder / plan.distribution
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UserError(f"{target} exists already; remove it, or choose another --folder.")
        for path, text in plugin_files(plan).items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(
            f"{target} cannot be written ({error.strerror}); choose another --folder."
        ) from error
    return target


def _templates(folder: Traversable, path: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield f"{path}{entry.name}", entry


def _target(path: str, plan: PluginPlan) -> str:
    """Return where a template's file goes; `dot_` stands for the dot of a hidden name."""
    named = path.removesuffix(_SUFFIX).replace("MODULE", plan.module)
    return "/".join(
        f".{part.removeprefix('dot_')}" if part.startswith("dot_") else part
        for part in named.split("/")
    )


def _words(plan: PluginPlan) -> Mapping[str, str]:
    energy = plan.sells is ChargeKind.ENERGY
    return {
        "charge_kind": plan.sells.name,
        "core_range": compatible_range(plan.core_version),
        "day": str(plan.today.day),
        "device_kind": plan.device_kind.name,
        "device_words": _DEVICE_WORDS[plan.device_kind],
        "distribution": plan.distribution,
        "dollar": "$",
        "example_quantity": "7600" if energy else "7",
        "module": plan.module,
        "month": str(plan.today.month),
        "name": plan.name,
        "prefix": plan.prefix,
        "sold_words": _SOLD_WORDS[plan.sells],
        "title": plan.title,
        "unit": "WATT_HOUR" if energy else "DAY",
        "year": str(plan.today.year),
    }


def _features(plan: PluginPlan) -> frozenset[str]:
    if plan.kind is not PluginKind.MANUFACTURER:
        return frozenset()
    return frozenset({plan.sells.value, plan.recovery.value})
