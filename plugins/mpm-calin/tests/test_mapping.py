from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_calin.mapping import kwh_of, read_token
from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Money,
    NotSupported,
    OutcomeUnknown,
    Refused,
    Secret,
    Unit,
)

TOKEN = "38411783799866645789"
PASSWORD = Secret("very-secret")
CHECK_RECORDS = "Calin may have sold a token; look for the sale in Calin's own records."


def energy(quantity: int | None) -> Charge:
    return Charge(
        kind=ChargeKind.ENERGY,
        money=Money(100_000, "TZS"),
        quantity=quantity,
        unit=Unit.WATT_HOUR,
    )


@pytest.mark.parametrize(
    ("watt_hours", "kwh"),
    [(100, "0.1"), (7600, "7.6"), (10_000, "10"), (1_000_000_000, "1000000")],
)
def test_kwh_of_writes_the_energy_exactly(watt_hours, kwh):
    assert str(kwh_of(energy(watt_hours))) == kwh


@given(st.integers(1, 18_201_624))
def test_kwh_of_loses_nothing_and_has_at_most_one_decimal(tenths):
    kwh = kwh_of(energy(tenths * 100))
    assert kwh * 1000 == tenths * 100
    assert -1 <= int(kwh.as_tuple().exponent) <= 0


@pytest.mark.parametrize("quantity", [None, 0, -100, 50, 7650])
def test_kwh_of_refuses_what_is_no_whole_step(quantity):
    with pytest.raises(ContractViolation) as refused:
        kwh_of(energy(quantity))
    assert str(refused.value) == (
        f"Calin v1 sells energy in steps of 0.1 kWh, so {quantity} Wh cannot be asked for; "
        "whoever computed the charge must round it to the manifest's energy_step."
    )


@pytest.mark.parametrize(
    "charge",
    [
        Charge(kind=ChargeKind.TIME, money=Money(1, "TZS"), quantity=7, unit=Unit.DAY),
        Charge(kind=ChargeKind.UNLOCK, money=Money(1, "TZS")),
        Charge(kind=ChargeKind.ENERGY, money=Money(1, "TZS"), quantity=100, unit=Unit.DAY),
    ],
    ids=["time", "unlock", "energy in days"],
)
def test_kwh_of_sells_energy_only(charge):
    with pytest.raises(NotSupported, match=r"^Calin v1 sells energy only, not "):
        kwh_of(charge)


@pytest.mark.parametrize(
    "envelope",
    [
        pytest.param({"result_code": 0, "reason": "OK", "result": TOKEN}, id="integer code"),
        pytest.param({"result_code": "0", "reason": "OK", "result": TOKEN}, id="text code"),
        pytest.param({"result_code": "00", "result": TOKEN}, id="no reason"),
        pytest.param(
            {"result_code": 0, "result": " 3841-1783 7998 6664\t5789 "}, id="blanks and dashes"
        ),
    ],
)
def test_read_token_returns_the_bare_digits(envelope):
    token = read_token(envelope, PASSWORD)
    assert (token.code.reveal(), token.token_class) == (TOKEN, 0)
    assert TOKEN not in repr(token)


@pytest.mark.parametrize(
    ("envelope", "code", "reason"),
    [
        pytest.param(
            {"result_code": 3, "reason": "meter not found", "result": ""},
            "3",
            "meter not found",
            id="empty",
        ),
        pytest.param(
            {"result_code": "02", "reason": "authentication failed", "result": None},
            "02",
            "authentication failed",
            id="null",
        ),
        pytest.param({"result_code": -1}, "-1", "Calin gave no reason.", id="nothing else"),
        pytest.param(
            {"result_code": 1, "reason": ["x"], "result": " - "},
            "1",
            "Calin gave no reason.",
            id="blank and dash",
        ),
        pytest.param(
            {"result_code": 2, "reason": "bad password very-secret"},
            "2",
            "bad password ••••••",
            id="password repeated",
        ),
    ],
)
def test_read_token_hands_a_refusal_on_word_for_word(envelope, code, reason):
    with pytest.raises(Refused) as refused:
        read_token(envelope, PASSWORD)
    assert (refused.value.code, str(refused.value)) == (code, reason)


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        pytest.param([], "Calin's answer is not a JSON object.", id="array"),
        pytest.param(None, "Calin's answer is not a JSON object.", id="null"),
        pytest.param({}, "Calin's answer has no readable result_code.", id="empty"),
        pytest.param(
            {"result_code": True, "result": TOKEN},
            "Calin's answer has no readable result_code.",
            id="true as code",
        ),
        pytest.param(
            {"result_code": Decimal("0.0"), "result": TOKEN},
            "Calin's answer has no readable result_code.",
            id="fraction as code",
        ),
        pytest.param(
            {"result_code": "\N{ARABIC-INDIC DIGIT ZERO}", "result": TOKEN},
            "Calin's answer has no readable result_code.",
            id="other digits as code",
        ),
        pytest.param({"result_code": 0}, "Calin answered code 0 without a token.", id="no result"),
        pytest.param(
            {"result_code": 0, "result": " -- "},
            "Calin answered code 0 without a token.",
            id="dashes only",
        ),
        pytest.param(
            {"result_code": 9, "result": TOKEN},
            "Calin answered code 9 together with a token.",
            id="refused with a token",
        ),
        pytest.param(
            {"result_code": 9, "reason": "sold 3841 1783 7998 6664 5789"},
            "Calin's reason contains what may be a token.",
            id="token in the reason",
        ),
        pytest.param(
            {"result_code": 0, "result": int(TOKEN)}, "Calin's result is not a text.", id="number"
        ),
        pytest.param(
            {"result_code": 3, "result": []}, "Calin's result is not a text.", id="array as result"
        ),
        pytest.param(
            {"result_code": 0, "result": TOKEN[:-1]},
            "Calin's token cannot be one: A token has exactly 20 digits.",
            id="too short",
        ),
        pytest.param(
            {"result_code": 0, "result": "9" * 20},
            "Calin's token cannot be one: No token has a number that large.",
            id="67 bits",
        ),
        pytest.param(
            {"result_code": 0, "result": "\N{ARABIC-INDIC DIGIT THREE}" * 20},
            "Calin's token cannot be one: A token has exactly 20 digits.",
            id="other digits",
        ),
    ],
)
def test_read_token_calls_everything_else_unknown(envelope, message):
    with pytest.raises(OutcomeUnknown) as unknown:
        read_token(envelope, PASSWORD)
    assert str(unknown.value) == f"{message} {CHECK_RECORDS}"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30),
        lambda values: st.dictionaries(
            st.sampled_from(["result_code", "reason", "result", "x"]), values
        ),
        max_leaves=8,
    )
)
def test_read_token_never_fails_in_another_way(envelope):
    try:
        token = read_token(envelope, PASSWORD)
    except (Refused, OutcomeUnknown):
        return
    assert token.code.reveal().isdigit()
