"""Turning a template into a file: words to fill in, and lines that only some plugins have.

`${name}` is replaced by a word. Lines between `%% if word` (or `%% if not word`) and `%% end` stay
only if the word is (not) among the features; `%% else` turns that around. Blocks may be nested.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from string import Template

__all__ = ["render"]

_MARK = "%% "


def render(text: str, words: Mapping[str, str], features: Collection[str]) -> str:
    """Return the file that a template makes.

    Args:
        text: the template.
        words: what `${name}` stands for.
        features: the words that are true in `%% if word`.

    Raises:
        KeyError: the template has a word that is not among `words`.
        ValueError: its blocks do not fit together.
    """
    chosen = "".join(_chosen_lines(text, frozenset(features)))
    return Template(chosen).substitute(words)


def _chosen_lines(text: str, features: frozenset[str]) -> Iterator[str]:
    kept: list[bool] = []
    for line in text.splitlines(keepends=True):
        if not line.startswith(_MARK):
            if all(kept):
                yield line
            continue
        match line.removeprefix(_MARK).split():
            case ["if", "not", word]:
                kept.append(word not in features)
            case ["if", word]:
                kept.append(word in features)
            case ["else"] if kept:
                kept.append(not kept.pop())
            case ["end"] if kept:
                kept.pop()
            case _:
                raise ValueError(f"{line.strip()!r} does not fit here.")
    if kept:
        raise ValueError("An `%% if` has no `%% end`.")
