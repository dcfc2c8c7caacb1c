"""Payments that are still going on: a token is under way, or a person decides whether there is one.

While somebody has one, they are not deleted; while a device has one, it does not change hands. Its
next owner would get what the one before them paid for, and that one the message with the token.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["refuse_open_payments_of_customer", "refuse_open_payments_of_device"]

_OPEN = tuple(
    status.value
    for status in (PaymentStatus.TOKEN_PENDING, PaymentStatus.UNKNOWN, PaymentStatus.HELD)
)
# What makes a payment open: all that has not ended, and what was refused until a person decides.
_OPEN_ORDERS = tuple(
    status.value
    for status in OrderStatus
    if status not in {OrderStatus.ISSUED, OrderStatus.CANCELLED}
)


def refuse_open_payments_of_customer(
    connection: Connection, company: CompanyRecord, customer_id: str
) -> None:
    """Refuse to go on while a customer has an open payment; the customer is locked.

    Raises:
        ServiceRefused: `payment_open`.
    """
    p = t.payments.c
    query = sa.select(p.id, p.status).where(
        # by the index of statuses: few payments are under way
        p.company_id == company.id,
        p.status.in_(_OPEN),
        p.customer_id == customer_id,
    )
    found = connection.execute(query.limit(1)).first()
    if found is not None:
        raise ServiceRefused(
            RefusalCode.PAYMENT_OPEN,
            f"Payment {found.id} of the customer is {found.status}; wait for its token, or decide "
            "it first.",
        )


def refuse_open_payments_of_device(connection: Connection, device_id: str, serial: str) -> None:
    """Refuse to go on while a device has an open payment.

    Args:
        connection: of a transaction that has locked the device's owner and then the device: nobody
            books a payment for it meanwhile, and nobody tries one again.
        device_id: the device.
        serial: of the device, for the message.

    Raises:
        ServiceRefused: `payment_open`.
    """
    o, p, later = t.orders.c, t.payments.c, t.orders.alias()
    was_followed = sa.exists().where(later.c.payment_id == o.payment_id, later.c.follows_id == o.id)
    query = (
        sa.select(sa.func.count(p.id.distinct()), sa.func.min(p.id))
        .select_from(t.orders.join(t.payments, p.id == o.payment_id))
        .where(
            o.device_id == device_id,
            o.status.in_(_OPEN_ORDERS),
            p.status.in_(_OPEN),  # a refused order of a reversed payment waits for nobody
            ~was_followed,
        )
    )
    count, oldest = connection.execute(query).one()
    if count:
        raise ServiceRefused(RefusalCode.PAYMENT_OPEN, _device_words(serial, count, oldest))


def _device_words(serial: str, count: int, oldest: str) -> str:
    if count == 1:
        return (
            f"Device {serial!r} has 1 open payment, {oldest}; wait for its token, or decide it "
            "first."
        )
    return (
        f"Device {serial!r} has {count} open payments, the oldest is {oldest}; wait for their "
        "tokens, or decide them first."
    )
