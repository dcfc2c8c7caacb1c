"""Delivery reports: what Africa's Talking posts to our callback, and what we answer. Pure.

The reports are not signed. What protects them is the callback's own address, whose key nobody can
guess, and `allowed_addresses`; a report can change nothing but the state of a message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl

from mpm_core import Decision, DeliveryReport, InboundCall, Malformed, MessageStatus, Reply, Verdict

__all__ = ["PATH", "read_report", "write_reply"]

PATH = "delivery"

_STATUSES: Mapping[str, MessageStatus] = MappingProxyType(
    {
        "Sent": MessageStatus.SENT,
        "Submitted": MessageStatus.SENT,
        "Buffered": MessageStatus.SENT,
        "Success": MessageStatus.DELIVERED,
        "Rejected": MessageStatus.FAILED,
        "Failed": MessageStatus.FAILED,
        "AbsentSubscriber": MessageStatus.FAILED,
        "Expired": MessageStatus.FAILED,
    }
)
_ANSWERS: Mapping[Decision, tuple[int, bytes]] = MappingProxyType(
    {
        Decision.MALFORMED: (400, b"unreadable"),
        Decision.STALE: (400, b"unreadable"),
        Decision.UNAUTHENTICATED: (401, b"unknown caller"),
        Decision.UNAVAILABLE: (503, b"try again later"),
    }
)
_REFERENCE = re.compile(r"[!-~]{1,100}", re.ASCII)
_WORD = re.compile(r"[A-Za-z][0-9A-Za-z _-]{0,63}", re.ASCII)
_MOST_FIELDS = 50


def read_report(call: InboundCall) -> DeliveryReport:
    """Read one report. A status that is not documented ends nothing: the message stays sent.

    Raises:
        Malformed: it is no report; `fields` names what is wrong.
    """
    if (call.method, call.path) != ("POST", PATH):
        raise Malformed(f"Delivery reports are POSTed to {PATH!r}.", ("path",))
    fields = _read_form(call.body)
    reference, status = fields.get("id", ""), fields.get("status", "")
    patterns = {"id": (_REFERENCE, reference), "status": (_WORD, status)}
    wrong = tuple(name for name, (pattern, text) in patterns.items() if not pattern.fullmatch(text))
    if wrong:
        raise Malformed(f"The delivery report lacks a readable {' and '.join(wrong)}.", wrong)
    return DeliveryReport(
        reference=reference,
        status=_STATUSES.get(status, MessageStatus.SENT),
        detail=_detail(status, fields.get("failureReason", "")),
    )


def _read_form(body: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:  # its text repeats the fields, phone number included
        raise Malformed("The delivery report is no URL-encoded form.", ("body",)) from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Malformed("The delivery report names a field twice.", ("body",))
    return fields


def _detail(status: str, reason: str) -> str:
    return f"{status}: {reason}" if _WORD.fullmatch(reason) else status


def write_reply(verdict: Verdict) -> Reply:
    """Answer a report: only a status that is no success makes Africa's Talking send it again."""
    status, body = _ANSWERS.get(verdict.decision, (200, b"noted"))
    return Reply(status=status, content_type="text/plain; charset=utf-8", body=body)
