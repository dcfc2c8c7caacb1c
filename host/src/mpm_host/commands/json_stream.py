"""JSON that is printed while it is made: one object whose last list may be of any length."""

from __future__ import annotations

import json

import click

__all__ = ["JsonStream"]


class JsonStream:
    """Prints `{"rows": […], …}` item by item.

    Args:
        name: of the list.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._begun = False

    def add(self, item: object) -> None:
        """Print one item."""
        click.echo(",\n    " if self._begun else self._head("\n    "), nl=False)
        click.echo(json.dumps(item, ensure_ascii=False), nl=False)
        self._begun = True

    def close(self, **facts: object) -> None:
        """Print what is known only now, and end the object."""
        click.echo("\n  ]" if self._begun else self._head("]"), nl=False)
        for name, value in facts.items():
            click.echo(
                f",\n  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}", nl=False
            )
        click.echo("\n}")

    def _head(self, end: str) -> str:
        return f"{{\n  {json.dumps(self._name)}: [{end}"
