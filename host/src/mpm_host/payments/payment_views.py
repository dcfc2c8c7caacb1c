"""Payments as users see them: the JSON of the API and of the command line.

Each query asks for a whole page of payments at once. Phone numbers are masked; token codes and
message bodies are decrypted only where the caller says it may show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import Money, Msisdn, PaymentStatus, Unit, format_kwh
from mpm_host.actions.proposals import proposals_of
from mpm_host.database import tables as t
from mpm_host.database.columns import as_indexed
from mpm_host.encryption import Vault
from mpm_host.payments.ledger import SOURCES
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["JsonObject", "PaymentPage", "list_payments", "masked", "payment_view"]

JsonObject = dict[str, object]
_Children = Mapping[str, list[JsonObject]]  # by payment id
_REVERSED = PaymentStatus.REVERSED.value
_MOST = 500  # payments of one page
_NEEDS_PERSON = as_indexed(t.payments.c.needs_person)


@attrs.frozen(kw_only=True)
class PaymentPage:
    """A page of payments, newest first.

    Attributes:
        next: the cursor of the page after this one; `None` on the last.
    """

    payments: tuple[JsonObject, ...]
    next: str | None


def payment_view(  # noqa: PLR0913 - which payment, who asks, what they may see
    connection: Connection,
    vault: Vault,
    payment_id: str,
    *,
    company_id: str | None = None,
    among: sa.CompoundSelect[str] | None = None,
    reveal: bool = False,
) -> JsonObject:
    """Return one payment as in the public interface.

    Args:
        connection: to read with.
        vault: decrypts what may be shown.
        payment_id: whose.
        company_id: the asker's company; `None` only for whoever runs the installation.
        among: a query of the ids that the asker may see; `None`: all of the company.
        reveal: show token codes and message bodies; else they are `None`.

    Raises:
        ServiceRefused: the payment is unknown, of another company, or not to be seen.
    """
    query = _payments().where(t.payments.c.id == payment_id)
    if company_id is not None:
        query = query.where(t.payments.c.company_id == company_id)
    if among is not None:
        query = query.where(t.payments.c.id.in_(among))
    rows = connection.execute(query).mappings().all()
    if not rows:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_PAYMENT, f"There is no payment with id {payment_id[:64]!r}."
        )
    return _views(connection, rows, vault if reveal else None)[0]


def list_payments(  # noqa: PLR0913 - a list is filtered by these
    connection: Connection,
    company_id: str,
    *,
    status: PaymentStatus | None = None,
    serial: str | None = None,
    needs_person: bool | None = None,
    among: sa.CompoundSelect[str] | None = None,
    limit: int = 50,
    after: str | None = None,
) -> PaymentPage:
    """Return a page of a company's payments, newest first, without codes and bodies.

    Args:
        connection: to read with.
        company_id: whose payments.
        status: only these.
        serial: only of this device.
        needs_person: only those that wait for somebody, or only the others; `None`: both.
        among: a query of the ids that the asker may see; `None`: all of the company.
        limit: how many; 500 at most.
        after: the cursor of the page before.
    """
    p = t.payments.c
    query = _payments().where(p.company_id == company_id)
    if status is not None:
        query = query.where(p.status == status.value)
    if serial is not None:
        query = query.where(p.serial == serial)
    if needs_person is not None:
        query = query.where(_NEEDS_PERSON if needs_person else sa.not_(p.needs_person))
    if among is not None:
        query = query.where(p.id.in_(among))
    if after is not None:
        query = query.where(p.id < after)
    limit = max(1, min(limit, _MOST))
    rows = connection.execute(query.order_by(p.id.desc()).limit(limit + 1)).mappings().all()
    page = rows[:limit]
    more = len(rows) > limit
    return PaymentPage(
        payments=tuple(_views(connection, page, None)), next=page[-1]["id"] if more else None
    )


def masked(phone: str | None) -> str | None:
    """Return a stored phone number as country and last two digits."""
    return None if phone is None else Msisdn.from_e164(phone).masked


def _payments() -> sa.Select[tuple[object, ...]]:
    p = t.payments.c
    source = sa.func.coalesce(t.instances.c.name, p.channel).label("instance")
    return sa.select(t.payments, source).outerjoin(t.instances, t.instances.c.id == p.instance_id)


def _views(
    connection: Connection, rows: Sequence[RowMapping], vault: Vault | None
) -> list[JsonObject]:
    ids = [row["id"] for row in rows]
    if not ids:
        return []
    lines, orders = _lines(connection, ids), _orders(connection, ids)
    tokens, messages = _tokens(connection, ids, vault), _messages(connection, ids, vault)
    attempts, events = _attempts(connection, ids), _events(connection, ids)
    proposals = proposals_of(connection, ids)
    return [
        {
            **_facts(row),
            "lines": lines[row["id"]],
            "tokens": tokens[row["id"]],
            "messages": messages[row["id"]],
            "attempts": attempts[row["id"]],
            "calculation": _calculation(orders[row["id"]]),
            "events": events[row["id"]],
            "reversing": row["reversing_at"] is not None and row["status"] != _REVERSED,
            "proposal": proposals.get(row["id"]),
        }
        for row in rows
    ]


def _facts(row: RowMapping) -> JsonObject:
    return {
        "id": row["id"],
        "instance": row["instance"],
        "channel": row["channel"],
        "reference": row["reference"],
        "receipt": row["receipt"],
        "number": row["number"],
        "serial": row["serial"],
        "sale_id": row["plan_id"],
        "msisdn": masked(row["payer"]),
        "amount": _amount(row["amount"], row["currency"]),
        "currency": row["currency"],
        "status": row["status"],
        "needs_person": row["needs_person"],
        "reason": row["reason"],
        "message": row["message"],
        "conflict": row["conflict"],
        "created_at": _moment(row["created_at"]),
        "accepted_at": _moment(row["accepted_at"]),
        "settled_at": _moment(row["settled_at"]),
    }


def _amount(minor: int | None, currency: str) -> str | None:
    return None if minor is None else str(Money(minor, currency))


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _calculation(orders: list[JsonObject]) -> object:
    """Return how the newest order was priced; empty when nothing was sold."""
    return orders[-1]["calculation"] if orders else {}


def _grouped(
    connection: Connection,
    query: sa.Select[tuple[object, ...]],
    view: Callable[[RowMapping], JsonObject],
) -> _Children:
    found: dict[str, list[JsonObject]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        found[row["payment_id"]].append(view(row))
    return found


def _lines(connection: Connection, ids: Sequence[str]) -> _Children:
    """Net each line with its counter-entries, which have its position; a reversal leaves nothing.

    Credit that was used and credit that is left stay two lines.
    """
    e = t.entries.c
    total = sa.func.sum(e.amount)
    query = (
        sa.select(e.payment_id, e.account, e.refers_to, e.currency, total.label("total"))
        .where(e.payment_id.in_(ids), e.account.not_in(SOURCES))
        .group_by(e.payment_id, e.position, e.account, e.refers_to, e.currency)
        .having(total != 0)
        .order_by(e.position)
    )
    return _grouped(connection, query, _line)


def _line(row: RowMapping) -> JsonObject:
    return {
        "kind": row["account"],
        "amount": _amount(int(row["total"]), row["currency"]),
        "refers_to": row["refers_to"] or None,
    }


def _orders(connection: Connection, ids: Sequence[str]) -> _Children:
    o = t.orders.c
    query = sa.select(o.payment_id, o.calculation).where(o.payment_id.in_(ids)).order_by(o.id)
    return _grouped(connection, query, lambda row: {"calculation": row["calculation"]})


def _tokens(connection: Connection, ids: Sequence[str], vault: Vault | None) -> _Children:
    k = t.tokens.c
    query = (
        sa.select(
            k.payment_id, k.kind, k.codes, k.delivery, k.quantity, k.unit, k.issued_at,
            t.devices.c.serial,
        )
        .join(t.devices, t.devices.c.id == k.device_id)
        .where(k.payment_id.in_(ids))
        .order_by(k.issued_at, k.id)
    )  # fmt: skip
    return _grouped(connection, query, lambda row: _token(row, vault))


def _token(row: RowMapping, vault: Vault | None) -> JsonObject:
    quantity, unit = _quantity(row["quantity"], row["unit"])
    return {
        "kind": row["kind"],
        "value": _codes(row["codes"], vault),
        "delivery": row["delivery"],
        "quantity": quantity,
        "unit": unit,
        "device_serial": row["serial"],
        "issued_at": _moment(row["issued_at"]),
    }


def _codes(sealed: bytes, vault: Vault | None) -> str | None:
    """Join the codes as they are entered; none where the vendor credits the device itself."""
    if vault is None:
        return None
    return " ".join(code.reveal() for code in vault.open_codes(sealed)) or None


def _quantity(quantity: int | None, unit: str | None) -> tuple[object, str | None]:
    """Write energy as text in kWh and days as a number, as the interface does."""
    if quantity is None or unit is None:
        return None, None
    return (format_kwh(quantity), "kWh") if unit == Unit.WATT_HOUR.value else (quantity, "days")


def _messages(connection: Connection, ids: Sequence[str], vault: Vault | None) -> _Children:
    m = t.messages.c
    query = (
        sa.select(m.payment_id, m.phone, m.body, m.status)
        .where(m.payment_id.in_(ids))
        .order_by(m.id)
    )
    return _grouped(connection, query, lambda row: _message(row, vault))


def _message(row: RowMapping, vault: Vault | None) -> JsonObject:
    return {
        "to": masked(row["phone"]),
        "body": None if vault is None else vault.open(row["body"]),
        "status": row["status"],
    }


def _attempts(connection: Connection, ids: Sequence[str]) -> _Children:
    a = t.attempts.c
    query = (
        sa.select(t.orders.c.payment_id, a.at, a.outcome, a.detail)
        .join(t.orders, t.orders.c.id == a.order_id)
        .where(t.orders.c.payment_id.in_(ids))
        .order_by(t.orders.c.id, a.number)
    )
    return _grouped(connection, query, lambda row: _timed(row, "outcome", "detail"))


def _events(connection: Connection, ids: Sequence[str]) -> _Children:
    e = t.events.c
    query = (
        sa.select(e.payment_id, e.at, e.kind, e.detail, e.actor)
        .where(e.payment_id.in_(ids))
        .order_by(e.at, e.id)
    )
    return _grouped(connection, query, lambda row: _timed(row, "kind", "detail", "actor"))


def _timed(row: RowMapping, *names: str) -> JsonObject:
    return {"at": _moment(row["at"])} | {name: row[name] for name in names}
