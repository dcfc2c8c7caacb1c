"""Who calls: an API key as bearer and, where agreed, a signature over time and body.

The signature header is modelled on Stripe's: `X-Signature: t=<unix>,v1=<hex>` with
`HMAC-SHA256(secret, t + "." + raw body)`; several `v1` are allowed while a secret changes. Every
comparison takes constant time and every candidate is always computed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mpm_core import InboundCall, Secret, Stale, Unauthenticated
from mpm_vodacom.settings import VodacomSettings

__all__ = ["SIGNATURE_HEADER", "authenticate", "sign"]

SIGNATURE_HEADER = "x-signature"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGNATURE = re.compile(r"t=(?P<time>[0-9]{1,12})(?P<values>(,v1=[0-9a-f]{64}){1,4})", re.ASCII)


def authenticate(call: InboundCall, settings: VodacomSettings, now: datetime) -> None:
    """Check the key, then the signature if one is agreed, over the raw bytes.

    Raises:
        Unauthenticated: the caller did not prove who it is.
        Stale: it did, but its signature is older or newer than the tolerance.
    """
    keys = [settings.api_key, settings.api_key_previous or Secret("")]
    given = _bearer(call.headers)
    matches = [key.matches(given) and bool(key) for key in keys]
    if not any(matches):
        raise _refusal()
    if settings.signature_secret is not None:
        signed_at = _signed_at(call, settings.signature_secret)
        if abs(now - _EPOCH - timedelta(seconds=signed_at)) > timedelta(
            seconds=settings.signature_tolerance
        ):
            raise Stale("The signature's time is too far from ours.")


def sign(secret: Secret, signed_at: int, body: bytes) -> str:
    """Return the `v1` value for a body sent at a time, in seconds since 1970."""
    message = f"{signed_at}.".encode() + body
    return hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()


def _signed_at(call: InboundCall, secret: Secret) -> int:
    """Return the time that was signed together with this body."""
    header = _SIGNATURE.fullmatch(call.headers.get(SIGNATURE_HEADER, ""))
    if header is None:
        raise _refusal()
    signed_at = int(header["time"])
    # The text as it was sent is what was signed: `007` is not `7`.
    message = header["time"].encode() + b"." + call.body
    expected = hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()
    values = header["values"].removeprefix(",").split(",")
    matches = [hmac.compare_digest(value, f"v1={expected}") for value in values]
    if not any(matches):
        raise _refusal()
    return signed_at


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _refusal() -> Unauthenticated:
    return Unauthenticated("unauthorised")
