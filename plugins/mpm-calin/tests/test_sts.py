from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_calin.sta import decrypt, encrypt
from mpm_calin.sts import (
    LARGEST_TENTHS,
    PUBLISHED_TEST_KEY,
    InvalidTokenError,
    StsToken,
    _checksum,
    decode_amount,
    decode_token,
    encode_amount,
    encode_token,
    token_class,
)

LATE = 6_332_160  # 2026-01-15 08:00 in minutes since 2014
EARLY = 5_366_070  # 2024-03-15 10:30


def token(kind: int, subclass: int, random: int, identifier: int, amount: int) -> StsToken:
    return StsToken(
        token_class=kind, subclass=subclass, random=random, identifier=identifier, amount=amount
    )


VECTORS = {
    "credit 0.5 kWh": (token(0, 0, 3, EARLY, 5), "58627975513348563046"),
    "clear credit": (token(2, 1, 3, EARLY, 0), "26950712002385255186"),
    "credit 12.3 kWh": (token(0, 0, 7, LATE, 123), "38411783799866645789"),
    "credit 100 kWh": (token(0, 0, 7, LATE, 1000), "34310153517763402108"),
    "credit 100 kWh, other random": (token(0, 0, 8, LATE, 1000), "56018214716978634514"),
    "credit 100 kWh, next minute": (token(0, 0, 7, LATE + 1, 1000), "22802945165140455815"),
    "credit 2000 kWh": (token(0, 0, 0, LATE, encode_amount(20_000)), "45617492810332437170"),
    "clear all credit": (token(2, 1, 7, LATE, 0xFFFF), "02754505010133538790"),
    "clear tamper": (token(2, 5, 7, LATE, 0), "27456477032036901920"),
    "max power 5000 W": (token(2, 0, 7, LATE, encode_amount(5000)), "05501724168935788183"),
}


@pytest.mark.parametrize(("fields", "digits"), VECTORS.values(), ids=VECTORS)
def test_the_published_vectors_are_minted_and_read_digit_for_digit(fields, digits):
    assert encode_token(fields, PUBLISHED_TEST_KEY) == digits
    assert decode_token(digits, PUBLISHED_TEST_KEY) == fields
    assert token_class(digits) == fields.token_class


@pytest.mark.parametrize(
    ("data", "checksum"), [(0x00004A2D900FF2, 0x0FFA), (0x000B19EB230100, 0xC207)]
)
def test_the_checksum_matches_its_published_vectors(data, checksum):
    assert _checksum(data >> 48, data & (1 << 48) - 1) == checksum


@pytest.mark.parametrize("digits", ["56493153725450313471", "18446744073843772416"])
def test_public_display_tokens_are_read_with_any_key(digits):
    assert decode_token(digits, 0).token_class == 1
    assert encode_token(decode_token(digits, 1), 2) == digits


@pytest.mark.parametrize(
    ("tenths", "field"),
    [
        pytest.param(0, 0x0000, id="nothing"),
        pytest.param(1, 0x0001, id="0.1 kWh"),
        pytest.param(123, 0x007B, id="12.3 kWh"),
        pytest.param(16_383, 0x3FFF, id="1638.3 kWh"),
        pytest.param(16_384, 0x4000, id="1638.4 kWh"),
        pytest.param(16_394, 0x4001, id="1639.4 kWh"),
        pytest.param(180_224, 0x8000, id="18022.4 kWh"),
        pytest.param(1_818_624, 0xC000, id="181862.4 kWh"),
        pytest.param(18_201_624, 0xFFFF, id="1820162.4 kWh"),
    ],
)
def test_encode_amount_gives_the_published_field(tenths, field):
    assert encode_amount(tenths) == field
    assert decode_amount(field) == tenths


@given(st.integers(0, 0xFFFF))
def test_every_amount_field_survives_reading_and_writing(field):
    assert encode_amount(decode_amount(field)) == field


@given(st.integers(0, LARGEST_TENTHS))
@example(180_219)
@example(1_818_620)
def test_encode_amount_never_gives_less_than_asked_nor_a_whole_step_more(tenths):
    written = decode_amount(encode_amount(tenths))
    step = 1 if tenths < 16_384 else 10 if tenths < 180_224 else 100 if tenths < 1_818_624 else 1000
    assert tenths <= written < tenths + step


@pytest.mark.parametrize("tenths", [-1, LARGEST_TENTHS + 1])
def test_encode_amount_refuses_what_does_not_fit(tenths):
    with pytest.raises(ValueError, match=f"^{tenths} tenths of a kWh do not fit into an STS token"):
        encode_amount(tenths)


@given(
    st.builds(
        StsToken,
        token_class=st.sampled_from([0, 1, 2]),
        subclass=st.integers(0, 15),
        random=st.integers(0, 15),
        identifier=st.integers(0, (1 << 24) - 1),
        amount=st.integers(0, 0xFFFF),
    ),
    st.integers(0, (1 << 64) - 1),
)
def test_every_token_survives_writing_and_reading(fields, key):
    digits = encode_token(fields, key)
    assert decode_token(digits, key) == fields
    assert token_class(digits) == fields.token_class


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_decrypt_undoes_encrypt(block, key):
    assert decrypt(encrypt(block, key), key) == block


def test_every_single_changed_digit_of_a_token_is_refused():
    digits = "38411783799866645789"
    for place in range(20):
        for digit in "0123456789":
            changed = digits[:place] + digit + digits[place + 1 :]
            if changed != digits:
                with pytest.raises(InvalidTokenError):
                    decode_token(changed, PUBLISHED_TEST_KEY)


def test_every_key_that_differs_in_one_bit_is_refused():
    for bit in range(64):
        with pytest.raises(InvalidTokenError, match="made for another meter"):
            decode_token("38411783799866645789", PUBLISHED_TEST_KEY ^ 1 << bit)


@pytest.mark.parametrize(
    ("digits", "message"),
    [
        pytest.param("", "A token has exactly 20 digits.", id="empty"),
        pytest.param("3841178379986664578", "A token has exactly 20 digits.", id="too short"),
        pytest.param("384117837998666457891", "A token has exactly 20 digits.", id="too long"),
        pytest.param("3841178379986664578O", "A token has exactly 20 digits.", id="letter"),
        pytest.param("٣٨٤١١٧٨٣٧٩٩٨٦٦٦٤٥٧٨٩", "A token has exactly 20 digits.", id="other digits"),
        pytest.param("38411783799866645789\n", "A token has exactly 20 digits.", id="line end"),
        pytest.param(str(1 << 66), "No token has a number that large.", id="67 bits"),
    ],
)
def test_token_class_refuses_what_is_no_token(digits, message):
    with pytest.raises(InvalidTokenError) as refused:
        token_class(digits)
    assert str(refused.value) == message


def test_the_largest_number_of_66_bits_is_a_token():
    assert token_class(str((1 << 66) - 1)) == 3
