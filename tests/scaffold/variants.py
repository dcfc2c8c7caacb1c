"""Every kind of plugin the scaffold can write, and installing one by hand, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from datetime import date
from importlib.metadata import version
from pathlib import Path

from mpm_core import DeviceKind, PluginKind, Recovery
from mpm_core.scaffold import RECOVERIES, PluginPlan

CORE = version("mpm-payg-core")
ROOT = Path(__file__).parents[2]


def plan(name: str = "stron", kind: PluginKind = PluginKind.MANUFACTURER, **changes) -> PluginPlan:
    made = {"title": "Stron", "core_version": CORE, "today": date(2026, 1, 15), **changes}
    return PluginPlan(name=name, kind=kind, **made)


def _manufacturer(device: DeviceKind, recovery: Recovery) -> PluginPlan:
    return plan(f"{device.value}-{recovery.value}".replace("_", ""), device_kind=device,
                recovery=recovery)  # fmt: skip


VARIANTS = {
    variant.name: variant
    for variant in (
        *(_manufacturer(device, recovery) for device in DeviceKind for recovery in RECOVERIES),
        plan("payer", PluginKind.TELECOM),
        plan("sender", PluginKind.MESSENGER),
    )
}
LONGEST = {
    kind.value: plan(
        "abcdefghijklmnopqrstuvwx", kind, title="A (b) & c" + "d" * 31, recovery=Recovery.LOOKUP
    )
    for kind in PluginKind
}
SHORTEST = {kind.value: plan("x", kind, title="X", recovery=Recovery.LOOKUP) for kind in PluginKind}


def install_by_hand(folder: Path, site: Path) -> None:
    """Write what an installer would leave of a plugin's folder, code excepted."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    target = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    target.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        *(f"Requires-Dist: {text}" for text in project["dependencies"]),
    ]
    (target / "METADATA").write_text("\n".join(lines) + "\n")
    entries = "\n".join(
        f"{name} = {value}" for name, value in project["entry-points"]["mpm_core.plugins"].items()
    )
    (target / "entry_points.txt").write_text(f"[mpm_core.plugins]\n{entries}\n")


def run_with(
    folder: Path, site: Path, *command: str, seconds: float = 240.0
) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a plugin's folder, with the plugin installed by hand."""
    path = os.pathsep.join((str(site), str(folder / "src")))
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
