"""Who may have how much of this process: a slow owner never takes what the others need.

An owner (the plugin instance or the company whose work it is) may have one more piece of work in
hand only while it has fewer than there are free slots. So one owner alone gets half of them, two
get a third each, and there is room for the next one however long the others' backlog is.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import attrs

__all__ = ["Room", "WorkShares", "fair_choice"]


def fair_choice(used: Mapping[str, int], slots: int, owners: Sequence[str]) -> list[int]:
    """Choose which pieces of work may begin.

    Args:
        used: slots that each owner has already.
        slots: of all together.
        owners: of the pieces that wait, the one that waits longest first.

    Returns:
        The positions of those that may begin, in order.
    """
    counts = Counter(used)
    free = slots - counts.total()
    chosen = []
    for position, owner in enumerate(owners):
        if counts[owner] < free:
            counts[owner] += 1
            free -= 1
            chosen.append(position)
    return chosen


@attrs.frozen(kw_only=True)
class Room:
    """What is left of the slots of one kind of work.

    Attributes:
        used: slots by owner.
        slots: of all together.
    """

    used: Mapping[str, int]
    slots: int

    @property
    def free(self) -> int:
        """Slots that nobody has."""
        return self.slots - sum(self.used.values())

    @property
    def full(self) -> Sequence[str]:
        """The owners that must not have more at the moment."""
        return [owner for owner, count in self.used.items() if count >= self.free]

    @property
    def is_tight(self) -> bool:
        """Tell whether somebody may be kept waiting."""
        return self.free <= 0 or bool(self.full)


@attrs.define
class _Piece:
    kind: str
    owner: str
    since: float  # monotonic
    is_here: bool = False  # this process has begun it


class WorkShares:
    """The pieces of work this process has handed over; safe to use from several threads.

    The engine gives a piece to whichever process has a slot for it, so some of them end elsewhere.

    Args:
        slots: pieces of one kind at the same time.
        monotonic: seconds.
    """

    def __init__(self, slots: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._slots = slots
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pieces: dict[str, _Piece] = {}

    def room(self, kind: str) -> Room:
        """Return what is left for a kind of work."""
        with self._lock:
            return self._room(kind)

    def add(self, piece: str, *, kind: str, owner: str) -> None:
        """Note a piece that is about to be handed over."""
        with self._lock:
            self._pieces[piece] = _Piece(kind, owner, self._monotonic())

    def begin(self, piece: str) -> None:
        """Note that this process has begun a piece, whoever handed it over."""
        with self._lock:
            if found := self._pieces.get(piece):
                found.is_here = True

    def end(self, piece: str) -> bool:
        """Note the end of a piece; tell whether somebody may have waited for its slot."""
        with self._lock:
            if piece not in self._pieces:
                return False
            was_tight = self._room(self._pieces[piece].kind).is_tight
            del self._pieces[piece]
            return was_tight

    def elsewhere(self, kind: str, *, seconds: float) -> Sequence[str]:
        """Return the pieces that were handed over so long ago and not begun here."""
        with self._lock:
            before = self._monotonic() - seconds
            return [
                name
                for name, piece in self._pieces.items()
                if piece.kind == kind and not piece.is_here and piece.since <= before
            ]

    def _room(self, kind: str) -> Room:
        used = Counter(piece.owner for piece in self._pieces.values() if piece.kind == kind)
        return Room(used=used, slots=self._slots)
