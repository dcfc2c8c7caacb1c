from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mpm_core.settings.forms import documentation_table
from mpm_openpaygo.settings import OpenPaygoDevice, OpenPaygoSettings

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_the_settings_as_they_are():
    assert documentation_table(OpenPaygoSettings).strip() in README


def test_the_readme_shows_what_registration_asks():
    assert documentation_table(OpenPaygoDevice).strip() in README


def test_the_package_is_loaded_with_the_first_code_only():
    program = "import sys, mpm_openpaygo.plugin; print('openpaygo' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert ran.stdout == "False\n"
