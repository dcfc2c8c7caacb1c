from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from mpm_calin.meter import REMEMBERED, Meter
from mpm_calin.sts import PUBLISHED_TEST_KEY, StsToken, encode_token

LATE = 6_332_160


def credit(identifier: int, tenths: int = 10, random: int = 0) -> str:
    token = StsToken(token_class=0, subclass=0, random=random, identifier=identifier, amount=tenths)
    return encode_token(token, PUBLISHED_TEST_KEY)


def test_a_meter_accepts_a_token_once():
    meter = Meter()
    assert meter.enter("3841 1783 7998 6664 5789") == "accepted 12.3 kWh"
    assert meter.enter("38411783799866645789") == "rejected: Used before."
    assert meter.credit == 12_300


def test_a_meter_takes_only_one_of_two_tokens_of_the_same_minute():
    meter = Meter()
    assert meter.enter("34310153517763402108") == "accepted 100 kWh"
    assert meter.enter("56018214716978634514") == "rejected: Used before."
    assert meter.enter("22802945165140455815") == "accepted 100 kWh"


@pytest.mark.parametrize(
    ("code", "shows"),
    [
        pytest.param("12345", "rejected: A token has exactly 20 digits.", id="too short"),
        pytest.param(
            "38411783799866645780",
            "rejected: The checksum is wrong: mistyped, or made for another meter.",
            id="one digit mistyped",
        ),
        pytest.param("26950712002385255186", "rejected: Not an electricity credit.", id="class 2"),
        pytest.param("56493153725450313471", "rejected: Not an electricity credit.", id="class 1"),
    ],
)
def test_a_meter_refuses_what_is_no_credit_for_it(code, shows):
    meter = Meter()
    assert meter.enter(code) == shows
    assert meter.credit == 0


def test_a_meter_with_another_key_refuses_the_token():
    shows = Meter(key=1).enter("38411783799866645789")
    assert shows == "rejected: The checksum is wrong: mistyped, or made for another meter."


def test_a_late_token_is_accepted_while_it_is_newer_than_the_oldest_remembered():
    meter = Meter()
    assert meter.enter(credit(LATE + 5)) == "accepted 1 kWh"
    assert meter.enter(credit(LATE)) == "accepted 1 kWh"


def test_a_token_older_than_all_remembered_ones_is_refused():
    meter = Meter()
    for minute in range(1, REMEMBERED + 1):
        assert meter.enter(credit(LATE + minute)) == "accepted 1 kWh"
    assert meter.enter(credit(LATE)) == "rejected: Too old."
    assert meter.enter(credit(LATE + 1)) == "rejected: Used before."


class MeterMachine(RuleBasedStateMachine):
    """Whatever is typed in whatever order: each minute's credit counts at most once."""

    codes = Bundle("codes")

    def __init__(self) -> None:
        super().__init__()
        self.meter = Meter()
        self.accepted: list[int] = []
        self.credit = 0

    @rule(
        target=codes,
        minute=st.integers(1, 120),
        tenths=st.integers(1, 500),
        random=st.integers(0, 15),
    )
    def mint(self, minute, tenths, random):
        return minute, tenths, credit(minute, tenths, random)

    @rule(minted=codes)
    def enter(self, minted):
        minute, tenths, code = minted
        fresh = minute not in self.accepted
        oldest = sorted(self.accepted)[-REMEMBERED] if len(self.accepted) >= REMEMBERED else 0
        accepted = self.meter.enter(code).startswith("accepted")
        assert accepted == (fresh and minute > oldest)
        if accepted:
            self.accepted.append(minute)
            self.credit += tenths * 100

    @rule(start=st.integers(1, 70))
    def enter_sixty_minutes(self, start):
        for minute in range(start, start + 60):
            self.enter((minute, 1, credit(minute, 1)))

    @invariant()
    def the_credit_is_the_sum_of_what_was_accepted(self):
        assert self.meter.credit == self.credit
        assert len(set(self.accepted)) == len(self.accepted)


MeterMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestMeter = MeterMachine.TestCase
