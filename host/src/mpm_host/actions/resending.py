"""Sending a customer again what was sent before: the same text, with the same codes."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Row

from mpm_host.actions.action_basics import Action, ActionOn
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import ServiceRefused

__all__ = ["AGAIN", "resend"]

AGAIN = ":again:"  # in the key of a message that is sent again
_MOST = 10  # messages of one payment sent again; more is somebody's mistake, and costs money
_TOKEN_FACT = ":token"  # noqa: S105 - the end of a message's key


def resend(on: ActionOn) -> bool:
    """Queue the payment's messages with tokens again, or its newest message if there is no token.

    Returns:
        Whether anything was done; while such a message still waits, nothing is.

    Raises:
        ServiceRefused: nothing was ever told, or the same was sent too often.
    """
    messages = _messages(on)
    originals = [message for message in messages if AGAIN not in message.key]
    if not originals:
        raise ServiceRefused(
            ActionCode.NO_MESSAGE, f"Nobody was told anything of payment {on.payment.id} yet."
        )
    chosen = [one for one in originals if one.key.endswith(_TOKEN_FACT)] or originals[-1:]
    if any(message.status == "queued" for message in messages):
        return False
    sent_again = len(messages) - len(originals)
    if sent_again + len(chosen) > _MOST:
        raise ServiceRefused(
            ActionCode.TOO_MANY_MESSAGES,
            f"Messages of payment {on.payment.id} were sent again {sent_again} times; read the "
            "token to the customer instead.",
        )
    for number, message in enumerate(chosen, start=sent_again + 1):
        _send(on, message, number)
    on.note(Action.RESEND, {"messages": len(chosen)})
    return True


def _messages(on: ActionOn) -> list[Row[*tuple[object, ...]]]:
    m = t.messages.c
    query = (
        sa.select(m.key, m.phone, m.body, m.status)
        .where(m.payment_id == on.payment.id)
        .order_by(m.id)
    )
    return list(on.connection.execute(query))


def _send(on: ActionOn, message: Row[*tuple[object, ...]], number: int) -> None:
    on.connection.execute(
        sa.insert(t.messages).values(
            id=new_identifier(),
            company_id=on.payment.company_id,
            payment_id=on.payment.id,
            key=f"{on.payment.id}{AGAIN}{number}",
            phone=message.phone,
            body=message.body,
            status="queued",
            next_at=on.actor.at,
            created_at=on.actor.at,
        )
    )
