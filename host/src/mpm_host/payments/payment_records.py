"""Payments as rows: one row from a payment's first sign of life, found again by three keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import Money, PaymentFacts, PaymentStatus, Reply
from mpm_host.database import tables as t
from mpm_host.database.lists import among, as_list
from mpm_host.payments.payment_channels import PaymentChannel

__all__ = ["PaymentIndex", "PaymentKeys", "PaymentRecord", "find_payments"]


@attrs.define(kw_only=True, on_setattr=attrs.setters.NO_OP)  # rows convert; our code is typed
class PaymentRecord:
    """One row of `mpm_payment`; attributes are its columns.

    The only values of the desk that change: booking alters them inside its transaction and writes
    those that changed.
    """

    id: str
    company_id: str
    instance_id: str | None  # none: it came through no telecom
    number: int
    status: PaymentStatus = attrs.field(converter=PaymentStatus)
    currency: str
    created_at: datetime
    channel: PaymentChannel = attrs.field(default=PaymentChannel.TELECOM, converter=PaymentChannel)
    reference: str | None = None
    intent: str | None = None
    needs_person: bool = False
    reason: str = ""
    message: str = ""
    conflict: bool = False
    disputed: bool = False
    serial: str | None = None
    amount: int | None = None
    payer: str | None = None
    receipt: str | None = None
    details: Mapping[str, str] = attrs.field(factory=dict)
    device_id: str | None = None
    device_kind: str | None = None
    customer_id: str | None = None
    plan_id: str | None = None  # the one sale it pays, past everything else the customer owes
    reply_status: int | None = None
    reply_type: str | None = None
    reply_body: bytes | None = None
    validated_at: datetime | None = None
    accepted_at: datetime | None = None
    booked_on: date | None = None
    settled_at: datetime | None = None
    reversing_at: datetime | None = None

    @classmethod
    def from_row(cls, row: RowMapping) -> PaymentRecord:
        """Read one row of the payment table."""
        return cls(**row)

    def as_row(self) -> dict[str, object]:
        """Return the columns as they are stored."""
        return {name: getattr(self, name) for name in COLUMNS}

    @property
    def money(self) -> Money | None:
        """The amount with its currency, once it is known."""
        return None if self.amount is None else Money(self.amount, self.currency)

    @property
    def reply(self) -> Reply | None:
        """The reply that was given when the payment was accepted."""
        if self.reply_status is None or self.reply_type is None or self.reply_body is None:
            return None
        return Reply(status=self.reply_status, content_type=self.reply_type, body=self.reply_body)

    def keep_reply(self, reply: Reply) -> None:
        """Store the reply every repeat of the process call gets."""
        self.reply_status = reply.status
        self.reply_type = reply.content_type
        self.reply_body = reply.body

    def facts(self) -> PaymentFacts:
        """Return what a verdict may tell."""
        return PaymentFacts(
            status=self.status,
            amount=self.money,
            serial=self.serial,
            device_kind=self.device_kind,
            reference=self.reference,
            receipt=self.receipt,
            accepted_at=self.accepted_at,
            settled_at=self.settled_at,
        )


COLUMNS = tuple(field.name for field in attrs.fields(PaymentRecord))


@attrs.frozen(kw_only=True)
class PaymentKeys:
    """How a call points at a payment of one instance; what it does not say is `None`."""

    instance_id: str
    reference: str | None = None
    number: int | None = None
    intent: str | None = None


_KEYS = ("reference", "number", "intent")
# Payments of one instance with these values of one key. Asked for several instances at once, by a
# list of pairs or by two lists, SQLite may read every payment there is.
_QUERIES = {
    name: sa.select(t.payments)
    .where(
        t.payments.c.instance_id == sa.bindparam("instance_id"), among(t.payments.c[name], "keys")
    )
    .order_by(t.payments.c.id)
    for name in _KEYS
}
_LOCKED = {name: query.with_for_update() for name, query in _QUERIES.items()}


class PaymentIndex:
    """The payments of a batch, found by any of their keys; new ones join it."""

    def __init__(self, records: Iterable[PaymentRecord]) -> None:
        self._by_key: dict[tuple[str, str, str | int], PaymentRecord] = {}
        for record in records:
            self.add(record)

    def add(self, record: PaymentRecord) -> None:
        """Index a record by the keys it has now; call it again when it got another.

        What no telecom brought is never found: telecoms know nothing of it.
        """
        if record.instance_id is None:
            return
        for name, value in _named_keys(record):
            self._by_key[(record.instance_id, name, value)] = record

    def by_reference(self, keys: PaymentKeys) -> PaymentRecord | None:
        """Find the payment that carries the provider's reference."""
        return self._find(keys.instance_id, "reference", keys.reference)

    def by_link(self, keys: PaymentKeys) -> PaymentRecord | None:
        """Find the payment by our number or by the validation's text."""
        return self._find(keys.instance_id, "number", keys.number) or self._find(
            keys.instance_id, "intent", keys.intent
        )

    def find(self, keys: PaymentKeys) -> PaymentRecord | None:
        """Find the payment by any key."""
        return self.by_reference(keys) or self.by_link(keys)

    def asked_about(self, keys: PaymentKeys) -> PaymentRecord | None:
        """Find the payment a question is about: what carries another reference is another one."""
        found = self.find(keys)
        if found is None or keys.reference is None or found.reference is None:
            return found
        return found if found.reference == keys.reference else None

    def _find(self, instance_id: str, name: str, value: str | int | None) -> PaymentRecord | None:
        return None if value is None else self._by_key.get((instance_id, name, value))


def _named_keys(keys: PaymentKeys | PaymentRecord) -> Iterator[tuple[str, str | int]]:
    for name in _KEYS:
        value = getattr(keys, name)
        if value is not None and value != 0:  # 0: its number is handed out when it is written
            yield name, value


def find_payments(
    connection: Connection, wanted: Iterable[PaymentKeys], *, lock: bool
) -> PaymentIndex:
    """Read the payments that calls point at.

    Args:
        connection: of the caller's transaction.
        wanted: the keys; each may name several.
        lock: take the rows for update, in the order of their instances and ids.
    """
    values: dict[tuple[str, str], set[str | int]] = {}
    for keys in wanted:
        for name, value in _named_keys(keys):
            values.setdefault((name, keys.instance_id), set()).add(value)
    queries = _LOCKED if lock else _QUERIES
    records: dict[str, PaymentRecord] = {}
    for name, instance_id in sorted(values):
        given = {"instance_id": instance_id, "keys": as_list(values[name, instance_id])}
        for row in connection.execute(queries[name], given).mappings():
            records.setdefault(row["id"], PaymentRecord.from_row(row))
    return PaymentIndex(records.values())
