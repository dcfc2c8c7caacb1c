"""What is read of a body, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_core import (
    EnquiryRequest,
    Malformed,
    Money,
    ProcessRequest,
    Unauthenticated,
    ValidationRequest,
)

VALIDATE, PROCESS, QUERY = "transactions/validate", "transactions/process", "transactions/query"
IDS = {"referenceId": "REF-00001", "transactionId": "VOD-TXN-000001"}


@pytest.fixture(scope="session")
def read(vodacom, make_call, context):
    def read_call(path, body, vodacom=vodacom):
        return vodacom.mpm_read_call(make_call(path, body), context)

    return read_call


@pytest.fixture(scope="session")
def refusal(read):
    """Return what a refused call is told: the message and the fields."""

    def read_refused(*args, **kwargs):
        with pytest.raises(Malformed) as caught:
            read(*args, **kwargs)
        return str(caught.value), caught.value.fields

    return read_refused


@pytest.mark.parametrize("name", ["reference", "amount", "request_id"])
@pytest.mark.parametrize("value", [None, "null"], ids=["missing", "null"])
def test_validation_without_a_required_member_names_it(refusal, validation, name, value):
    body = {**validation(**{name: None}), **({name: None} if value else {})}
    assert refusal(VALIDATE, body) == (f"{name} is missing", (name,))


def test_every_mistake_of_a_call_is_reported_together(refusal):
    body = {"reference": "", "amount": True, "payerPhoneNumber": "258x"}
    assert refusal(VALIDATE, body) == (
        (
            "request_id is missing, reference is missing, amount is no amount in MZN, "
            "payerPhoneNumber is not a phone number"
        ),
        ("request_id", "reference", "amount", "payerPhoneNumber"),
    )


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("100", 10000),
        ("199.50", 19950),
        ("199.5", 19950),
        ("100.000", 10000),
        ('"199.50"', 19950),
        ('" 100 "', 10000),
        ("0", 0),
        ("5000001", 500000100),
    ],
)
@pytest.mark.parametrize("path", [VALIDATE, PROCESS])
def test_amount_is_read_exactly(read, validation, path, written, minor):
    body = json.dumps({**validation(amount="AMOUNT"), **IDS}).replace('"AMOUNT"', written)
    assert read(path, body.encode()).amount == Money(minor, "MZN")


@pytest.mark.parametrize(
    "written",
    [
        "-1",
        "-0.0",
        "1e3",
        "10.005",
        "true",
        "[100]",
        "{}",
        '""',
        '"1e3"',
        '"-1"',
        '"+1"',
        '"NaN"',
        '"1_000"',
        '"1,000.00"',
        '"\uff11\uff10\uff10"',
        "1000000000000000000",
    ],
)
@pytest.mark.parametrize("path", [VALIDATE, PROCESS])
def test_amount_in_any_other_form_is_refused(refusal, validation, path, written):
    body = json.dumps({**validation(amount="AMOUNT"), **IDS}).replace('"AMOUNT"', written)
    assert refusal(path, body.encode()) == ("amount is no amount in MZN", ("amount",))


def test_amount_has_no_more_decimals_than_the_companys_currency(
    make_vodacom, make_runtime, read, refusal, validation
):
    ugandan = make_vodacom(runtime=make_runtime(country="UG", currency="UGX"))
    assert read(VALIDATE, validation(amount=100), ugandan).amount == Money(100, "UGX")
    assert refusal(VALIDATE, validation(amount="100.50"), ugandan)[1] == ("amount",)


@pytest.mark.parametrize(
    "text", ["841234567", "258841234567", "+258841234567", "+258 84 123 4567", "00258841234567"]
)
def test_payer_is_normalised_to_e164(read, validation, text):
    assert read(VALIDATE, validation(payerPhoneNumber=text)).payer.e164 == "+258841234567"


@pytest.mark.parametrize(
    "text",
    ["8021234567", "08021234567", "2348021234567", "002348021234567", "00 234 802 123 4567"],
)
def test_payer_of_a_country_that_dials_abroad_in_its_own_way_is_normalised_too(
    make_vodacom, make_runtime, read, validation, text
):
    nigerian = make_vodacom(runtime=make_runtime(country="NG", currency="NGN"))
    request = read(VALIDATE, validation(payerPhoneNumber=text), nigerian)
    assert request.payer.e164 == "+2348021234567"


@pytest.mark.parametrize("text", ["12", "1234567890123456", "nobody", "8412\u202e34567"])
def test_payer_that_is_no_phone_number_is_refused_without_repeating_it(refusal, validation, text):
    message, fields = refusal(VALIDATE, validation(payerPhoneNumber=text))
    assert fields == ("payerPhoneNumber",)
    assert text not in message


@pytest.mark.parametrize("members", [{}, {"payerPhoneNumber": ""}], ids=["missing", "empty"])
def test_payer_is_optional(read, validation, members):
    assert read(VALIDATE, validation(**members)).payer is None


@pytest.mark.parametrize("serial", ["0001", "a" * 32, "shs-1"])
def test_serial_is_kept_byte_for_byte(read, validation, serial):
    assert read(VALIDATE, validation(reference=f" {serial} ")).serial == serial


@pytest.mark.parametrize("serial", ["abc", "a" * 33, "../x", "a_bc", "abcd\n;", "\u0430bcd"])
def test_serial_outside_the_pattern_is_refused(refusal, validation, serial):
    assert refusal(VALIDATE, validation(reference=serial))[1] == ("reference",)


@pytest.mark.parametrize(
    ("pattern", "serial"),
    [
        pytest.param("[!-~]{1,64}", "a/b_c", id="wide"),
        pytest.param(r"SHS\d{8}", "SHS00001234", id="prefix"),
        pytest.param("^[A-Z0-9-]{5,20}$", "SHS-1", id="anchors"),
        pytest.param(r"\d{11}|SHS\d{8}", "04123456789", id="alternatives"),
        pytest.param("(?:SHS|KIT)-?[0-9]{8}", "KIT-00001234", id="group"),
        pytest.param("([A-Z]{2})?[0-9]{4,}", "0001", id="optional-group"),
        pytest.param("[A-Z]{2,4}-?[0-9]{6,10}[A-Z]?", "AB-123456", id="small-repeats"),
        pytest.param("(?i)shs[0-9]+", "SHS1", id="any-case"),
        pytest.param(r"[^]\]x]+\.\w*", "ab.c", id="escapes"),
        pytest.param("a{3}?b++", "aaab", id="lazy-and-possessive"),
    ],
)
def test_serial_pattern_is_a_setting(make_vodacom, read, validation, pattern, serial):
    vodacom = make_vodacom(serial_pattern=pattern)
    assert read(VALIDATE, validation(reference=serial), vodacom).serial == serial


@pytest.mark.parametrize("text", ["1", "5b0f0c9e8d1f4d0e9a530c9f0f6e2a11", 7])
def test_request_id_that_is_no_uuid_is_refused(refusal, validation, text):
    assert refusal(VALIDATE, validation(request_id=text))[1] == ("request_id",)


def test_process_may_carry_its_two_ids_alone(read):
    assert read(PROCESS, IDS) == ProcessRequest(reference="REF-00001", number=1)


def test_process_takes_over_what_it_carries(read):
    request = read(PROCESS, {**IDS, "amount": 5, "mpesaReceipt": " MP1 ", "status": "paid"})
    assert request == ProcessRequest(
        reference="REF-00001", number=1, amount=Money(500, "MZN"), receipt="MP1"
    )


@pytest.mark.parametrize("name", ["referenceId", "transactionId"])
def test_process_without_an_id_names_it(refusal, name):
    body = {key: value for key, value in IDS.items() if key != name}
    assert refusal(PROCESS, body) == (f"{name} is missing", (name,))


@pytest.mark.parametrize("text", ["REF1", "R" * 21, "REF 00001", "REF_00001", "RÉF-00001", 12345])
@pytest.mark.parametrize("path", [PROCESS, QUERY])
def test_reference_is_5_to_20_letters_digits_and_hyphens(refusal, path, text):
    assert refusal(path, {**IDS, "referenceId": text})[1] == ("referenceId",)


@pytest.mark.parametrize(
    "text",
    [
        "VOD-TXN-1",
        "VOD-TXN-0000001",
        "vod-txn-000001",
        "VOD-TXN-\uff11\uff11\uff11\uff11\uff11\uff11",
        "VOD-TXN-" + "9" * 19,
        "VOD-TXN--00001",
        1,
    ],
)
@pytest.mark.parametrize("path", [PROCESS, QUERY])
def test_transaction_id_is_one_we_could_have_given(refusal, path, text):
    assert refusal(path, {**IDS, "transactionId": text})[1] == ("transactionId",)


def test_transaction_id_may_outgrow_six_digits(read):
    assert read(PROCESS, {**IDS, "transactionId": "VOD-TXN-1234567"}).number == 1234567


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"referenceId": "REF-00001"}, EnquiryRequest(reference="REF-00001")),
        ({"transactionId": "VOD-TXN-000042"}, EnquiryRequest(number=42)),
        (IDS, EnquiryRequest(reference="REF-00001", number=1)),
    ],
    ids=["reference", "transaction", "both"],
)
def test_query_takes_either_id_and_is_not_final(read, body, expected):
    assert read(QUERY, body) == expected
    assert expected.final is False


def test_query_without_any_id_names_both(refusal):
    assert refusal(QUERY, {}) == (
        "referenceId is missing, transactionId is missing",
        ("referenceId", "transactionId"),
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'"x"', id="a-text"),
        pytest.param(b'{"amount":1,"amount":2}', id="repeated-key"),
        pytest.param(b'{"amount":NaN}', id="nan"),
        pytest.param(b'{"amount":Infinity}', id="infinity"),
        pytest.param(b'{"amount":1e400}', id="beyond-all-size"),
        pytest.param(b'{"amount":' + b"9" * 5000 + b"}", id="thousands-of-digits"),
        pytest.param(b'{"a":' * 10000, id="deep-objects"),
        pytest.param(b"[" * 10000, id="deep-lists"),
        pytest.param(b'\xef\xbb\xbf{"referenceId":"REF-00001"}', id="byte-order-mark"),
        pytest.param('{"referenceId":"REF-00001"}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'{"referenceId":"\xff"}', id="not-utf-8"),
        pytest.param(b'{"referenceId":"a\x00"}', id="nul"),
    ],
)
def test_body_that_is_no_json_object_is_garbage_and_names_no_field(refusal, body):
    assert refusal(QUERY, body)[1] == ()


def test_lone_surrogates_never_get_in(refusal):
    body = b'{"referenceId":"REF-00001","transactionId":"VOD-TXN-000001","mpesaReceipt":"\\ud800"}'
    assert refusal(PROCESS, body)[1] == ("mpesaReceipt",)


@pytest.mark.parametrize("path", ["", "transactions", "transactions/refund", "Transactions/query"])
def test_path_of_no_service_is_garbage(refusal, path):
    assert refusal(path, IDS) == ("there is no such service", ())


_NAMES = ["reference", "amount", "request_id", "referenceId", "transactionId", "mpesaReceipt"]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3),
    max_leaves=5,
) | st.sampled_from(["SHS00001234", "REF-00001", "VOD-TXN-000001"])
_BODIES = st.binary() | st.dictionaries(
    st.sampled_from([*_NAMES, "payerPhoneNumber"]), _VALUES
).map(lambda body: json.dumps(body).encode())


@given(path=st.sampled_from([VALIDATE, PROCESS, QUERY]) | st.text(), body=_BODIES, key=st.none())
@example(path=QUERY, body=b'{"referenceId":"REF-00001"}', key="wrong")
def test_any_call_is_a_request_or_refused(vodacom, make_call, context, path, body, key):
    headers = None if key is None else {"authorization": f"Bearer {key}"}
    try:
        request = vodacom.mpm_read_call(make_call(path, body, headers), context)
    except (Malformed, Unauthenticated):
        return
    assert isinstance(request, ValidationRequest | ProcessRequest | EnquiryRequest)


@given(minor=st.integers(min_value=0, max_value=10**15))
def test_every_amount_written_plainly_is_read_back(read, validation, minor):
    body = json.dumps(validation(amount="AMOUNT"))
    written = f"{minor // 100}.{minor % 100:02d}"
    for form in (written, f'"{written}"'):
        request = read(VALIDATE, body.replace('"AMOUNT"', form).encode())
        assert request.amount == Money(minor, "MZN")
