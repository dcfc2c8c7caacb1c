"""The documented sample pairs of the JSON contract, byte for byte; errors also carry a code."""

from __future__ import annotations

import pytest

from mpm_core import (
    Decision,
    EnquiryRequest,
    Money,
    PaymentFacts,
    PaymentStatus,
    ProcessRequest,
    Unauthenticated,
    ValidationRequest,
    Verdict,
)

ASKED_VALIDATE = (
    "transactions/validate",
    (
        b'{"reference":"SHS00001234","amount":100,'
        b'"request_id":"5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2a11"}'
    ),
    ValidationRequest(
        serial="SHS00001234",
        amount=Money(10000, "MZN"),
        intent="5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2a11",
    ),
)
ASKED_PROCESS = (
    "transactions/process",
    b'{"referenceId":"REF-00001","transactionId":"VOD-TXN-000001","mpesaReceipt":"MPESA-TX-1"}',
    ProcessRequest(reference="REF-00001", number=1, receipt="MPESA-TX-1"),
)
ASKED_QUERY = (
    "transactions/query",
    b'{"referenceId":"REF-00001"}',
    EnquiryRequest(reference="REF-00001", final=False),
)
FOUND = PaymentFacts(status=PaymentStatus.VALIDATED, device_kind="shs")
PENDING = PaymentFacts(status=PaymentStatus.TOKEN_PENDING, reference="REF-00001")


@pytest.mark.parametrize(
    ("asked", "verdict", "status", "body"),
    [
        pytest.param(
            ASKED_VALIDATE,
            Verdict(decision=Decision.VALIDATED, number=1, payment=FOUND),
            200,
            b'{"data":{"transactionId":"VOD-TXN-000001","status":"validated",'
            b'"details":{"product":"SHS","validAmount":100},"success":true}}',
            id="1-validate",
        ),
        pytest.param(
            ASKED_VALIDATE,
            Verdict(decision=Decision.REJECTED, reason="unknown_serial"),
            400,
            b'{"data":{"message":"device not found","code":"unknown_serial","success":false}}',
            id="2-unknown-serial",
        ),
        pytest.param(
            ASKED_PROCESS,
            Verdict(decision=Decision.ACCEPTED),
            200,
            b'{"data":{"transactionId":"VOD-TXN-000001","status":"processing",'
            b'"providerReference":"MPESA-TX-1","success":true}}',
            id="3-process",
        ),
        pytest.param(
            ASKED_QUERY,
            Verdict(decision=Decision.FOUND, number=1, payment=PENDING),
            200,
            b'{"data":{"referenceId":"REF-00001","transactionId":"VOD-TXN-000001",'
            b'"status":"processing","success":true}}',
            id="4-query-processing",
        ),
        pytest.param(
            ASKED_QUERY,
            Verdict(decision=Decision.NOT_FOUND),
            404,
            b'{"data":{"message":"unknown reference","code":"unknown_reference","success":false}}',
            id="4-query-unknown",
        ),
    ],
)
def test_sample_is_read_and_answered_byte_for_byte(
    vodacom, make_call, context, asked, verdict, status, body
):
    path, sent, expected = asked
    call = make_call(path, sent)
    request = vodacom.mpm_read_call(call, context)
    reply = vodacom.mpm_write_reply(call, request, verdict)
    assert request == expected
    assert (reply.status, reply.content_type, reply.body) == (status, "application/json", body)
    assert vodacom.mpm_write_reply(call, request, verdict) == reply


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer unknown"}], ids=["missing", "unknown"]
)
def test_sample_5_missing_or_unknown_key_is_401(vodacom, make_call, context, headers):
    call = make_call(*ASKED_QUERY[:2], headers=headers)
    with pytest.raises(Unauthenticated):
        vodacom.mpm_read_call(call, context)
    reply = vodacom.mpm_write_reply(call, None, Verdict(decision=Decision.UNAUTHENTICATED))
    assert (reply.status, reply.body) == (
        401,
        b'{"data":{"message":"unauthorised","code":"unauthorised","success":false}}',
    )
