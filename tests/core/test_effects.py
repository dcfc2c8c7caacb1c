"""How long a hook call may still take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mpm_core import CallContext
from mpm_core.effects import EffectRecord, enter_record, leave_record, seconds_left

CONTEXT = CallContext(
    company="umeme",
    instance="acme",
    correlation_id="c-1",
    now=datetime(2026, 1, 15, tzinfo=UTC),
    deadline=10.0,
)


@pytest.mark.parametrize(
    ("now", "left"), [(93.0, 7.0), (100.0, 0.0), (101.0, 0.0)], ids=["under-way", "over", "past"]
)
def test_a_hook_has_what_its_call_has_left(now, left):
    token = enter_record(EffectRecord(deadline=10.0, ends_at=100.0, clock=lambda: now))
    try:
        assert seconds_left(CONTEXT) == left
    finally:
        leave_record(token)


def test_a_hook_that_no_dispatch_called_has_its_whole_deadline():
    assert seconds_left(CONTEXT) == 10.0
