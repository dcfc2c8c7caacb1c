"""Every variant built into a wheel, installed in a clean environment, and proven there.

Slow, because it installs real packages: `nox -s scaffold`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile

import attrs
import pytest

from mpm_core.scaffold import write_plugin
from tests.scaffold.variants import ROOT, VARIANTS, plan

pytestmark = pytest.mark.slow

OURS = frozenset({"MYPYPATH", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"})
TOOLS = ("hypothesis", "mypy", "pytest", "ruff")


def run(*command, folder, seconds=300.0) -> str:
    """Run a program that must succeed, without anything of the checkout in its environment."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(folder, wheels):
    run("uv", "build", "--quiet", "--wheel", "--out-dir", wheels, folder, folder=wheels)


@attrs.frozen
class CleanEnvironment:
    """A virtual environment with core's wheel, the tools, and nothing else of ours."""

    folder: object
    wheels: object

    @property
    def python(self):
        return self.folder / "bin" / "python"

    def install(self, *packages):
        run("uv", "pip", "install", "--quiet", "--python", self.python, *packages,
            folder=self.folder)  # fmt: skip

    def remove(self, *packages):
        run("uv", "pip", "uninstall", "--quiet", "--python", self.python, *packages,
            folder=self.folder)  # fmt: skip

    def run(self, *command, folder):
        return run(self.python, "-m", *command, folder=folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    wheels = tmp_path_factory.mktemp("wheels")
    run("uv", "build", "--quiet", "--wheel", "--package", "mpm-payg-core", "--out-dir", wheels,
        folder=ROOT)  # fmt: skip
    folder = tmp_path_factory.mktemp("clean") / "venv"
    run("uv", "venv", "--quiet", "--python", sys.executable, folder, folder=wheels)
    environment = CleanEnvironment(folder, wheels)
    core = next(wheels.glob("mpm_payg_core-*.whl"))
    environment.install(f"mpm-payg-core[testing] @ {core.as_uri()}", *TOOLS)
    return environment


def test_the_templates_are_in_cores_wheel(clean):
    core = next(clean.wheels.glob("mpm_payg_core-*.whl"))
    shipped = {
        name.removeprefix("mpm_core/")
        for name in zipfile.ZipFile(core).namelist()
        if name.endswith(".template")
    }
    ours = ROOT / "src" / "mpm_core"
    assert shipped == {str(path.relative_to(ours)) for path in ours.rglob("*.template")}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_built_and_installed_passes_its_tests_lint_and_types(name, clean, tmp_path):
    folder = write_plugin(VARIANTS[name], tmp_path)
    build(folder, tmp_path)
    wheel = next(tmp_path.glob("*.whl"))
    clean.install(wheel)
    try:
        source = folder / "src" / VARIANTS[name].module
        hidden = tmp_path / "hidden"
        clean.run("ruff", "check", ".", folder=folder)
        clean.run("ruff", "format", "--check", ".", folder=folder)
        clean.run("mypy", folder=folder)
        shutil.move(source, hidden)  # what is tested is the wheel
        told = clean.run("pytest", "-q", folder=folder)
    finally:
        clean.remove(VARIANTS[name].distribution)
    assert " passed" in told
    assert "skipped" not in told


def test_a_wheel_holds_the_plugin_and_nothing_else(tmp_path):
    folder = write_plugin(plan(), tmp_path)
    build(folder, tmp_path)

    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    packages = {name.split("/")[0] for name in names}
    assert packages == {"mpm_stron", "mpm_stron-0.1.0.dist-info"}
    assert "mpm_stron/py.typed" in names


def test_the_developers_tools_are_named_in_its_dependency_group(tmp_path):
    group = tomllib.loads((write_plugin(plan(), tmp_path) / "pyproject.toml").read_text())
    assert [line.split(">")[0] for line in group["dependency-groups"]["dev"]] == [
        "mpm-payg-core[testing]",
        "mypy",
        "ruff",
    ]
