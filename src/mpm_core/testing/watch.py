"""Watching what a plugin's code does behind the contract's back, by Python's audit events.

Only what happens inside a contained call counts, and not what the outbound client does for it: the
stack is walked from the event outwards until one of the two is met.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

__all__ = ["ASKING_FOR_TIME", "watched_deeds", "watched_time"]

_OURS = frozenset(
    {"mpm_core.outbound", "mpm_core.outbound.deadline_network", "mpm_core.outbound.addresses"}
)
_BOUNDARIES = frozenset(
    {"mpm_core.company_plugins.containment", "mpm_core.company_plugins.plugin_instances"}
)
_DEEDS: Mapping[str, str] = {
    "socket.connect": "opened a connection of its own",
    "socket.bind": "listened on a port",
    "socket.getaddrinfo": "looked a host name up by itself",
    "subprocess.Popen": "started a program",
    "os.system": "ran a shell command",
    "os.fork": "forked the process",
    "os.exec": "replaced the process",
    "os.putenv": "changed the environment",
    "signal.signal": "changed a signal handler",
}
_WRITING = frozenset("wax+")
_START_THREAD = threading.Thread.start.__code__

_watchers: list[list[str]] = []
_lock = threading.Lock()
_installed = False


@contextlib.contextmanager
def watched_deeds() -> Iterator[list[str]]:
    """Collect what plugins do by themselves inside the block, one sentence each."""
    seen: list[str] = []

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        # Python 3.11 has no audit event for threads
        if event == "call" and frame.f_code is _START_THREAD and _is_plugins_own(frame):
            seen.append("started a thread")

    _install()
    _watchers.append(seen)
    try:
        with _profiled(profile):
            yield seen
    finally:
        _watchers.remove(seen)


@contextlib.contextmanager
def _profiled(profile: Callable[[FrameType, str, object], None]) -> Iterator[None]:
    """Let a function hear of every call in this thread and in those that are started meanwhile."""
    before = sys.getprofile()
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)
        threading.setprofile(before)


def _install() -> None:
    """Add the audit hook, once; Python has no way to remove one."""
    global _installed  # noqa: PLW0603 - so is the audit hook
    with _lock:
        if not _installed:
            sys.addaudithook(_hear)
            _installed = True


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if not _watchers:
        return
    deed = _DEEDS.get(event) or (_writing(arguments) if event == "open" else "")
    if deed and _is_plugins_own(sys._getframe(1)):  # noqa: SLF001 - the documented way to a stack
        for seen in _watchers:
            seen.append(deed)


def _writing(arguments: tuple[object, ...]) -> str:
    path, mode = (*arguments, None, None)[:2]
    is_cache = isinstance(path, str) and ".pyc" in path  # Python keeps compiled modules
    writes = isinstance(mode, str) and _WRITING & set(mode)
    return "wrote a file" if writes and not is_cache else ""


def _is_plugins_own(frame: FrameType | None) -> bool:
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module in _OURS:
            return False
        if module in _BOUNDARIES:
            return True
        frame = frame.f_back
    return False


# --- the time -------------------------------------------------------------------------------------

ASKING_FOR_TIME: Mapping[tuple[str, str], str] = {
    ("time", "time"): "time.time()",
    ("time", "time_ns"): "time.time_ns()",
    ("time", "localtime"): "time.localtime()",
    ("time", "gmtime"): "time.gmtime()",
    ("datetime", "now"): "datetime.now()",
    ("datetime", "utcnow"): "datetime.utcnow()",
    ("datetime", "today"): "datetime.today()",
    ("date", "today"): "date.today()",
}


@contextlib.contextmanager
def watched_time(package: str) -> Iterator[list[str]]:
    """Collect where code of a package asks the system for the time, inside contained calls.

    Args:
        package: the first part of its modules' names; libraries it uses may ask.
    """
    seen: list[str] = []

    def profile(frame: FrameType, event: str, function: object) -> None:
        if event != "c_call":
            return
        asked = ASKING_FOR_TIME.get(_name_of(function))
        if asked is None or frame.f_globals.get("__name__", "").partition(".")[0] != package:
            return
        if _is_plugins_own(frame):
            seen.append(f"{asked} in {frame.f_code.co_name}, line {frame.f_lineno}")

    with _profiled(profile):
        yield seen


def _name_of(function: object) -> tuple[str, str]:
    name = getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):  # datetime.now and the like
        return owner.__name__, name
    return getattr(owner, "__name__", ""), name
