"""What is read of a COMMAND, and what is refused."""

from __future__ import annotations

import attrs
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


@pytest.fixture(scope="session")
def read(make_airtel, make_call, context):
    """Read one call, by default with a plugin that does not compare the merchant."""
    default = make_airtel()

    def read_call(body, path="c2b/validate", airtel=default, **headers):
        return airtel.mpm_read_call(make_call(path, body, **headers), context)

    return read_call


@pytest.fixture(scope="session")
def refusal(read):
    """Return what a refused call is told: the message and the fields."""

    def read_refused(*args, **kwargs):
        with pytest.raises(Malformed) as caught:
            read(*args, **kwargs)
        return str(caught.value), caught.value.fields

    return read_refused


@pytest.mark.parametrize("name", ["TYPE", "CUSTOMERMSISDN", "AMOUNT", "REFERENCE", "REFERENCE1"])
@pytest.mark.parametrize("value", [None, "", "  \n "], ids=["missing", "empty", "blank"])
def test_validation_without_a_required_field_names_it(refusal, validation, name, value):
    assert refusal(validation(**{name: value})) == (f"{name} is missing.", (name,))


def test_every_mistake_of_a_call_is_reported_together(refusal, command):
    assert refusal(command(TYPE="LOOKUP", AMOUNT="much", CUSTOMERMSISDN="0781x")) == (
        (
            "REFERENCE1 is missing, TYPE is not C2B, REFERENCE is missing, "
            "AMOUNT is no amount in TZS, CUSTOMERMSISDN is not written in digits."
        ),
        ("REFERENCE1", "TYPE", "REFERENCE", "AMOUNT", "CUSTOMERMSISDN"),
    )


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        pytest.param("5000", 500000, id="whole"),
        pytest.param("5000.50", 500050, id="cents"),
        pytest.param("5000.000", 500000, id="zeros-beyond-the-currency"),
        pytest.param("005000", 500000, id="leading-zeros"),
        pytest.param(" 5000 ", 500000, id="blanks"),
        pytest.param("0", 0, id="zero-is-the-hosts-to-refuse"),
    ],
)
def test_amount_is_read_exactly(read, validation, text, minor):
    assert read(validation(AMOUNT=text)).amount == Money(minor, "TZS")


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "+1",
        "-0",
        "1e3",
        "1E400",
        "NaN",
        "Infinity",
        "10.005",
        "1_000",
        "\uff11\uff10\uff10",
        "1,000.00",
        "1 000",
        "0x10",
        ".5",
        "5.",
        "1.2.3",
        str(10**18),
        "9" * 65,
        "TZS 5",
    ],
)
@pytest.mark.parametrize("path", ["c2b/validate", "c2b/process"])
def test_amount_in_any_other_form_is_refused(refusal, validation, path, text):
    assert refusal(validation(AMOUNT=text), path)[1] == ("AMOUNT",)


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        pytest.param("781234567", "+255781234567", id="national"),
        pytest.param("0781234567", "+255781234567", id="leading-zero"),
        pytest.param("255781234567", "+255781234567", id="country-code"),
        pytest.param("+255781234567", "+255781234567", id="plus"),
        pytest.param("+255 781 234 567", "+255781234567", id="blanks"),
        pytest.param("00255781234567", "+255781234567", id="double-zero"),
        pytest.param("+254712345678", "+254712345678", id="another-country"),
    ],
)
def test_payer_is_normalised_to_e164(read, validation, text, e164):
    assert read(validation(CUSTOMERMSISDN=text)).payer.e164 == e164


@pytest.mark.parametrize(
    "text",
    ["8021234567", "08021234567", "2348021234567", "002348021234567", "00 234 802 123 4567"],
)
def test_payer_of_a_country_that_dials_abroad_in_its_own_way_is_normalised_too(
    make_airtel, make_runtime, company, read, validation, text
):
    nigeria = attrs.evolve(company, country="NG", currency="NGN")
    airtel = make_airtel(runtime=make_runtime(company=nigeria))
    assert read(validation(CUSTOMERMSISDN=text), airtel=airtel).payer.e164 == "+2348021234567"


@pytest.mark.parametrize("text", ["15501", "123", "1234567890123456", "0"])
def test_payer_whose_digits_are_no_phone_number_is_nobody(read, validation, text):
    assert read(validation(CUSTOMERMSISDN=text)).payer is None


@pytest.mark.parametrize("text", ["anonymous", "0781-234", "+", "\uff17\uff18\uff11", "7" * 65])
def test_payer_that_is_not_digits_is_refused_without_repeating_it(refusal, validation, text):
    message, fields = refusal(validation(CUSTOMERMSISDN=text))
    assert fields == ("CUSTOMERMSISDN",)
    assert text not in message


@pytest.mark.parametrize(
    "serial", ["00012", "a" * 64, "shs-1", "../x", "'; DROP TABLE--", "Ünit", "{{7*7}}"]
)
def test_serial_is_kept_byte_for_byte(read, validation, serial):
    assert read(validation(REFERENCE=f"  {serial} ")).serial == serial


@pytest.mark.parametrize("name", ["REFERENCE", "REFERENCE1"])
@pytest.mark.parametrize(
    "text", ["a" * 65, "a\nb", "a\u202eb", "a\u00a0b"], ids=["long", "lines", "rtl", "nbsp"]
)
def test_serial_and_reference_are_short_and_printable(refusal, validation, name, text):
    assert refusal(validation(**{name: text})) == (
        f"{name} is not 1 to 64 printable characters.",
        (name,),
    )


def test_process_may_carry_the_ids_alone(read, command):
    assert read(command(REFERENCE1="7"), "c2b/process") == ProcessRequest(reference="7")


def test_process_takes_over_what_it_carries(read, validation):
    request = read(validation(REFERENCE2=" MP1 "), "c2b/process")
    payer = request.payer.e164
    assert (request.reference, request.receipt, request.serial, request.amount, payer) == (
        "AIR0000000001",
        "MP1",
        "SHS00001234",
        Money(500000, "TZS"),
        "+255781234567",
    )


def test_process_without_its_reference_names_it(refusal, command):
    assert refusal(command(REFERENCE2="MP1"), "c2b/process") == (
        "REFERENCE1 is missing.",
        ("REFERENCE1",),
    )


@pytest.mark.parametrize("kind", ["LOOKUP", "BILLFETCH", "c2b"])
@pytest.mark.parametrize("path", ["c2b/validate", "c2b/process"])
def test_another_service_is_refused(refusal, validation, path, kind):
    assert refusal(validation(TYPE=kind), path) == ("TYPE is not C2B.", ("TYPE",))


def test_enquiry_is_final_and_needs_its_reference(read, refusal, command):
    request = read(command(TXNID="7", MSISDN="781234567"), "c2b/enquiry")
    assert request == EnquiryRequest(reference="7", final=True)
    assert refusal(command(), "c2b/enquiry") == ("TXNID is missing.", ("TXNID",))


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        pytest.param("680000001", True, id="same"),
        pytest.param("255680000001", True, id="with-country-code"),
        pytest.param("+255 680 000 001", True, id="as-people-write-it"),
        pytest.param("680000002", False, id="another"),
        pytest.param("shop", False, id="no-number"),
    ],
)
@pytest.mark.parametrize("path", ["c2b/validate", "c2b/process"])
def test_merchant_is_compared_when_configured(
    make_airtel, make_call, context, validation, path, text, ours
):
    airtel = make_airtel(merchant_msisdn="680000001")
    call = make_call(path, validation(MERCHANTMSISDN=text))
    if ours:
        airtel.mpm_read_call(call, context)
        return
    with pytest.raises(Malformed, match=r"^MERCHANTMSISDN is not ours\.$") as caught:
        airtel.mpm_read_call(call, context)
    assert caught.value.fields == ("MERCHANTMSISDN",)


def test_merchant_is_required_at_validation_only_and_when_configured(
    make_airtel, read, refusal, validation
):
    airtel = make_airtel(merchant_msisdn="1234")
    without = validation(MERCHANTMSISDN=None)
    assert refusal(without, airtel=airtel) == (
        "MERCHANTMSISDN is missing.",
        ("MERCHANTMSISDN",),
    )
    assert isinstance(read(without, "c2b/process", airtel), ProcessRequest)
    assert isinstance(read(without), ValidationRequest)
    assert isinstance(read(validation(MERCHANTMSISDN="1234"), airtel=airtel), ValidationRequest)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<COMMAND>", id="not-closed"),
        pytest.param(b"hello", id="text"),
        pytest.param(b"<Response><TYPE>C2B</TYPE></Response>", id="another-root"),
        pytest.param(b'{"TYPE":"C2B"}', id="json-that-is-not-enabled"),
        pytest.param(b"<!DOCTYPE COMMAND><COMMAND></COMMAND>", id="doctype"),
        pytest.param(
            b'<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><COMMAND>&x;</COMMAND>',
            id="external-entity",
        ),
        pytest.param(
            b'<!DOCTYPE c [<!ENTITY % x SYSTEM "http://example.invalid/x">%x;]><COMMAND/>',
            id="parameter-entity",
        ),
        pytest.param(
            b'<!DOCTYPE c [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><COMMAND>&b;</COMMAND>',
            id="entity-expansion",
        ),
        pytest.param(b"<COMMAND>" + b"<A>" * 10000, id="deep"),
        pytest.param(b"<COMMAND><AMOUNT>1</AMOUNT><AMOUNT>2</AMOUNT></COMMAND>", id="repeated"),
        pytest.param(b"<COMMAND>\xff</COMMAND>", id="not-utf-8"),
        pytest.param("<COMMAND></COMMAND>".encode("utf-16"), id="utf-16"),
        pytest.param(b"<COMMAND>\x00</COMMAND>", id="nul"),
    ],
)
def test_body_that_is_no_command_is_garbage_and_names_no_field(refusal, body):
    assert refusal(body)[1] == ()


def test_xinclude_is_not_followed(refusal):
    body = (
        b'<COMMAND xmlns:xi="http://www.w3.org/2001/XInclude"><TYPE>C2B</TYPE>'
        b'<xi:include href="file:///etc/passwd" parse="text"/></COMMAND>'
    )
    assert "REFERENCE1" in refusal(body)[1]


@pytest.mark.parametrize("path", ["", "c2b", "c2b/lookup", "C2B/VALIDATE"])
def test_path_of_no_service_is_garbage(refusal, validation, path):
    assert refusal(validation(), path) == ("There is no such service.", ())


def test_content_type_is_not_relied_on(read, validation, make_call):
    headers = {"authorization": "Bearer fixed-token-agreed-at-onboarding"}
    for content_type in ("text/xml; charset=utf-16", "application/json", "nonsense"):
        request = read(validation(), headers={**headers, "content-type": content_type})
        assert isinstance(request, ValidationRequest)


@pytest.fixture(scope="session")
def json_airtel(make_airtel):
    return make_airtel(accept_json=True)


JSON = (
    b'{"TYPE":"C2B","CUSTOMERMSISDN":"781234567","AMOUNT":%s,"REFERENCE":"SHS1","REFERENCE1":71,'
    b'"CUSTOMERNAME":null}'
)


@pytest.mark.parametrize("amount", [b"5000.50", b'"5000.50"'], ids=["number", "text"])
def test_json_variant_is_read_when_enabled(read, json_airtel, amount):
    request = read(JSON % amount, airtel=json_airtel)
    assert (request.serial, request.reference, request.amount) == (
        "SHS1",
        "71",
        Money(500050, "TZS"),
    )


def test_xml_is_still_read_when_json_is_enabled(read, json_airtel, validation):
    assert isinstance(read(validation(), airtel=json_airtel), ValidationRequest)


@pytest.mark.parametrize("amount", [b"1e3", b"-5", b"10.005", b'"NaN"'])
def test_json_amount_in_any_other_form_is_refused(refusal, json_airtel, amount):
    assert refusal(JSON % amount, airtel=json_airtel)[1] == ("AMOUNT",)


NO_FIELDS = [
    pytest.param(b"true", id="yes"),
    pytest.param(b"[1]", id="list"),
    pytest.param(b'{"a":1}', id="object"),
]


@pytest.mark.parametrize("value", NO_FIELDS)
def test_unknown_json_members_of_any_kind_are_ignored(read, json_airtel, value):
    plain = JSON % b"5000"
    more = plain.replace(b"}", b',"EXTRA":%s}' % value)
    assert read(more, airtel=json_airtel) == read(plain, airtel=json_airtel)


@pytest.mark.parametrize("value", NO_FIELDS)
@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("c2b/validate", ("TYPE", "CUSTOMERMSISDN", "MERCHANTMSISDN", "AMOUNT", "REFERENCE")),
        ("c2b/process", ("AMOUNT", "REFERENCE", "REFERENCE1", "REFERENCE2")),
        ("c2b/enquiry", ("TXNID",)),
    ],
)
def test_json_member_we_read_is_text_or_number(refusal, json_airtel, path, names, value):
    members = b",".join(b'"%s":%s' % (name.encode(), value) for name in names)
    sentence = ", ".join(f"{name} is neither text nor number" for name in names)
    assert refusal(b"{%s}" % members, path, json_airtel) == (f"{sentence}.", names)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="not-closed"),
        pytest.param(b'{"AMOUNT":1,"AMOUNT":2}', id="repeated-key"),
        pytest.param(JSON % b"NaN", id="nan"),
        pytest.param(JSON % b"1e400", id="beyond-all-size"),
        pytest.param(b'{"a":' * 10000, id="deep"),
        pytest.param(b'{"a":"\xff"}', id="not-utf-8"),
    ],
)
def test_body_that_is_no_json_command_is_garbage(refusal, json_airtel, body):
    assert refusal(body, airtel=json_airtel)[1] == ()


def test_lone_surrogates_never_get_in(refusal, json_airtel):
    body = JSON.replace(b"SHS1", b"\\ud800") % b"1"
    assert refusal(body, airtel=json_airtel)[1] == ("REFERENCE",)


_PATHS = st.sampled_from(["c2b/validate", "c2b/process", "c2b/enquiry"]) | st.text()
_NAMES = st.sampled_from(
    ["TYPE", "AMOUNT", "REFERENCE", "REFERENCE1", "REFERENCE2", "TXNID", "CUSTOMERMSISDN", "PIN"]
)
_TEXTS = st.text(
    st.characters(exclude_characters="<&", exclude_categories=["Cs"])
) | st.sampled_from(["C2B", "5000", "781234567", "AIR1"])
_BODIES = st.binary() | st.dictionaries(_NAMES, _TEXTS).map(
    lambda fields: (
        "<COMMAND>" + "".join(f"<{k}>{v}</{k}>" for k, v in fields.items()) + "</COMMAND>"
    ).encode()
)


@given(path=_PATHS, body=_BODIES, token=st.text() | st.none())
@example(path="c2b/enquiry", body=b"<COMMAND><TXNID>1</TXNID></COMMAND>", token=None)
def test_any_call_is_a_request_or_refused(json_airtel, make_call, context, path, body, token):
    headers = None if token is None else {"authorization": token}
    try:
        request = json_airtel.mpm_read_call(make_call(path, body, headers), context)
    except (Malformed, Unauthenticated):
        return
    assert isinstance(request, ValidationRequest | ProcessRequest | EnquiryRequest)


@given(minor=st.integers(min_value=0, max_value=10**15), zeros=st.integers(0, 5))
def test_every_amount_written_plainly_is_read_back(read, validation, minor, zeros):
    written = f"{minor // 100}.{minor % 100:02d}" + "0" * zeros
    assert read(validation(AMOUNT=written)).amount == Money(minor, "TZS")


def test_pin_is_never_read(read, validation):
    assert read(validation(PIN="1234")) == read(validation())
