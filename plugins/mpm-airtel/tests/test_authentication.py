"""Every way of proving who calls, and every way of failing to."""

from __future__ import annotations

import base64
import json
import warnings
from datetime import UTC, datetime

import attrs
import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_airtel.authentication import SignedToken, signing_key
from mpm_core import FlatDocument, Malformed, Secret, Unauthenticated, ValidationRequest

SECRET = "s" * 64
OTHER = "t" * 64
AT = 1767873600  # 2026-01-08 12:00 UTC, the tests' now


def _claims(**changes):
    return {"sub": "1", "exp": AT + 300, "payload": {"txnId": "AIR0000000001"}, **changes}


@pytest.fixture(scope="session")
def airtel(make_airtel):
    return make_airtel(
        mode="jwt_hs512", jwt_secret=Secret(SECRET), jwt_secret_previous=Secret(OTHER)
    )


@pytest.fixture(scope="session")
def read(make_call, context, validation):
    """Let a plugin read a call and say what came of it, in one word."""

    def read_call(airtel, headers, body=None, path="c2b/validate"):
        call = make_call(path, validation() if body is None else body, headers=headers)
        try:
            return type(airtel.mpm_read_call(call, context)).__name__
        except Unauthenticated as error:
            return f"Unauthenticated: {error}"
        except Malformed as error:
            return f"Malformed: {error} {error.fields}"

    return read_call


GOOD = ValidationRequest.__name__
REFUSED = "Unauthenticated: Invalid Token"
WRONG_ID = "Malformed: Access token contains wrong reference1/txnId ('REFERENCE1',)"


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [
        pytest.param(_claims(), GOOD, id="good"),
        pytest.param(_claims(exp=AT + 10**9), GOOD, id="exp-far-ahead"),
        pytest.param(_claims(exp=AT - 59), GOOD, id="expired-within-leeway"),
        pytest.param(_claims(exp=AT - 60), REFUSED, id="expired-at-leeway"),
        pytest.param(_claims(exp=AT + 0.5), GOOD, id="exp-with-fraction"),
        pytest.param({"sub": "1", "payload": {"txnId": "AIR0000000001"}}, REFUSED, id="no-exp"),
        pytest.param(_claims(exp=str(AT + 300)), REFUSED, id="exp-is-text"),
        pytest.param(_claims(exp=True), REFUSED, id="exp-is-true"),
        pytest.param(_claims(exp=None), REFUSED, id="exp-is-null"),
        pytest.param(_claims(nbf=AT + 60), GOOD, id="not-before-within-leeway"),
        pytest.param(_claims(nbf=AT + 61), REFUSED, id="not-yet-valid"),
        pytest.param(_claims(payload={"txnId": "AIR2"}), WRONG_ID, id="other-transaction"),
        pytest.param(_claims(payload={"txnId": " AIR0000000001 "}), GOOD, id="blanks-around-id"),
        pytest.param(_claims(payload={"txnId": ""}), REFUSED, id="empty-transaction"),
        pytest.param(_claims(payload={"txnId": True}), REFUSED, id="transaction-is-true"),
        pytest.param(_claims(payload={}), REFUSED, id="no-transaction"),
        pytest.param(_claims(payload="AIR0000000001"), REFUSED, id="payload-is-text"),
    ],
)
def test_token_claims_decide(airtel, read, sign, claims, outcome):
    assert read(airtel, sign(claims)) == outcome


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("c2b/process", "<COMMAND><REFERENCE1>7</REFERENCE1></COMMAND>", id="process"),
        pytest.param("c2b/enquiry", "<COMMAND><TXNID>7</TXNID></COMMAND>", id="enquiry"),
    ],
)
def test_token_is_bound_to_the_transaction_of_every_call(airtel, read, sign, path, body):
    name = "TXNID" if path == "c2b/enquiry" else "REFERENCE1"
    assert read(airtel, sign(_claims(payload={"txnId": 7})), body, path).endswith("Request")
    assert read(airtel, sign(_claims(payload={"txnId": "8"})), body, path) == (
        f"Malformed: Access token contains wrong reference1/txnId ('{name}',)"
    )


def test_token_of_either_secret_is_accepted_during_rotation(airtel, read, sign):
    assert read(airtel, sign(_claims(), secret=SECRET)) == GOOD
    assert read(airtel, sign(_claims(), secret=OTHER)) == GOOD
    assert read(airtel, sign(_claims(), secret="u" * 64)) == REFUSED


@pytest.mark.parametrize(("exp", "outcome"), [(AT + 660, GOOD), (AT + 661, REFUSED)])
def test_token_that_lives_longer_than_agreed_is_refused(make_airtel, read, sign, exp, outcome):
    strict = make_airtel(mode="jwt_hs512", jwt_secret=Secret(SECRET), jwt_max_age=600)
    assert read(strict, sign(_claims(exp=exp))) == outcome


@pytest.mark.parametrize("algorithm", ["HS256", "HS384"])
def test_token_of_another_hmac_is_refused(airtel, read, sign, algorithm):
    assert read(airtel, sign(_claims(), algorithm=algorithm)) == REFUSED


def test_token_without_signature_is_refused(airtel, read, sign):
    assert read(airtel, sign(_claims(), secret="", algorithm="none")) == REFUSED


def test_token_signed_with_an_rsa_key_is_refused(airtel, read):
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt.encode(_claims(), key, algorithm="RS256")
    assert read(airtel, {"authorization": f"Bearer {token}"}) == REFUSED


def _encode(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"alg": "none"}, id="none"),
        pytest.param({"alg": "None"}, id="none-in-other-letters"),
        pytest.param({"alg": ["HS512"]}, id="alg-is-a-list"),
        pytest.param({"alg": "HS512", "crit": ["x"]}, id="unknown-critical-header"),
        pytest.param({"alg": "HS512", "b64": False, "crit": ["b64"]}, id="detached-payload"),
        pytest.param({"typ": "JWT"}, id="no-alg"),
        pytest.param("[" * 3000, id="deep-nesting"),
        pytest.param([], id="a-list"),
    ],
)
def test_token_with_a_hostile_header_is_refused(airtel, read, header):
    token = f"{_encode(header)}.{_encode(_claims())}.AAAA"
    assert read(airtel, {"authorization": f"Bearer {token}"}) == REFUSED


@pytest.mark.parametrize("payload", [b"[]", b"{", b"\xff", b'{"exp":1,"exp":9999999999}'])
def test_signed_token_that_is_no_claims_object_is_refused(airtel, read, payload):
    token = jwt.PyJWS().encode(payload, SECRET, algorithm="HS512")
    assert read(airtel, {"authorization": f"Bearer {token}"}) == REFUSED


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Bearer"}])
def test_call_without_a_token_is_refused(airtel, read, headers):
    assert read(airtel, headers) == REFUSED


def test_token_under_another_scheme_is_refused(airtel, read, sign):
    token = sign(_claims())["authorization"].removeprefix("Bearer ")
    assert read(airtel, {"authorization": f"bearer {token}"}) == GOOD
    assert read(airtel, {"authorization": f"Token {token}"}) == REFUSED
    assert read(airtel, {"authorization": token}) == REFUSED


def test_token_is_checked_before_the_body_is_read(airtel, read):
    assert read(airtel, {}, body=b"garbage") == REFUSED


def test_time_of_the_check_is_the_hosts(airtel, make_call, validation, context, sign):
    later = attrs.evolve(context, now=context.now.replace(year=2036))
    call = make_call(body=validation(), headers=sign(_claims()))
    with pytest.raises(Unauthenticated):
        airtel.mpm_read_call(call, later)


def test_published_vector_has_the_published_signature():
    """Telecoms 3B.3: it checks the signature only, its secret is short and its `exp` far away."""
    header, payload = ({"alg": "HS512", "typ": "JWT"}, {"sub": "1", "exp": 4102444800})
    payload["payload"] = {"txnId": "AIR0000000001"}
    compact = (json.dumps(part, separators=(",", ":")) for part in (header, payload))
    signature = (
        "bX8sZHDVGIdpb_r_yZM9fIzc8CnPL3I_BWVbI2PXyTT-TYcnKiatj2Jz8K3DS4qAzl4WQc6yJTnlI9ryn7TPNA"
    )
    token = ".".join((*(_encode(part) for part in compact), signature))
    key = signing_key(Secret("mpm-jwt-test-secret"))
    assert json.loads(jwt.PyJWS().decode(token, key, ["HS512"])) == payload


def test_padding_a_short_secret_changes_no_signature_and_no_warning_is_given():
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        unpadded = jwt.PyJWS().encode(b"{}", "short", algorithm="HS512")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        padded = jwt.PyJWS().encode(b"{}", signing_key(Secret("short")), algorithm="HS512")
    assert padded == unpadded


def test_every_secret_is_tried_even_when_the_first_fits(monkeypatch, context, sign):
    tried = []
    monkeypatch.setattr(
        "mpm_airtel.authentication._signed_payload",
        lambda _token, secret: tried.append(secret.reveal()) or json.dumps(_claims()).encode(),
    )
    SignedToken(secrets=(Secret(SECRET), Secret(OTHER))).check_headers(sign(), context.now)
    assert tried == [SECRET, OTHER]


def _basic(text):
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        pytest.param(_basic("airtel:päss:word"), GOOD, id="good-with-colon-in-password"),
        pytest.param(_basic("airtel:wrong"), REFUSED, id="wrong-password"),
        pytest.param(_basic("other:päss:word"), REFUSED, id="wrong-user"),
        pytest.param(_basic("airtel"), REFUSED, id="no-password"),
        pytest.param(_basic(":"), REFUSED, id="both-empty"),
        pytest.param({"authorization": "Basic %%%"}, REFUSED, id="not-base64"),
        pytest.param({"authorization": "Basic é"}, REFUSED, id="not-ascii"),
        pytest.param({"authorization": "Basic /w=="}, REFUSED, id="not-utf-8"),
        pytest.param({}, REFUSED, id="missing"),
    ],
)
def test_basic_credentials_decide(make_airtel, read, headers, outcome):
    airtel = make_airtel(mode="basic", username="airtel", password=Secret("päss:word"))
    assert read(airtel, headers) == outcome


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        pytest.param({"USERNAME": "airtel", "PASSWORD": "pw"}, GOOD, id="good"),
        pytest.param({"USERNAME": "airtel", "PASSWORD": "wrong"}, REFUSED, id="wrong-password"),
        pytest.param({"USERNAME": "other", "PASSWORD": "pw"}, REFUSED, id="wrong-user"),
        pytest.param({"USERNAME": "", "PASSWORD": ""}, REFUSED, id="both-empty"),
        pytest.param({"USERNAME": "airtel"}, REFUSED, id="no-password"),
        pytest.param({}, REFUSED, id="neither"),
    ],
)
def test_body_credentials_decide(make_airtel, read, validation, changes, outcome):
    airtel = make_airtel(mode="body_credentials", username="airtel", password=Secret("pw"))
    assert read(airtel, {}, validation(**changes)) == outcome


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        pytest.param("Bearer abc", GOOD, id="bearer"),
        pytest.param("abc", GOOD, id="the-value-alone"),
        pytest.param("Bearer abd", REFUSED, id="wrong"),
        pytest.param("Bearer ", REFUSED, id="empty"),
        pytest.param("Basic abc", REFUSED, id="another-scheme"),
        pytest.param("Bearer \udcff", REFUSED, id="undecodable"),
    ],
)
def test_static_token_decides(make_airtel, read, value, outcome):
    airtel = make_airtel(mode="bearer_static", bearer_token=Secret("abc"))
    assert read(airtel, {"authorization": value}) == outcome


@given(st.text())
def test_no_text_passes_for_a_signed_token(text):
    authentication = SignedToken(secrets=(Secret(SECRET),))
    with pytest.raises(Unauthenticated):
        authentication.check_headers({"authorization": f"Bearer {text}"}, _now())


def test_credentials_in_the_body_are_not_asked_for_in_the_header_ways(make_airtel):
    empty = FlatDocument(root="COMMAND", namespace="", fields={})
    for settings in (
        {"mode": "jwt_hs512", "jwt_secret": Secret(SECRET)},
        {"mode": "basic", "username": "a", "password": Secret("b")},
        {"mode": "bearer_static"},
    ):
        assert make_airtel(**settings)._authentication.check_fields(empty) is None


def _now():

    return datetime.fromtimestamp(AT, UTC)
