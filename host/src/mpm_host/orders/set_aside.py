"""An order whose work only fails is set aside for a person; see `poison_work` for all other work.

After some tries in a row it is taken out of the queue: *refused* when surely nobody was asked (a
person has it tried again), *parked* when a token may exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import PaymentStatus
from mpm_host.clock import Clock
from mpm_host.database import tables as t
from mpm_host.database.engines import Engines
from mpm_host.orders.order_rules import AttemptOutcome, OrderStatus
from mpm_host.orders.order_steps import wake_next
from mpm_host.outbox.outbox import Fact, OutboxHook, tell
from mpm_host.payments.payment_locks import lock_customer_of, lock_device, lock_payment
from mpm_host.payments.payment_progress import refresh_payment
from mpm_host.payments.reversals import book_reversal_if_due

__all__ = ["SET_ASIDE", "OrderKeeper", "count_set_aside"]

SET_ASIDE = "set_aside"  # the reason of an order and its payment
_FAILING = "work_failed"  # of an order that may be set aside next time
_TRIES = 5
_WORKED_ON = (OrderStatus.QUEUED, OrderStatus.SENT, OrderStatus.UNKNOWN)
_LOG = structlog.get_logger(__name__)


class OrderKeeper:
    """Counts the failures of orders' work and sets aside what only fails.

    Args:
        engines: of the database.
        clock: tells when.
        tries: failures in a row after which an order is set aside.
    """

    def __init__(self, *, engines: Engines, clock: Clock, tries: int = _TRIES) -> None:
        self._engines = engines
        self._clock = clock
        self._tries = tries

    def note_failure(self, order_id: str, error: str) -> None:
        """Count one failure; the order is tried again later, or set aside."""
        o = t.orders.c
        where = sa.select(o.payment_id, o.device_id).where(o.id == order_id)
        with self._engines.write.begin() as connection:
            place = connection.execute(where).one_or_none()
            if place is None:
                return
            payment = lock_payment(connection, place.payment_id)
            if payment.reversing:
                lock_customer_of(connection, payment.id)
            lock_device(connection, place.device_id)
            if self._count(connection, order_id, error):
                refresh_payment(connection, payment.id, self._clock())
                wake_next(connection, place.device_id, self._clock())
                if payment.reversing:
                    book_reversal_if_due(connection, payment.id, self._clock())

    def _count(self, connection: Connection, order_id: str, error: str) -> bool:
        """Write one failure; tell whether it was the last."""
        o = t.orders.c
        query = sa.select(t.orders).where(o.id == order_id).with_for_update()
        order = connection.execute(query).mappings().one()
        if order["status"] not in _WORKED_ON:
            return False
        # What a vendor did before does not count: its failures are patient.
        failures = order["failures"] + 1 if order["reason"] == _FAILING else 1
        if failures >= self._tries:
            self._set_aside(connection, order, failures, error)
            return True
        detail = f"Working on it failed ({error}); it is tried again."
        connection.execute(
            sa.update(t.orders)
            .where(o.id == order_id)
            .values(failures=failures, reason=_FAILING, detail=detail)
        )
        return False

    def _set_aside(
        self, connection: Connection, order: RowMapping, failures: int, error: str
    ) -> None:
        o, now = t.orders.c, self._clock()
        is_sure = order["status"] == OrderStatus.QUEUED and not order["doubt"]
        connection.execute(
            sa.update(t.orders)
            .where(o.id == order["id"])
            .values(
                status=OrderStatus.REFUSED if is_sure else OrderStatus.PARKED,
                fence=o.fence + 1,
                failures=failures,
                reason=SET_ASIDE,
                detail=f"Working on it failed {failures} times ({error}); a person must decide.",
                lease_until=None,
                due_at=None,
                next_at=None,
                finished_at=now if is_sure else None,
                unknown_since=None if is_sure else order["unknown_since"] or now,
            )
        )
        _end_attempt(connection, order["id"], order["attempts"], now)
        fact = Fact(
            hook=OutboxHook.ORDER_HELD,
            company_id=order["company_id"],
            subject_id=order["id"],
            at=now,
        )
        tell(connection, [fact])
        _LOG.error("order_set_aside", order=order["id"], failures=failures, error=error)


def count_set_aside(connection: Connection, company_ids: Sequence[str]) -> dict[str, int]:
    """Return how many payments of each company wait for a person because work on them failed."""
    p = t.payments.c
    query = (
        sa.select(p.company_id, sa.func.count())
        .where(
            p.company_id.in_(company_ids),
            p.status.in_([PaymentStatus.HELD, PaymentStatus.UNKNOWN]),
            p.reason == SET_ASIDE,
        )
        .group_by(p.company_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _end_attempt(connection: Connection, order_id: str, number: int, now: datetime) -> None:
    """Say of an attempt that nobody finished what is known of it: nothing."""
    a = t.attempts.c
    connection.execute(
        sa.update(t.attempts)
        .where(a.order_id == order_id, a.number == number, a.outcome == AttemptOutcome.SENT)
        .values(outcome=AttemptOutcome.UNKNOWN, finished_at=now)
    )
