"""Calls as the telecoms make them: bytes and headers written by hand, not by our simulators.

Wire forms: Airtel's C2B COMMAND interface and the JSON contract (validate, process, query).
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import jwt

__all__ = [
    "airtel_enquiry",
    "airtel_headers",
    "airtel_process",
    "airtel_validation",
    "command",
    "vodacom_headers",
    "vodacom_validation",
]

XML_TYPE = "application/xml; charset=utf-8"


def airtel_headers(secret: str, reference: str, *, lifetime: int = 300) -> dict[str, str]:
    """Return headers with a token that is good for one transaction."""
    claims = {"sub": "1", "exp": int(time.time()) + lifetime, "payload": {"txnId": reference}}
    token = jwt.encode(claims, secret, algorithm="HS512")
    return {"authorization": f"Bearer {token}", "content-type": "application/xml"}


def vodacom_headers(key: str) -> dict[str, str]:
    """Return headers with the key that was agreed."""
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


def command(**children: str | None) -> bytes:
    """Write a COMMAND; a child that is `None` is left out. Values need no escaping in tests."""
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in children.items() if value)
    return f"<COMMAND>{inner}</COMMAND>".encode()


def airtel_validation(
    reference: str, serial: str, amount: str, *, msisdn: str = "781234567"
) -> bytes:
    """Write a validation."""
    return command(
        TYPE="C2B", CUSTOMERMSISDN=msisdn, AMOUNT=amount, REFERENCE=serial, REFERENCE1=reference
    )


def airtel_process(
    reference: str,
    serial: str | None = None,
    amount: str | None = None,
    *,
    msisdn: str | None = None,
    receipt: str = "MP260108.1200.A00001",
) -> bytes:
    """Write a process call; with ids only unless told more."""
    return command(
        TYPE="C2B",
        CUSTOMERMSISDN=msisdn,
        AMOUNT=amount,
        REFERENCE=serial,
        REFERENCE1=reference,
        REFERENCE2=receipt,
    )


def airtel_enquiry(reference: str) -> bytes:
    """Write an enquiry."""
    return command(TXNID=reference)


def vodacom_validation(request_id: str, serial: str, amount: object) -> bytes:
    """Write a validation."""
    fields: Mapping[str, object] = {
        "reference": serial,
        "amount": amount,
        "request_id": request_id,
    }
    return json.dumps(fields, separators=(",", ":")).encode()
