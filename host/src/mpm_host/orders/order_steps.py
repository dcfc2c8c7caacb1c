"""What came of an order, written in one transaction: order, attempt, payment, token, message.

Compare-and-set on the order's fence decides whether the writer may still speak for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import ChargeKind, Grant, OutcomeUnknown, Secret
from mpm_host.database import tables as t
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.messages.texts import taken_back_text, token_text, unlock_text
from mpm_host.orders.order_evidence import keep_evidence
from mpm_host.orders.order_rules import OrderStatus, Step, after_attempt, while_reversing
from mpm_host.orders.order_store import OrderPurpose, OrderRecord, move_state
from mpm_host.orders.switch_rows import doubt_switch, extend_switch
from mpm_host.outbox.outbox import Fact, OutboxHook, tell
from mpm_host.payments.payment_locks import (
    LockedPayment,
    lock_customer_of,
    lock_device,
    lock_payment,
)
from mpm_host.payments.payment_messages import lines_of, queue_message, tell_delay
from mpm_host.payments.payment_progress import refresh_payment
from mpm_host.payments.reversals import book_reversal_if_due

__all__ = [
    "TELL_AFTER",
    "Attempted",
    "StepWriter",
    "has_token",
    "knows_codes",
    "tell_order",
    "wake_next",
]

TELL_AFTER = timedelta(minutes=2)
_WAITING = frozenset({OrderStatus.QUEUED, OrderStatus.UNKNOWN})
_IN_DOUBT = frozenset({OrderStatus.UNKNOWN, OrderStatus.PARKED})
_REPEATABLE = frozenset({ChargeKind.UNLOCK, ChargeKind.CLEAR})


@attrs.frozen(kw_only=True)
class Attempted:
    """An attempt that ended before it could begin: it has no row yet.

    Attributes:
        plugin: its name and version.
    """

    plugin: str


@attrs.frozen(kw_only=True)
class StepWriter:
    """Writes steps of orders.

    Attributes:
        vault: encrypts tokens, evidence and messages.
        tell_after: how long after an order was made its customer hears that the token is late.
    """

    vault: Vault
    tell_after: timedelta

    def write(  # noqa: PLR0913 - what came of which order, and what else is to be kept of it
        self,
        connection: Connection,
        order: OrderRecord,
        step: Step,
        now: datetime,
        *,
        unbegun: Attempted | None = None,
        evidence: object | None = None,
    ) -> bool:
        """Write what happened to an order inside the caller's transaction.

        Args:
            connection: of the transaction.
            order: as its worker knows it; its fence must still be in the table.
            step: what the rules made of the answer.
            now: when.
            unbegun: of an attempt that ended before it was begun.
            evidence: an answer that cannot be used, to be kept with the attempt.

        Returns:
            Whether the order was still this worker's; if not, nothing is changed.
        """
        payment = lock_payment(connection, order.payment_id)
        if payment.reversing:
            lock_customer_of(connection, payment.id)
        lock_device(connection, order.device_id)
        if step.grant is not None and knows_codes(connection, self.vault, order, step.grant.codes):
            evidence = step.grant
            again = OutcomeUnknown("The vendor answered with a token it had given before.")
            step = after_attempt(again, step.facts)
        if payment.reversing:
            step = while_reversing(step)
        writing = _Writing(
            connection=connection,
            writer=self,
            order=order,
            step=step,
            payment=payment,
            now=now,
        )
        if not writing.write(unbegun):
            return False
        if evidence is not None:
            keep_evidence(connection, self.vault, order, evidence, now)
        return True

    def tell_at(self, order: OrderRecord) -> datetime:
        """Return when the customer of a late order is told so."""
        return order.created_at + self.tell_after

    def next_at(
        self, order: OrderRecord, due_at: datetime | None, now: datetime
    ) -> datetime | None:
        """Return when a worker must have an order: when it is due, or its customer waits long."""
        tell_at = self.tell_at(order)
        if due_at is None or tell_at <= now:
            return due_at
        return min(due_at, tell_at)


def knows_codes(
    connection: Connection, vault: Vault, order: OrderRecord, codes: Sequence[Secret]
) -> bool:
    """Tell whether the order's device was given these very codes.

    Codes that may rightly come again (those that unlock) are not remembered.
    """
    k = t.tokens.c
    digest = vault.digest_codes(codes)
    found = sa.select(k.id).where(k.device_id == order.device_id, k.digest == digest)
    return digest is not None and connection.execute(found).first() is not None


def has_token(
    connection: Connection, vault: Vault, order: OrderRecord, codes: Sequence[Secret]
) -> bool:
    """Tell whether these very codes are the token of this order."""
    k = t.tokens.c
    stored = connection.execute(sa.select(k.codes).where(k.order_id == order.id)).scalar()
    return stored is not None and vault.open_codes(stored) == tuple(codes)


@attrs.frozen(kw_only=True)
class _Writing:
    connection: Connection
    writer: StepWriter
    order: OrderRecord
    step: Step
    payment: LockedPayment
    now: datetime

    def write(self, unbegun: Attempted | None) -> bool:
        if not self._move_order(begun=unbegun is None):
            return False
        if unbegun is not None:
            self._add_attempt(unbegun)
        elif self.step.outcome is not None:
            self._close_attempt()
        if self.step.grant is not None:
            self._issue(self.step.grant)
            tell_order(self.connection, OutboxHook.TOKEN_ISSUED, self.order, self.now)
        elif self.step.needs_person:
            tell_order(self.connection, OutboxHook.ORDER_HELD, self.order, self.now)
        if self.step.status in _IN_DOUBT:
            doubt_switch(self.connection, self.order.device_id, self.order.charge, self.now)
        refresh_payment(self.connection, self.order.payment_id, self.now)
        if self.payment.reversing:
            book_reversal_if_due(self.connection, self.order.payment_id, self.now)
            self._tell_what_stays_sold()
        else:
            self._tell()
        if self.step.status is not OrderStatus.QUEUED:
            wake_next(self.connection, self.order.device_id, self.now)
        return True

    def _move_order(self, *, begun: bool) -> bool:
        o, step = t.orders.c, self.step
        due_at = None if step.next_in is None else self.now + step.next_in
        updated = self.connection.execute(
            sa.update(t.orders)
            .where(o.id == self.order.id, o.fence == self.order.fence, o.finished_at.is_(None))
            .values(
                status=step.status,
                fence=o.fence + 1,
                attempts=o.attempts if begun else o.attempts + 1,
                reason=step.reason,
                detail=step.detail,
                doubt=step.facts.doubt,
                failures=step.facts.failures,
                looks=step.facts.looks,
                not_found=step.facts.not_found,
                unknown_since=self._unknown_since(),
                lease_until=None,
                due_at=due_at,
                next_at=self.writer.next_at(self.order, due_at, self.now),
                finished_at=self.now if step.is_final else None,
            )
        )
        return updated.rowcount == 1

    def _unknown_since(self) -> datetime | None:
        """Count from the first loss until the doubt ends."""
        if self.step.status in _IN_DOUBT or self.step.facts.doubt:
            return self.order.unknown_since or self.now
        return None

    def _add_attempt(self, unbegun: Attempted) -> None:
        self.connection.execute(
            sa.insert(t.attempts).values(
                id=new_identifier(),
                company_id=self.order.company_id,
                order_id=self.order.id,
                number=self.order.attempts + 1,
                at=self.now,
                finished_at=self.now,
                outcome=self.step.outcome,
                plugin=unbegun.plugin,
                detail=self.step.detail,
            )
        )

    def _close_attempt(self) -> None:
        a = t.attempts.c
        self.connection.execute(
            sa.update(t.attempts)
            .where(a.order_id == self.order.id, a.number == self.order.attempts)
            .values(
                outcome=self.step.outcome,
                detail=self.step.detail,
                finished_at=self.now,
            )
        )

    def _issue(self, grant: Grant) -> None:
        vault, kind = self.writer.vault, self.order.charge.kind
        self.connection.execute(
            sa.insert(t.tokens).values(
                id=new_identifier(),
                company_id=self.order.company_id,
                order_id=self.order.id,
                payment_id=self.order.payment_id,
                device_id=self.order.device_id,
                kind=kind,
                codes=vault.seal_codes(grant.codes),
                digest=None if kind in _REPEATABLE else vault.digest_codes(grant.codes),
                quantity=grant.quantity,
                unit=grant.unit,
                delivery=grant.delivery,
                vendor_reference=grant.vendor_reference,
                issued_at=self.now,
            )
        )
        move_state(self.connection, self.order.device_id)
        extend_switch(self.connection, self.order.device_id, self.order.charge, self.now)

    def _tell_what_stays_sold(self) -> None:
        """Give the customer of a payment that was taken back what its price is still owed for."""
        grant = self.step.grant
        if grant is not None and grant.quantity is not None and self.payment.paid.minor:
            self._tell_token(taken_back_text(self.payment.paid, grant, self.order.serial))

    def _tell_token(self, text: str) -> None:
        key = f"{self.order.id}:token"
        queue_message(self.connection, self.writer.vault, self.payment, text, key=key, now=self.now)

    def _tell(self) -> None:
        if self.step.grant is not None:
            self._tell_token(self._text(self.step.grant))
        elif self.step.needs_person or self._is_late():
            tell_delay(self.connection, self.writer.vault, self.payment, self.now)

    def _is_late(self) -> bool:
        return self.step.status in _WAITING and self.now >= self.writer.tell_at(self.order)

    def _text(self, grant: Grant) -> str:
        if self.order.purpose is OrderPurpose.UNLOCK:
            return unlock_text(grant, self.order.serial)
        lines = lines_of(self.connection, self.payment.id)
        return token_text(self.payment.paid, lines, self.order.charge, grant, self.order.serial)


def tell_order(connection: Connection, hook: OutboxHook, order: OrderRecord, now: datetime) -> None:
    """Have an order's fact told to the plugins that listen."""
    tell(connection, [Fact(hook=hook, company_id=order.company_id, subject_id=order.id, at=now)])


def wake_next(connection: Connection, device_id: str, now: datetime) -> None:
    """Let a device's next order go on at once; the device is taken.

    It has waited since it was made, so it comes before all that came later, of other devices, too.
    """
    o = t.orders.c
    waiting = (
        sa.select(o.id)
        .where(o.device_id == device_id, o.status == OrderStatus.QUEUED, o.finished_at.is_(None))
        .order_by(o.doubt.desc(), o.id)  # as they have their turn
        .limit(1)
    )
    if found := connection.execute(waiting).scalar_one_or_none():
        # one that was handed over already, its time having come, is left to whoever has it
        waits = sa.or_(o.due_at.is_(None), o.due_at > now, o.next_at <= now)
        at_once = sa.literal(now, o.next_at.type)
        since = sa.case((o.created_at < now, o.created_at), else_=at_once)  # clocks can go back
        connection.execute(
            sa.update(t.orders).where(o.id == found, waits).values(next_at=since, due_at=now)
        )
