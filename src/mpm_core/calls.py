"""Inbound calls, replies, and the context every hook may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs

__all__ = ["CallContext", "InboundCall", "Reply"]


@attrs.frozen(kw_only=True)
class InboundCall:
    """One HTTP call of a telecom, gateway or manufacturer, already within the size cap.

    Attributes:
        method: upper case.
        path: what follows the callback key, without slashes at either end: `c2b/validate`.
        headers: names in lower case; the last value of a repeated header.
        body: the raw bytes; signatures are checked over these.
        source: the caller's address after the trusted-proxy rule.
    """

    method: str
    path: str
    headers: Mapping[str, str] = attrs.field(repr=lambda headers: repr(sorted(headers)))
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    source: str


@attrs.frozen(kw_only=True)
class Reply:
    """What the host answers: the plugin chooses every byte of it."""

    status: int = 200
    content_type: str
    body: bytes


@attrs.frozen(kw_only=True)
class CallContext:
    """Who is calling and until when; the last argument of every hook that wants it.

    Attributes:
        company: the company's slug.
        instance: the name of the instance that is called.
        correlation_id: ties log lines, attempts and answers of one payment together.
        now: aware, from the host's clock; plugins never ask the system for the time.
        deadline: seconds the caller waits; the outbound client enforces it in total.
    """

    company: str
    instance: str
    correlation_id: str
    now: datetime
    deadline: float
