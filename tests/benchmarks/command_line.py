"""What starting the command line costs, and which plugins a host imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mpm_host.encryption import new_key
from tests.benchmarks.figures import Figure
from tests.support.config_text import config_text

__all__ = ["help_figure", "help_with_many_plugins_figure", "imports_figure"]

_OURS = ("-c", "from mpm_host.__main__ import main; main()", "--help")
_BARE_PROGRAM = """
import click

@click.group()
def cli():
    "Do things."

@cli.command()
def one():
    "Do one."

cli()
"""
_BARE = ("-c", _BARE_PROGRAM, "--help")
_SUNKING = {
    "auth_url": "http://127.0.0.1:9/login",
    "api_url": "http://127.0.0.1:9/v2",
    "client_id": "bench",
    "client_secret": "bench",
}
_ROUNDS = 11
_PLUGINS = 50


def help_figure() -> Figure:
    """Compare `mpm --help` with the help of a bare click program."""
    here = dict(os.environ)
    ours, bare = _fastest((_OURS, here), (_BARE, here))
    return Figure(
        name="`mpm --help` against a bare click program",
        value=ours / bare,
        target=2.0,
        at_most=True,
        note=f"{ours * 1000:.0f} ms against {bare * 1000:.0f} ms, fastest of {_ROUNDS}",
        command="python -m tests.benchmarks --only help",
    )


def help_with_many_plugins_figure() -> Figure:
    """Compare `mpm --help` with and without fifty more plugins installed."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(_PLUGINS):
            _pretend_to_install(Path(folder), f"bench{number}")
        path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
        crowded = os.environ | {"PYTHONPATH": path}
        many, few = _fastest((_OURS, crowded), (_OURS, dict(os.environ)))
    return Figure(
        name=f"`mpm --help` with {_PLUGINS} more plugins installed against without",
        value=many / few,
        target=1.2,
        at_most=True,
        note=f"{many * 1000:.0f} ms against {few * 1000:.0f} ms, fastest of {_ROUNDS}",
        command="python -m tests.benchmarks --only help",
    )


def imports_figure() -> Figure:
    """Count the plugins a host imports that no company has enabled."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mpm.toml")
        config.touch(mode=0o600)
        config.write_text(
            config_text(
                database=f"sqlite:///{folder}/mpm.db",
                secret_key=new_key(),
                instances={
                    "calin": {"api_url": "http://127.0.0.1:9", "user_id": "1", "api_key": "k"},
                    "sunking": {"enabled": False, **_SUNKING},
                },
            ).replace('["calin", "sunking"]', '["airtel", "calin", "sunking", "vodacom"]')
        )
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, folder], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"The host did not load: {done.stderr[-500:]}")
    imported = json.loads(done.stdout)
    wanted = {"mpm_core", "mpm_host", "mpm_calin", "mpm_sunking"}
    extra = sorted(set(imported) - wanted)
    return Figure(
        name="plugins imported that no company uses",
        value=float(len(extra)),
        target=0.0,
        at_most=True,
        note=f"allowed: 4; enabled: calin; draining: sunking; imported besides: {extra or 'none'}",
        command="python -m tests.benchmarks --only imports",
    )


_LOAD = """
import json, os, sys
from pathlib import Path
from mpm_host.configuration.config import load_config
from mpm_host.database.upgrade import upgrade
from mpm_host.host import Host
from mpm_host.services import Services
host = Host.open(load_config(Path(sys.argv[1]) / "mpm.toml", os.environ))
upgrade(host.engines.write)
host.reconcile()
Services(host, workers=False).application()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules if name[:4] == "mpm_"})))
sys.stdout.flush()
os._exit(0)
"""


_Start = tuple[Sequence[str], dict[str, str]]  # arguments, environment


def _fastest(one: _Start, other: _Start) -> tuple[float, float]:
    """Run both alternately; return the fastest run of each in seconds."""
    pairs = [(_seconds(*one), _seconds(*other)) for _ in range(_ROUNDS)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def _seconds(arguments: Sequence[str], environ: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environ)
    return time.perf_counter() - began


def _pretend_to_install(folder: Path, name: str) -> None:
    information = folder / f"mpm_{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: mpm-{name}\nVersion: 1.0\n"
        "Requires-Dist: mpm-payg-core>=0.1\n"
    )
    (information / "entry_points.txt").write_text(f"[mpm_core.plugins]\n{name} = {name}:Plugin\n")
