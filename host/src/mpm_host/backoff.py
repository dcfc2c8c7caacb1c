"""How long to wait before something is tried again: growing, bounded, and never all at once.

What failed together would come back together, and knock over again what has just come up. So
chance makes every wait longer: by a fifth, but no more than ten minutes. Never shorter: when
somebody says from when on they can be asked again (`Retry-After`), or a schedule does, nobody comes
earlier. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import attrs

from mpm_core import MpmError, Throttled

__all__ = ["Backoff", "Draw", "asked_by", "draw_any", "most_added", "spread"]

Draw = Callable[[], float]  # from 0 to 1
_SHARE = 5  # chance adds this part of a wait at most
_MOST_ADDED = timedelta(minutes=10)  # enough for any crowd, and a schedule stays what it says
_LONGEST_ASKED = timedelta(days=1)  # whatever the other side says, it is tried once a day
_MOST_DOUBLINGS = 30  # by then any bound is reached; more would overflow


def draw_any() -> float:
    """Return a number from 0 to 1 that nobody knows beforehand."""
    return random.random()  # noqa: S311 - it thins out crowds and protects nothing


def spread(wait: timedelta, draw: Draw) -> timedelta:
    """Make a wait longer by chance, from nothing up to `most_added`."""
    return wait + most_added(wait) * draw()


def most_added(wait: timedelta) -> timedelta:
    """Return how much longer chance makes a wait at most."""
    return min(wait / _SHARE, _MOST_ADDED)


def asked_by(error: MpmError) -> timedelta | None:
    """Return for how long the other side wants to be left alone, if its error says so.

    A plugin may have put something else there than a duration; that says nothing.
    """
    after: object = error.after if isinstance(error, Throttled) else None
    return min(after, _LONGEST_ASKED) if isinstance(after, timedelta) else None


@attrs.frozen(kw_only=True)
class Backoff:
    """Waits that double.

    Attributes:
        first: after the first failure.
        longest: bound of the doubling; what chance adds comes on top.
    """

    first: timedelta
    longest: timedelta

    def base(self, failures: int) -> timedelta:
        """Return how long to wait after some failures in a row, before chance has its say."""
        doublings: int = 2 ** min(max(failures - 1, 0), _MOST_DOUBLINGS)
        return min(self.first * doublings, self.longest)

    def wait(self, failures: int, draw: Draw, *, asked: timedelta | None = None) -> timedelta:
        """Return how long to wait after some failures in a row.

        Args:
            failures: the one just seen included.
            draw: decides by chance.
            asked: how long the other side wants to be left alone at least, if it says so.
        """
        return spread(max(self.base(failures), asked or timedelta(0)), draw)
