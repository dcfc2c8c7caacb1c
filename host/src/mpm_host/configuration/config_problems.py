"""Collecting every mistake of a configuration, so that a person corrects them in one go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from mpm_core import SettingsError, UserError
from mpm_core.settings import SettingsPlace

__all__ = ["ConfigPlace", "Problems"]

T = TypeVar("T")


class Problems:
    """Lines of mistakes, in the order they were found."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Note one mistake."""
        self._lines.append(line)

    def attempt(self, read: Callable[[], T]) -> T | None:
        """Return what a reader reads, or note its mistakes and return nothing."""
        try:
            return read()
        except UserError as error:
            self._lines.extend(str(error).splitlines())
            return None

    def raise_if_any(self) -> None:
        """End with everything that was noted.

        Raises:
            SettingsError: there is something.
        """
        if self._lines:
            raise SettingsError("\n".join(self._lines))


@attrs.frozen(kw_only=True)
class ConfigPlace(SettingsPlace):
    """A section of the configuration file, for messages.

    Attributes:
        section: as it begins the message: `mpm.toml [host]`.
    """

    section: str

    def __str__(self) -> str:
        """Return the beginning of a message: `mpm.toml [host]`."""
        return self.section
