from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from mpm_sunking.keypad import Keypad, make_code


def test_a_keypad_takes_each_newer_code_once():
    keypad = Keypad("1")
    assert keypad.enter(make_code("1", 2, 7)) == "accepted 7 days"
    assert keypad.enter(make_code("1", 2, 7)) == "rejected: Used before, or older than one used."
    assert keypad.enter(make_code("1", 1, 7)) == "rejected: Used before, or older than one used."
    assert keypad.enter(make_code("1", 3, None)) == "accepted unlock"
    assert (keypad.days, keypad.unlocked) == (7, True)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("", id="empty"),
        pytest.param(make_code("2", 1, 7), id="of another device"),
        pytest.param("000100080000", id="wrong checksum"),
        pytest.param(make_code("1", 1, 7)[:-1], id="too short"),
    ],
)
def test_a_keypad_refuses_what_is_not_for_it(code):
    keypad = Keypad("1")
    assert keypad.enter(code) == "rejected: Not a code for this device."
    assert keypad.days == 0


@pytest.mark.parametrize(("counter", "days"), [(0, 1), (10_000, 1), (1, 0), (1, 10_000)])
def test_what_does_not_fit_makes_no_code(counter, days):
    with pytest.raises(ValueError, match=r"do not fit into a stand-in code\.$"):
        make_code("1", counter, days)


class KeypadMachine(RuleBasedStateMachine):
    """Whatever is typed in whatever order: every code counts at most once, never an older one."""

    codes = Bundle("codes")

    def __init__(self) -> None:
        super().__init__()
        self.keypad = Keypad("1")
        self.newest = 0
        self.days = 0

    @rule(target=codes, counter=st.integers(1, 50), days=st.integers(1, 400))
    def mint(self, counter, days):
        return counter, days

    @rule(minted=codes)
    def enter(self, minted):
        counter, days = minted
        accepted = self.keypad.enter(make_code("1", counter, days)) == f"accepted {days} days"
        assert accepted == (counter > self.newest)
        if accepted:
            self.newest = counter
            self.days += days

    @invariant()
    def the_days_are_the_sum_of_what_was_accepted(self):
        assert self.keypad.days == self.days


KeypadMachine.TestCase.settings = settings(max_examples=30, deadline=None)
TestKeypad = KeypadMachine.TestCase
