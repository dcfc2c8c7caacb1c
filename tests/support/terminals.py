"""`mpm` with somebody at the keyboard: a terminal of its own, and typed answers."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

__all__ = ["on_a_terminal"]


def on_a_terminal(mpm, plugin_folder, answers, *arguments, exit_code=0):
    """Run with a terminal as input; return what the terminal showed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mpm_host", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=mpm.folder,
        env=os.environ | {"PYTHONPATH": str(plugin_folder.path), "TERM": "dumb"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = _converse(ours, answers)
        assert process.wait(30) == exit_code, shown
    os.close(ours)
    return shown


def _converse(terminal, answers):
    """Type each answer once its question, ended by a colon and a blank, is there."""
    shown, left = "", list(answers)
    while True:
        try:
            shown += os.read(terminal, 4096).decode()
        except OSError:  # the other end was closed
            return shown.replace("\r\n", "\n")
        if left and shown.endswith(": "):
            os.write(terminal, f"{left.pop(0)}\n".encode())
            shown += "▶"
