"""The documented sample pairs of the C2B COMMAND interface, byte for byte."""

from __future__ import annotations

import pytest

from mpm_core import (
    Decision,
    EnquiryRequest,
    Money,
    Msisdn,
    PaymentFacts,
    PaymentStatus,
    ProcessRequest,
    Secret,
    Unauthenticated,
    ValidationRequest,
    Verdict,
)

VALIDATION = (
    b"<COMMAND><TYPE>C2B</TYPE><CUSTOMERMSISDN>781234567</CUSTOMERMSISDN>"
    b"<MERCHANTMSISDN>680000001</MERCHANTMSISDN><AMOUNT>5000</AMOUNT>"
    b"<REFERENCE>SHS00001234</REFERENCE><REFERENCE1>AIR0000000001</REFERENCE1></COMMAND>"
)
PROCESS = (
    b"<COMMAND><TYPE>C2B</TYPE><REFERENCE1>AIR0000000001</REFERENCE1>"
    b"<REFERENCE2>MP260108.1200.A00001</REFERENCE2></COMMAND>"
)
ENQUIRY = b"<COMMAND><TXNID>AIR0000000001</TXNID></COMMAND>"

READ_VALIDATION = ValidationRequest(
    serial="SHS00001234",
    amount=Money(500000, "TZS"),
    reference="AIR0000000001",
    payer=Msisdn.from_e164("+255781234567"),
)
READ_PROCESS = ProcessRequest(reference="AIR0000000001", receipt="MP260108.1200.A00001")
READ_ENQUIRY = EnquiryRequest(reference="AIR0000000001", final=True)

ASKED_VALIDATE = ("c2b/validate", VALIDATION, READ_VALIDATION)
ASKED_PROCESS = ("c2b/process", PROCESS, READ_PROCESS)
ASKED_ENQUIRY = ("c2b/enquiry", ENQUIRY, READ_ENQUIRY)


def _reply(inner):
    return f"<COMMAND>{inner}</COMMAND>".encode()


@pytest.mark.parametrize(
    ("asked", "verdict", "reply"),
    [
        pytest.param(
            ASKED_VALIDATE,
            Verdict(decision=Decision.VALIDATED, number=1),
            _reply("<STATUS>200</STATUS><MESSAGE>Success</MESSAGE>"),
            id="1-validate-ok",
        ),
        pytest.param(
            ASKED_VALIDATE,
            Verdict(decision=Decision.REJECTED, reason="unknown_serial", message="unknown"),
            _reply("<STATUS>400</STATUS><MESSAGE>Device not found</MESSAGE>"),
            id="2-unknown-serial",
        ),
        pytest.param(
            ASKED_VALIDATE,
            Verdict(decision=Decision.REJECTED, reason="amount_below_minimum"),
            _reply("<STATUS>400</STATUS><MESSAGE>Amount below minimum</MESSAGE>"),
            id="3-below-minimum",
        ),
        pytest.param(
            ASKED_PROCESS,
            Verdict(decision=Decision.ACCEPTED),
            _reply("<STATUS>200</STATUS><MESSAGE>Success</MESSAGE><TXNID>AIR0000000001</TXNID>"),
            id="5-process-ok",
        ),
        pytest.param(
            ASKED_PROCESS,
            Verdict(decision=Decision.NOT_FOUND),
            _reply("<STATUS>400</STATUS><MESSAGE>Unknown reference1</MESSAGE>"),
            id="6-never-validated",
        ),
        pytest.param(
            ASKED_ENQUIRY,
            Verdict(
                decision=Decision.FOUND,
                number=1,
                payment=PaymentFacts(status=PaymentStatus.SETTLED),
            ),
            _reply("<STATUS>200</STATUS><MESSAGE>Success</MESSAGE><REF>1</REF>"),
            id="7-enquiry-paid",
        ),
        pytest.param(
            ASKED_ENQUIRY,
            Verdict(decision=Decision.UNAVAILABLE),
            _reply("<STATUS>400</STATUS><MESSAGE>Pending</MESSAGE>"),
            id="7-enquiry-pending",
        ),
        pytest.param(
            ASKED_ENQUIRY,
            Verdict(decision=Decision.NOT_FOUND),
            _reply("<STATUS>404</STATUS><MESSAGE>Not Found</MESSAGE>"),
            id="7-enquiry-unknown",
        ),
    ],
)
def test_sample_is_read_and_answered_byte_for_byte(
    make_airtel, make_call, sign, context, asked, verdict, reply
):
    path, body, request_read = asked
    airtel = make_airtel(mode="jwt_hs512", jwt_secret=Secret("s" * 64))
    call = make_call(path, body, headers=sign())
    request = airtel.mpm_read_call(call, context)
    answer = airtel.mpm_write_reply(call, request, verdict)
    assert request == request_read
    assert (answer.status, answer.content_type) == (200, "application/xml; charset=utf-8")
    assert answer.body == reply


@pytest.mark.parametrize("lifetime", [None, -61], ids=["without-token", "expired-token"])
def test_sample_4_token_missing_or_expired_is_answered_401_inside_http_200(
    make_airtel, make_call, sign, context, lifetime
):
    airtel = make_airtel(mode="jwt_hs512", jwt_secret=Secret("s" * 64))
    headers = {} if lifetime is None else sign(lifetime=lifetime)
    call = make_call("c2b/validate", VALIDATION, headers=headers)
    with pytest.raises(Unauthenticated):
        airtel.mpm_read_call(call, context)
    answer = airtel.mpm_write_reply(call, None, Verdict(decision=Decision.UNAUTHENTICATED))
    assert answer.status == 200
    assert answer.body == _reply("<STATUS>401</STATUS><MESSAGE>Invalid Token</MESSAGE>")


def test_process_sent_again_is_answered_with_the_same_bytes(make_airtel, make_call):
    airtel = make_airtel()
    call = make_call("c2b/process", PROCESS)
    verdict = Verdict(decision=Decision.ACCEPTED)
    first, second = (airtel.mpm_write_reply(call, READ_PROCESS, verdict) for _ in range(2))
    assert first == second
