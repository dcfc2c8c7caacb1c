from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import Charge, ChargeKind, ContractViolation, Money, NotSupported, Unit
from mpm_sunking.mapping import command_of, read_message, read_token

PRICE = Money(100_000, "TZS")


def days(quantity: int | None) -> Charge:
    return Charge(kind=ChargeKind.TIME, money=PRICE, quantity=quantity, unit=Unit.DAY)


@given(st.integers(1, 100_000))
def test_days_are_sent_as_a_whole_number(quantity):
    assert command_of("996995411", days(quantity)) == {
        "device": "996995411",
        "command": "add_credit",
        "payload": quantity,
        "time_unit": "day",
    }


def test_an_unlock_is_sent_without_a_payload():
    charge = Charge(kind=ChargeKind.UNLOCK, money=PRICE)
    assert command_of("996995411", charge) == {"device": "996995411", "command": "unlock"}


@pytest.mark.parametrize("quantity", [None, 0, -1])
def test_less_than_a_day_is_refused_before_it_is_sent(quantity):
    with pytest.raises(ContractViolation) as refused:
        command_of("996995411", days(quantity))
    assert str(refused.value) == (
        f"SunKing sells one day or more, not {quantity}; whoever computed the charge must not send "
        "an order worth less than a day."
    )


@pytest.mark.parametrize(
    "charge",
    [
        Charge(kind=ChargeKind.ENERGY, money=PRICE, quantity=100, unit=Unit.WATT_HOUR),
        Charge(kind=ChargeKind.TIME, money=PRICE, quantity=100, unit=Unit.WATT_HOUR),
        Charge(kind=ChargeKind.CLEAR, money=PRICE),
    ],
    ids=["energy", "time in watt-hours", "clear"],
)
def test_other_charges_are_not_supported(charge):
    with pytest.raises(NotSupported, match=r"^SunKing sells days and unlocks only, not "):
        command_of("996995411", charge)


@pytest.mark.parametrize("token", ["592310784", "*592 310 784#", "A" * 64, "1"])
def test_a_token_is_kept_as_it_came(token):
    read = read_token({"token": token})
    assert read is not None
    assert read.reveal() == token


def test_blanks_around_a_token_are_none_of_it():
    assert read_token({"token": " 592 310 784  "}).reveal() == "592 310 784"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="missing"),
        pytest.param({"token": None}, id="null"),
        pytest.param({"token": ""}, id="empty"),
        pytest.param({"token": "   "}, id="blank"),
        pytest.param({"token": 592310784}, id="number"),
        pytest.param({"token": ["592310784"]}, id="array"),
        pytest.param({"token": "1" * 65}, id="too long"),
        pytest.param({"token": "12\n34"}, id="line end"),
        pytest.param({"token": "12é34"}, id="not ASCII"),
        pytest.param(["token"], id="no object"),
        pytest.param(None, id="nothing"),
    ],
)
def test_anything_else_is_no_token(body):
    assert read_token(body) is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"message": " Device not found "}, "Device not found", id="words"),
        pytest.param({"message": "x" * 300}, "x" * 200, id="long"),
        pytest.param({"message": "no", "token": None}, "no", id="null token"),
        pytest.param({"message": "no", "token": "1"}, "", id="with a token"),
        pytest.param({"message": 1}, "", id="number"),
        pytest.param({}, "", id="empty"),
        pytest.param("Device not found", "", id="text"),
    ],
)
def test_read_message_gives_sunkings_words_of_a_plain_error(body, message):
    assert read_message(body) == message


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=70),
        lambda values: st.dictionaries(st.sampled_from(["token", "message"]), values),
    )
)
def test_a_token_that_is_read_can_be_typed(body):
    token = read_token(body)
    if token is not None:
        assert token.reveal().isascii()
        assert token.reveal().isprintable()
        assert 1 <= len(token.reveal()) <= 64
