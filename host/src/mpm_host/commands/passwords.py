"""Passwords at the command line: from a variable, a file or a hidden prompt, never an argument."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import click

from mpm_core import Secret, UserError
from mpm_host.commands.surroundings import is_terminal

__all__ = ["GivenPassword"]


@attrs.frozen(kw_only=True)
class GivenPassword:
    """Where a password comes from.

    Attributes:
        option: what the two options begin with, such as `--password`.
        variable: of the environment, as given with `…-env`.
        file: as given with `…-file`; line ends at its end do not count.
    """

    option: str
    variable: str | None
    file: Path | None

    @property
    def is_given(self) -> bool:
        """Tell whether nobody needs to be asked."""
        return self.variable is not None or self.file is not None

    def read(self, question: str) -> Secret:
        """Return the password, asking twice for it on a terminal if it is not given.

        Raises:
            UserError: it cannot be read, or nobody can be asked.
        """
        given = self.read_given()
        if given is not None:
            return given
        if not is_terminal():
            raise UserError(
                f"Nobody can be asked for the {question.lower()}; give {self.option}-env or -file."
            )
        return Secret(click.prompt(question, hide_input=True, confirmation_prompt=True))

    def read_given(self) -> Secret | None:
        """Return the password if a variable or a file holds it.

        Raises:
            UserError: both are given, or it cannot be read.
        """
        if self.variable is not None and self.file is not None:
            raise UserError(f"Give {self.option}-env or {self.option}-file, not both.")
        if self.variable is not None:
            return self._from_variable(self.variable)
        return None if self.file is None else self._from_file(self.file)

    def _from_variable(self, name: str) -> Secret:
        if name not in os.environ:
            raise UserError(f"{self.option}-env: there is no variable {name!r}; set it.")
        return Secret(os.environ[name])

    def _from_file(self, file: Path) -> Secret:
        try:
            return Secret(file.read_text(encoding="utf-8").strip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise UserError(
                f"{self.option}-file: {file} cannot be read ({reason}); name a file that holds "
                "nothing but the password."
            ) from None
