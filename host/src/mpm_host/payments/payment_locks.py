"""Locks in the one order that everybody takes them: payment → customer → device → order.

Whatever moves an agent's cash takes the agent before all of them (see `agents.agent_store`).
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.database import tables as t

__all__ = ["LockedPayment", "lock_customer_of", "lock_device", "lock_payment"]


@attrs.frozen(kw_only=True)
class LockedPayment:
    """What the words need of a payment whose row is taken."""

    id: str
    company_id: str
    paid: Money  # 0 where no money moved
    phone: str
    reversing: bool


def lock_payment(connection: Connection, payment_id: str) -> LockedPayment:
    """Take a booked payment's row: the first lock, here and everywhere.

    Others may still refer to the payment meanwhile.
    """
    p, c = t.payments.c, t.customers.c
    query = (
        sa.select(p.company_id, p.amount, p.currency, p.payer, p.reversing_at, c.phone)
        .select_from(t.payments.join(t.customers, c.id == p.customer_id))
        .where(p.id == payment_id)
        .with_for_update(of=t.payments, key_share=True)
    )
    row = connection.execute(query).one()
    return LockedPayment(
        id=payment_id,
        company_id=row.company_id,
        paid=Money(row.amount or 0, row.currency),
        phone=row.payer or row.phone,
        reversing=row.reversing_at is not None,
    )


def lock_customer_of(connection: Connection, payment_id: str) -> None:
    """Take the customer of a payment.

    Others may still refer to the customer, here and everywhere but where one is deleted: a long
    import of their further devices holds up no payment.
    """
    owner = sa.select(t.payments.c.customer_id).where(t.payments.c.id == payment_id)
    query = sa.select(t.customers.c.id).where(t.customers.c.id == owner.scalar_subquery())
    connection.execute(query.with_for_update(key_share=True))


def lock_device(connection: Connection, device_id: str) -> None:
    """Take a device, so that nobody else begins or ends an order of it meanwhile.

    Others may still refer to the device: booking a payment for it does not wait.
    """
    query = sa.select(t.devices.c.id).where(t.devices.c.id == device_id)
    connection.execute(query.with_for_update(key_share=True))
