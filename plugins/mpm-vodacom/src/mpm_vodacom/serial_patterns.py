r"""Which patterns a company may set for its serials: those that never take long.

Python tries one way of matching after the other and lets nothing else run meanwhile, so a company's
`(a+)+b` could stop the calls of all. A pattern is therefore of characters, classes, `\d` and the
like, anchors, and groups that are not repeated; and the ways in which it could match a text are
counted beforehand: those of alternatives add up, those of what follows each other multiply.
"""

from __future__ import annotations

import re

import attrs

__all__ = ["LONGEST_TEXT", "problem_of"]

LONGEST_TEXT = 64  # characters of any text a pattern is tried on
_LONGEST_PATTERN = 200
_MOST_WAYS = 10_000  # two `*` and a `?` have 8,450, which takes far less than a millisecond
_TOO_LONG = (
    "may take too long; write characters, classes and groups, repeat no group, and use * and + "
    "at most twice."
)

_PART = re.compile(
    r"""
      (?P<nothing> [$^] | \\[AZ] | ^\(\?i\) )
    | (?P<open> \( (?:\?:)? (?!\?) )
    | (?P<close> \) (?P<optional>\?)? (?![?*+{]) )
    | (?P<other> \| )
    | (?: \\[dDsSwW] | \\[^A-Za-z0-9] | \[\^?\]? (?: \\. | [^\\\]] )* \] | [^\\^$|?*+()\[{] )
      (?: (?P<sign>[?*+]) | \{ (?=[0-9,]) (?P<least>[0-9]*) (?P<range> , (?P<most>[0-9]*) )? \} )?
      [?+]?
    """,
    re.VERBOSE | re.DOTALL,
)


@attrs.define
class _Ways:
    """How many ways a group has: of the alternatives before, and of the one being read."""

    before: int = 0
    here: int = 1

    def all(self) -> int:
        return self.before + self.here


def problem_of(pattern: str) -> str:
    """Return what is wrong with a pattern, as a clause; empty if nothing is."""
    if len(pattern) > _LONGEST_PATTERN:
        return _TOO_LONG
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return f"is no regular expression ({error}); correct it."
    return "" if 0 < _count_ways(pattern) <= _MOST_WAYS else _TOO_LONG


def _count_ways(pattern: str) -> int:
    """Return an upper bound of the ways to match a text; 0 if a part is none of those we read."""
    groups, position = [_Ways()], 0
    while position < len(pattern):
        part = _PART.match(pattern, position)
        if part is None:
            return 0
        position = part.end()
        if part["open"]:
            groups.append(_Ways())
        elif part["close"]:
            inside = groups.pop().all()
            groups[-1].here *= inside + bool(part["optional"])
        elif part["other"]:
            groups[-1] = _Ways(before=groups[-1].all())
        elif not part["nothing"]:
            groups[-1].here *= _lengths(part)
    return groups[0].all()


def _lengths(part: re.Match[str]) -> int:
    """Return how many lengths a character with its repeat may have."""
    if part["sign"]:
        return 2 if part["sign"] == "?" else LONGEST_TEXT + 1
    if part["range"] is None:
        return 1
    least, most = int(part["least"] or 0), int(part["most"] or LONGEST_TEXT)
    return max(1, min(most, LONGEST_TEXT) - least + 1)
