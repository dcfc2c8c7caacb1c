"""Take one guard away at a time, in a copy of the sources, and see that its tests turn red (T18).

`python -m tests.mutations` tries all; words choose those whose name has them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from tests.mutations.guards import GUARDS, Guard

_ROOT = Path(__file__).parents[2]
_COPIED = ("src", "host", "plugins", "tests", "docs", "conftest.py", "pyproject.toml", "README.md")
_FAILED = re.compile(rb"\b[1-9]\d* failed\b")  # in pytest's last line
_SECONDS = 900


def main(words: Sequence[str]) -> int:
    """Try guards; return the exit code: 1 if one can be taken away unnoticed."""
    guards = [one for one in GUARDS if not words or any(word in one.name for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in _COPIED:
            _copy(_ROOT / name, copy / name)
        if not _are_green(copy, guards):
            return 1
        unnoticed = [guard.name for guard in guards if not _is_noticed(copy, guard)]
    click.echo(f"{len(guards) - len(unnoticed)} of {len(guards)} guards were missed.")
    for name in unnoticed:
        click.echo(f"NOT MISSED: {name}")
    return 1 if unnoticed else 0


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    else:
        shutil.copy(source, target)


def _are_green(copy: Path, guards: Sequence[Guard]) -> bool:
    """Tell whether the tests pass while nothing is taken away."""
    tests = sorted({guard.test for guard in guards})
    points = sorted({point for guard in guards for point in guard.points.split()})
    ended = _run(copy, tests, " ".join(points))
    if ended != "GREEN":
        click.echo(f"The tests are {ended} before anything was taken away; run them:")
        click.echo(" ".join(tests))
    return ended == "GREEN"


def _is_noticed(copy: Path, guard: Guard) -> bool:
    path = copy / guard.path
    whole = path.read_text("utf-8")
    if whole.count(guard.text) != 1:
        click.echo(f"stale  {guard.name}: its text stands {whole.count(guard.text)} times")
        return False
    began = time.monotonic()
    path.write_text(whole.replace(guard.text, guard.instead), "utf-8")
    try:
        ended = _run(copy, [guard.test], guard.points)
    finally:
        path.write_text(whole, "utf-8")
    click.echo(f"{ended:6} {guard.name} ({time.monotonic() - began:.0f} s)")
    return ended == "red"


def _run(copy: Path, tests: Sequence[str], points: str) -> str:
    """Run tests on the copy and say how they ended.

    Only a test that failed is red: one that did not get to run shows nothing, and neither does one
    that hangs, for whatever reason. A test that would hang without its guard needs a bound of its
    own, by which it fails.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(_import_paths(copy)),
        "PYTHONDONTWRITEBYTECODE": "1",  # else the next mutation might meet this one's code
        "MPM_HITS": "1",
        "MPM_POINTS": points,
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=copy,
            env=environment,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hung"
    if done.returncode == 0:
        return "GREEN"
    return "red" if _FAILED.search(done.stdout) else f"exit {done.returncode}"


def _import_paths(copy: Path) -> Iterator[str]:
    yield str(copy)
    yield str(copy / "src")
    yield str(copy / "host" / "src")
    yield from (str(path) for path in sorted(copy.glob("plugins/*/src")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
