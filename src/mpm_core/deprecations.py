"""What of the contract goes away, when, and what to write instead.

The policy is in docs/authors/evolution.md: what is deprecated in one minor version works in that
one and the next, with a notice, and is gone in the one after. An entry stays here after that, so
that whoever meets the gap is told what to write.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import attrs

__all__ = ["DEPRECATIONS", "Deprecation", "deprecation_notices", "removal_hint"]


@attrs.frozen(kw_only=True)
class Deprecation:
    """A hook, or one argument of a hook, that goes away.

    Attributes:
        hook: its name.
        argument: which of its arguments; empty means the hook itself.
        since: the minor version of mpm-payg-core that deprecates it, such as `0.3`.
        removed_in: the minor version without it, such as `0.5`.
        write: what to write instead.
    """

    hook: str
    argument: str = ""
    since: str
    removed_in: str
    write: str

    def __str__(self) -> str:
        """Return what a notice says of it."""
        return (
            f"is deprecated since mpm-payg-core {self.since} and gone in {self.removed_in};"
            f" write: {self.write}"
        )


DEPRECATIONS: tuple[Deprecation, ...] = ()
"""Every deprecation of the contract so far, the oldest first."""


def deprecation_notices(plugin_class: type) -> tuple[str, ...]:
    """Return one line for each deprecated thing a plugin's class uses; it still works.

    Args:
        plugin_class: one that breaks no rule of the contract.
    """
    return tuple(_notices(plugin_class))


def removal_hint(hook: str, argument: str = "") -> str:
    """Return what to write instead of something that is gone, or nothing if it never was there."""
    for deprecation in DEPRECATIONS:
        if (deprecation.hook, deprecation.argument) == (hook, argument):
            return f"it is gone since mpm-payg-core {deprecation.removed_in}: {deprecation.write}"
    return ""


def _notices(plugin_class: type) -> Iterator[str]:
    for deprecation in DEPRECATIONS:
        function = inspect.getattr_static(plugin_class, deprecation.hook, None)
        if function is None:
            continue
        function = getattr(function, "__func__", function)
        name = f"{plugin_class.__name__}.{deprecation.hook}"
        if not deprecation.argument:
            yield f"{name} {deprecation}"
        elif deprecation.argument in inspect.signature(function).parameters:
            yield f"{name}: the argument {deprecation.argument!r} {deprecation}"
