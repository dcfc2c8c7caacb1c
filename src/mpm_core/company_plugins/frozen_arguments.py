"""Values as plugins get them, with mappings that cannot be changed: the host's stay its own.

The contract's values are frozen, but a `dict` inside one is not. A value that holds one is copied,
field by field, with a read-only view of a copy of each `dict`; other values are handed on as they
are, so the usual call costs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TypeVar

import attrs

__all__ = ["frozen"]

T = TypeVar("T")

_KNOWN: dict[type, tuple[str, ...]] = {}  # which fields of a class are mappings: facts of the class


def frozen(value: T) -> T:
    """Return the value, or a copy of it whose mappings are read-only."""
    kind: type = type(value)
    names = _KNOWN.get(kind)
    if names is None:
        names = _KNOWN[kind] = _mapping_fields(kind)
    for name in names:
        if type(getattr(value, name)) is not MappingProxyType:
            return _frozen_copy(value, names)
    return value


def _frozen_copy(value: T, mappings: Collection[str]) -> T:
    kind: type = type(value)
    copy: T = object.__new__(kind)
    for name in (field.name for field in attrs.fields(kind)):
        held = getattr(value, name)
        if name in mappings and held is not None:
            held = MappingProxyType(dict(held))
        # the class is frozen and its converters have run: only this way sets a field
        object.__setattr__(copy, name, held)
    return copy


def _mapping_fields(kind: type) -> tuple[str, ...]:
    if not attrs.has(kind):
        return ()
    hints = attrs.fields(attrs.resolve_types(kind))
    return tuple(field.name for field in hints if _is_mapping(field.type))


def _is_mapping(annotation: object) -> bool:
    members = getattr(annotation, "__args__", ()) if not _origin(annotation) else (annotation,)
    return any(_origin(member) is Mapping for member in members)


def _origin(annotation: object) -> object:
    return getattr(annotation, "__origin__", None)
