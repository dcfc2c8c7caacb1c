"""`python -m tests.benchmarks`: measure every promised figure and print one report."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.accepting import accepting_figures
from tests.benchmarks.accepting_http import accepting_over_http_figures
from tests.benchmarks.command_line import (
    help_figure,
    help_with_many_plugins_figure,
    imports_figure,
)
from tests.benchmarks.dispatch import dispatch_ratio
from tests.benchmarks.figures import Figure, as_markdown, as_text
from tests.benchmarks.growth import growth_figures
from tests.benchmarks.latency import latency_figures
from tests.benchmarks.registration import registration_figures
from tests.benchmarks.single_caller import single_caller_figures
from tests.benchmarks.standing_in_line import standing_in_line_figure
from tests.benchmarks.validation import validation_figure

__all__ = ["main"]

_DATABASES = ("SQLite", "PostgreSQL")
_PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def _dispatch_figure() -> Figure:
    return Figure(
        name="routed contained call of a pure hook against `pm.hook` with one implementation",
        value=dispatch_ratio(),
        target=2.0,
        at_most=True,
        note="fastest of 200 rounds of 1,000 calls",
        command="python -m tests.benchmarks --only dispatch",
    )


def main() -> int:
    """Measure what was asked for; return 1 if a figure was missed."""
    options = _options()
    figures: list[Figure] = []
    began = time.monotonic()
    databases = (options.database,) if options.database else _DATABASES
    for name, measure in _groups(large=options.large, databases=databases).items():
        if options.only in {None, name}:
            for figure in measure():
                figures.append(figure)
                print(as_text([figure]), end="\n\n", flush=True)  # noqa: T201 - the report
    print(f"{len(figures)} figures in {time.monotonic() - began:.0f} s on {_machine()}")  # noqa: T201 - as above
    if options.write:
        _PAGE.write_text(as_markdown(figures, _machine()))
    return 1 if any(figure.is_within(options.slack) is False for figure in figures) else 0


def _groups(
    *, large: bool, databases: Sequence[str]
) -> Mapping[str, Callable[[], Iterable[Figure]]]:
    return {
        "help": lambda: [help_figure(), help_with_many_plugins_figure()],
        "dispatch": lambda: [_dispatch_figure()],
        "imports": lambda: [imports_figure()],
        "accepting": accepting_figures,
        "http": accepting_over_http_figures,
        "validation": lambda: [validation_figure()],
        "latency": latency_figures,
        "alone": single_caller_figures,
        "line": lambda: [standing_in_line_figure()],
        "registration": registration_figures,
        "growth": lambda: growth_figures(large=large, databases=databases),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=main.__doc__)
    groups = sorted(_groups(large=False, databases=_DATABASES))
    parser.add_argument("--only", choices=groups, help="One group.")
    parser.add_argument(
        "--large", action="store_true", help="Ten million payments: most of an hour, and 25 GB."
    )
    parser.add_argument("--database", choices=_DATABASES, help="Growth on one of them only.")
    parser.add_argument(
        "--slack",
        type=float,
        default=1.0,
        help="Fail only if a target is missed by more than this factor: for a busy machine.",
    )
    parser.add_argument("--write", action="store_true", help="Write docs/benchmarks.md.")
    return parser.parse_args()


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
