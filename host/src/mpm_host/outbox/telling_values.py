"""What a hook of the outbox is told: read when it is told, so it says how things are by then.

Devices' details and states, what was prepared for an order and a telecom's own words are for the
plugin they belong to alone; tokens are for none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Decision, Device, Message, Msisdn, Verdict
from mpm_host.database import tables as t
from mpm_host.encryption import Vault
from mpm_host.orders.order_store import load_order
from mpm_host.outbox.outbox import OutboxHook
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.payments.quotes import load_device

__all__ = ["TellingValues", "Told", "read_values"]

Arguments = dict[str, object]


@attrs.frozen(kw_only=True)
class TellingValues:
    """What is told, and of which payment.

    Attributes:
        arguments: of the hook, by name.
        payment_id: where people look for what became of it; none for a device or a message of none.
    """

    arguments: Arguments = attrs.field(repr=False)
    payment_id: str | None = None


@attrs.frozen(kw_only=True)
class Told:
    """Who is told of what.

    Attributes:
        details_class: what the listener's manifest says its devices' details are made of.
    """

    hook: OutboxHook
    company_id: str
    instance_id: str
    subject_id: str
    details_class: type | None


def read_values(
    connection: Connection, told: Told, vault: Vault, now: datetime
) -> TellingValues | None:
    """Read what to tell; `None` if what it is about is gone."""
    return _READERS[told.hook](connection, told, vault, now)


def _payment(
    connection: Connection, told: Told, _vault: Vault, _now: datetime
) -> TellingValues | None:
    record = _find_payment(connection, told)
    if record is None:
        return None
    return TellingValues(arguments={"payment": record.facts()}, payment_id=record.id)


def _report(
    connection: Connection, told: Told, _vault: Vault, _now: datetime
) -> TellingValues | None:
    record = _find_payment(connection, told)
    if record is None:
        return None
    facts = attrs.evolve(record.facts(), details=dict(record.details))
    verdict = Verdict(decision=Decision.ACCEPTED, number=record.number)
    return TellingValues(arguments={"payment": facts, "verdict": verdict}, payment_id=record.id)


def _find_payment(connection: Connection, told: Told) -> PaymentRecord | None:
    p = t.payments.c
    query = sa.select(t.payments).where(p.company_id == told.company_id, p.id == told.subject_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else PaymentRecord.from_row(row)


def _order(connection: Connection, told: Told, vault: Vault, now: datetime) -> TellingValues | None:
    order = load_order(connection, told.subject_id, now)
    if order is None or order.company_id != told.company_id:
        return None
    own = order.instance_id == told.instance_id
    arguments: Arguments = {
        "device": _read_device(connection, told, order.device_id, vault, own=own),
        "charge": order.charge,
        "order": order.as_order(order.attempts, (order.prepared or {}) if own else {}),
    }
    return TellingValues(arguments=arguments, payment_id=order.payment_id)


def _device(
    connection: Connection, told: Told, vault: Vault, _now: datetime
) -> TellingValues | None:
    d = t.devices.c
    query = sa.select(d.instance_id).where(d.company_id == told.company_id, d.id == told.subject_id)
    maker = connection.execute(query).scalar_one_or_none()
    if maker is None:
        return None
    own = maker == told.instance_id
    device = _read_device(connection, told, told.subject_id, vault, own=own)
    return TellingValues(arguments={"device": device})


def _read_device(
    connection: Connection, told: Told, device_id: str, vault: Vault, *, own: bool
) -> Device:
    device, _ = load_device(connection, device_id, vault, told.details_class if own else None)
    return device if own else attrs.evolve(device, state={})


def _message(
    connection: Connection, told: Told, _vault: Vault, _now: datetime
) -> TellingValues | None:
    m = t.messages.c
    query = sa.select(m.key, m.phone, m.payment_id).where(
        m.company_id == told.company_id, m.id == told.subject_id
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    message = Message(key=row.key, to=Msisdn.from_e164(row.phone), body="")
    return TellingValues(arguments={"message": message}, payment_id=row.payment_id)


_Reader = Callable[[Connection, Told, Vault, datetime], TellingValues | None]
_READERS: Mapping[OutboxHook, _Reader] = {
    OutboxHook.PAYMENT_ACCEPTED: _payment,
    OutboxHook.PAYMENT_SETTLED: _payment,
    OutboxHook.TOKEN_ISSUED: _order,
    OutboxHook.ORDER_HELD: _order,
    OutboxHook.DEVICE_REGISTERED: _device,
    OutboxHook.MESSAGE_SENT: _message,
    OutboxHook.REPORT_PAYMENT: _report,
}
