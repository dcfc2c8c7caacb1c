"""A pytest plugin that tests any installed plugin by name, without a test file.

    pytest -p mpm_core.testing.pytest_plugin --mpm-plugin calin

It is loaded by name only: a pytest run that does not ask for it pays nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from mpm_core.discovery import find_plugin, load_plugin_class
from mpm_core.errors import PluginLoadError
from mpm_core.manifest import PluginKind
from mpm_core.testing.contracts import (
    ManufacturerContract,
    MessengerContract,
    TelecomContract,
)

__all__ = ["contract_classes", "pytest_addoption", "pytest_configure"]

_BASES = {
    PluginKind.MANUFACTURER: ManufacturerContract,
    PluginKind.TELECOM: TelecomContract,
    PluginKind.MESSENGER: MessengerContract,
}
# a file of its own, so that no conftest.py of another project is read
_TESTS = """from __future__ import annotations
from mpm_core.testing.pytest_plugin import contract_classes
globals().update(contract_classes())
"""
_chosen: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mpm-plugin`."""
    parser.addoption(
        "--mpm-plugin",
        action="append",
        default=[],
        dest="mpm_plugins",
        metavar="NAME",
        help="test the contract of this installed mpm plugin; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the contract tests of the plugins that were named, and nothing else by itself."""
    _chosen[:] = config.getoption("mpm_plugins")
    if _chosen:
        folder = tempfile.TemporaryDirectory(prefix="mpm-contract-")
        config.add_cleanup(folder.cleanup)
        file = Path(folder.name) / "test_contract_of_named_plugins.py"
        file.write_text(_TESTS, encoding="utf-8")
        by_hand = config.args_source is pytest.Config.ArgsSource.ARGS
        config.args[:] = [*(config.args if by_hand else []), str(file)]


def contract_classes() -> dict[str, type]:
    """Return a contract class per named plugin, by a name that pytest collects."""
    return {f"Test_{name.replace('-', '_')}": _contract(name) for name in _chosen}


def _contract(name: str) -> type:
    """Return the contract of a plugin's kind; one that cannot be loaded fails C-01."""
    try:
        kind = load_plugin_class(find_plugin(name)).manifest.kind  # type: ignore[attr-defined]  # just checked
    except PluginLoadError:
        kind = PluginKind.MANUFACTURER
    # a module that does not exist: the README is then looked for in the installation
    return type(f"Test_{name}", (_BASES[kind],), {"plugin": name, "__module__": "named_plugins"})
