from __future__ import annotations

import subprocess
import sys

import pytest

TOO_HEAVY = (
    "cattrs",
    "cryptography",
    "defusedxml",
    "httpcore",
    "httpx",
    "importlib_metadata",
    "iso4217",
    "phonenumbers",
    "xml",
)


def modules_after(statement: str) -> set[str]:
    program = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    ["import mpm_core", "import mpm_core.discovery", "import mpm_core.settings.forms"],
)
def test_importing_the_core_leaves_heavy_modules_unloaded(statement):
    assert sorted(modules_after(statement) & set(TOO_HEAVY)) == []


def test_listing_plugins_imports_none_of_them():
    listing = "from mpm_core.discovery import installed_plugins; installed_plugins()"

    ours = {name for name in modules_after(listing) if name.startswith("mpm_")}
    assert ours == {"mpm_core"}
