"""What came of an order, written in one transaction: order, attempt, payment, token, message.

Compare-and-set on the order's fence decides whether the writer may still speak for it.
"""

from __future__ import annotations

from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import Grant, Money, OutcomeUnknown
from mpm_core.accounts import Line, LineKind
from mpm_host.database import tables as t
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.ledger import LedgerAccount
from mpm_host.order_rules import OrderStatus, Step, after_attempt
from mpm_host.order_store import DETAIL_LENGTH, OrderRecord
from mpm_host.texts import pending_text, token_text

__all__ = ["write_step"]


def write_step(
    connection: Connection, vault: Vault, order: OrderRecord, step: Step, now: datetime
) -> bool:
    """Write what happened to an order inside the caller's transaction.

    Args:
        connection: of the transaction.
        vault: encrypts the token and the message.
        order: as its worker knows it; its fence must still be in the table.
        step: what the rules made of the answer.
        now: when.

    Returns:
        Whether the order was still this worker's; if not, nothing is changed.
    """
    payment = _lock_payment(connection, order)
    if step.grant is not None and _seen_before(connection, vault, order, step.grant):
        again = OutcomeUnknown("The vendor answered with a token it had given before.")
        step = after_attempt(again, step.facts)
    writing = _Writing(
        connection=connection, vault=vault, order=order, step=step, payment=payment, now=now
    )
    return writing.write()


def _lock_payment(connection: Connection, order: OrderRecord) -> RowMapping:
    """Lock the payment first: the same order as booking takes."""
    p, c = t.payments.c, t.customers.c
    query = (
        sa.select(p.amount, p.currency, p.payer, c.phone)
        .select_from(t.payments.join(t.customers, c.id == p.customer_id))
        .where(p.id == order.payment_id)
        .with_for_update(of=t.payments)
    )
    return connection.execute(query).mappings().one()


def _seen_before(connection: Connection, vault: Vault, order: OrderRecord, grant: Grant) -> bool:
    digest = vault.digest_codes(grant.codes)
    if digest is None:
        return False
    found = sa.select(t.tokens.c.id).where(
        t.tokens.c.device_id == order.device_id, t.tokens.c.digest == digest
    )
    return connection.execute(found).first() is not None


@attrs.frozen(kw_only=True)
class _Writing:
    connection: Connection
    vault: Vault
    order: OrderRecord
    step: Step
    payment: RowMapping
    now: datetime

    def write(self) -> bool:
        if not self._move_order():
            return False
        if self.step.outcome is not None:
            self._close_attempt()
        self._update_payment()
        if self.step.grant is not None:
            self._issue(self.step.grant)
        elif self.step.needs_person:
            self._queue_message("delayed", pending_text(self._paid))
        if self.step.status is not OrderStatus.QUEUED:
            self._wake_next()
        return True

    @property
    def _paid(self) -> Money:
        return Money(self.payment["amount"], self.payment["currency"])

    def _move_order(self) -> bool:
        o, step = t.orders.c, self.step
        updated = self.connection.execute(
            sa.update(t.orders)
            .where(o.id == self.order.id, o.fence == self.order.fence, o.finished_at.is_(None))
            .values(
                status=step.status,
                fence=o.fence + 1,
                reason=step.reason,
                detail=step.detail[:DETAIL_LENGTH],
                doubt=step.facts.doubt,
                failures=step.facts.failures,
                looks=step.facts.looks,
                not_found=step.facts.not_found,
                lease_until=None,
                next_at=None if step.next_in is None else self.now + step.next_in,
                finished_at=self.now if step.is_final else None,
            )
        )
        return updated.rowcount == 1

    def _close_attempt(self) -> None:
        a = t.attempts.c
        self.connection.execute(
            sa.update(t.attempts)
            .where(a.order_id == self.order.id, a.number == self.order.attempts)
            .values(
                outcome=self.step.outcome,
                detail=self.step.detail[:DETAIL_LENGTH],
                finished_at=self.now,
            )
        )

    def _update_payment(self) -> None:
        self.connection.execute(
            sa.update(t.payments)
            .where(t.payments.c.id == self.order.payment_id)
            .values(
                status=self.step.payment_status,
                needs_person=self.step.needs_person,
                reason=self.step.reason,
                message=self.step.detail[:DETAIL_LENGTH],
                settled_at=self.now if self.step.status is OrderStatus.ISSUED else None,
            )
        )

    def _issue(self, grant: Grant) -> None:
        self.connection.execute(
            sa.insert(t.tokens).values(
                id=new_identifier(),
                company_id=self.order.company_id,
                order_id=self.order.id,
                payment_id=self.order.payment_id,
                device_id=self.order.device_id,
                kind=self.order.charge.kind,
                codes=self.vault.seal_codes(grant.codes),
                digest=self.vault.digest_codes(grant.codes),
                quantity=grant.quantity,
                unit=grant.unit,
                delivery=grant.delivery,
                vendor_reference=grant.vendor_reference,
                issued_at=self.now,
            )
        )
        text = token_text(self._paid, self._lines(), self.order.charge, grant, self.order.serial)
        self._queue_message("token", text)

    def _lines(self) -> list[Line]:
        e = t.entries.c
        query = (
            sa.select(e.account, e.amount, e.refers_to)
            .where(e.payment_id == self.order.payment_id, e.account != LedgerAccount.CLEARING)
            .order_by(e.position)
        )
        return [
            Line(kind=LineKind(row.account), amount=row.amount, refers_to=row.refers_to)
            for row in self.connection.execute(query)
        ]

    def _queue_message(self, fact: str, text: str) -> None:
        """Queue a message, unless the customer was told this fact before."""
        key = f"{self.order.id}:{fact}"
        known = sa.select(t.messages.c.id).where(t.messages.c.key == key)
        if self.connection.execute(known).first() is not None:
            return
        self.connection.execute(
            sa.insert(t.messages).values(
                id=new_identifier(),
                company_id=self.order.company_id,
                payment_id=self.order.payment_id,
                key=key,
                phone=self.payment["payer"] or self.payment["phone"],
                body=self.vault.seal(text),
                status="queued",
                next_at=self.now,
                created_at=self.now,
            )
        )

    def _wake_next(self) -> None:
        """Let the device's next order go on at once."""
        o = t.orders.c
        waiting = (
            sa.select(o.id)
            .where(
                o.device_id == self.order.device_id,
                o.status == OrderStatus.QUEUED,
                o.finished_at.is_(None),
            )
            .order_by(o.id)
            .limit(1)
        )
        if found := self.connection.execute(waiting).scalar_one_or_none():
            self.connection.execute(
                sa.update(t.orders).where(o.id == found).values(next_at=self.now)
            )
