"""Notices: what telecoms tell us unasked. None of them alone ever books money.

A notice that a payment was reversed is believed, for it only takes back. One that a payment was
made is not: its protocol can be asked, or calls *process*. One about a push is a reason to ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

import sqlalchemy as sa

from mpm_core import Decision, NoticeEvent, NoticeRequest, Verdict
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.clock import Clock
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.database.engines import Engines
from mpm_host.directory import InstanceRecord
from mpm_host.identifiers import new_identifier
from mpm_host.payments.booking_commands import Command, Outcome, TakeBack
from mpm_host.payments.payment_records import PaymentKeys, PaymentRecord, find_payments
from mpm_host.pushes.push_store import hear_of_push

__all__ = ["PaymentNotices"]

_NOTED = Verdict(decision=Decision.NOTED)


class PaymentNotices:
    """Hears notices of every telecom.

    Args:
        engines: of the database.
        clock: tells when.
        actions: takes payments back.
        submit: gives the desk's writer a command.
        wake: called after a commit that left work for the workers.
    """

    def __init__(
        self,
        *,
        engines: Engines,
        clock: Clock,
        actions: PaymentActions,
        submit: Callable[[Command], Future[Outcome]],
        wake: Callable[[], None],
    ) -> None:
        self._engines = engines
        self._clock = clock
        self._actions = actions
        self._submit = submit
        self._wake = wake

    async def hear(self, instance: InstanceRecord, notice: NoticeRequest) -> Verdict:
        """Act on one notice and say that it was noted."""
        match notice.event:
            case NoticeEvent.REVERSED:
                await self._hear_reversed(instance, notice)
            case NoticeEvent.FAILED:
                await asyncio.to_thread(self._hear_failed, instance, notice)
                await asyncio.to_thread(self._ask_about_push, instance, notice)
            case NoticeEvent.PAID:  # never credited without asking
                await asyncio.to_thread(self._ask_about_push, instance, notice)
        return _NOTED

    def _ask_about_push(self, instance: InstanceRecord, notice: NoticeRequest) -> None:
        """Have the telecom asked now, if the notice is about a push of ours."""
        paid = notice.event is NoticeEvent.PAID
        with self._engines.write.begin() as connection:
            found = hear_of_push(
                connection, instance.id, notice.reference, self._clock(), paid=paid
            )
        if found:
            self._wake()

    async def _hear_reversed(self, instance: InstanceRecord, notice: NoticeRequest) -> None:
        """Deny a reference nobody booked, for ever; take back one that was."""
        command = TakeBack(instance=instance, request=notice)
        outcome = await asyncio.wrap_future(self._submit(command))
        if outcome.decision is Decision.FOUND and outcome.payment is not None:
            await asyncio.to_thread(self._take_back, instance, notice, outcome.payment)

    def _take_back(
        self, instance: InstanceRecord, notice: NoticeRequest, payment: PaymentRecord
    ) -> None:
        if notice.amount is not None and notice.amount != payment.money:
            what = f"the telecom reversed {notice.amount}, not the whole amount"
            self._note_conflict(payment, what, needs_person=True)
            return
        actor = Actor(
            name=f"telecom {instance.name}",
            at=self._clock(),
            reason="The telecom gave the money back.",
        )
        with self._engines.write.begin() as connection:
            done = self._actions.reverse(
                connection, payment.id, actor, company_id=instance.company_id
            )
        if done:
            self._wake()

    def _hear_failed(self, instance: InstanceRecord, notice: NoticeRequest) -> None:
        """Keep a success; a payment that is not booked may still come."""
        keys = PaymentKeys(instance_id=instance.id, reference=notice.reference)
        with self._engines.read.connect() as connection:
            payment = find_payments(connection, [keys], lock=False).find(keys)
        if payment is not None and payment.status.is_booked:
            self._note_conflict(payment, "said to have failed after it succeeded")

    def _note_conflict(
        self, payment: PaymentRecord, what: str, *, needs_person: bool = False
    ) -> None:
        """Mark the payment, once per fact however often the telecom says it."""
        e, p = t.events.c, t.payments.c
        known = sa.select(e.id).where(e.payment_id == payment.id, e.detail == what)
        changes: dict[str, object] = {"conflict": True}
        if needs_person:
            changes |= {"needs_person": True, "disputed": True}
        with self._engines.write.begin() as connection:
            row = sa.select(p.id).where(p.id == payment.id).with_for_update(key_share=True)
            connection.execute(row)
            if connection.execute(known).first() is not None:
                return  # also when a person has dealt with it since
            connection.execute(sa.update(t.payments).where(p.id == payment.id).values(**changes))
            connection.execute(
                sa.insert(t.events).values(
                    id=new_identifier(),
                    company_id=payment.company_id,
                    payment_id=payment.id,
                    kind="conflict",
                    detail=what,
                    actor="",
                    at=self._clock(),
                )
            )
