"""What all of people's actions on payments share: the lock, the trail, and seeing a repeat."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import PaymentStatus
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.orders.order_store import OrderRecord, load_order
from mpm_host.payments.payment_locks import lock_customer_of, lock_device
from mpm_host.payments.payment_progress import counting_orders
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["Action", "ActionOn", "take_payment"]


class Action(StrEnum):
    """What a person can do about a payment; the words of its events and of the audit trail."""

    RETRY = "retry"
    RELEASE = "release"
    RESOLVE = "resolve"
    MATCH = "match"
    REVERSE = "reverse"
    RESEND = "resend"
    PROPOSE_REISSUE = "propose_reissue"
    PROPOSE_NOT_MINTED = "propose_not_minted"
    APPROVE_REISSUE = "approve_reissue"
    APPROVE_NOT_MINTED = "approve_not_minted"


@attrs.frozen(kw_only=True)
class ActionOn:
    """A payment in a person's hands: its row is taken, in the caller's transaction.

    Attributes:
        connection: of the transaction.
        payment: as it is now.
        actor: who acts, when and why.
    """

    connection: Connection
    payment: PaymentRecord
    actor: Actor

    def take_orders(self) -> tuple[OrderRecord, ...]:
        """Take the customer, the devices and the orders that count, in the order of locks."""
        lock_customer_of(self.connection, self.payment.id)
        orders = counting_orders(self.connection, self.payment.id)
        for device_id in sorted({order.device_id for order in orders}):
            lock_device(self.connection, device_id)
        loaded = (
            load_order(self.connection, order.id, self.actor.at, lock=True) for order in orders
        )
        return tuple(order for order in loaded if order is not None)

    def orders_in(self, *statuses: OrderStatus) -> tuple[OrderRecord, ...]:
        """Take the orders and return those that stand so."""
        return tuple(order for order in self.take_orders() if order.status in statuses)

    def was_last(self, *actions: Action) -> bool:
        """Tell whether the last thing a person did about the payment was one of these."""
        e = t.events.c
        query = (
            sa.select(e.kind)
            .where(e.payment_id == self.payment.id, e.kind.in_([one.value for one in Action]))
            .order_by(e.at.desc(), e.id.desc())
            .limit(1)
        )
        return self.connection.execute(query).scalar_one_or_none() in {one.value for one in actions}

    def refuse_unless(self, status: PaymentStatus, code: ActionCode, *, wanted: str) -> None:
        """Refuse the action on a payment that stands elsewhere, or is being taken back.

        Raises:
            ServiceRefused: as said.
        """
        if self.payment.status is not status:
            raise ServiceRefused(
                code,
                f"Payment {self.payment.id} is {self.payment.status}; only one that is {status} "
                f"can be {wanted}.",
            )
        self.refuse_reversing(wanted)

    def refuse_reversing(self, wanted: str) -> None:
        """Refuse to begin anything new for a payment that is being taken back.

        Raises:
            ServiceRefused: as said.
        """
        if self.payment.reversing_at is not None:
            raise ServiceRefused(
                ActionCode.PAYMENT_REVERSING,
                f"Payment {self.payment.id} is being reversed; it cannot be {wanted} any more.",
            )

    def note(self, action: Action, after: Mapping[str, object]) -> None:
        """Write the event and the line of the audit trail."""
        payment, actor = self.payment, self.actor
        self.connection.execute(
            sa.insert(t.events).values(
                id=new_identifier(),
                company_id=payment.company_id,
                payment_id=payment.id,
                kind=action.value,
                detail=actor.reason,
                actor=actor.name,
                at=actor.at,
            )
        )
        write_audit(
            self.connection,
            actor,
            company_id=payment.company_id,
            action=f"payment.{action.value}",
            subject=payment.id,
            before={"status": payment.status.value},
            after=after,
        )


def take_payment(
    connection: Connection, payment_id: str, actor: Actor, *, company_id: str | None
) -> ActionOn:
    """Take a payment's row.

    Args:
        connection: of the caller's transaction.
        payment_id: whose.
        actor: who wants to do something.
        company_id: the actor's company; `None` only for whoever runs the installation.

    Raises:
        ServiceRefused: no reason was given, or the payment is unknown or of another company.
    """
    if not actor.reason.strip():
        raise ServiceRefused(
            ActionCode.REASON_REQUIRED, "Say why; it is kept with the payment for ever."
        )
    p = t.payments.c
    query = sa.select(t.payments).where(p.id == payment_id)
    if company_id is not None:
        query = query.where(p.company_id == company_id)
    row = connection.execute(query.with_for_update(key_share=True)).mappings().one_or_none()
    if row is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_PAYMENT, f"There is no payment with id {payment_id[:64]!r}."
        )
    return ActionOn(connection=connection, payment=PaymentRecord.from_row(row), actor=actor)
