"""What people do about payments: one method per verb, audited, and safe to repeat.

Each takes the payment first. Repeating a verb after it was done
answers the same and changes nothing; one that does not fit the payment's state is refused with a
code of `ActionCode`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import attrs
from sqlalchemy.engine import Connection

from mpm_core import Secret
from mpm_host.actions.action_basics import take_payment
from mpm_host.actions.doubtful_payments import (
    approve,
    propose_not_minted,
    propose_reissue,
    resolve_delivered,
    resolve_with_token,
)
from mpm_host.actions.held_payments import release, retry
from mpm_host.actions.resending import resend
from mpm_host.actions.taking_back import reverse
from mpm_host.actions.unmatched_payments import match
from mpm_host.companies.audit_trail import Actor
from mpm_host.database.engines import Engines
from mpm_host.directory import Directory
from mpm_host.encryption import Vault
from mpm_host.orders.order_steps import TELL_AFTER, StepWriter
from mpm_host.orders.order_store import ask_to_look, can_be_looked_after

__all__ = ["PaymentActions", "look_after"]


@attrs.frozen(kw_only=True)
class PaymentActions:
    """Acts on payments, in the caller's transaction.

    Every method takes the payment's id, who acts (with a reason), and the company it must belong
    to: `None` only for whoever runs the installation. Every method raises `ServiceRefused`, and
    tells whether it did anything: if so, workers should be woken after the commit.

    Attributes:
        vault: encrypts tokens and messages.
        directory: returns companies and instances as they are now.
        tell_after: how long after an order was made its customer hears that the token is late.
    """

    vault: Vault
    directory: Callable[[], Directory]
    tell_after: timedelta = TELL_AFTER

    def retry(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Mint a held payment's token again, from the value that is reserved for it."""
        return retry(take_payment(connection, payment_id, actor, company_id=company_id))

    def release(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Turn a held payment's reserved value into the customer's credit."""
        on = take_payment(connection, payment_id, actor, company_id=company_id)
        return release(on, self.vault)

    def resolve_with_token(
        self,
        connection: Connection,
        payment_id: str,
        codes: Sequence[Secret],
        actor: Actor,
        *,
        company_id: str | None,
    ) -> bool:
        """Issue the token of an unknown payment that was found elsewhere."""
        on = take_payment(connection, payment_id, actor, company_id=company_id)
        return resolve_with_token(on, self._writer, self.directory(), codes)

    def resolve_delivered(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Say that an unknown payment's device was credited by its manufacturer."""
        on = take_payment(connection, payment_id, actor, company_id=company_id)
        return resolve_delivered(on, self._writer, self.directory())

    def resolve_not_minted(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Say that an unknown payment's token was never made; `approve` makes one."""
        return propose_not_minted(
            take_payment(connection, payment_id, actor, company_id=company_id)
        )

    def match(
        self,
        connection: Connection,
        payment_id: str,
        serial: str,
        actor: Actor,
        *,
        company_id: str | None,
    ) -> bool:
        """Allocate an unmatched payment to the owner of a device."""
        on = take_payment(connection, payment_id, actor, company_id=company_id)
        return match(on, serial.strip(), self.directory(), self.vault)

    def reverse(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Take a payment back: at once, or as soon as its open orders have ended."""
        return reverse(take_payment(connection, payment_id, actor, company_id=company_id))

    def reissue(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Propose a second token of a settled payment; `approve` makes it."""
        return propose_reissue(take_payment(connection, payment_id, actor, company_id=company_id))

    def approve(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Approve what somebody else proposed for a payment, and begin it."""
        on = take_payment(connection, payment_id, actor, company_id=company_id)
        return approve(on, self._writer)

    def resend(
        self, connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
    ) -> bool:
        """Send the customer the payment's message again, with the same codes."""
        return resend(take_payment(connection, payment_id, actor, company_id=company_id))

    @property
    def _writer(self) -> StepWriter:
        return StepWriter(vault=self.vault, tell_after=self.tell_after)


def look_after(engines: Engines, payment_id: str, now: datetime) -> bool:
    """Let an unknown payment be looked after now, because somebody sees it.

    Returns:
        Whether workers should be woken.
    """
    with engines.read.connect() as connection:
        if not can_be_looked_after(connection, payment_id, now):
            return False
    with engines.write.begin() as connection:
        return ask_to_look(connection, payment_id, now)
