"""The verdict tables: what Airtel hears, and what it must never hear."""

from __future__ import annotations

import itertools

import pytest

from mpm_core import (
    Decision,
    EnquiryRequest,
    Heartbeat,
    PaymentFacts,
    PaymentStatus,
    ProcessRequest,
    ReasonCode,
    Verdict,
    read_flat_xml,
)

PATHS = ("c2b/validate", "c2b/process", "c2b/enquiry", "elsewhere")
REQUESTS = {
    "c2b/process": ProcessRequest(reference="AIR1"),
    "c2b/enquiry": EnquiryRequest(reference="AIR1", final=True),
}


@pytest.fixture(scope="session")
def answer(make_airtel, make_call):
    """Answer a verdict and return (HTTP status, STATUS, MESSAGE, what follows)."""
    default = make_airtel()

    def answer_verdict(path, decision, airtel=default, request=None, **verdict):
        reply = airtel.mpm_write_reply(
            make_call(path), request or REQUESTS.get(path), Verdict(decision=decision, **verdict)
        )
        fields = dict(read_flat_xml(reply.body, root="COMMAND").fields)
        status, message = fields.pop("STATUS"), fields.pop("MESSAGE")
        return (reply.status, status, message, fields)

    return answer_verdict


AGAIN = "Service unavailable, try again"


@pytest.mark.parametrize(
    ("path", "decision", "expected"),
    [
        ("c2b/validate", Decision.VALIDATED, (200, "200", "Success", {})),
        ("c2b/validate", Decision.CONFLICT, (200, "400", "Duplicate Reference1", {})),
        ("c2b/validate", Decision.UNAVAILABLE, (200, "400", AGAIN, {})),
        ("c2b/validate", Decision.STALE, (200, "400", AGAIN, {})),
        ("c2b/validate", Decision.ACCEPTED, (200, "400", AGAIN, {})),
        ("c2b/validate", Decision.UNAUTHENTICATED, (200, "401", "Invalid Token", {})),
        ("c2b/process", Decision.ACCEPTED, (200, "200", "Success", {"TXNID": "AIR1"})),
        ("c2b/process", Decision.CONFLICT, (200, "400", "Duplicate Reference1", {})),
        ("c2b/process", Decision.NOT_FOUND, (200, "400", "Unknown reference1", {})),
        ("c2b/process", Decision.UNAVAILABLE, (503, "500", AGAIN, {})),
        ("c2b/process", Decision.STALE, (503, "500", AGAIN, {})),
        ("c2b/process", Decision.NOTED, (503, "500", AGAIN, {})),
        ("c2b/process", Decision.UNAUTHENTICATED, (200, "401", "Invalid Token", {})),
        ("c2b/enquiry", Decision.NOT_FOUND, (200, "404", "Not Found", {})),
        ("c2b/enquiry", Decision.UNAVAILABLE, (200, "400", "Pending", {})),
        ("c2b/enquiry", Decision.CONFLICT, (200, "400", "Pending", {})),
        ("c2b/enquiry", Decision.FOUND, (200, "400", "Pending", {})),
        ("c2b/enquiry", Decision.UNAUTHENTICATED, (200, "401", "Invalid Token", {})),
        ("elsewhere", Decision.UNAVAILABLE, (503, "500", AGAIN, {})),
    ],
)
def test_decision_has_its_answer(answer, path, decision, expected):
    assert answer(path, decision) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (PaymentStatus.VALIDATED, "404"),
        (PaymentStatus.REJECTED, "404"),
        (PaymentStatus.TOKEN_PENDING, "200"),
        (PaymentStatus.UNKNOWN, "200"),
        (PaymentStatus.HELD, "200"),
        (PaymentStatus.UNMATCHED, "200"),
        (PaymentStatus.SETTLED, "200"),
        (PaymentStatus.REVERSED, "404"),
        (PaymentStatus.DENIED, "404"),
    ],
)
def test_enquiry_answers_by_the_public_status_table(answer, status, expected):
    found = answer("c2b/enquiry", Decision.FOUND, number=42, payment=PaymentFacts(status=status))
    done, no = (200, "200", "Success", {"REF": "42"}), (200, "404", "Not Found", {})
    assert found == (done if expected == "200" else no)


def test_status_table_covers_every_status():
    marks = test_enquiry_answers_by_the_public_status_table.pytestmark
    assert {row[0] for row in marks[0].args[1]} == set(PaymentStatus)


@pytest.mark.parametrize(
    ("request_read", "extra"),
    [(EnquiryRequest(reference="AIR1"), {"REF": "AIR1"}), (Heartbeat(), {})],
    ids=["its-own-id", "nothing"],
)
def test_enquiry_of_a_payment_without_a_number_refers_to_what_it_can(answer, request_read, extra):
    payment = PaymentFacts(status=PaymentStatus.SETTLED)
    assert answer("c2b/enquiry", Decision.FOUND, request=request_read, payment=payment) == (
        200,
        "200",
        "Success",
        extra,
    )


MESSAGES = {
    "unknown_serial": "Device not found",
    "device_unassigned": "Device has no owner",
    "device_not_mapped": "Device is not confirmed yet",
    "amount_invalid": "Invalid amount",
    "amount_below_minimum": "Amount below minimum",
    "amount_above_maximum": "Amount above maximum",
    "no_tariff": "Device has no tariff",
    "no_price": "Device has no price",
    "no_plan": "Device has no payment plan",
    "plan_already_settled": "Device is already paid off",
    "duplicate_reference": "Duplicate Reference1",
    "unknown_reference": "Unknown reference1",
    "plugin_not_enabled": "Payments to this device are not possible",
    "plugin_unavailable": AGAIN,
    "operation_not_supported": "Device cannot be paid this way",
    "vendor_refused": "Payments to this device are not possible",
    "vendor_pending": "Service unavailable, try again",
    "outcome_unknown": AGAIN,
}


@pytest.mark.parametrize("path", ["c2b/validate", "c2b/process"])
@pytest.mark.parametrize("reason", list(ReasonCode))
def test_refusal_has_the_words_of_its_reason(answer, path, reason):
    expected = (200, "400", MESSAGES[reason], {})
    assert answer(path, Decision.REJECTED, reason=str(reason), message="ours") == expected


@pytest.mark.parametrize(
    ("message", "said"),
    [("Blocked by <acme> & co.", "Blocked by <acme> & co."), ("", "Payment not possible")],
)
def test_refusal_of_a_plugins_own_reason_is_said_in_its_words(answer, message, said):
    refused = answer("c2b/validate", Decision.REJECTED, reason="acme_blocked", message=message)
    assert refused == (200, "400", said, {})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "message", "expected"),
    [
        ((), "", (400, "400", "Unreadable request", {})),
        ((), "The document is not XML.", (400, "400", "The document is not XML.", {})),
        (("AMOUNT",), "", (200, "400", "Missing or wrong: AMOUNT", {})),
        (("AMOUNT",), "AMOUNT is missing.", (200, "400", "AMOUNT is missing.", {})),
    ],
    ids=["garbage", "garbage-explained", "field", "field-explained"],
)
def test_malformed_call_is_http_400_only_if_it_is_garbage(answer, path, fields, message, expected):
    malformed = answer(path, Decision.MALFORMED, fields=fields, message=message)
    assert malformed == expected


def _verdicts():
    statuses = [None, *PaymentStatus]
    for decision, status, reason in itertools.product(Decision, statuses, ["", *ReasonCode, "x_y"]):
        payment = PaymentFacts(status=status) if status else None
        yield Verdict(decision=decision, reason=str(reason), payment=payment)


@pytest.mark.parametrize("settings", [{}, {"status_words": "words"}, {"accept_json": True}])
@pytest.mark.parametrize("path", PATHS)
def test_every_verdict_has_an_answer_and_always_the_same(make_airtel, make_call, path, settings):
    airtel = make_airtel(**settings)
    call = make_call(path, b"{}" if settings.get("accept_json") else b"")
    for verdict in _verdicts():
        for request in (None, REQUESTS.get(path)):
            first = airtel.mpm_write_reply(call, request, verdict)
            assert airtel.mpm_write_reply(call, request, verdict) == first


def test_no_enquiry_gives_money_back_unless_the_host_is_sure(answer):
    sure = {PaymentStatus.VALIDATED, PaymentStatus.REJECTED, PaymentStatus.REVERSED}
    sure |= {PaymentStatus.DENIED}
    for verdict in _verdicts():
        said = answer("c2b/enquiry", verdict.decision, payment=verdict.payment)[1]
        is_sure = verdict.decision is Decision.NOT_FOUND or (
            verdict.decision is Decision.FOUND
            and verdict.payment is not None
            and verdict.payment.status in sure
        )
        assert (said == "404") == is_sure


@pytest.mark.parametrize("path", ["c2b/validate", "c2b/process", "c2b/enquiry"])
def test_decision_of_a_newer_host_is_never_a_no_once_money_moved(answer, path):
    expected = {
        "c2b/validate": (200, "400", AGAIN, {}),
        "c2b/process": (503, "500", AGAIN, {}),
        "c2b/enquiry": (200, "400", "Pending", {}),
    }
    assert answer(path, "postponed") == expected[path]


def test_status_of_a_newer_host_is_pending(answer):
    class NewStatus(str):
        is_booked = False
        __slots__ = ()

    payment = PaymentFacts(status=NewStatus("escrowed"))
    assert answer("c2b/enquiry", Decision.FOUND, payment=payment) == (200, "400", "Pending", {})


@pytest.mark.parametrize(
    ("path", "decision", "word"),
    [
        ("c2b/validate", Decision.VALIDATED, "SUCCESS"),
        ("c2b/validate", Decision.REJECTED, "FAILED"),
        ("c2b/validate", Decision.UNAUTHENTICATED, "FAILED"),
        ("c2b/process", Decision.ACCEPTED, "SUCCESS"),
        ("c2b/process", Decision.UNAVAILABLE, "PENDING"),
        ("c2b/process", Decision.UNAUTHENTICATED, "PENDING"),
        ("c2b/enquiry", Decision.NOT_FOUND, "FAILED"),
        ("c2b/enquiry", Decision.UNAVAILABLE, "PENDING"),
        ("c2b/enquiry", Decision.UNAUTHENTICATED, "PENDING"),
        ("elsewhere", Decision.UNAUTHENTICATED, "FAILED"),
    ],
)
def test_status_can_be_written_in_words(make_airtel, answer, path, decision, word):
    assert answer(path, decision, make_airtel(status_words="words"))[1] == word


@pytest.mark.parametrize("fields", [(), ("TXNID",)], ids=["garbage", "field"])
@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("c2b/validate", "FAILED"),
        ("c2b/process", "FAILED"),
        ("c2b/enquiry", "PENDING"),
        ("elsewhere", "FAILED"),
    ],
)
def test_enquiry_that_cannot_be_read_is_no_no_in_words(make_airtel, answer, path, word, fields):
    airtel = make_airtel(status_words="words")
    said = answer(path, Decision.MALFORMED, airtel, fields=fields, message="Why.")
    assert said == (200 if fields else 400, word, "Why.", {})


def test_json_call_is_answered_in_json(make_airtel, make_call):
    airtel = make_airtel(accept_json=True)
    reply = airtel.mpm_write_reply(
        make_call("c2b/process", b' {"REFERENCE1":"AIR1"}'),
        ProcessRequest(reference="AIR1"),
        Verdict(decision=Decision.ACCEPTED),
    )
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert reply.body == b'{"STATUS":"200","MESSAGE":"Success","TXNID":"AIR1"}'


def test_json_call_is_answered_in_xml_when_json_is_not_enabled(make_airtel, make_call):
    reply = make_airtel().mpm_write_reply(
        make_call("c2b/process", b"{}"), None, Verdict(decision=Decision.MALFORMED)
    )
    assert reply.body == (
        b"<COMMAND><STATUS>400</STATUS><MESSAGE>Unreadable request</MESSAGE></COMMAND>"
    )
