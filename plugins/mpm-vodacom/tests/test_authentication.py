"""Keys and signatures, good and bad."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import Secret, Stale, Unauthenticated

AT = 1767873600  # 2026-01-08 12:00 UTC, the tests' now
PATH, BODY = "transactions/query", b'{"referenceId":"REF-00001"}'
GOOD, REFUSED = "EnquiryRequest", "Unauthenticated: unauthorised"
STALE = "Stale: The signature's time is too far from ours."


@pytest.fixture(scope="session")
def read(make_call, context):
    """Let a plugin read a call and say what came of it, in one word."""

    def read_call(vodacom, headers, body=BODY):
        try:
            request = vodacom.mpm_read_call(make_call(PATH, body, headers), context)
        except (Unauthenticated, Stale) as error:
            return f"{type(error).__name__}: {error}"
        return type(request).__name__

    return read_call


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("Bearer new", GOOD),
        ("bearer new", GOOD),
        ("Bearer old", GOOD),
        ("Bearer other", REFUSED),
        ("Bearer ", REFUSED),
        ("new", REFUSED),
        ("Basic new", REFUSED),
        ("Bearer \udcff", REFUSED),
    ],
)
def test_key_decides_and_the_previous_one_is_still_good(make_vodacom, read, value, outcome):
    vodacom = make_vodacom(api_key=Secret("new"), api_key_previous=Secret("old"))
    assert read(vodacom, {"authorization": value}) == outcome


@pytest.fixture(scope="session")
def signed(make_vodacom):
    return make_vodacom(api_key=Secret("key"), signature_secret=Secret("shared"))


def _value(time=AT, secret="shared", body=BODY):
    message = f"{time}.".encode() + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _headers(signature):
    return {"authorization": "Bearer key", "x-signature": signature}


@pytest.mark.parametrize(
    ("signature", "outcome"),
    [
        pytest.param(f"t={AT},v1={_value()}", GOOD, id="good"),
        pytest.param(f"t={AT},v1={'0' * 64},v1={_value()}", GOOD, id="second-value-good"),
        pytest.param(f"t={AT - 300},v1={_value(AT - 300)}", GOOD, id="oldest"),
        pytest.param(f"t={AT + 300},v1={_value(AT + 300)}", GOOD, id="newest"),
        pytest.param(f"t={AT - 301},v1={_value(AT - 301)}", STALE, id="too-old"),
        pytest.param(f"t={AT + 301},v1={_value(AT + 301)}", STALE, id="too-new"),
        pytest.param(f"t={10**12 - 1},v1={_value(10**12 - 1)}", STALE, id="year-33658"),
        pytest.param(f"t={AT},v1={_value(AT - 1)}", REFUSED, id="time-changed"),
        pytest.param(f"t=-1,v1={_value(-1)}", REFUSED, id="negative-time"),
        pytest.param(f"t={AT},v1={_value(body=b'{}')}", REFUSED, id="for-another-body"),
        pytest.param(f"t={AT},v1={_value(secret='x')}", REFUSED, id="wrong-secret"),
        pytest.param(f"t={AT},v1={_value().upper()}", REFUSED, id="upper-case"),
        pytest.param(f"t={AT},v1={_value()[:-1]}", REFUSED, id="too-short"),
        pytest.param(f"t={AT},v1={_value()}0", REFUSED, id="too-long"),
        pytest.param(f"v1={_value()}", REFUSED, id="no-time"),
        pytest.param(f"t={AT}", REFUSED, id="no-value"),
        pytest.param(f"t={AT},v0={_value()}", REFUSED, id="another-version"),
        pytest.param("", REFUSED, id="empty"),
    ],
)
def test_signature_decides_when_one_is_agreed(signed, read, signature, outcome):
    assert read(signed, _headers(signature)) == outcome


def test_leading_zero_of_the_time_is_signed_as_sent(signed, read):
    signature = hmac.new(b"shared", f"0{AT}.".encode() + BODY, hashlib.sha256).hexdigest()
    assert read(signed, _headers(f"t=0{AT},v1={signature}")) == GOOD


def test_missing_signature_is_refused_when_one_is_agreed(signed, read):
    assert read(signed, {"authorization": "Bearer key"}) == REFUSED


def test_good_signature_does_not_replace_the_key(signed, read):
    assert read(signed, {"x-signature": f"t={AT},v1={_value()}"}) == REFUSED


def test_tolerance_is_a_setting(make_vodacom, read):
    vodacom = make_vodacom(
        api_key=Secret("key"), signature_secret=Secret("shared"), signature_tolerance=10
    )
    assert read(vodacom, _headers(f"t={AT - 10},v1={_value(AT - 10)}")) == GOOD
    assert read(vodacom, _headers(f"t={AT - 11},v1={_value(AT - 11)}")) == STALE


@given(st.text())
def test_no_text_passes_for_a_signature(signed, read, text):
    assert read(signed, _headers(text)) == REFUSED
