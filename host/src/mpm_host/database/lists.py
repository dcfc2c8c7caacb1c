"""Asking for many values of a column in few shapes of statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

__all__ = ["among"]


def among(column: sa.Column[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """Ask for the rows with any of these values in a column.

    The last value is repeated up to the next power of two. Batches of every size would else be as
    many statements, each to be parsed and planned anew; so a few are prepared once and stay.
    """
    wanted = sorted(set(values))
    if not wanted:
        return column.in_([])
    size = 1 << (len(wanted) - 1).bit_length()
    return column.in_([*wanted, *[wanted[-1]] * (size - len(wanted))])
