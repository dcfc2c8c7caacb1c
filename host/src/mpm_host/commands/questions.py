"""Questions on a terminal: asked again until the answer can be right.

They are written to standard error, so that what is printed can go into a file.
"""

from __future__ import annotations

from collections.abc import Callable

import click

from mpm_core import Secret, UserError

__all__ = ["ask", "ask_password"]


def ask(question: str, read: Callable[[str], str], *, default: str | None = None) -> str:
    """Ask until `read` takes the answer, and return what it makes of it.

    Args:
        question: without a colon.
        read: raises `UserError` for what cannot be right.
        default: for an empty answer; an empty one shows none.
    """

    def value(text: str) -> str:
        try:
            return read(text)
        except UserError as error:
            raise click.UsageError(str(error)) from None

    answer: str = click.prompt(
        question, default=default, show_default=bool(default), value_proc=value, err=True
    )
    return answer


def ask_password(question: str, check: Callable[[Secret], Secret]) -> Secret:
    """Ask twice for a password, hidden, until `check` takes it."""
    while True:
        typed = Secret(click.prompt(question, hide_input=True, confirmation_prompt=True, err=True))
        try:
            return check(typed)
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
