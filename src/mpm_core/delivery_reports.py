"""What a messenger's gateway reports, unasked, about a message it was given earlier."""

from __future__ import annotations

import attrs

from mpm_core.messages import MessageStatus

__all__ = ["DeliveryReport"]


@attrs.frozen(kw_only=True)
class DeliveryReport:
    """How far a message has come, as `mpm_read_call` of a messenger reads it.

    Reports come late, repeated and out of order: the host never goes back from *delivered* or
    *failed* to *sent*. A message that failed makes a person look at the number; it undoes nothing.

    Attributes:
        reference: the gateway's id of the message, as `MessageReceipt.reference` gave it.
        status: `sent` while the network still tries, `delivered` or `failed` when it is over.
        detail: the gateway's word for it, without phone numbers: `Failed: UserIsInactive`.
    """

    reference: str
    status: MessageStatus
    detail: str = ""
