"""Later journals of a payment: what its entries come to, and corrections by further entries.

Whatever moves a cache (a customer's credit, what is left of a debt) moves it here together with the
entry that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.payments.ledger import LedgerAccount

__all__ = ["BookedLine", "NewEntry", "net_lines", "write_journal"]


@attrs.frozen(kw_only=True)
class NewEntry:
    """One entry to be written; `position` is that of the line it corrects or continues."""

    position: int
    account: str
    amount: int
    refers_to: str
    customer_id: str | None


@attrs.frozen(kw_only=True)
class BookedLine:
    """What the entries of one line come to: minor units, never 0."""

    position: int
    account: str
    amount: int
    refers_to: str
    customer_id: str | None

    def entry(
        self, amount: int, *, account: str | None = None, refers_to: str | None = None
    ) -> NewEntry:
        """Return an entry at this line's place, on its account unless another is given."""
        return NewEntry(
            position=self.position,
            account=self.account if account is None else account,
            amount=amount,
            refers_to=self.refers_to if refers_to is None else refers_to,
            customer_id=self.customer_id,
        )


def net_lines(connection: Connection, payment_id: str) -> Sequence[BookedLine]:
    """Return what a payment's entries come to now, clearing among them."""
    e = t.entries.c
    total = sa.func.sum(e.amount)
    query = (
        sa.select(e.position, e.account, e.refers_to, e.customer_id, total.label("total"))
        .where(e.payment_id == payment_id)
        .group_by(e.position, e.account, e.refers_to, e.customer_id)
        .having(total != 0)
        .order_by(e.position, e.account)
    )
    return [
        BookedLine(
            position=row.position,
            account=row.account,
            amount=int(row.total),
            refers_to=row.refers_to,
            customer_id=row.customer_id,
        )
        for row in connection.execute(query)
    ]


def write_journal(
    connection: Connection, payment_id: str, entries: Sequence[NewEntry], at: datetime
) -> None:
    """Book further entries of a payment and move the caches they speak of.

    The payment and its customer are locked.

    Raises:
        ValueError: the entries do not sum to zero; nothing may be booked then.
    """
    if not entries:
        return
    if sum(entry.amount for entry in entries) != 0:
        raise ValueError(f"The entries for payment {payment_id} do not sum to zero.")
    p = t.payments.c
    payment = connection.execute(
        sa.select(p.company_id, p.currency).where(p.id == payment_id)
    ).one()
    journal_id = new_identifier()
    rows = [
        {
            "id": new_identifier(),
            "company_id": payment.company_id,
            "journal_id": journal_id,
            "payment_id": payment_id,
            "currency": payment.currency,
            "at": at,
            **attrs.asdict(entry),
        }
        for entry in entries
    ]
    connection.execute(sa.insert(t.entries), rows)
    _move_caches(connection, entries)


def _move_caches(connection: Connection, entries: Iterable[NewEntry]) -> None:
    for entry in entries:
        match entry.account:
            case LedgerAccount.CREDIT:
                c = t.customers.c
                move = sa.update(t.customers).where(c.id == entry.customer_id)
                connection.execute(move.values(credit=c.credit + entry.amount))
            case LedgerAccount.INSTALMENT | LedgerAccount.DOWN_PAYMENT:
                _pay(connection, t.plan_rows, entry)
            case LedgerAccount.ACCESS_RATE:
                _pay(connection, t.access_debts, entry)
            case _:
                pass  # nothing is kept beside the entries of the other accounts


def _pay(connection: Connection, table: sa.Table, entry: NewEntry) -> None:
    """Move what is left of a debt; a negative entry reopens it."""
    move = sa.update(table).where(table.c.id == entry.refers_to)
    connection.execute(move.values(remaining=table.c.remaining - entry.amount))
