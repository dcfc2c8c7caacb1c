"""What both ways of importing take and tell."""

from __future__ import annotations

from mpm_host.web.api.values import Query, View

__all__ = ["ImportQuery", "RowError"]


class ImportQuery(Query, frozen=True, kw_only=True):
    """How to import."""

    dry_run: bool = False
    all_or_nothing: bool = False


class RowError(View, frozen=True, kw_only=True):
    """Why a row was refused; rows are counted as a spreadsheet does, the header is row 1."""

    row: int
    code: str
    message: str
