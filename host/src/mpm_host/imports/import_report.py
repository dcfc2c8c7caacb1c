"""What an import tells of each row."""

from __future__ import annotations

from enum import StrEnum

import attrs

from mpm_host.refusals import ServiceRefused

__all__ = ["RowReport", "RowStatus"]


class RowStatus(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    ERROR = "error"


@attrs.frozen(kw_only=True)
class RowReport:
    """What became of a row, and for an error why.

    Attributes:
        row: its number, as a spreadsheet counts.
        code: a stable word; empty without an error.
        message: a sentence; empty without an error.
    """

    row: int
    status: RowStatus
    code: str = ""
    message: str = ""

    @classmethod
    def refused(cls, row: int, refusal: ServiceRefused) -> RowReport:
        """Report an error."""
        return cls(row=row, status=RowStatus.ERROR, code=refusal.code, message=str(refusal))
