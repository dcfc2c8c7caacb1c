"""Why a person's action on a payment is refused: codes of `ServiceRefused`."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ActionCode"]


class ActionCode(StrEnum):
    """One word for one fact, stable for ever."""

    # the payment is not in the state the action is for
    PAYMENT_NOT_HELD = "payment_not_held"
    PAYMENT_NOT_UNKNOWN = "payment_not_unknown"
    PAYMENT_NOT_UNMATCHED = "payment_not_unmatched"
    PAYMENT_NOT_SETTLED = "payment_not_settled"
    PAYMENT_NOT_BOOKED = "payment_not_booked"
    PAYMENT_REVERSING = "payment_reversing"
    # what is there does not allow it
    NO_TOKEN = "no_token"  # noqa: S105 - a fact about a payment
    DEVICE_MOVED = "device_moved"
    NO_MESSAGE = "no_message"
    TOO_MANY_MESSAGES = "too_many_messages"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - as above
    TOKEN_KNOWN = "token_known"  # noqa: S105 - as above
    # people
    NOTHING_TO_APPROVE = "nothing_to_approve"
    APPROVAL_BY_SAME_PERSON = "approval_by_same_person"
    REASON_REQUIRED = "reason_required"
