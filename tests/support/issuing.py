"""Giving an order its token by hand, as the order worker leaves it."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_core import Secret
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier

__all__ = ["issue_order"]


def issue_order(engine, vault, payment_id, now, code="12345678901234567890"):
    """Give the payment's order its token, without a message; return the order's id."""
    codes = [Secret(code)] if code else []
    with engine.begin() as connection:
        order = connection.execute(
            sa.select(t.orders).where(t.orders.c.payment_id == payment_id)
        ).one()
        connection.execute(
            sa.insert(t.attempts).values(
                id=new_identifier(), company_id=order.company_id, order_id=order.id, number=1,
                at=now, finished_at=now, outcome="issued", detail="", plugin="calin 1.0",
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.tokens).values(
                id=new_identifier(), company_id=order.company_id, order_id=order.id,
                payment_id=payment_id, device_id=order.device_id, kind=order.kind,
                codes=vault.seal_codes(codes), digest=vault.digest_codes(codes),
                quantity=order.quantity, unit=order.unit,
                delivery="keypad" if code else "remote", issued_at=now,
            )
        )  # fmt: skip
        connection.execute(
            sa.update(t.orders)
            .where(t.orders.c.id == order.id)
            .values(status="issued", attempts=1, next_at=None, finished_at=now)
        )
        connection.execute(
            sa.update(t.payments)
            .where(t.payments.c.id == payment_id)
            .values(status="settled", settled_at=now)
        )
    return order.id
