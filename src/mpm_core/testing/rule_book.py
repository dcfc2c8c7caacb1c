"""All rules of the contract, by number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mpm_core.testing import (
    callback_rules,
    class_rules,
    conduct_rules,
    import_rules,
    message_rules,
    page_rules,
    push_rules,
    reading_rules,
    recovery_rules,
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
            wire_rules,
            vendor_rules,
            selling_rules,
            recovery_rules,
            reading_rules,
            reply_rules,
            push_rules,
            message_rules,
        )
    )
)


def rules_for(subject: Subject) -> tuple[Rule, ...]:
    """Return the rules that hold for a plugin, by what its manifest and hooks declare."""
    return tuple(rule for rule in RULES.values() if rule.applies(subject))
