"""Reading and playing docs/authors/tutorial.md: commands, changes, and what must be printed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs

from tests.scaffold.variants import ROOT

__all__ = ["Change", "Command", "Player", "tutorial_steps"]

PAGE = ROOT / "docs" / "authors" / "tutorial.md"
_BLOCK = re.compile(r"^```(console|diff)( \S+)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@attrs.frozen
class Command:
    """One command, with the lines it must print among others, in this order."""

    line: str
    printed: tuple[str, ...]


@attrs.frozen
class Change:
    """One hand-made change of one file: pairs of what stands there and what is written instead."""

    path: str
    hunks: tuple[tuple[str, str], ...]
    written: int


Step = Command | Change


def tutorial_steps() -> tuple[Step, ...]:
    """Return the steps of the tutorial in their order."""
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return tuple(
        step
        for kind, path, text in blocks
        for step in (_commands(text) if kind == "console" else [_change(path.strip(), text)])
    )


def _commands(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, *printed = part.splitlines()
        yield Command(line, tuple(printed))


def _change(path: str, text: str) -> Change:
    hunks = []
    for hunk in re.split(r"^@@\n", text, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        hunks.append((before, after))
    return Change(path, tuple(hunks), len(re.findall(r"^\+", text, flags=re.MULTILINE)))


def _matches(printed: str, output: str) -> re.Match[str] | None:
    """Find a line of the page in an output; `…` is anything, and lines may go on."""
    pattern = ".*".join(re.escape(part.strip()) for part in printed.split("…"))
    return re.search(pattern, output)


@attrs.define
class Player:
    """Plays the steps in a folder.

    Attributes:
        folder: where the author is now.
        environment: of the commands.
        replace: what is run instead of a command; `None` runs it in a shell.
    """

    folder: Path
    environment: Mapping[str, str]
    replace: Callable[[str, Path], list[str] | str | None]

    def play(self, step: Step) -> str:
        """Play one step; returns what it printed."""
        if isinstance(step, Change):
            self.change(step)
            return ""
        if step.line.startswith("cd "):
            self.folder = self.folder / step.line.removeprefix("cd ")
            return ""
        output, code = self._run(step.line)
        rest = output
        for printed in step.printed:
            found = _matches(printed, rest)
            assert found, f"$ {step.line}\nprinted no line like {printed!r} any more:\n{output}"
            rest = rest[found.end() :]
        fails = any("failed" in printed for printed in step.printed)
        assert (code != 0) is fails, f"$ {step.line}\nended with {code}:\n{output}"
        return output

    def change(self, change: Change) -> None:
        """Make one change; every hunk must fit exactly one place."""
        path = self.folder / change.path
        text = path.read_text(encoding="utf-8")
        for before, after in change.hunks:
            assert text.count(before) == 1, f"{change.path}: this fits no longer:\n{before}"
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")

    def _run(self, line: str) -> tuple[str, int]:
        command = self.replace(line, self.folder)
        if command == "":
            return "", 0
        done = subprocess.run(
            command or line,
            shell=command is None,  # as an author types it; the page is ours
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
            executable="/bin/bash" if command is None else None,
        )
        return done.stdout, done.returncode
