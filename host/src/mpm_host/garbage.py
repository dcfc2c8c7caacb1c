"""How often a process looks for garbage: seldom, because payments and imports make much at once.

Python looks through its young objects after every 700 new ones, and ever so often through all. A
batch of payments or of import rows makes thousands that die together, by reference counting, when
the batch is done; looking for circles among them meanwhile took a quarter of the time.
"""

from __future__ import annotations

import gc

__all__ = ["look_for_garbage_seldom"]

_NEW_OBJECTS = 50_000  # about what a batch makes
_YOUNG_ROUNDS = 20
_OLD_ROUNDS = 50


def look_for_garbage_seldom() -> None:
    """Leave alone what is there, which stays anyway, and look seldom through the rest."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _YOUNG_ROUNDS, _OLD_ROUNDS)
