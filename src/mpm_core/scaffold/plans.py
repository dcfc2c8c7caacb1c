"""What a new plugin shall be: its name, its kind, and what its vendor sells."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from keyword import iskeyword
from types import MappingProxyType

import attrs

from mpm_core.devices import DeviceKind
from mpm_core.errors import UserError
from mpm_core.manifest import PluginKind, Recovery
from mpm_core.orders import ChargeKind

__all__ = [
    "RECOVERIES",
    "SOLD_FOR",
    "PluginPlan",
    "check_new_name",
    "check_title",
    "compatible_range",
]

SOLD_FOR: Mapping[DeviceKind, ChargeKind] = MappingProxyType(
    {
        DeviceKind.METER: ChargeKind.ENERGY,
        DeviceKind.SHS: ChargeKind.TIME,
        DeviceKind.E_BIKE: ChargeKind.TIME,
    }
)
"""What the host sells for each kind of device: energy by a tariff, days by a payment plan."""

RECOVERIES = (Recovery.NONE, Recovery.KEYED, Recovery.LOOKUP)
"""How a vendor that is called over HTTP can recover a lost answer."""

_PREFIX = "mpm-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_LONGEST_NAME = 24  # keeps every generated line within 100 characters
_TITLE = re.compile(r"[^\W_][\w .,&()/+'-]*")
_LONGEST_TITLE = 40
_OURS = frozenset({"core", "host", "payg-core"})  # mpm-… distributions that are no plugins


@attrs.frozen(kw_only=True)
class PluginPlan:
    """A plugin to be written.

    Attributes:
        name: canonical, such as `stron`; `check_new_name` says which are good.
        kind: manufacturer, telecom or messenger.
        title: the name people know.
        device_kind: what a manufacturer's devices are.
        recovery: how a manufacturer's lost answer is recovered.
        core_version: of the core it is written for.
        today: the date of its facts.
    """

    name: str
    kind: PluginKind
    title: str
    device_kind: DeviceKind = DeviceKind.METER
    recovery: Recovery = Recovery.NONE
    core_version: str
    today: date

    @property
    def distribution(self) -> str:
        """What is installed: `mpm-stron`."""
        return f"{_PREFIX}{self.name}"

    @property
    def module(self) -> str:
        """What is imported: `mpm_stron`."""
        return self.distribution.replace("-", "_")

    @property
    def prefix(self) -> str:
        """What its classes begin with: `Stron`."""
        return "".join(word.capitalize() for word in self.name.split("-"))

    @property
    def sells(self) -> ChargeKind:
        """What it sells for its devices."""
        return SOLD_FOR[self.device_kind]


def check_new_name(name: str, taken: Collection[str]) -> None:
    """Refuse a name that no new plugin can have.

    Args:
        name: as the author wrote it.
        taken: the names of installed plugins.

    Raises:
        UserError: it cannot be used; one line with the name to write, if there is one.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").removeprefix(_PREFIX)
    if not _NAME.fullmatch(name) or name.startswith(_PREFIX):
        usable = _NAME.fullmatch(plain) and len(plain) <= _LONGEST_NAME
        advice = f"write for example: {plain}" if usable else "write for example: stron"
        raise UserError(
            f"{name!r} is no name for a plugin: use lower-case letters, digits and single hyphens,"
            f" a letter first, without {_PREFIX!r}; {advice}"
        )
    if len(name) > _LONGEST_NAME:
        raise UserError(
            f"{name!r} has {len(name)} characters; a plugin's name has at most {_LONGEST_NAME}."
        )
    if iskeyword(name):
        raise UserError(f"{name!r} is a word of Python; choose another name.")
    if name in _OURS:
        raise UserError(f"{_PREFIX}{name} is a distribution of the project; choose another name.")
    if name in taken:
        raise UserError(
            f"A plugin {name!r} is installed already; choose another name, or uninstall it first."
        )


def check_title(title: str) -> None:
    """Refuse a title that would break the files it is written into.

    Raises:
        UserError: it has characters beyond letters, digits, blanks and `.,&()/+'-`, or too many.
    """
    if not _TITLE.fullmatch(title) or len(title) > _LONGEST_TITLE or title != title.strip():
        raise UserError(
            f"{title!r} is no title: use 1 to {_LONGEST_TITLE} letters, digits, blanks and any of"
            " .,&()/+'-, a letter or digit first."
        )


def compatible_range(core_version: str) -> str:
    """Return the versions of the core that a plugin written for one of them works with.

    The contract promises this minor version and the next (docs/authors/evolution.md): for 0.1.4
    that is `>=0.1,<0.3`.
    """
    major, minor = (int(part) for part in core_version.split(".")[:2])
    return f">={major}.{minor},<{major}.{minor + 2}"
