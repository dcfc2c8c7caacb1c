"""`mpm` as a user runs it: in this process for speed, or as a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner

from mpm_host.commands import cli
from mpm_host.companies.audit_trail import Actor
from mpm_host.configuration.config import load_config
from mpm_host.host import Host

__all__ = ["CommandLine", "Ended", "choose_plugin", "command_line"]


@attrs.frozen
class Ended:
    """How a command ended."""

    exit_code: int
    output: str
    errors: str


@attrs.frozen(kw_only=True)
class CommandLine:
    """Runs `mpm` in a folder."""

    folder: str
    environ: dict = attrs.field(factory=dict)

    def __call__(self, *arguments, **environ):
        """Run in this process; a traceback fails the test, as it would fail the user."""
        result = CliRunner().invoke(cli, arguments, env=self.environ | environ, prog_name="mpm")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ended(result.exit_code, result.stdout, result.stderr)

    def program(self, *arguments, **environ):
        """Run as a program of its own, without a terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "mpm_host", *arguments],
            cwd=self.folder,
            env=os.environ | self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def command_line(tmp_path, monkeypatch):
    """`mpm` in an empty folder."""
    folder = tmp_path / "installation"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MPM_CONFIG", raising=False)
    return CommandLine(folder=str(folder))


def choose_plugin(slug, plugin):
    """Note in this folder's installation that a company wants a plugin, as its sign-up would."""
    actor = Actor(name="asha@example.com", at=datetime.now(UTC))
    with Host.open(load_config(Path("mpm.toml"), os.environ)) as host:
        host.load()
        host.companies.choose(slug, plugin, actor)
