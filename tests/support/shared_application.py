"""Web applications that the hosts of a test run use one after the other.

To register the routes takes longer than most tests of the API, and where they lead is all that
differs between two hosts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import attrs
from litestar import Litestar

from mpm_host.services import Services
from mpm_host.web.application import Doors, make_application

__all__ = ["shared_application"]

_URL = "http://127.0.0.1:8000"  # the default of `public_url`


@contextlib.contextmanager
def shared_application(services: Services) -> Iterator[Litestar]:
    """Lend an application that leads to these services until the block ends."""
    lent = _FREE.pop() if _FREE else _Shared()
    lent.doors = services.doors()
    try:
        yield lent.application
    finally:
        lent.doors = None
        _FREE.append(lent)


class _Shared:
    """An application, and where it leads at the moment."""

    def __init__(self) -> None:
        self.doors: Doors | None = None
        stand_ins: dict[str, Any] = {
            door.name: _StandIn(self, door.name) for door in attrs.fields(Doors)
        }
        self.application = make_application(Doors(**stand_ins), public_url=_URL)


class _StandIn:
    """One of the doors, whoever's it is when it is asked."""

    def __init__(self, shared: _Shared, name: str) -> None:
        self._shared = shared
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(getattr(self._shared.doors, self._name), attribute)


_FREE: list[_Shared] = []
