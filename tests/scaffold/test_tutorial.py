"""The whole tutorial, command by command, in a clean environment with wheels only (slow)."""

from __future__ import annotations

import logging
import os
import sys
import time

import pytest

from tests.scaffold.test_wheels import run
from tests.scaffold.tutorial import Command, Player, tutorial_steps
from tests.scaffold.variants import ROOT

pytestmark = pytest.mark.slow

DISTRIBUTIONS = (
    "mpm-payg-core",
    "mpm-host",
    "mpm-airtel",
    "mpm-calin",
    "mpm-sunking",
    "mpm-vodacom",
)
SECONDS_TO_GREEN = 60


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for name in DISTRIBUTIONS:
        run(
            "uv", "build", "--quiet", "--wheel", "--package", name, "--out-dir", folder, folder=ROOT
        )
    return folder


def test_the_tutorial_does_what_it_says(wheels, tmp_path):
    """Ours come from wheels instead of the index; everything else is typed as it stands there."""
    venv = tmp_path / ".venv"
    installer = f"uv pip install --quiet --python {venv}/bin/python"
    ours = " ".join(f"'{wheel}'" for wheel in wheels.glob("*.whl") if "payg_core" not in wheel.name)
    core = next(wheels.glob("mpm_payg_core-*.whl"))

    def replace(line, _folder):
        if line.startswith("python -m venv"):
            return ["uv", "venv", "--quiet", "--python", sys.executable, str(venv)]
        if line.startswith("pip install mpm-host"):
            return ["bash", "-c", f"{installer} {ours} 'mpm-payg-core[testing] @ {core.as_uri()}'"]
        if line.startswith("pip install"):
            # without its own core requirement: that of the group is met already
            return ["bash", "-c", f"{installer} --no-deps --editable . && {installer} mypy ruff"]
        return "" if line.startswith(". ") else None

    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "VIRTUAL_ENV": str(venv), "PYTHONPATH": "", "COLUMNS": "200"}
    player = Player(tmp_path, environment, replace)
    times = {}
    for number, step in enumerate(tutorial_steps()):
        started = time.monotonic()
        player.play(step)
        line = step.line if isinstance(step, Command) else step.path
        times[number, line] = time.monotonic() - started

    lines = [line for _, line in times]
    first, green = (
        lines.index("mpm plugins new stron --kind manufacturer --yes"),
        lines.index("pytest -q"),
    )
    to_green = sum(list(times.values())[first : green + 1])
    logging.getLogger(__name__).warning("from new to green: %.0f s", to_green)
    assert to_green <= SECONDS_TO_GREEN
