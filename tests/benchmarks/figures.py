"""A figure: what was measured, what it should be, and how to measure it again."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = ["Figure", "as_markdown", "as_text"]


@attrs.frozen(kw_only=True)
class Figure:
    """One measured ratio.

    Attributes:
        name: what is compared with what.
        value: as measured; `None` when it could not be measured here, and `note` says why.
        target: what it should be.
        at_most: whether smaller is better.
        note: the absolute numbers behind it.
        command: measures this figure alone.
    """

    name: str
    value: float | None
    target: float
    at_most: bool
    note: str
    command: str

    @property
    def is_reached(self) -> bool | None:
        """Tell whether the target is met; `None` when nothing was measured."""
        return self.is_within(1)

    def is_within(self, slack: float) -> bool | None:
        """Tell whether it is met, or missed by this factor at most."""
        if self.value is None:
            return None
        if self.at_most:
            return self.value <= self.target * slack
        return self.value * slack >= self.target

    @property
    def margin(self) -> float | None:
        """How many times better than its target it is, 4 at most; `None` if that is nothing."""
        if self.value is None or not self.value or not self.target:
            return None
        better = self.target / self.value if self.at_most else self.value / self.target
        return min(better, 4.0)

    @property
    def verdict(self) -> str:
        """The figure in words."""
        sign = "≤" if self.at_most else "≥"
        measured = "not measured" if self.value is None else f"{self.value:.2f}"
        mark = {True: "reached", False: "MISSED", None: ""}[self.is_reached]
        return f"{measured} (target {sign} {self.target:g}) {mark}".rstrip()


def as_text(figures: Sequence[Figure]) -> str:
    """Write the report for a terminal."""
    parts = [
        f"{figure.name}\n  {figure.verdict}\n  {figure.note}\n  {figure.command}"
        for figure in figures
    ]
    return "\n\n".join(parts)


def as_markdown(figures: Sequence[Figure], machine: str) -> str:
    """Write the report as a page; generated, so nobody edits it."""
    rows = [
        f"| {figure.name} | {figure.verdict} | {figure.note} | `{figure.command}` |"
        for figure in figures
    ]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `python -m tests.benchmarks --write`. Every figure is a ratio of two",
            f"measurements of one run, so it says something on any machine. This run: {machine}.",
            "",
            "| what | measured | behind it | command |",
            "|---|---|---|---|",
            *rows,
            "",
            *_chart(figures),
        ]
    )


def _chart(figures: Sequence[Figure]) -> list[str]:
    """Draw how far each measured figure is from its target: 1 is the target, more is better."""
    drawn = [figure for figure in figures if figure.margin is not None]
    if not drawn:
        return []
    margins = ", ".join(f"{figure.margin:.2f}" for figure in drawn)
    names = ", ".join(str(number) for number in range(1, len(drawn) + 1))
    return [
        "How many times better than its target each figure is; 1 is the target itself.",
        "",
        "```mermaid",
        "xychart-beta",
        f"    x-axis [{names}]",
        '    y-axis "times better than the target" 0 --> 4',
        f"    bar [{margins}]",
        f"    line [{', '.join('1' for _ in drawn)}]",
        "```",
        "",
        *(f"{number}. {figure.name}" for number, figure in enumerate(drawn, start=1)),
        "",
    ]
