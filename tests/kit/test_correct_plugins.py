"""The correct small plugins keep every rule that holds for them."""

from __future__ import annotations

import pytest

from mpm_core.testing import Case, Subject, rules_for
from tests.kit.subjects import CORRECT


@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        pytest.param(subject, rule, id=f"{subject.name} {rule.number}")
        for subject in CORRECT
        for rule in rules_for(subject)
    ],
)
def test_a_correct_plugin_keeps_the_rule(workshop, subject: Subject, rule):
    rule.check(Case(subject=subject, workshop=workshop, examples=15))
