"""Pushes: payments we ask a telecom to prompt for on the payer's phone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from mpm_core.money import Money
from mpm_core.msisdn import Msisdn

__all__ = ["ProviderState", "Push", "PushReceipt", "PushState", "ReportReceipt"]


class PushState(StrEnum):
    """What the telecom says of a push."""

    PROMPTED = "prompted"
    PAID = "paid"
    FAILED = "failed"
    NOT_FOUND = "not_found"


@attrs.frozen(kw_only=True)
class Push:
    """One prompt on a phone.

    Attributes:
        key: our reference, the payment's idempotency key; alphanumeric, at most 25 characters.
        serial: what the customer pays for, shown to the payer where the protocol can: a device's
            serial, or the name of a plain appliance that was sold.
        details: what an earlier answer asked us to keep.
    """

    key: str
    serial: str
    amount: Money
    payer: Msisdn
    details: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class PushReceipt:
    """The telecom took the push; money has not moved by that."""

    details: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ProviderState:
    """The telecom's answer when asked what became of a push."""

    state: PushState
    receipt: str | None = None
    amount: Money | None = None
    details: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class ReportReceipt:
    """The telecom heard our report of a payment's result.

    Attributes:
        agreed: it did what we reported; otherwise a person must look (`detail` says what it said).
    """

    agreed: bool = True
    detail: str = ""
