from __future__ import annotations

import openpaygo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpaygo import TokenType, decode_token

from mpm_core import ContractViolation
from mpm_openpaygo.codes import Code, Command
from mpm_openpaygo.maker import SAMPLE_KEY, SAMPLE_STARTING_CODE, make_code, self_test
from mpm_openpaygo.settings import OpenPaygoDevice

TYPES = {
    Command.ADD_TIME: TokenType.ADD_TIME,
    Command.SET_TIME: TokenType.SET_TIME,
    Command.DISABLE_PAYG: TokenType.DISABLE_PAYG,
    Command.COUNTER_SYNC: TokenType.COUNTER_SYNC,
}


def device(**changed: object) -> OpenPaygoDevice:
    sample = {"secret_key": SAMPLE_KEY, "starting_code": SAMPLE_STARTING_CODE}
    return OpenPaygoDevice(**sample | changed)


def code(command: Command, count: int, value: int | None = None) -> Code:
    return Code(command=command, count=count, value=value)


@pytest.mark.parametrize(
    ("changed", "asked", "text"),
    [
        pytest.param({}, code(Command.ADD_TIME, 2, 1), "588224011", id="ADD 1"),
        pytest.param({}, code(Command.ADD_TIME, 2, 2), "639704012", id="ADD 2"),
        pytest.param({}, code(Command.ADD_TIME, 2, 7), "397287017", id="ADD 7"),
        pytest.param(
            {"starting_code": None},
            code(Command.ADD_TIME, 6, 7),
            "592310784",
            id="ADD 7, derived starting code",
        ),
        pytest.param(
            {"restricted_digit_set": True},
            code(Command.ADD_TIME, 2, 1),
            "314114432231134",
            id="ADD 1 restricted",
        ),
        pytest.param(
            {"restricted_digit_set": True, "starting_code": None},
            code(Command.ADD_TIME, 2, 7),
            "234122442421411",
            id="ADD 7 restricted, derived starting code",
        ),
        pytest.param({}, code(Command.SET_TIME, 3, 30), "852394040", id="SET 30"),
        pytest.param({}, code(Command.DISABLE_PAYG, 7), "564713008", id="DISABLE"),
        pytest.param({}, code(Command.SET_TIME, 9, 0), "881669010", id="SET 0"),
        pytest.param({}, code(Command.COUNTER_SYNC, 11), "256257009", id="COUNTER_SYNC"),
    ],
)
def test_the_published_vectors_are_made(changed, asked, text):
    assert make_code(device(**changed), asked).reveal() == text


def test_the_self_test_makes_published_vectors():
    assert self_test() == "0.6.3"


@settings(max_examples=50, deadline=None)
@given(
    key=st.binary(min_size=16, max_size=16),
    starting=st.none() | st.integers(1, 999_999_999),
    restricted=st.booleans(),
    before=st.integers(1, 200),
    value=st.integers(0, 995),
    command=st.sampled_from(Command),
)
def test_the_packages_own_decoder_reads_what_was_asked_for(
    key, starting, restricted, before, value, command
):
    details = device(
        secret_key=key.hex(),
        starting_code=None if starting is None else str(starting),
        restricted_digit_set=restricted,
    )
    parity = 0 if command is Command.ADD_TIME else 1
    count = before + 1 + (before + 1 + parity) % 2
    carries = command in {Command.ADD_TIME, Command.SET_TIME}
    asked = code(command, count, value if carries else None)
    made = make_code(details, asked)
    assert made == make_code(details, asked)
    read, kind, new_count, _used = decode_token(
        token=made.reveal(),
        secret_key=key.hex(),
        count=before,
        used_counts=list(range(before + 1)),
        starting_code=starting,
        restricted_digit_set=restricted,
    )
    assert (kind, new_count) == (TYPES[command], count)
    if carries:
        assert read == value


@pytest.mark.parametrize("value", [-1, 996, 998, 999])
def test_a_value_that_is_a_command_or_reserved_is_never_made(value):
    with pytest.raises(ContractViolation) as wrong:
        make_code(device(), code(Command.ADD_TIME, 2, value))
    assert str(wrong.value) == f"A code holds 0 to 995 units, not {value}."


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((4, "397287017"), id="another count"),
        pytest.param((2, "39728701"), id="too short"),
        pytest.param((2, "39728701x"), id="no digits"),
    ],
)
def test_a_package_that_works_otherwise_is_found_out(monkeypatch, answer):
    monkeypatch.setattr(openpaygo, "generate_token", lambda **_asked: answer)
    with pytest.raises(ContractViolation) as wrong:
        make_code(device(), code(Command.ADD_TIME, 2, 7))
    assert str(wrong.value) == (
        f"openpaygo 0.6.3 made another code than asked for (count {answer[0]} instead of 2); "
        "install a version this plugin was tested with."
    )


def test_a_package_that_makes_other_codes_fails_the_self_test(monkeypatch):
    monkeypatch.setattr(openpaygo, "generate_token", lambda **_asked: (2, "588224012"))
    with pytest.raises(ContractViolation) as wrong:
        self_test()
    assert str(wrong.value) == (
        "openpaygo 0.6.3 makes other codes than OpenPAYGO's published ones; install a version "
        "this plugin was tested with."
    )
