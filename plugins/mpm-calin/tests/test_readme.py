from __future__ import annotations

import re
from pathlib import Path

from mpm_calin.settings import CalinSettings
from mpm_calin.simulator import CalinSimulator
from mpm_core.settings.forms import documentation_table

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_the_settings_as_they_are():
    assert documentation_table(CalinSettings).strip() in README


def test_the_readme_explains_every_fault_and_no_other():
    table = README.partition("| Fault |")[2]
    explained = [
        name
        for line in table.splitlines()[2:]
        for name in re.findall("`([a-z0-9_]+)`", line.split("|")[1])
    ]
    assert sorted(explained) == sorted(CalinSimulator().faults())
