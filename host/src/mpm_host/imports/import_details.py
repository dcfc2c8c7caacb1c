"""Columns `details.NAME`: what a manufacturer asks of its devices besides the serial.

Which names there are, and what may stand in the cells, is the manufacturer's: `mpm plugins show`
lists them, and registration checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mpm_core import Manifest
from mpm_core.settings import WrongValueError, describe, parse_text
from mpm_host.plugins.instance_settings import storable
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["PREFIX", "details_in", "is_details_column", "typed_details"]

PREFIX = "details."
_COLUMN = re.compile(r"details\.[a-z][a-z0-9_]{0,63}", re.ASCII)


def is_details_column(name: str) -> bool:
    """Tell whether a column's name, in small letters, is one of these."""
    return _COLUMN.fullmatch(name) is not None


def details_in(cells: Mapping[str, str], columns: Iterable[str]) -> dict[str, str]:
    """Return what a row's cells say in such columns of its file, by the details' own names."""
    return {name.removeprefix(PREFIX): cells[name] for name in columns if name in cells}


def typed_details(details: Mapping[str, str], manifest: Manifest | None) -> dict[str, object]:
    """Return details as registration takes them: numbers as numbers, and so on.

    What the manufacturer does not ask for stays text, for registration to refuse.

    Raises:
        ServiceRefused: a cell cannot be what is asked for; the message does not repeat it.
    """
    asked = manifest.details_class if manifest is not None else None
    known = {each.name: each for each in describe(asked)} if asked is not None else {}
    typed: dict[str, object] = {}
    for name, text in details.items():
        try:
            typed[name] = storable(parse_text(known[name], text)) if name in known else text
        except WrongValueError as error:
            raise ServiceRefused(
                RefusalCode.DETAILS_INVALID, f"{PREFIX}{name} {error}".removesuffix(".") + "."
            ) from None
    return typed
