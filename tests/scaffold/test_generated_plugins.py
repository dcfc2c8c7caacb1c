"""Every plugin the scaffold can write: its files, its style, its tests; nothing is downloaded."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest

import mpm_core
from mpm_core import PluginKind, Recovery, UserError
from mpm_core.scaffold import plugin_files, write_plugin
from mpm_core.settings.forms import documentation_table
from tests.scaffold.variants import (
    CORE,
    LONGEST,
    SHORTEST,
    VARIANTS,
    install_by_hand,
    plan,
    run_with,
)

COMMON = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "CHANGELOG.md",
    "README.md",
    "pyproject.toml",
    "src/mpm_stron/__init__.py",
    "src/mpm_stron/mapping.py",
    "src/mpm_stron/plugin.py",
    "src/mpm_stron/py.typed",
    "src/mpm_stron/settings.py",
    "src/mpm_stron/simulator.py",
    "tests/test_contract.py",
    "tests/test_mapping.py",
}
MOST_LINES_BY_HAND = 40
MOST_LINES_WITH_LOOKUP = 44


@pytest.mark.parametrize(
    ("kind", "further"),
    [
        (PluginKind.MANUFACTURER, {"src/mpm_stron/client.py"}),
        (PluginKind.MESSENGER, {"src/mpm_stron/client.py"}),
        (PluginKind.TELECOM, {"src/mpm_stron/answers.py", "src/mpm_stron/authentication.py"}),
    ],
)
def test_a_new_plugin_is_a_whole_distribution(kind, further):
    assert set(plugin_files(plan(kind=kind))) == COMMON | further


def test_a_new_plugin_says_who_it_is_and_which_core_it_needs():
    project = tomllib.loads(plugin_files(plan())["pyproject.toml"])["project"]

    major, minor = CORE.split(".")[:2]
    assert project["name"] == "mpm-stron"
    assert project["dependencies"] == [f"mpm-payg-core>={major}.{minor},<{major}.{int(minor) + 2}"]
    assert project["entry-points"] == {
        "mpm_core.plugins": {"stron": "mpm_stron.plugin:StronPlugin"}
    }


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_few_lines_are_left_to_write_by_hand(variant):
    lines = [
        line
        for path, text in plugin_files(variant).items()
        if path.endswith(".py")
        for line in text.splitlines()
        if "# VENDOR" in line
    ]
    lookup = variant.recovery is Recovery.LOOKUP
    assert 10 < len(lines) <= (MOST_LINES_WITH_LOOKUP if lookup else MOST_LINES_BY_HAND)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_new_plugin_imports_only_public_names_of_the_core(variant):
    imported = {
        (node.module, name.name)
        for path, text in plugin_files(variant).items()
        if path.startswith("src/") and path.endswith(".py")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if node.module and node.module.startswith("mpm_core")
    }

    assert {module for module, _ in imported} == {"mpm_core"}
    assert {name for _, name in imported} <= set(mpm_core.__all__)


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_new_plugin_names_no_real_host(variant):
    for path, text in plugin_files(variant).items():
        hosts = re.findall(r"https?://([^/\s`\"}>]+)", text)
        assert all(host.endswith(".example") for host in hosts), path


def test_every_action_of_its_ci_is_pinned_to_a_commit():
    workflow = plugin_files(plan())[".github/workflows/ci.yml"]

    uses = re.findall(r"uses: (\S+)", workflow)
    assert len(uses) == 2
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", use) for use in uses)
    assert "${{ matrix.python }}" in workflow


def test_a_plugin_is_not_written_over_anything(tmp_path):
    write_plugin(plan(), tmp_path)

    with pytest.raises(UserError) as caught:
        write_plugin(plan(), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'mpm-stron'} exists already; remove it, or choose another --folder."
    )


def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "mpm-stron").mkdir()

    assert write_plugin(plan(), tmp_path) == tmp_path / "mpm-stron"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(UserError) as caught:
        write_plugin(plan(), tmp_path / "file")
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'mpm-stron'} cannot be written (Not a directory); choose another"
        " --folder."
    )


@pytest.mark.parametrize("plans", [VARIANTS, LONGEST, SHORTEST], ids=["all", "longest", "shortest"])
def test_new_plugins_are_lint_clean_and_formatted(plans, tmp_path):
    for number, variant in enumerate(plans.values()):
        folder = write_plugin(variant, tmp_path / str(number))
        for arguments in (["check", "--no-cache"], ["format", "--no-cache", "--check", "--diff"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *arguments, "."],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{variant.name}\n{done.stdout}{done.stderr}"


def test_the_settings_in_the_readme_are_those_of_the_class(tmp_path, monkeypatch):
    for kind in PluginKind:
        variant = plan(f"readme-{kind.value}", kind)
        folder = write_plugin(variant, tmp_path)
        path = folder / "src" / variant.module / "settings.py"
        spec = importlib.util.spec_from_file_location(f"{variant.module}_settings", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        settings = getattr(module, f"{variant.prefix}Settings")
        assert documentation_table(settings) in (folder / "README.md").read_text()


RUN = ("meter-none", "payer", "sender")
"""Each kind once; `test_wheels.py` runs every variant, from wheels."""


@pytest.mark.parametrize("name", RUN)
def test_a_new_plugin_passes_its_tests_untouched(name, tmp_path):
    folder = write_plugin(VARIANTS[name], tmp_path)
    install_by_hand(folder, tmp_path / "site")

    done = run_with(folder, tmp_path / "site", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
