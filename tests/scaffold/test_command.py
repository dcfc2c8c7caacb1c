"""`mpm plugins new` and `--requirements`, as an author types them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from mpm_host.commands import cli

NEXT = """It works already, against its own simulator:
  cd {folder}
  python -m pip install --editable . --group dev
  pytest
  mpm demo --plugin stron
Then make it the real one's: {lines} lines in src and tests say # VENDOR.
"""


@pytest.fixture
def mpm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(cli, ["plugins", *arguments])

    return run


@pytest.mark.parametrize("kind", ["manufacturer", "telecom", "messenger"])
def test_new_writes_a_plugin_of_each_kind_and_says_what_to_do_next(mpm, tmp_path, kind):
    done = mpm("new", "stron", "--kind", kind)

    text = "".join(path.read_text() for path in tmp_path.glob("mpm-stron/**/*.py"))
    lines = text.count("# VENDOR")
    assert done.exit_code == 0
    assert done.output == "Wrote mpm-stron. " + NEXT.format(folder="mpm-stron", lines=lines)


def test_new_takes_everything_as_options(mpm, tmp_path):
    done = mpm(
        *("new", "stron", "--kind", "manufacturer", "--title", "Stron & Co", "--yes"),
        *("--device-kind", "shs", "--sells", "time", "--recovery", "lookup", "--folder", "made"),
    )

    plugin = (tmp_path / "made" / "mpm-stron" / "src" / "mpm_stron" / "plugin.py").read_text()
    assert done.exit_code == 0
    assert 'title="Stron & Co"' in plugin
    assert "DeviceKind.SHS" in plugin
    assert "Recovery.LOOKUP" in plugin
    assert "ChargeKind.TIME" in plugin


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["Stron", "--kind", "telecom"],
            "'Stron' is no name for a plugin: use lower-case letters, digits and single hyphens, a"
            " letter first, without 'mpm-'; write for example: stron",
            id="name",
        ),
        pytest.param(
            ["calin", "--kind", "manufacturer"],
            "A plugin 'calin' is installed already; choose another name, or uninstall it first.",
            id="taken",
        ),
        pytest.param(
            ["stron"], "Say what it is for: --kind manufacturer, telecom or messenger.", id="kind"
        ),
        pytest.param(
            ["stron", "--kind", "telecom", "--recovery", "keyed"],
            "--recovery is for manufacturers only; leave it out.",
            id="recovery of a telecom",
        ),
        pytest.param(
            ["stron", "--kind", "manufacturer", "--device-kind", "meter", "--sells", "time"],
            "The host sells energy for a device of kind meter; write: --sells energy",
            id="meter that sells time",
        ),
        pytest.param(
            ["stron", "--kind", "messenger", "--title", 'a"b'],
            "'a\"b' is no title: use 1 to 40 letters, digits, blanks and any of .,&()/+'-, a letter"
            " or digit first.",
            id="title",
        ),
    ],
)
def test_new_answers_a_mistake_with_one_plain_line(mpm, tmp_path, arguments, message):
    done = mpm("new", *arguments)

    assert (done.exit_code, done.output) == (2, f"Error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_new_asks_on_a_terminal_for_what_is_not_given(tmp_path):
    """A real terminal, because only that is asked."""
    keyboard, screen = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "mpm_host", "plugins", "new", "stron"],
        cwd=tmp_path,
        stdin=screen,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.write(keyboard, b"manufacturer\nStron Ltd\ne_bike\n\n")
    try:
        output, _ = program.communicate(timeout=60)
    finally:
        os.close(keyboard)
        os.close(screen)

    plugin = (tmp_path / "mpm-stron" / "src" / "mpm_stron" / "plugin.py").read_text()
    assert program.returncode == 0, output
    assert [question in output for question in ("What is it for", "name people know")] == [True] * 2
    assert 'title="Stron Ltd"' in plugin
    assert "DeviceKind.E_BIKE" in plugin
    assert "Recovery.NONE" in plugin


def test_new_takes_a_moment_only(mpm):
    started = time.monotonic()
    mpm("new", "stron", "--kind", "manufacturer")

    assert time.monotonic() - started < 10  # the whole way to a green kit has 60


@pytest.mark.parametrize("arguments", [["--requirements"], ["list", "--requirements"]])
def test_requirements_reproduce_the_installation_without_a_configuration(mpm, arguments):
    done = mpm(*arguments)

    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert lines == sorted(lines)
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][^\s]*", line) for line in lines)
    assert {f"{name}=={version(name)}" for name in ("mpm-payg-core", "mpm-host", "mpm-calin")} <= {
        *lines
    }


@pytest.mark.parametrize("arguments", [["--requirements", "--json"], ["--json", "--requirements"]])
def test_requirements_are_a_json_list_for_programs(mpm, arguments):
    done = mpm("list", *arguments)

    assert (done.exit_code, json.loads(done.output)) == (0, mpm("--requirements").output.split())
