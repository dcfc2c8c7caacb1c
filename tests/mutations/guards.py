"""The guards that keep the promises, and how each is taken away to see which tests notice."""

from __future__ import annotations

import tomllib
from pathlib import Path

import attrs

__all__ = ["GUARDS", "Guard"]


@attrs.frozen(kw_only=True)
class Guard:
    """One guard; `guards.toml` is the table of them.

    Attributes:
        name: what it is.
        path: of the file it stands in.
        text: the code that is it; stands in the file exactly once.
        instead: what is left without it.
        test: what must turn red, as pytest is told.
        points: the crash points it visits, if it is a walk.
    """

    name: str
    path: str
    text: str
    instead: str
    test: str
    points: str


def _read(table: Path) -> tuple[Guard, ...]:
    content = tomllib.loads(table.read_text("utf-8"))
    return tuple(
        Guard(
            name=row["name"],
            path=f"{content['files']}/{row['file']}",
            text=row["text"],
            instead=row["instead"],
            test=row["test"],
            points=row.get("points", ""),
        )
        for row in content["guard"]
    )


GUARDS = _read(Path(__file__).with_name("guards.toml"))
