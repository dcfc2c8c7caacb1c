"""The contract kit: a plugin's whole contract, tested offline against its own simulator.

    from mpm_core.testing import ManufacturerContract

    class TestStron(ManufacturerContract):
        plugin = "stron"  # the name of its entry point
        serial = "47000124512"  # one its simulator can know

Needs `pip install mpm-payg-core[testing]`. Only tests import this package.
"""

from __future__ import annotations

from mpm_core.testing.cases import Case, Workshop, open_workshop
from mpm_core.testing.contracts import ManufacturerContract, MessengerContract, TelecomContract
from mpm_core.testing.rule_book import RULES, rules_for
from mpm_core.testing.rules import Rule, RuleBroken
from mpm_core.testing.subjects import Subject, installed_subject

__all__ = [
    "RULES",
    "Case",
    "ManufacturerContract",
    "MessengerContract",
    "Rule",
    "RuleBroken",
    "Subject",
    "TelecomContract",
    "Workshop",
    "installed_subject",
    "open_workshop",
    "rules_for",
]
