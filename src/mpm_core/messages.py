"""Messages (SMS) as a messenger plugin sees them."""

from __future__ import annotations

from enum import StrEnum

import attrs

from mpm_core.msisdn import Msisdn

__all__ = ["Message", "MessageReceipt", "MessageStatus"]


class MessageStatus(StrEnum):
    """How far a message has come."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


@attrs.frozen(kw_only=True)
class Message:
    """One message to one phone.

    Attributes:
        key: the same at every try, so a gateway with idempotency sends it once.
        to: the recipient.
        body: the text, tokens included; hidden in `repr`.
    """

    key: str
    to: Msisdn
    body: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class MessageReceipt:
    """The gateway took the message.

    That stands whatever else a receipt says: the host drops what does not fit, and sends nothing
    again.

    Attributes:
        status: `sent`, or `delivered` where the gateway knows at once.
        reference: the gateway's id for delivery reports: printable, of at most 128 characters.
        segments: number of SMS the text was cut into, as the gateway says or the plugin counts.
        cost: what the gateway charges, in its own words, of at most 32 characters: `KES 0.8000`;
            empty if it does not say.
    """

    status: MessageStatus = MessageStatus.SENT
    reference: str = ""
    segments: int | None = None
    cost: str = ""
