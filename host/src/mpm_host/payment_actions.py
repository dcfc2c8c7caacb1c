"""What people do about payments: one method per verb, audited, and safe to repeat.

Each runs in one transaction that takes the payment first. Repeating a verb after it was done
answers the same and changes nothing; one that does not fit the payment's state is refused with a
code of `ActionCode`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from mpm_core import Secret
from mpm_host.action_basics import ActionOn, take_payment
from mpm_host.audit_trail import Actor
from mpm_host.database.engines import Engines
from mpm_host.directory import Directory
from mpm_host.doubtful_payments import (
    approve,
    propose_not_minted,
    propose_reissue,
    resolve_with_token,
)
from mpm_host.encryption import Vault
from mpm_host.held_payments import release, retry
from mpm_host.order_steps import StepWriter
from mpm_host.order_store import ask_to_look, can_be_looked_after
from mpm_host.resending import resend
from mpm_host.taking_back import reverse
from mpm_host.unmatched_payments import match

__all__ = ["PaymentActions"]

_TELL_AFTER = timedelta(minutes=2)


class PaymentActions:
    """Acts on payments; safe to use from several threads and processes.

    Every method takes the payment's id, who acts (with a reason), and the company it must belong
    to: `None` only for whoever runs the installation. Every method raises `ServiceRefused`.

    Args:
        engines: of the database.
        vault: encrypts tokens and messages.
        directory: returns companies and instances as they are now.
        wake: called after a commit that left work for the workers, if this process has any.
        tell_after: how long after an order was made its customer hears that the token is late.
    """

    def __init__(
        self,
        *,
        engines: Engines,
        vault: Vault,
        directory: Callable[[], Directory],
        wake: Callable[[], None] = lambda: None,
        tell_after: timedelta = _TELL_AFTER,
    ) -> None:
        self._engines = engines
        self._vault = vault
        self._directory = directory
        self._wake = wake
        self._writer = StepWriter(vault=vault, tell_after=tell_after)

    def retry(self, payment_id: str, actor: Actor, *, company_id: str | None = None) -> None:
        """Mint a held payment's token again, from the value that is reserved for it."""
        self._act(payment_id, actor, company_id, retry)

    def release(self, payment_id: str, actor: Actor, *, company_id: str | None = None) -> None:
        """Turn a held payment's reserved value into the customer's credit."""
        self._act(payment_id, actor, company_id, lambda on: release(on, self._vault))

    def resolve_with_token(
        self,
        payment_id: str,
        codes: Sequence[Secret],
        actor: Actor,
        *,
        company_id: str | None = None,
    ) -> None:
        """Issue the token of an unknown payment that was found elsewhere."""
        self._act(
            payment_id, actor, company_id, lambda on: resolve_with_token(on, self._writer, codes)
        )

    def resolve_not_minted(
        self, payment_id: str, actor: Actor, *, company_id: str | None = None
    ) -> None:
        """Say that an unknown payment's token was never made; `approve` makes one."""
        self._act(payment_id, actor, company_id, propose_not_minted)

    def match(
        self, payment_id: str, serial: str, actor: Actor, *, company_id: str | None = None
    ) -> None:
        """Allocate an unmatched payment to the owner of a device."""
        self._act(
            payment_id,
            actor,
            company_id,
            lambda on: match(on, serial.strip(), self._directory(), self._vault),
        )

    def reverse(self, payment_id: str, actor: Actor, *, company_id: str | None = None) -> None:
        """Take a payment back: at once, or as soon as its open orders have ended."""
        self._act(payment_id, actor, company_id, reverse)

    def reissue(self, payment_id: str, actor: Actor, *, company_id: str | None = None) -> None:
        """Propose a second token of a settled payment; `approve` makes it."""
        self._act(payment_id, actor, company_id, propose_reissue)

    def approve(self, payment_id: str, actor: Actor, *, company_id: str | None = None) -> None:
        """Approve what somebody else proposed for a payment, and begin it."""
        self._act(payment_id, actor, company_id, lambda on: approve(on, self._writer))

    def resend(self, payment_id: str, actor: Actor, *, company_id: str | None = None) -> None:
        """Send the customer the payment's message again, with the same codes."""
        self._act(payment_id, actor, company_id, resend)

    def look_after(self, payment_id: str, now: datetime) -> None:
        """Let an unknown payment be looked after now, because somebody sees it."""
        with self._engines.read.connect() as connection:
            if not can_be_looked_after(connection, payment_id, now):
                return
        with self._engines.write.begin() as connection:
            asked = ask_to_look(connection, payment_id, now)
        if asked:
            self._wake()

    def _act(
        self,
        payment_id: str,
        actor: Actor,
        company_id: str | None,
        act: Callable[[ActionOn], bool],
    ) -> None:
        with self._engines.write.begin() as connection:
            on = take_payment(connection, payment_id, actor, company_id=company_id)
            done = act(on)
        if done:
            self._wake()
