"""Who may import whom: dependencies point one way, `host → mpm_core ← plugins`.

Read from the source with `ast`, so that imports inside functions count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "mpm_core"
HOST = ROOT / "host" / "src" / "mpm_host"
PLUGINS = sorted(path for path in ROOT.glob("plugins/*/src/mpm_*") if path.is_dir())
PLUGIN_NAMES = {path.name for path in PLUGINS}
PRODUCTION = [CORE, HOST, *PLUGINS]
# The simulated world, the sandbox and the payer exist for demonstrations; the command line refuses
# them in production mode.
DEMONSTRATION = {
    "demo.py", "demo_scenes.py", "simulated_world.py", "simulated_village.py", "simulated_payer.py",
    "sandbox.py", "pay.py",
}  # fmt: skip


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of every module or name a file imports."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(package: Path) -> list[tuple[str, str]]:
    """Return (file, imported name) of a whole package."""
    return [
        (str(path.relative_to(ROOT)), name)
        for path in sorted(package.rglob("*.py"))
        for name in imported(path)
    ]


def top(name: str) -> str:
    return name.partition(".")[0]


def test_the_core_imports_neither_host_nor_plugins():
    ours = PLUGIN_NAMES | {"mpm_host"}
    assert [found for found in imports(CORE) if top(found[1]) in ours] == []


def test_the_host_imports_no_plugin():
    assert [found for found in imports(HOST) if top(found[1]) in PLUGIN_NAMES] == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_neither_another_plugin_nor_the_host(plugin):
    strangers = PLUGIN_NAMES - {plugin.name} | {"mpm_host"}
    assert [found for found in imports(plugin) if top(found[1]) in strangers] == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_only_public_names_of_the_core(plugin):
    private = [
        found
        for found in imports(plugin)
        if top(found[1]) == "mpm_core" and any(part.startswith("_") for part in found[1].split("."))
    ]
    assert private == []


@pytest.mark.parametrize("package", PRODUCTION, ids=lambda path: path.name)
def test_the_contract_kit_is_imported_by_tests_alone(package):
    kit = CORE / "testing"
    outside = [
        found
        for found in imports(package)
        if found[1].startswith("mpm_core.testing") and not (ROOT / found[0]).is_relative_to(kit)
    ]
    assert outside == []


def test_no_production_code_imports_a_simulator():
    """Plugins reach their own in `mpm_simulator`, which production mode never calls."""
    found = [
        (file, name)
        for package in PRODUCTION
        for file, name in imports(package)
        if ".simulator." in f"{name}."
        and not file.endswith(("/plugin.py", "/simulator.py"))
        and Path(file).name not in DEMONSTRATION
    ]
    assert found == []


@pytest.mark.parametrize("package", PRODUCTION, ids=lambda path: path.name)
def test_every_module_starts_with_its_purpose_and_the_future_import(package):
    without = []
    for path in sorted(package.rglob("*.py")):
        tree = ast.parse(path.read_text())
        first = [node for node in tree.body if isinstance(node, ast.ImportFrom)][:1]
        if ast.get_docstring(tree) is None or [node.module for node in first] != ["__future__"]:
            without.append(str(path.relative_to(ROOT)))
    assert without == []
