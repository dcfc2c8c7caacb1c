"""Looking at values: as sentences without secrets, and whole, to see whether they were changed."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from mpm_core.orders import Grant, NotFound, Pending
from mpm_core.secrets import Secret

__all__ = ["fingerprint", "shown"]

_LONGEST = 300


def shown(value: object) -> str:
    """Describe an answer for people."""
    match value:
        case Grant(quantity=None):
            return "a Grant"
        case Grant():
            return f"a Grant of {value.quantity} {value.unit}"
        case Pending():
            return f"Pending for {value.after.total_seconds():g} s"
        case NotFound():
            return f"NotFound, conclusive={value.conclusive}"
        case _:
            return repr(value)[:_LONGEST]


def fingerprint(value: object) -> object:
    """Return everything that is in a value, secrets included: to compare, never to show."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return tuple((key, fingerprint(inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return tuple(fingerprint(inner) for inner in value)
    kind: type = type(value)
    if attrs.has(kind):
        return tuple(fingerprint(getattr(value, field.name)) for field in attrs.fields(kind))
    return value
