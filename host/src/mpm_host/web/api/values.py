"""What crosses the API: base classes of bodies, queries and answers, and the types of fields.

Plain msgspec structs, so that the same class decodes a body, encodes an answer and becomes the
schema in the OpenAPI document: none of them can say something else than the others.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mpm_core import Secret

__all__ = [
    "UNSET",
    "Amount",
    "Body",
    "CashAmount",
    "Cursor",
    "Id",
    "Name",
    "Page",
    "PageQuery",
    "PricePerKwh",
    "Query",
    "Secret",
    "UnsetType",
    "View",
]

Item = TypeVar("Item")

Id = Annotated[str, Meta(min_length=1, max_length=64, description="Opaque.")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
# Patterns end in \Z: Python lets a newline follow $.
Amount = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,13}(\.[0-9]{1,4})?\Z",
        max_length=18,
        description="Decimal text in the company's currency, never a number.",
        examples=["1000", "199.50"],
    ),
]
# Also below zero: the rules say then that it is no amount, with the code that clients know.
CashAmount = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]{1,13}(\.[0-9]{1,4})?\Z",
        max_length=19,
        description="Decimal text in the company's currency, more than 0, never a number.",
        examples=["1000", "199.50"],
    ),
]
PricePerKwh = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?\Z",
        max_length=19,
        description="Decimal text in the company's currency, at most 6 decimals.",
        examples=["130.25"],
    ),
]
Cursor = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{32}\Z", description="`next` of the page before, unchanged.")
]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request's body: unknown fields and other types are refused."""


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may stand behind the question mark."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An answer."""


class PageQuery(Query, frozen=True, kw_only=True):
    """Which page of a list."""

    limit: Annotated[int, Meta(ge=1, le=200, description="Items of a page.")] = 50
    cursor: Cursor | None = None


class Page(View, Generic[Item], frozen=True, kw_only=True):
    """A page of a list, newest first; `next` is the cursor of the page after, null on the last."""

    items: list[Item]
    next: str | None
