"""The directory: companies and instances in memory, so that a lost database still gets an answer.

Made once at start and again whenever companies change; everything in it is frozen, so a call in
flight keeps the directory it began with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from zoneinfo import ZoneInfo

import attrs

from mpm_core import ChargeKind, Company, DeviceKind, Manifest, Money, Operation, PluginKind
from mpm_core.manifest import OrphanEffect, Recovery

__all__ = [
    "AmountRules",
    "CompanyRecord",
    "Directory",
    "InstanceRecord",
    "InstanceState",
    "ManifestFacts",
]


class InstanceState(StrEnum):
    """Whether an instance works."""

    UNCONFIGURED = "unconfigured"
    ENABLED = "enabled"
    DISABLED = "disabled"  # draining: finishes what was promised, takes nothing new
    REMOVED = "removed"  # not loaded; its orders are parked


@attrs.frozen(kw_only=True)
class ManifestFacts:
    """What booking and the order worker must know of a plugin, also when it cannot be loaded.

    Attributes:
        hooks: which hooks it has that are called after a commit (see `outbox`).
        token_pattern: what every code of the manufacturer matches; `None` if nobody knows.
    """

    kind: PluginKind
    device_kinds: frozenset[DeviceKind]
    operations: Mapping[ChargeKind, Operation]
    energy_step: int | None
    hooks: frozenset[str] = frozenset()
    token_pattern: re.Pattern[str] | None = None

    @classmethod
    def of(cls, manifest: Manifest, *, hooks: frozenset[str] = frozenset()) -> ManifestFacts:
        """Take the facts out of a manifest; `hooks` are those of the outbox it implements."""
        return cls(
            kind=manifest.kind,
            device_kinds=manifest.device_kinds,
            operations=dict(manifest.operations),
            energy_step=manifest.energy_step,
            hooks=hooks,
            token_pattern=manifest.token_pattern,
        )

    @classmethod
    def from_stored(cls, stored: Mapping[str, object]) -> ManifestFacts:
        """Take back what `to_stored` made."""
        operations: Mapping[str, list[str | bool]] = stored["operations"]  # type: ignore[assignment]  # our own JSON
        return cls(
            kind=PluginKind(str(stored["kind"])),
            device_kinds=frozenset(DeviceKind(kind) for kind in stored["device_kinds"]),  # type: ignore[attr-defined]  # our own JSON
            operations={
                ChargeKind(name): Operation(
                    recovery=Recovery(str(recovery)),
                    orphan_effect=OrphanEffect(str(effect)),
                    blocks_device=bool(blocks),
                )
                for name, (recovery, effect, blocks) in operations.items()
            },
            energy_step=stored["energy_step"],  # type: ignore[arg-type]  # our own JSON
            hooks=frozenset(stored.get("hooks", ())),  # type: ignore[call-overload]  # our own JSON
            token_pattern=_read_pattern(stored.get("token_pattern")),  # type: ignore[arg-type]  # our own JSON
        )

    def to_stored(self) -> dict[str, object]:
        """Write the facts as JSON values."""
        return {
            "kind": self.kind.value,
            "device_kinds": sorted(self.device_kinds),
            "operations": {
                name.value: [op.recovery.value, op.orphan_effect.value, op.blocks_device]
                for name, op in sorted(self.operations.items())
            },
            "energy_step": self.energy_step,
            "hooks": sorted(self.hooks),
            "token_pattern": _write_pattern(self.token_pattern),
        }


def _write_pattern(pattern: re.Pattern[str] | None) -> list[str | int] | None:
    return None if pattern is None else [pattern.pattern, pattern.flags]


def _read_pattern(stored: Sequence[str | int] | None) -> re.Pattern[str] | None:
    """Take back a pattern; facts that an earlier version stored have none."""
    if stored is None:
        return None
    text, flags = stored
    return re.compile(str(text), int(flags))


@attrs.frozen(kw_only=True)
class AmountRules:
    """What a telecom's instance may be paid: limits and the smallest step, in minor units."""

    step: int = 1
    minimum: Money | None = None
    maximum: Money | None = None


@attrs.frozen(kw_only=True)
class CompanyRecord:
    """One company, with what the rules need of its settings."""

    id: str
    company: Company
    managed: bool
    enabled: bool
    arrears_buy_time: bool
    zone: ZoneInfo
    demand_mapping: bool = False

    def today(self, now: datetime) -> date:
        """Return the company's date at a moment."""
        return now.astimezone(self.zone).date()


@attrs.frozen(kw_only=True)
class InstanceRecord:
    """One instance of a plugin.

    Attributes:
        facts: of its manifest; `None` until the plugin could be loaded once.
        problem: why it does not work although it is enabled; empty when it does.
    """

    id: str
    company_id: str
    name: str
    plugin: str
    state: InstanceState
    callback_key: str
    managed: bool
    facts: ManifestFacts | None = None
    allowed_addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    amount_rules: AmountRules = AmountRules()
    problem: str = ""

    @property
    def takes_new_work(self) -> bool:
        """Tell whether new validations, pushes and registrations may use it."""
        return self.state is InstanceState.ENABLED and not self.problem

    @property
    def finishes_work(self) -> bool:
        """Tell whether what was promised can go on."""
        return self.state in {InstanceState.ENABLED, InstanceState.DISABLED} and not self.problem


@attrs.frozen(kw_only=True)
class Directory:
    """Every company and instance, by id."""

    companies: Mapping[str, CompanyRecord]
    instances: Mapping[str, InstanceRecord]
    by_callback_key: Mapping[str, InstanceRecord] = attrs.field(init=False)
    by_slug: Mapping[str, CompanyRecord] = attrs.field(init=False)
    listeners: Mapping[tuple[str, str], tuple[InstanceRecord, ...]] = attrs.field(init=False)
    heard: frozenset[str] = attrs.field(init=False)

    @by_callback_key.default
    def _index_callback_keys(self) -> Mapping[str, InstanceRecord]:
        return {instance.callback_key: instance for instance in self.instances.values()}

    @by_slug.default
    def _index_slugs(self) -> Mapping[str, CompanyRecord]:
        return {record.company.slug: record for record in self.companies.values()}

    @listeners.default
    def _index_listeners(self) -> Mapping[tuple[str, str], tuple[InstanceRecord, ...]]:
        """Index the enabled instances by their company and the hooks they have.

        Also those that cannot work just now: what they miss meanwhile is told when they can.
        """
        found: dict[tuple[str, str], tuple[InstanceRecord, ...]] = {}
        for instance in self.instances.values():
            if instance.state is InstanceState.ENABLED and instance.facts is not None:
                for hook in instance.facts.hooks:
                    key = (instance.company_id, hook)
                    found[key] = (*found.get(key, ()), instance)
        return found

    @heard.default
    def _index_heard(self) -> frozenset[str]:
        return frozenset(hook for _, hook in self.listeners)

    def instance_named(self, company_id: str, name: str) -> InstanceRecord | None:
        """Find a company's instance by its name."""
        for instance in self.instances.values():
            if instance.company_id == company_id and instance.name == name:
                return instance
        return None

    def instances_of(self, company_id: str) -> tuple[InstanceRecord, ...]:
        """Return a company's instances in the order of their names."""
        found = (item for item in self.instances.values() if item.company_id == company_id)
        return tuple(sorted(found, key=lambda item: item.name))
