"""The verdict tables: HTTP statuses, envelopes, and what a query says."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest

from mpm_core import (
    Decision,
    EnquiryRequest,
    Money,
    PaymentFacts,
    PaymentStatus,
    ProcessRequest,
    ReasonCode,
    ValidationRequest,
    Verdict,
)

VALIDATE, PROCESS, QUERY = "transactions/validate", "transactions/process", "transactions/query"
REQUESTS = {
    VALIDATE: ValidationRequest(serial="SHS1", amount=Money(10000, "MZN"), intent="id"),
    PROCESS: ProcessRequest(reference="REF-00001", number=1),
    QUERY: EnquiryRequest(reference="REF-00001"),
}
AGAIN = "temporarily unavailable, try again"


@pytest.fixture(scope="session")
def answer(vodacom, make_call):
    """Answer a verdict; return the HTTP status and what is in `data`."""

    def answer_verdict(path, decision, request=None, **verdict):
        read = request or REQUESTS.get(path)
        reply = vodacom.mpm_write_reply(
            make_call(path), read, Verdict(decision=decision, **verdict)
        )
        return reply.status, json.loads(reply.body)["data"]

    return answer_verdict


def _error(code, message, **more):
    return {"message": message, "code": code, **more, "success": False}


@pytest.mark.parametrize("path", [VALIDATE, PROCESS, QUERY, "elsewhere"])
@pytest.mark.parametrize(
    ("decision", "status", "data"),
    [
        (Decision.UNAUTHENTICATED, 401, _error("unauthorised", "unauthorised")),
        (Decision.NOT_FOUND, 404, _error("unknown_reference", "unknown reference")),
        (
            Decision.CONFLICT,
            409,
            _error("duplicate_reference", "reference already used with other content"),
        ),
        (
            Decision.STALE,
            503,
            _error("stale", "signature too old or too new, sign and send again"),
        ),
        (Decision.UNAVAILABLE, 503, _error("unavailable", AGAIN)),
        (Decision.NOTED, 503, _error("unavailable", AGAIN)),
        ("postponed", 503, _error("unavailable", AGAIN)),
        (Decision.MALFORMED, 400, _error("malformed", "unreadable request")),
    ],
)
def test_decision_has_its_answer(answer, path, decision, status, data):
    assert answer(path, decision) == (status, data)


@pytest.mark.parametrize(
    ("message", "said"),
    [("", "missing or wrong: amount"), ("amount is missing", "amount is missing")],
)
def test_wrong_members_are_422_and_named(answer, message, said):
    assert answer(VALIDATE, Decision.MALFORMED, fields=("amount",), message=message) == (
        422,
        _error("invalid_fields", said, fields=["amount"]),
    )


def test_garbage_is_400_with_the_reason(answer):
    assert answer(VALIDATE, Decision.MALFORMED, message="the body is not a JSON object") == (
        400,
        _error("malformed", "the body is not a JSON object"),
    )


MESSAGES = {
    "unknown_serial": "device not found",
    "device_unassigned": "device has no owner",
    "device_not_mapped": "device is not confirmed yet",
    "amount_invalid": "invalid amount",
    "amount_below_minimum": "amount below minimum",
    "amount_above_maximum": "amount above maximum",
    "no_tariff": "device has no tariff",
    "no_price": "device has no price",
    "no_plan": "device has no payment plan",
    "plan_already_settled": "device is already paid off",
    "duplicate_reference": "reference already used with other content",
    "unknown_reference": "unknown reference",
    "plugin_not_enabled": "payments to this device are not possible",
    "plugin_unavailable": AGAIN,
    "operation_not_supported": "device cannot be paid this way",
    "vendor_refused": "payments to this device are not possible",
    "vendor_pending": "temporarily unavailable, try again",
    "outcome_unknown": AGAIN,
}


@pytest.mark.parametrize("path", [VALIDATE, PROCESS])
@pytest.mark.parametrize("reason", list(ReasonCode))
def test_refusal_is_400_with_the_reason_as_code(answer, path, reason):
    assert answer(path, Decision.REJECTED, reason=str(reason), message="ours") == (
        400,
        _error(str(reason), MESSAGES[reason]),
    )


@pytest.mark.parametrize(
    ("reason", "message", "data"),
    [
        ("acme_blocked", 'Blocked by "acme"', _error("acme_blocked", 'Blocked by "acme"')),
        ("", "", _error("rejected", "payment not possible")),
    ],
    ids=["a-plugins-own", "none"],
)
def test_refusal_of_another_reason_is_said_in_its_words(answer, reason, message, data):
    refused = answer(VALIDATE, Decision.REJECTED, reason=reason, message=message)
    assert refused == (400, data)


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("meter", {"product": "METER", "validAmount": 100}),
        ("shs", {"product": "SHS", "validAmount": 100}),
        ("e_bike", {"product": "E-BIKE", "validAmount": 100}),
        ("pump", {"product": "PUMP", "validAmount": 100}),
        (None, {"validAmount": 100}),
    ],
)
def test_validation_names_the_product(answer, kind, details):
    payment = PaymentFacts(status=PaymentStatus.VALIDATED, device_kind=kind)
    status, data = answer(VALIDATE, Decision.VALIDATED, number=7, payment=payment)
    assert (status, data["details"]) == (200, details)


@pytest.mark.parametrize(
    ("minor", "written"), [(10000, b"100"), (19950, b"199.50"), (1, b"0.01"), (0, b"0")]
)
def test_valid_amount_is_exactly_the_amount(vodacom, make_call, minor, written):
    request = ValidationRequest(serial="SHS1", amount=Money(minor, "MZN"), intent="id")
    verdict = Verdict(decision=Decision.VALIDATED, number=1)
    reply = vodacom.mpm_write_reply(make_call(VALIDATE), request, verdict)
    assert b'"details":{"validAmount":' + written + b"}" in reply.body


def test_validation_without_a_number_cannot_be_answered_yet(answer):
    assert answer(VALIDATE, Decision.VALIDATED)[0] == 503


def test_process_without_a_receipt_refers_to_its_own_reference(answer):
    assert answer(PROCESS, Decision.ACCEPTED) == (
        200,
        {
            "transactionId": "VOD-TXN-000001",
            "status": "processing",
            "providerReference": "REF-00001",
            "success": True,
        },
    )


def test_transaction_id_outgrows_six_digits(answer):
    number = 12345678
    data = answer(VALIDATE, Decision.VALIDATED, number=number)[1]
    assert data["transactionId"] == "VOD-TXN-12345678"


WORDS = {
    "validated": "validated",
    "rejected": "failed",
    "token_pending": "processing",
    "unknown": "processing",
    "held": "processing",
    "unmatched": "processing",
    "settled": "completed",
    "reversed": "failed",
    "denied": "failed",
}


@pytest.mark.parametrize("payment_status", list(PaymentStatus))
def test_query_answers_by_the_public_status_table(answer, payment_status):
    payment = PaymentFacts(
        status=payment_status,
        reference="REF-00001",
        receipt="MP1",
        settled_at=datetime(2026, 1, 8, 12, 0, 30, 5, tzinfo=UTC),
    )
    completed = {"completedAt": "2026-01-08T12:00:30+00:00"}
    word = WORDS[payment_status]
    assert answer(QUERY, Decision.FOUND, number=1, payment=payment) == (
        200,
        {
            "referenceId": "REF-00001",
            "transactionId": "VOD-TXN-000001",
            "status": word,
            "mpesaReceipt": "MP1",
            **(completed if word == "completed" else {}),
            "success": True,
        },
    )


def test_query_tells_only_what_is_known(answer):
    request = EnquiryRequest(number=5)
    settled = PaymentFacts(status=PaymentStatus.SETTLED)
    assert answer(QUERY, Decision.FOUND, request) == (
        200,
        {"transactionId": "VOD-TXN-000005", "status": "processing", "success": True},
    )
    assert answer(QUERY, Decision.FOUND, payment=settled) == (
        200,
        {"referenceId": "REF-00001", "status": "completed", "success": True},
    )


@pytest.mark.parametrize("path", [VALIDATE, PROCESS, QUERY, "elsewhere"])
def test_every_verdict_has_an_answer_and_always_the_same(vodacom, make_call, path):
    statuses = [None, *PaymentStatus, "escrowed"]
    call = make_call(path)
    for decision, status, reason in itertools.product(Decision, statuses, ["", *ReasonCode, "x_y"]):
        payment = PaymentFacts(status=status) if status else None
        verdict = Verdict(decision=decision, reason=str(reason), payment=payment, number=1)
        for request in (None, *REQUESTS.values()):
            first = vodacom.mpm_write_reply(call, request, verdict)
            assert vodacom.mpm_write_reply(call, request, verdict) == first
