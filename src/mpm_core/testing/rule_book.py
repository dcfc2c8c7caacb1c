"""All rules of the contract, by number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mpm_core.testing import (
    callback_rules,
    class_rules,
    conduct_rules,
    import_rules,
    isolation_rules,
    lookup_rules,
    message_rules,
    operation_rules,
    page_rules,
    push_rules,
    reading_rules,
    recovery_rules,
    refusal_rules,
    rendering_rules,
    reply_rules,
    selling_rules,
    settings_rules,
    vendor_rules,
    wire_rules,
)
from mpm_core.testing.rules import Rule, RuleBook
from mpm_core.testing.subjects import Subject

__all__ = ["RULES", "rules_for"]

RULES: Mapping[str, Rule] = MappingProxyType(
    RuleBook.joined(
        module.BOOK
        for module in (
            class_rules,
            callback_rules,
            import_rules,
            page_rules,
            conduct_rules,
            settings_rules,
            rendering_rules,
            wire_rules,
            vendor_rules,
            lookup_rules,
            selling_rules,
            isolation_rules,
            operation_rules,
            recovery_rules,
            reading_rules,
            refusal_rules,
            reply_rules,
            push_rules,
            message_rules,
        )
    )
)


def rules_for(subject: Subject) -> tuple[Rule, ...]:
    """Return the rules that hold for a plugin, by what its manifest and hooks declare."""
    return tuple(rule for rule in RULES.values() if rule.applies(subject))
