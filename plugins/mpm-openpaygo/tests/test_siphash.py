from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from siphash import SipHash_2_4

from mpm_openpaygo.siphash import siphash_2_4


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        pytest.param(0, 0x726FDB47DD0E0E31, id="empty, first vector of the authors' code"),
        pytest.param(15, 0xA129CA6149BE45E5, id="15 bytes, appendix A of the paper"),
    ],
)
def test_siphash_gives_the_published_hashes(length, expected):
    assert siphash_2_4(bytes(range(16)), bytes(range(length))) == expected


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=40))
def test_siphash_agrees_with_the_library_the_maker_uses(key, message):
    assert siphash_2_4(key, message) == SipHash_2_4(key, message).hash()
