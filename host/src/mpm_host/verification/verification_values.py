"""What verification is made of: checks, and the differences they find."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Row

from mpm_core import Money

__all__ = ["Check", "Difference", "FoundRow", "write_money"]

FoundRow: TypeAlias = Row[*tuple[object, ...]]


@attrs.frozen(kw_only=True)
class Difference:
    """Something is not as the ledger promises.

    Attributes:
        rule: the invariant's number.
        company: its slug.
        subject: whose fact it is, such as `payment 0192…`.
        fact: what was compared.
        expected: what it should be.
        found: what it is.
    """

    rule: str
    company: str
    subject: str
    fact: str
    expected: str
    found: str

    def __str__(self) -> str:
        """Return one plain line."""
        return (
            f"{self.company}: {self.subject}: {self.fact} is {self.found}, "
            f"expected {self.expected} ({self.rule})"
        )


@attrs.frozen(kw_only=True)
class Check:
    """One rule as a statement that finds what breaks it.

    Attributes:
        query: its rows are the differences, or may be; each has a `company_id`.
        company: the column that narrows it to one company.
        tell: makes a difference of a row and the company's slug.
        is_wrong: tells whether a row is a difference, where the database cannot compute that.
    """

    query: sa.Select[*tuple[object, ...]]
    company: sa.ColumnElement[str]
    tell: Callable[[FoundRow, str], Difference]
    is_wrong: Callable[[FoundRow], bool] | None = None


def write_money(minor: object, currency: str) -> str:
    """Write a sum for people; sums of big integers arrive as decimals from PostgreSQL."""
    return f"{Money(int(str(minor)), currency)} {currency}"
