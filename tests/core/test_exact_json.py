from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_core.exact_json import read_json, write_json

numbers = st.integers(-(10**30), 10**30) | st.decimals(
    min_value=-(10**12), max_value=10**12, places=6
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
@example({"\ud800": Decimal("1E+3")})
def test_written_json_is_read_back_as_the_same_value(value: object) -> None:
    assert read_json(write_json(value).decode()) == value


@given(numbers)
def test_written_number_has_no_exponent(number: int | Decimal) -> None:
    assert b"E" not in write_json(number).upper()


@given(st.text())
@example("[" * 100_000)
@example("9" * 10_000)
@example("1e99999999999999999999")
def test_read_json_refuses_what_it_cannot_read_without_failing_otherwise(text: str) -> None:
    try:
        value = read_json(text)
    except ValueError:
        return
    assert value == json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param({"a": [1, None, True]}, b'{"a":[1,null,true]}', id="compact"),
        pytest.param(Decimal("1E+3"), b"1000", id="exponent"),
        pytest.param(Decimal("0.10"), b"0.10", id="trailing zero"),
        pytest.param("é", b'"\\u00e9"', id="ASCII"),
    ],
)
def test_write_json_is_exact(value: object, written: bytes) -> None:
    assert write_json(value) == written


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param(0.1, TypeError, id="float"),
        pytest.param({1: 2}, TypeError, id="number as a name"),
        pytest.param(b"x", TypeError, id="bytes"),
        pytest.param(Decimal("NaN"), ValueError, id="NaN"),
        pytest.param(Decimal("1e100000"), ValueError, id="huge"),
    ],
)
def test_write_json_refuses_what_is_not_exact(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        write_json(value)


def test_read_json_keeps_fractions_exact() -> None:
    members = read_json('{"a": 0.1, "b": 12}')
    assert isinstance(members, Mapping)
    assert repr(members) == "{'a': Decimal('0.1'), 'b': 12}"
