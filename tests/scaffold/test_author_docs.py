"""The pages for authors: generated ones are up to date, and what they show is executed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from mpm_core import Recovery
from mpm_core.scaffold import compatible_range, write_plugin
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.encryption import new_key
from tests.scaffold.tutorial import Change, Command, Player, tutorial_steps
from tests.scaffold.variants import CORE, ROOT, VARIANTS, install_by_hand

AUTHORS = ROOT / "docs" / "authors"
GENERATE = ROOT / "docs" / "generate.py"
MOST_LINES_BY_HAND = 40
PROGRAMS = {"mypy", "pytest", "ruff"}


def test_the_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(GENERATE), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_page_that_is_out_of_date_is_told(tmp_path):
    """In a copy of the pages, of which one is spoilt and one is missing."""
    program = GENERATE.read_text(encoding="utf-8").replace(
        "DOCS = Path(__file__).parent", f"DOCS = Path({str(ROOT / 'docs')!r})"
    )
    program = program.replace('AUTHORS = DOCS / "authors"', f"AUTHORS = Path({str(tmp_path)!r})")
    program = program.replace("path.relative_to(DOCS.parent)", "path.name")
    (tmp_path / "generate.py").write_text(program, encoding="utf-8")

    def run(*arguments):
        command = [sys.executable, str(tmp_path / "generate.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert run().returncode == 0
    (tmp_path / "hooks.md").write_text("old")
    (tmp_path / "settings.md").unlink()
    done = run("--check")
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            "hooks.md is out of date; run: python docs/generate.py",
            "settings.md is out of date; run: python docs/generate.py",
        ],
    )


def test_every_link_of_the_pages_leads_somewhere():
    for page in AUTHORS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            assert f"## {anchor}\n" in text, f"{page.name}: #{anchor}"


def test_the_promised_window_is_the_one_the_scaffold_writes():
    promised = re.search(r'"mpm-payg-core(.*?)"', (AUTHORS / "evolution.md").read_text("utf-8"))
    assert promised is not None
    assert promised[1] == compatible_range(CORE)


def test_the_configuration_of_a_trial_is_one_the_host_takes(tmp_path):
    text = (AUTHORS / "real-vendor.md").read_text(encoding="utf-8")
    toml = re.search(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    assert toml is not None
    (tmp_path / "mpm.key").write_text(new_key())
    (tmp_path / "mpm.key").chmod(0o600)
    environ = {"TRIAL_STRON_PASSWORD": "secret", "TRIAL_VODACOM_KEY": "secret"}
    source = ConfigSource(file_name="mpm.toml", folder=tmp_path, environ=environ)

    config = parse_config(toml[1], source)
    assert config.host.allowed_plugins == ("stron", "vodacom")


# --- the tutorial ---------------------------------------------------------------------------------


def test_few_lines_of_code_are_written_by_hand_in_the_tutorial():
    first = {}
    for step in tutorial_steps():
        if isinstance(step, Change) and step.path != "README.md":
            first.setdefault(step.path, step.written)
    said = re.search(r"(\d+) lines of code were written", (AUTHORS / "tutorial.md").read_text())
    assert said is not None
    assert int(said[1]) == sum(first.values()) <= MOST_LINES_BY_HAND


def test_the_tutorial_tells_no_recovery_the_manual_does_not_promise():
    assert VARIANTS["meter-none"].recovery is Recovery.NONE


def in_place(site: Path):
    """Run the page's commands with this environment, plugins installed by hand."""

    def replace(line, folder):
        words = shlex.split(line)
        if (
            words[:3] in (["python", "-m", "venv"], ["pip", "install", "mpm-host"])
            or words[0] == "."
        ):
            return ""
        if words[:3] == ["pip", "install", "--editable"]:
            install_by_hand(folder, site)
            return ""
        if words[0] == "mpm":
            return [sys.executable, "-m", "mpm_host", *words[1:]]
        if words[0] in PROGRAMS:
            options = ["-p", "no:cacheprovider"] if words[0] == "pytest" else []
            return [sys.executable, "-m", *words, *options]
        return None

    return replace


def player_in_place(tmp_path):
    site, source = tmp_path / "site", tmp_path / "mpm-stron" / "src"
    path = os.pathsep.join((str(site), str(source)))
    environment = {
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "MYPYPATH": str(ROOT / "src"),
        "COLUMNS": "200",
    }
    return Player(tmp_path, environment, in_place(site))


def is_slow(step):
    return isinstance(step, Command) and step.line.split()[0] in {"pytest", "mypy"}


def is_demo(step):
    return isinstance(step, Command) and "demo" in step.line


def test_the_tutorials_changes_lead_to_a_clean_plugin_that_keeps_the_contract(tmp_path):
    """All of its steps but the demo, and the tests only where they are the proof."""
    player = player_in_place(tmp_path)
    steps = tutorial_steps()
    proof = next(n for n, step in enumerate(steps) if getattr(step, "path", "") == "README.md") + 1

    for number, step in enumerate(steps):
        if is_demo(step) or (is_slow(step) and number != proof):
            continue
        player.play(step)


def test_new_plugins_of_every_kind_join_the_demo_at_once(tmp_path):
    names = ("meter-none", "payer", "sender")
    sources = []
    for name in names:
        folder = write_plugin(VARIANTS[name], tmp_path)
        install_by_hand(folder, tmp_path / "site")
        sources.append(str(folder / "src"))
    options = [word for name in names for word in ("--plugin", name)]

    done = subprocess.run(
        [sys.executable, "-m", "mpm_host", "demo", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path / "site"), *sources))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for title in ("A device of Stron", "Anna pays by Stron", "An SMS by Stron"):
        assert f"■ {title}\n" in done.stdout
    shown = done.stdout.partition("■ A device of Stron\n")[2].partition("■")[0]
    assert "  The device shows: accepted 10 kWh.\n" in shown
    assert "payments ended as they should." in done.stdout
