"""The simulated device against codes of the package, as OpenPAYGO's own device simulator judged."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from openpaygo import OpenPAYGOTokenEncoder

from mpm_core import Charge, ChargeKind, Money, Unit
from mpm_openpaygo.codes import Code, Command, codes_for
from mpm_openpaygo.device import PaygoDevice, starting_code_of
from mpm_openpaygo.maker import SAMPLE_KEY, SAMPLE_STARTING_CODE, make_code
from mpm_openpaygo.settings import OpenPaygoDevice

NOT_FOR_IT = "rejected: Not a code for this device."
USED = "rejected: Used before, or older than one used."
PRICE = Money(100_000, "TZS")
OTHER_KEY = "dac86b1a29ab82edc5fbbc41ec9530f6"  # the second device of OpenPAYGO's vector file


def details(**changed: object) -> OpenPaygoDevice:
    sample = {"secret_key": SAMPLE_KEY, "starting_code": SAMPLE_STARTING_CODE}
    return OpenPaygoDevice(**sample | changed)


def make(command: Command, count: int, value: int | None = None, **changed: object) -> str:
    asked = Code(command=command, count=count, value=value)
    return make_code(details(**changed), asked).reveal()


def sample(**changed: object) -> PaygoDevice:
    return PaygoDevice(
        key=bytes.fromhex(SAMPLE_KEY), starting_code=int(SAMPLE_STARTING_CODE), **changed
    )


def test_the_device_judges_as_openpaygos_own_simulator_did():
    device = sample()
    steps = [
        ("397287017", "accepted 7 days"),
        ("397287017", USED),
        ("852394040", "accepted 30 days left"),
        ("441629012", "accepted 2 days"),  # entered before an older one
        ("302249011", "accepted 1 days"),
        ("564713008", "accepted unlock"),
        ("564714008", NOT_FOR_IT),  # one digit changed
        ("881669010", "accepted 0 days left"),
        ("256257009", "accepted counter"),
        ("612933262", NOT_FOR_IT),  # of another device
        ("178506011", NOT_FOR_IT),  # 65 counts ahead
    ]
    assert [(code, device.enter(code)) for code, _shows in steps] == steps
    assert (device.units, device.unlocked) == (0, True)


def test_the_starting_code_alone_opens_nothing():
    """OpenPAYGO's published decoders take this one without any key: count 0 hashes nothing."""
    device = sample()
    assert device.enter("516959040") == USED
    assert device.units == 0


def test_a_device_without_its_own_starting_code_derives_it():
    assert starting_code_of(bytes.fromhex(SAMPLE_KEY)) == 901_467_777


@pytest.mark.parametrize("value", [996, 997, 998, 999])
def test_time_beyond_the_largest_value_is_rejected(value):
    _count, code = OpenPAYGOTokenEncoder.generate_standard_token(
        int(SAMPLE_STARTING_CODE), bytes.fromhex(SAMPLE_KEY), value, 1
    )
    assert sample().enter(code) == USED


def test_a_keypad_of_four_digits_takes_its_longer_codes():
    device = sample(restricted=True)
    assert device.enter("314114432231134") == "accepted 1 days"
    assert device.enter("314114432231134") == USED
    assert device.enter("588224011") == NOT_FOR_IT


@pytest.mark.parametrize("code", ["", "12345678", "1234567890", "12345678a", "٣97287017"])
def test_what_is_no_code_is_rejected(code):
    assert sample().enter(code) == NOT_FOR_IT


def test_codes_of_another_device_are_rejected():
    ours = make(Command.ADD_TIME, 2, 7)
    other = make(Command.ADD_TIME, 2, 7, secret_key=OTHER_KEY, starting_code="432435255")
    device = sample()
    assert (device.enter(other), device.enter(ours)) == (NOT_FOR_IT, "accepted 7 days")


@pytest.mark.parametrize(
    ("count", "shows"),
    [
        pytest.param(64, "accepted 7 days", id="within the window"),
        pytest.param(66, NOT_FOR_IT, id="beyond the window"),
    ],
)
def test_a_device_looks_64_counts_ahead(count, shows):
    assert sample().enter(make(Command.ADD_TIME, count, 7)) == shows


def test_a_counter_sync_reaches_a_device_that_was_left_behind():
    device = sample()
    assert device.enter(make(Command.SET_TIME, 91, 5)) == NOT_FOR_IT
    assert device.enter(make(Command.COUNTER_SYNC, 91)) == "accepted counter"
    assert device.enter(make(Command.ADD_TIME, 92, 7)) == "accepted 7 days"


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param((Command.SET_TIME, 5, 30), id="set"),
        pytest.param((Command.DISABLE_PAYG, 5), id="unlock"),
        pytest.param((Command.COUNTER_SYNC, 5), id="sync"),
    ],
)
def test_every_other_code_ends_the_older_ones(newer):
    device = sample()
    assert device.enter(make(*newer)).startswith("accepted")
    assert device.enter(make(Command.ADD_TIME, 4, 7)) == USED


def test_time_left_unused_too_far_back_is_gone():
    device = sample()
    device.enter(make(Command.ADD_TIME, 22, 1))
    assert device.enter(make(Command.ADD_TIME, 8, 1)) == "accepted 1 days"
    assert device.enter(make(Command.ADD_TIME, 6, 1)) == USED


def test_units_are_shown_as_days():
    device = sample(value_divider=24)
    assert device.enter(make(Command.ADD_TIME, 2, 48)) == "accepted 2 days"
    assert device.enter(make(Command.ADD_TIME, 4, 36)) == "accepted 1 12/24 days"
    assert device.units == 84


class SellingAndTyping(RuleBasedStateMachine):
    """Whatever is sold and typed in whatever order, each code counts at most once."""

    def __init__(self) -> None:
        super().__init__()
        self.device = sample()
        self.newest = 1
        self.sold: list[tuple[str, int]] = []
        self.accepted: dict[str, int] = {}

    @rule(quantity=st.integers(1, 1500))
    def sell(self, quantity):
        charge = Charge(kind=ChargeKind.TIME, money=PRICE, quantity=quantity, unit=Unit.DAY)
        codes = codes_for(charge, details(), self.newest, most_codes=3)
        self.newest = codes[-1].count
        texts = [make_code(details(), code).reveal() for code in codes]
        assert texts == [make_code(details(), code).reveal() for code in codes]  # a repeat
        self.sold += [(text, code.value) for text, code in zip(texts, codes, strict=True)]

    @rule(choice=st.integers(0, 1 << 30))
    def type_one(self, choice):
        if not self.sold:
            return
        text, value = self.sold[choice % len(self.sold)]
        shows = self.device.enter(text)
        if shows == f"accepted {value} days":
            assert text not in self.accepted
            self.accepted[text] = value
        else:
            assert shows in {USED, NOT_FOR_IT}

    @rule()
    def type_all_in_order(self):
        for text, value in self.sold[-8:]:
            if self.device.enter(text) == f"accepted {value} days":
                self.accepted[text] = value

    @invariant()
    def the_time_is_the_sum_of_what_was_accepted(self):
        assert self.device.units == sum(self.accepted.values())


SellingAndTyping.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None
)
TestSellingAndTyping = SellingAndTyping.TestCase
