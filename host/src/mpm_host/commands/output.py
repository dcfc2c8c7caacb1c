"""How commands print: tables for people, plain columns in pipes, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click

__all__ = ["json_option", "print_json", "print_pairs", "print_table"]

# eager: options that print and end, such as --requirements, must know it wherever it stands
json_option = click.option("--json", "as_json", is_flag=True, is_eager=True, help="Print JSON.")


def print_json(value: object) -> None:
    """Print a value of plain lists, mappings, texts and numbers."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """Print rows below headers.

    Args:
        headers: one word per column.
        rows: texts.
        empty: what to say if there are none.
    """
    listed = [tuple(row) for row in rows]
    if not listed:
        click.echo(empty)
    elif sys.stdout.isatty():
        _print_drawn(headers, listed)
    else:
        _print_plain([tuple(header.upper() for header in headers), *listed])


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print facts, one per line, with their names in a column."""
    listed = list(pairs)
    width = max(len(name) for name, _ in listed)
    for name, value in listed:
        click.echo(f"{name:<{width}}  {value}".rstrip())


def _print_plain(rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns that no terminal width cuts, so that programs can rely on them."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _print_drawn(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415 - loaded late, only to draw
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=box.SIMPLE_HEAD)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: brackets are no markup
    Console(highlight=False).print(table)
