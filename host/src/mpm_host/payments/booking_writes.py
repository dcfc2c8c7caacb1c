"""What a batch of bookings writes: collected first, then one statement per table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database import tables as t
from mpm_host.database.bulk_insert import bulk_insert
from mpm_host.outbox.outbox import Fact, OutboxHook, tell
from mpm_host.payments.customer_accounts import CustomerAccount
from mpm_host.payments.ledger import account_changes
from mpm_host.payments.payment_records import COLUMNS, PaymentRecord

__all__ = ["BookingWrites"]

_UNCHANGING = {
    "id", "company_id", "channel", "instance_id", "number", "intent", "currency", "created_at",
    "plan_id",
}  # fmt: skip
_PAYMENT_UPDATE = (
    sa.update(t.payments)
    .where(t.payments.c.id == sa.bindparam("key_id"))
    .values({name: sa.bindparam(f"new_{name}") for name in COLUMNS if name not in _UNCHANGING})
)
_CREDIT_UPDATE = (
    sa.update(t.customers)
    .where(t.customers.c.id == sa.bindparam("key_id"))
    .values(credit=sa.bindparam("new_credit"))
)
_PLAN_ROW_UPDATE = (
    sa.update(t.plan_rows)
    .where(t.plan_rows.c.id == sa.bindparam("key_id"))
    .values(remaining=sa.bindparam("new_remaining"))
)
_ACCESS_DEBT_UPDATE = (
    sa.update(t.access_debts)
    .where(t.access_debts.c.id == sa.bindparam("key_id"))
    .values(remaining=sa.bindparam("new_remaining"))
)
_ACCESS_DUE_UPDATE = (
    sa.update(t.devices)
    .where(t.devices.c.id == sa.bindparam("key_id"))
    .values(access_due_on=sa.bindparam("new_due_on"))
)
_TAKE_NUMBERS = {
    "company": sa.update(t.companies)
    .where(t.companies.c.id == sa.bindparam("key"))
    .values(next_staff_number=t.companies.c.next_staff_number + sa.bindparam("count"))
    .returning(t.companies.c.next_staff_number),
    "instance": sa.update(t.instances)
    .where(t.instances.c.id == sa.bindparam("key"))
    .values(next_number=t.instances.c.next_number + sa.bindparam("count"))
    .returning(t.instances.c.next_number),
}
_ORDER_DEFAULTS = {
    "status": "queued",
    "reason": "",
    "detail": "",
    "fence": 0,
    "attempts": 0,
    "failures": 0,
    "looks": 0,
    "not_found": 0,
    "doubt": False,
    "handed": 0,
    "purpose": None,
    "follows_id": None,
}
_MESSAGE_DEFAULTS = {
    "status": "queued",
    "detail": "",
    "reference": "",
    "failures": 0,
    "handed": 0,
}


class BookingWrites:
    """Rows to insert and update; payments are remembered once however often they change.

    Args:
        accounts: as they were read; the caller replaces its values as payments change them, and
            the difference is what gets written.
    """

    def __init__(self, accounts: Mapping[str, CustomerAccount]) -> None:
        self._accounts = accounts
        self._before = dict(accounts)
        self._new: dict[str, PaymentRecord] = {}
        self._changed: dict[str, PaymentRecord] = {}
        self.entries: list[dict[str, object]] = []
        self.orders: list[dict[str, object]] = []
        self.messages: list[dict[str, object]] = []
        self.events: list[dict[str, object]] = []
        self.facts: list[Fact] = []

    def add(self, record: PaymentRecord) -> None:
        """Insert a payment that is not in the table yet."""
        self._new[record.id] = record

    def save(self, record: PaymentRecord) -> None:
        """Update a payment, unless it is inserted anyway."""
        if record.id not in self._new:
            self._changed[record.id] = record

    def note(
        self, hook: OutboxHook, record: PaymentRecord, at: datetime, *, only: str | None = None
    ) -> None:
        """Have a payment's fact told: to every listening instance, or to one, by its id."""
        self.facts.append(
            Fact(
                hook=hook,
                company_id=record.company_id,
                subject_id=record.id,
                at=at,
                instance_id=only,
            )
        )

    def execute(self, connection: Connection) -> None:
        """Write everything; the order follows the foreign keys and the lock order."""
        self._insert_payments(connection)
        if self._changed:
            rows = [_update_row(self._changed[key]) for key in sorted(self._changed)]
            connection.execute(_PAYMENT_UPDATE, rows)
        self._write_accounts(connection)
        bulk_insert(connection, t.entries, self.entries)
        bulk_insert(connection, t.orders, [_ORDER_DEFAULTS | row for row in self.orders])
        bulk_insert(connection, t.messages, [_MESSAGE_DEFAULTS | row for row in self.messages])
        bulk_insert(connection, t.events, [{"actor": ""} | row for row in self.events])
        tell(connection, self.facts)

    def _insert_payments(self, connection: Connection) -> None:
        """Insert in the order of the unique keys, so that two processes never wait in a circle."""
        if not self._new:
            return
        self._number(connection)
        ordered = sorted(
            self._new.values(),
            key=lambda r: (r.instance_id or "", r.reference or "", r.intent or ""),
        )
        bulk_insert(connection, t.payments, [record.as_row() for record in ordered])

    def _number(self, connection: Connection) -> None:
        """Hand out running numbers: each instance counts its own, a company what staff take."""
        counters = Counter(_counter(record) for record in self._new.values())
        next_numbers = {
            counter: _take_numbers(connection, *counter, counters[counter])
            for counter in sorted(counters)
        }
        for record in self._new.values():
            record.number = next_numbers[_counter(record)]
            next_numbers[_counter(record)] += 1

    def _write_accounts(self, connection: Connection) -> None:
        changes = [
            account_changes(
                before,
                self._accounts[key].account,
                before.company.id,
                before.account.currency,
            )
            for key, before in self._before.items()
            if self._accounts[key] is not before
        ]
        for statement, rows in (
            (_CREDIT_UPDATE, [row for change in changes for row in change.credit]),
            (_PLAN_ROW_UPDATE, [row for change in changes for row in change.plan_rows]),
            (_ACCESS_DEBT_UPDATE, [row for change in changes for row in change.access_debts]),
            (_ACCESS_DUE_UPDATE, [row for change in changes for row in change.access_due]),
        ):
            if rows:
                connection.execute(statement, rows)
        new_debts = [row for change in changes for row in change.new_access_debts]
        bulk_insert(connection, t.access_debts, new_debts)


def _counter(record: PaymentRecord) -> tuple[str, str]:
    """Return the kind and id of what numbers a payment."""
    if record.instance_id is None:
        return "company", record.company_id
    return "instance", record.instance_id


def _take_numbers(connection: Connection, kind: str, key: str, count: int) -> int:
    """Reserve running numbers of an instance or company and return the first."""
    given = {"key": key, "count": count}
    after: int = connection.execute(_TAKE_NUMBERS[kind], given).scalar_one()
    return after - count


def _update_row(record: PaymentRecord) -> dict[str, object]:
    row = record.as_row()
    changing = {f"new_{name}": value for name, value in row.items() if name not in _UNCHANGING}
    return {"key_id": record.id, **changing}
