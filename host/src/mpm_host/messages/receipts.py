"""What is believed of a gateway's receipt.

The message is sent by then, and each further copy costs money: a receipt that does not fit must
never stop us from writing that down.
"""

from __future__ import annotations

from mpm_core import MessageReceipt, MessageStatus

__all__ = ["believed", "believed_reference"]

_LONGEST_REFERENCE = 128  # of the column
_MOST_SEGMENTS = 2**31 - 1


def believed(receipt: MessageReceipt) -> MessageReceipt:
    """Return a receipt that can be written, whatever the plugin put into this one.

    Args:
        receipt: as the plugin gave it; its annotations may not hold.
    """
    return MessageReceipt(
        status=_status(receipt.status),
        reference=believed_reference(receipt.reference),
        segments=_segments(receipt.segments),
        cost=_cost(receipt.cost),
    )


def _status(status: object) -> MessageStatus:
    """Return *sent* for what is no status, or says that the message is still to be sent."""
    if not isinstance(status, MessageStatus) or status is MessageStatus.QUEUED:
        return MessageStatus.SENT
    return status


def believed_reference(reference: object) -> str:
    """Return a reference, or nothing if it does not fit; a part would be another message's."""
    if not isinstance(reference, str) or len(reference) > _LONGEST_REFERENCE:
        return ""
    return reference if reference.isprintable() else ""


def _segments(segments: object) -> int | None:
    if not isinstance(segments, int) or isinstance(segments, bool):
        return None
    return segments if 0 < segments <= _MOST_SEGMENTS else None


def _cost(cost: object) -> str:
    """Return any text, for its column cuts it; a number alone says nothing without a currency."""
    return cost if isinstance(cost, str) else ""
