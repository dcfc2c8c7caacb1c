from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_core import Charge, ChargeKind, ContractViolation, Money, NotSupported, Refused, Unit
from mpm_openpaygo.codes import (
    LARGEST_VALUE,
    Code,
    Command,
    codes_for,
    newest_count,
    read_codes,
    write_codes,
)
from mpm_openpaygo.maker import SAMPLE_KEY
from mpm_openpaygo.settings import LARGEST_COUNT, OpenPaygoDevice

PRICE = Money(100_000, "TZS")
UNLOCK = Charge(kind=ChargeKind.UNLOCK, money=PRICE)
CLEAR = Charge(kind=ChargeKind.CLEAR, money=Money(0, "TZS"))


def device(**changed: object) -> OpenPaygoDevice:
    return OpenPaygoDevice(secret_key=SAMPLE_KEY, **changed)


def days(quantity: int | None) -> Charge:
    return Charge(kind=ChargeKind.TIME, money=PRICE, quantity=quantity, unit=Unit.DAY)


def added(count: int, value: int) -> Code:
    return Code(command=Command.ADD_TIME, count=count, value=value)


@pytest.mark.parametrize(
    ("charge", "newest", "codes"),
    [
        pytest.param(days(7), 1, (added(2, 7),), id="time after odd"),
        pytest.param(days(7), 2, (added(4, 7),), id="time after even"),
        pytest.param(days(995), 1, (added(2, 995),), id="most of one code"),
        pytest.param(days(996), 1, (added(2, 995), added(4, 1)), id="two codes"),
        pytest.param(UNLOCK, 1, (Code(command=Command.DISABLE_PAYG, count=3),), id="unlock, odd"),
        pytest.param(UNLOCK, 2, (Code(command=Command.DISABLE_PAYG, count=3),), id="unlock, even"),
        pytest.param(
            CLEAR,
            2,
            (
                Code(command=Command.COUNTER_SYNC, count=3),
                Code(command=Command.SET_TIME, count=5, value=0),
            ),
            id="clear",
        ),
    ],
)
def test_a_charge_becomes_codes_with_the_next_counts(charge, newest, codes):
    assert codes_for(charge, device(), newest, most_codes=3) == codes


@given(
    quantity=st.integers(1, 400),
    divider=st.integers(1, 995),
    newest=st.integers(0, 60_000),
)
@example(quantity=1, divider=995, newest=1)
def test_codes_carry_the_whole_time_and_count_upwards(quantity, divider, newest):
    most = quantity * divider // LARGEST_VALUE + 1
    codes = codes_for(days(quantity), device(value_divider=divider), newest, most_codes=most)
    counts = [code.count for code in codes]
    assert sum(code.value or 0 for code in codes) == quantity * divider
    assert all(1 <= (code.value or 0) <= LARGEST_VALUE for code in codes)
    assert counts == [counts[0] + 2 * place for place in range(len(codes))]
    assert counts[0] % 2 == 0
    assert newest < counts[0] <= newest + 2


@given(
    st.lists(
        st.builds(
            Code,
            command=st.sampled_from(Command),
            count=st.integers(0, 99_999),
            value=st.none() | st.integers(0, 999),
        ),
        min_size=1,
        max_size=10,
    ).map(tuple)
)
def test_codes_that_were_stored_are_read_back(codes):
    inputs, state = write_codes(codes)
    assert read_codes(inputs) == codes
    assert state == {"count": str(codes[-1].count)}


def test_codes_are_stored_as_small_texts_without_secrets():
    codes = codes_for(days(1000), device(), 1, most_codes=3)
    assert write_codes(codes) == ({"codes": "add_time:2:995 add_time:4:5"}, {"count": "4"})


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"codes": ""},
        {"codes": "add_time:2:7 "},
        {"codes": "add_time:2:7,add_time:4:7"},
        {"codes": "add_time:٢:7"},
        {"codes": "mint:2:7"},
        {"codes": "add_time:2:-7"},
    ],
)
def test_an_order_that_was_not_prepared_is_refused_before_a_code_is_made(inputs):
    with pytest.raises(ContractViolation) as wrong:
        read_codes(inputs)
    assert str(wrong.value) == (
        "The order was not prepared: its codes must be stored before they are made, by "
        "mpm_prepare_order."
    )


@pytest.mark.parametrize(
    ("state", "starting", "newest"),
    [
        pytest.param({}, 1, 1, id="a new device"),
        pytest.param({}, 240, 240, id="brought from elsewhere"),
        pytest.param({"count": "242"}, 240, 242, id="sold here"),
        pytest.param({"count": "8"}, 240, 240, id="registered again, further on"),
    ],
)
def test_the_newest_count_is_never_behind_the_device(state, starting, newest):
    assert newest_count(device(starting_count=starting), state) == newest


@pytest.mark.parametrize("text", ["", "-1", "1.5", "٣", "two"])
def test_a_state_this_plugin_did_not_write_is_refused(text):
    with pytest.raises(ContractViolation) as wrong:
        newest_count(device(), {"count": text})
    assert str(wrong.value) == f"The device's state holds the count {text!r}, not a number."


@pytest.mark.parametrize("quantity", [None, 0, -1])
def test_less_than_a_day_is_refused(quantity):
    with pytest.raises(ContractViolation) as refused:
        codes_for(days(quantity), device(), 1, most_codes=3)
    assert str(refused.value) == (
        f"An OpenPAYGO code holds one day or more, not {quantity}; whoever computed the charge "
        "must not send an order worth less than a day."
    )


@pytest.mark.parametrize(
    "charge",
    [
        Charge(kind=ChargeKind.ENERGY, money=PRICE, quantity=100, unit=Unit.WATT_HOUR),
        Charge(kind=ChargeKind.TIME, money=PRICE, quantity=100, unit=Unit.WATT_HOUR),
    ],
    ids=["energy", "time in watt-hours"],
)
def test_other_charges_are_not_supported(charge):
    with pytest.raises(NotSupported, match=r"^An OpenPAYGO code holds days or unlocks, not "):
        codes_for(charge, device(), 1, most_codes=3)


def test_time_that_needs_too_many_codes_is_refused_with_the_most_that_can_be_sold():
    with pytest.raises(Refused) as refused:
        codes_for(days(83), device(value_divider=24), 1, most_codes=2)
    assert str(refused.value) == (
        "83 days need more than 2 codes; at most 82 days can be sold at once to this device, "
        "unless most_codes is raised."
    )
    assert len(codes_for(days(82), device(value_divider=24), 1, most_codes=2)) == 2


def test_a_device_whose_count_is_used_up_is_refused():
    assert codes_for(days(1), device(), LARGEST_COUNT - 2, most_codes=3)[-1].count == 65_534
    with pytest.raises(Refused) as refused:
        codes_for(days(1), device(), LARGEST_COUNT, most_codes=3)
    assert str(refused.value) == (
        "The device's count would pass 65535; it needs a new key and starting count."
    )


# --- what registration may say of a device --------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"secret_key": "aabb"}, "must match [0-9A-Fa-f]{32}", id="short key"),
        pytest.param({"secret_key": "z" * 32}, "must match [0-9A-Fa-f]{32}", id="no hexadecimals"),
        pytest.param({"starting_code": "0"}, "must match (?!0+$)[0-9]{1,9}", id="code 0"),
        pytest.param({"starting_code": "1" * 10}, "must match (?!0+$)[0-9]{1,9}", id="long code"),
        pytest.param({"starting_count": 0}, "must be at least 1", id="count 0"),
        pytest.param({"value_divider": 0}, "must be at least 1", id="divider 0"),
    ],
)
def test_a_device_with_wrong_details_cannot_be_registered(changed, message):
    (name,) = changed
    with pytest.raises(ValueError, match=f"^{re.escape(f'setting {name!r} {message}.')}$"):
        OpenPaygoDevice(**{"secret_key": SAMPLE_KEY} | changed)
