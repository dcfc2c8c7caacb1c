"""Cores of other versions: today's under another number, and one whose contract has grown."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
WHEELS = sorted((HERE / "wheels").glob("*.whl"))
FROZEN = ("frozen-meter", "frozen-telecom", "frozen-gateway")

# One edit per way the contract may grow within the policy: (module, pattern, replacement).
GROWTH = (
    # every hook gets an argument more
    ("hookspecs", r"(\n    |\(|, )context: CallContext", r"\1later: str, context: CallContext"),
    (
        "company_plugins/__init__",
        r"given: dict\[str, object\] = \{\}",
        r"given: dict[str, object] = dict(later='new')",
    ),
    # values that the host makes carry more
    ("orders", r"(class Order:.*?prepared: [^\n]*\n)", r"\1    later: str = ''\n"),
    ("calls", r"(class CallContext:.*?deadline: float\n)", r"\1    later: str = ''\n"),
    ("runtime", r"(class PluginRuntime:.*?production: [^\n]*\n)", r"\1    later: str = ''\n"),
    # values that plugins make may carry more, by default they do not
    ("orders", r"(class Grant:.*?device_serial: [^\n]*\n)", r"\1    later: str = ''\n"),
    ("manifest", r"(    result_codes: tuple[^\n]*\n)(?=\n    def)", r"\1    later: str = ''\n"),
    # there are more words
    ("payments", r"(class Decision\(.*?UNAVAILABLE = [^\n]*\n)", r"\1    LATER = 'later'\n"),
    ("payments", r"(class PaymentStatus\(.*?DENIED = [^\n]*\n)", r"\1    LATER = 'later'\n"),
)


def copied_core(folder: Path, version: str, *, grown: bool = False) -> Path:
    """Make a core of another version in a folder; returns the folder, for PYTHONPATH."""
    target = folder / "mpm_core"
    shutil.copytree(
        ROOT / "src" / "mpm_core", target, ignore=shutil.ignore_patterns("__pycache__", "testing")
    )
    metadata = folder / f"mpm_payg_core-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: mpm-payg-core\nVersion: {version}\n"
    )
    if grown:
        for module, pattern, replacement in GROWTH:
            _edit(target / f"{module}.py", pattern, replacement)
    return folder


def _edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.DOTALL)
    assert count, f"{path.name} has no longer what {pattern!r} looks for; correct GROWTH"
    path.write_text(text)


def play(*names: str, core: Path | None = None, also: Path | None = None) -> dict[str, object]:
    """Use plugins once in a process of their own, with a core before the installed one."""
    path = [str(part) for part in (core, also, *WHEELS) if part is not None]
    done = subprocess.run(
        [sys.executable, str(HERE / "play.py"), *names],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told
