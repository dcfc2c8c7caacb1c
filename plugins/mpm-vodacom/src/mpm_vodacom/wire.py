"""The wire: strict JSON in, canonical JSON out, and the form of our transaction ids."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mpm_core import Malformed, Money, Reply
from mpm_core.exact_json import read_json, write_json

__all__ = ["json_amount", "read_body", "read_number", "write_data", "write_number"]

_CONTENT_TYPE = "application/json"
_NUMBER = re.compile(r"VOD-TXN-(?P<number>[0-9]{6,18})", re.ASCII)


def read_body(body: bytes) -> Mapping[str, object]:
    """Read a JSON object: UTF-8, no key twice, no NaN, fractions exact.

    Raises:
        Malformed: it is none. No `fields` are named: that is answered with HTTP 400, not 422.
    """
    try:
        value = read_json(body.decode("utf-8"))
    except ValueError:
        raise Malformed("the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    return value


def write_data(data: Mapping[str, object], *, http_status: int = 200) -> Reply:
    """Write the envelope `{"data": …}`, members in the order given."""
    return Reply(status=http_status, content_type=_CONTENT_TYPE, body=write_json({"data": data}))


def json_amount(amount: Money) -> object:
    """Return the JSON number of an amount: `100`, or `199.50` with the currency's decimals."""
    exact = amount.to_decimal()
    return int(exact) if exact == exact.to_integral_value() else exact


def write_number(number: int) -> str:
    """Write our running number as the contract's transaction id: at least six digits."""
    return f"VOD-TXN-{number:06d}"


def read_number(text: str) -> int | None:
    """Read back a transaction id as we write it; `None` for anything else."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    number = int(found["number"])
    return number if write_number(number) == text else None
