from __future__ import annotations

import contextlib
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_africastalking.reports import read_report, write_reply
from mpm_core import (
    CallRefused,
    Decision,
    DeliveryReport,
    InboundCall,
    Malformed,
    MessageStatus,
    Reply,
    Verdict,
)

REPORT = {
    "id": "ATXid_1",
    "status": "Success",
    "phoneNumber": "+254711082300",
    "networkCode": "63902",
    "retryCount": "0",
}


def call(body: bytes, *, method: str = "POST", path: str = "delivery") -> InboundCall:
    return InboundCall(method=method, path=path, headers={}, body=body, source="1.2.3.4")


def reported(**changed: str) -> InboundCall:
    return call(urlencode(REPORT | changed).encode())


@pytest.mark.parametrize(
    ("changed", "status", "detail"),
    [
        pytest.param({"status": "Sent"}, MessageStatus.SENT, "Sent", id="Sent"),
        pytest.param({"status": "Submitted"}, MessageStatus.SENT, "Submitted", id="Submitted"),
        pytest.param({"status": "Buffered"}, MessageStatus.SENT, "Buffered", id="Buffered"),
        pytest.param({}, MessageStatus.DELIVERED, "Success", id="Success"),
        pytest.param({"status": "Rejected"}, MessageStatus.FAILED, "Rejected", id="Rejected"),
        pytest.param(
            {"status": "Failed", "failureReason": "UserIsInactive"},
            MessageStatus.FAILED,
            "Failed: UserIsInactive",
            id="Failed with a reason",
        ),
        pytest.param(
            {"status": "AbsentSubscriber"},
            MessageStatus.FAILED,
            "AbsentSubscriber",
            id="AbsentSubscriber",
        ),
        pytest.param({"status": "Expired"}, MessageStatus.FAILED, "Expired", id="Expired"),
        pytest.param({"status": "Pondering"}, MessageStatus.SENT, "Pondering", id="undocumented"),
        pytest.param(
            {"status": "Failed", "failureReason": "call +254711082300"},
            MessageStatus.FAILED,
            "Failed",
            id="a reason that is no word is left out",
        ),
    ],
)
def test_a_report_says_how_far_the_message_came(changed, status, detail):
    assert read_report(reported(**changed)) == DeliveryReport(
        reference="ATXid_1", status=status, detail=detail
    )


@pytest.mark.parametrize(
    ("made", "message", "fields"),
    [
        pytest.param(
            call(b"id=1", method="GET"),
            "Delivery reports are POSTed to 'delivery'.",
            ("path",),
            id="GET",
        ),
        pytest.param(
            call(b"id=1", path="other"),
            "Delivery reports are POSTed to 'delivery'.",
            ("path",),
            id="another path",
        ),
        pytest.param(
            reported(id=""), "The delivery report lacks a readable id.", ("id",), id="no id"
        ),
        pytest.param(
            reported(id="a b", status="+254711082300"),
            "The delivery report lacks a readable id and status.",
            ("id", "status"),
            id="unreadable id and status",
        ),
        pytest.param(
            call(b""),
            "The delivery report lacks a readable id and status.",
            ("id", "status"),
            id="empty",
        ),
        pytest.param(
            call(b'{"id": "1"}'),
            "The delivery report is no URL-encoded form.",
            ("body",),
            id="JSON",
        ),
        pytest.param(
            call(b"id=\xff"), "The delivery report is no URL-encoded form.", ("body",), id="bytes"
        ),
        pytest.param(
            call(b"id=%FF&status=Sent"),
            "The delivery report is no URL-encoded form.",
            ("body",),
            id="escaped bytes",
        ),
        pytest.param(
            call(b"&".join(b"a%d=1" % n for n in range(51))),
            "The delivery report is no URL-encoded form.",
            ("body",),
            id="too many fields",
        ),
        pytest.param(
            call(b"id=1&id=2&status=Sent"),
            "The delivery report names a field twice.",
            ("body",),
            id="doubled field",
        ),
    ],
)
def test_what_is_no_report_is_malformed(made, message, fields):
    with pytest.raises(Malformed) as wrong:
        read_report(made)
    assert (str(wrong.value), wrong.value.fields) == (message, fields)


@given(st.binary(max_size=200))
def test_no_body_whatsoever_breaks_the_reader(body):
    with contextlib.suppress(CallRefused):
        assert isinstance(read_report(call(body)), DeliveryReport)


@pytest.mark.parametrize(
    ("decision", "status", "body"),
    [
        (Decision.NOTED, 200, b"noted"),
        (Decision.MALFORMED, 400, b"unreadable"),
        (Decision.STALE, 400, b"unreadable"),
        (Decision.UNAUTHENTICATED, 401, b"unknown caller"),
        (Decision.UNAVAILABLE, 503, b"try again later"),
    ],
)
def test_the_reply_makes_the_gateway_repeat_only_what_failed(decision, status, body):
    assert write_reply(Verdict(decision=decision)) == Reply(
        status=status, content_type="text/plain; charset=utf-8", body=body
    )
