"""`mpm serve` as a user starts it: a process of its own, with its own configuration and log."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

__all__ = ["ServedHost", "served_host"]

_LISTENING = re.compile(r"Listening on (http://\S+)")
_START_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class ServedHost:
    """A running `mpm serve`."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def served_host(folder: Path, config_text: str, *options: str) -> Iterator[ServedHost]:
    """Serve until the block ends, then send SIGTERM and wait.

    Args:
        folder: for the configuration and the log.
        config_text: the configuration.
        options: of `mpm serve`.

    Raises:
        RuntimeError: it did not start; the message ends with its log.
    """
    config, log = folder / "mpm.toml", folder / "serve.log"
    config.write_text(config_text)
    config.chmod(0o600)
    host = [sys.executable, "-m", "mpm_host", "--config", str(config)]
    command = [*host, "serve", "--port", "0", *options]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=os.environ) as process,
    ):
        try:
            yield ServedHost(url=_wait_for_url(process, log), log=log, process=process)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for_url(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := _LISTENING.search(log.read_text()):
            return found.group(1)
        time.sleep(0.05)
    raise RuntimeError(f"mpm serve did not start:\n{log.read_text()[-2000:]}")
