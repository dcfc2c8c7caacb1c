"""Changing one value inside a JSON answer: the code, the serial, the vendor's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

import attrs

from mpm_core.simulation import SimulatedReply

__all__ = ["MISSING", "bare", "json_of", "places_of", "with_change"]

Place = tuple[str | int, ...]
MISSING = object()
"""Stands for a member that is taken out."""


def json_of(reply: SimulatedReply | None) -> object:
    """Return a reply's JSON, or `None` if it is none."""
    if reply is None:
        return None
    try:
        value: object = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return value


def bare(text: object) -> str:
    """Return a code without blanks and dashes, as it may be written either way."""
    return "".join(str(text).split()).replace("-", "")


def places_of(value: object, is_it: Callable[[object], bool]) -> Iterator[Place]:
    """Find the places of all leaves that are what is looked for."""
    for place, leaf in _leaves(value, ()):
        if is_it(leaf):
            yield place


def with_change(
    reply: SimulatedReply, place: Place, change: Callable[[object], object]
) -> SimulatedReply:
    """Return a reply with one value of its JSON replaced, or taken out by `MISSING`."""
    value = json.loads(reply.body)
    parent = value
    for step in place[:-1]:
        parent = parent[step]
    changed = change(parent[place[-1]])
    if changed is MISSING:
        del parent[place[-1]]
    else:
        parent[place[-1]] = changed
    return attrs.evolve(reply, body=json.dumps(value).encode())


def _leaves(value: object, place: Place) -> Iterator[tuple[Place, object]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*place, index))
    else:
        yield place, value
