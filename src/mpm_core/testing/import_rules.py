"""What importing a plugin does to a process, looked at in a fresh one, C-11 to C-14."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from mpm_core.testing.cases import Case
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.subjects import Subject

__all__ = ["BOOK"]

BOOK = RuleBook()
_HEAVY = frozenset(
    {
        "aiohttp",
        "asyncio",
        "cattrs",
        "cryptography",
        "defusedxml",
        "httpcore",
        "httpx",
        "hypothesis",
        "importlib_metadata",
        "iso4217",
        "lxml",
        "numpy",
        "pandas",
        "phonenumbers",
        "pydantic",
        "pytest",
        "requests",
        "sqlalchemy",
        "unittest",
        "urllib3",
    }
)
_MOST_TIME = 0.5  # of what importing the core takes
_TRIES = 3
_SECONDS = 60

_PROGRAM = """
import importlib, json, logging, os, signal, sys, threading, time, warnings
sys.dont_write_bytecode = True
module, cls = sys.argv[1:]
started = time.perf_counter()
import mpm_core
core = time.perf_counter() - started

DEEDS = {
    "socket.connect": "opened a connection", "socket.bind": "listened on a port",
    "socket.getaddrinfo": "looked a host name up",
    "subprocess.Popen": "started a program", "os.system": "ran a shell command",
    "signal.signal": "changed a signal handler",
}
deeds, watching = [], [True]
start_thread = threading.Thread.start
def start(thread):
    deeds.append("started a thread")
    start_thread(thread)
def hear(event, arguments):
    if not watching[0]:
        return
    if event in DEEDS:
        deeds.append(DEEDS[event])
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        deeds.append("wrote a file")

def state():
    root = logging.getLogger()
    return {
        "the environment": dict(os.environ),
        "the handlers of the root logger": [repr(one) for one in root.handlers],
        "the level of the root logger": root.level,
        "the current folder": os.getcwd(),
        "the warning filters": [repr(one) for one in warnings.filters],
        "the import path": list(sys.path),
        "the exception hook": repr(sys.excepthook),
    }

before, modules = state(), set(sys.modules)
sys.addaudithook(hear)
threading.Thread.start = start
started = time.perf_counter()
loaded = importlib.import_module(module)
seconds = time.perf_counter() - started
watching[0] = False
after, now = state(), set(sys.modules)
from mpm_core.simulation.simulators import simulator_of
plugin_class = loaded
for name in cls.split("."):
    plugin_class = getattr(plugin_class, name)
try:
    simulator_of(plugin_class)
except Exception:
    pass  # another rule says so
sys.stdout.flush()
print("\\n" + json.dumps({
    "core": core, "seconds": seconds, "deeds": deeds,
    "changed": [name for name in before if before[name] != after[name]],
    "modules": sorted(now - modules), "with_simulator": sorted(set(sys.modules)),
}))
"""


@functools.cache
def _look(module: str, cls: str, search_path: tuple[str, ...], _try: int) -> Mapping[str, Any]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(part for part in search_path if part),
    }
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, module, cls],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=environment,
        check=False,
    )
    lines = done.stdout.rstrip("\n").split("\n")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise RuleBroken(f"importing {module} in a fresh process failed: {reason[:300]}")
    printed = "\n".join(lines[:-1]).strip()
    return {**json.loads(lines[-1]), "printed": printed or done.stderr.strip()}


def _import_of(subject: Subject, tried: int = 0) -> Mapping[str, Any]:
    cls = subject.plugin_class.__qualname__
    return _look(subject.module, cls, subject.search_path, tried)


@BOOK.rule(
    "C-11",
    "importing it does nothing",
    promise="In a fresh process, importing the plugin's module opens no socket, starts no "
    "thread or program, writes no file, prints nothing, and changes neither the "
    "environment, nor logging, warnings, signals, the import path or the current "
    "folder.",
    remedy="definitions only at module level; everything else in a hook.",
)
def _no_side_effects(case: Case) -> None:
    seen = _import_of(case.subject)
    if seen["deeds"]:
        raise RuleBroken(f"importing {case.subject.module} {seen['deeds'][0]}.")
    if seen["changed"]:
        raise RuleBroken(f"importing {case.subject.module} changed {seen['changed'][0]}.")
    if seen["printed"]:
        raise RuleBroken(f"importing {case.subject.module} printed {seen['printed'][:100]!r}.")


@BOOK.rule(
    "C-12",
    "importing it loads nothing heavy",
    promise="In a fresh process, importing the plugin's module loads none of the heavy libraries "
    f"({', '.join(sorted(_HEAVY))}): a process with fifty plugins must start at once.",
    remedy="import it inside the function that needs it, with a comment that says so.",
)
def _light_import(case: Case) -> None:
    loaded = {name.partition(".")[0] for name in _import_of(case.subject)["modules"]}
    if heavy := sorted(loaded & _HEAVY):
        raise RuleBroken(f"importing {case.subject.module} loaded {', '.join(heavy)}.")


@BOOK.rule(
    "C-13",
    "importing it takes less than half as long as importing the core",
    promise="Measured in one fresh process, the best of three; the ratio does not depend on the "
    "machine.",
    remedy="compute tables and compile patterns when they are first needed.",
)
def _quick_import(case: Case) -> None:
    ratios = []
    for tried in range(_TRIES):
        seen = _import_of(case.subject, tried)
        ratios.append(seen["seconds"] / seen["core"])
        if ratios[-1] <= _MOST_TIME:
            return
    raise RuleBroken(f"importing it took {min(ratios):.1f} times as long as importing the core.")


@BOOK.rule(
    "C-14",
    "it knows only the core",
    promise="Neither the plugin nor its simulator imports the host (`mpm_host`), the kit "
    "(`mpm_core.testing`), pytest, hypothesis or another plugin.",
    remedy="import public names of mpm_core only; put shared code into a library of its own.",
)
def _knows_only_the_core(case: Case) -> None:
    from mpm_core.discovery import installed_plugins  # noqa: PLC0415 - reads all metadata

    own = case.subject.module.partition(".")[0]
    others = {plugin.value.partition(".")[0] for plugin in installed_plugins()} - {own}
    loaded = set(_import_of(case.subject)["with_simulator"])
    forbidden = {"mpm_host", "mpm_core.testing", "pytest", "hypothesis", *others}
    if found := sorted(loaded & forbidden):
        raise RuleBroken(f"it loads {', '.join(found)}.")
