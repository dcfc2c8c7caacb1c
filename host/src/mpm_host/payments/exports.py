"""Exports: payments, tokens and debts of a company as rows, in flat memory.

Rows are read page by page in the order of their ids, so a long export holds no transaction. They
hold whole phone numbers and token codes: whoever asks must have given the protected-pages password,
and is noted in the audit trail.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, RowMapping

from mpm_core import Money, Unit, format_kwh
from mpm_host.database import tables as t
from mpm_host.encryption import Vault

__all__ = ["Export", "ExportKind", "as_csv", "as_json", "export_rows"]

_AT_ONCE = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00")
_ExportRow = Mapping[str, str]


class ExportKind(StrEnum):
    """What can be exported."""

    PAYMENTS = "payments"
    TOKENS = "tokens"
    DEBTS = "debts"


@attrs.frozen(kw_only=True)
class Export:
    """A table to be written.

    Attributes:
        columns: names, in order.
        rows: texts by column.
    """

    columns: tuple[str, ...]
    rows: Iterator[_ExportRow]


def export_rows(engine: Engine, vault: Vault, company_id: str, kind: ExportKind) -> Export:
    """Return a company's rows of a kind, oldest first; they are read while they are written."""
    pages = {
        ExportKind.PAYMENTS: _payment_rows,
        ExportKind.TOKENS: lambda connection, company, after: _token_rows(
            connection, vault, company, after
        ),
        ExportKind.DEBTS: _debt_rows,
    }
    return Export(columns=_COLUMNS[kind], rows=_paged(engine, company_id, pages[kind]))


def as_csv(export: Export) -> Iterator[bytes]:
    """Write CSV in chunks; cells a spreadsheet would run as formulas begin with an apostrophe."""
    yield _csv_line(export.columns)
    for row in export.rows:
        yield _csv_line([_harmless(row[name]) for name in export.columns])


def as_json(export: Export) -> Iterator[bytes]:
    """Write one JSON array in chunks."""
    yield b"["
    for number, row in enumerate(export.rows):
        yield (b",\n" if number else b"\n") + json.dumps(dict(row), ensure_ascii=False).encode()
    yield b"\n]\n"


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _csv_line(cells: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(list(cells))
    return line.getvalue().encode()


_Page = Callable[[Connection, str, str], Sequence[tuple[str, _ExportRow]]]


def _paged(engine: Engine, company_id: str, page: _Page) -> Iterator[_ExportRow]:
    after = ""
    while True:
        with engine.connect() as connection:
            found = page(connection, company_id, after)
        yield from (row for _, row in found)
        if len(found) < _AT_ONCE:
            return
        after = found[-1][0]


_COLUMNS: Mapping[ExportKind, tuple[str, ...]] = {
    ExportKind.PAYMENTS: (
        "id", "created_at", "accepted_at", "settled_at", "channel", "instance", "reference",
        "receipt", "number", "serial", "msisdn", "amount", "currency", "status", "reason",
    ),
    ExportKind.TOKENS: (
        "payment_id", "issued_at", "device_serial", "kind", "value", "quantity", "unit",
        "delivery", "vendor_reference",
    ),
    ExportKind.DEBTS: (
        "id", "kind", "customer_id", "name", "surname", "phone", "device_serial", "due_on",
        "cost", "remaining", "currency",
    ),
}  # fmt: skip


def _payment_rows(
    connection: Connection, company_id: str, after: str
) -> Sequence[tuple[str, _ExportRow]]:
    p = t.payments.c
    query = (
        sa.select(t.payments, sa.func.coalesce(t.instances.c.name, p.channel).label("instance"))
        .outerjoin(t.instances, t.instances.c.id == p.instance_id)
        .where(p.company_id == company_id, p.id > after)
        .order_by(p.id)
        .limit(_AT_ONCE)
    )
    return [
        (
            row["id"],
            _texts(row, "id", "channel", "instance", "number", "reference", "receipt", "serial",
                   "currency", "status", "reason", "created_at", "accepted_at", "settled_at")
            | {"msisdn": row["payer"] or "", "amount": _money(row["amount"], row["currency"])},
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip


def _token_rows(
    connection: Connection, vault: Vault, company_id: str, after: str
) -> Sequence[tuple[str, _ExportRow]]:
    k = t.tokens.c
    query = (
        sa.select(t.tokens, t.devices.c.serial.label("device_serial"))
        .join(t.devices, t.devices.c.id == k.device_id)
        .where(k.company_id == company_id, k.id > after)
        .order_by(k.id)
        .limit(_AT_ONCE)
    )
    return [
        (
            row["id"],
            _texts(row, "payment_id", "issued_at", "device_serial", "kind", "delivery",
                   "vendor_reference")
            | {"value": " ".join(code.reveal() for code in vault.open_codes(row["codes"]))}
            | _quantity(row),
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip


def _debt_rows(
    connection: Connection, company_id: str, after: str
) -> Sequence[tuple[str, _ExportRow]]:
    """Read instalments and down payments of live plans, and access rates, that are not paid."""
    r, p, a, d, c = t.plan_rows.c, t.plans.c, t.access_debts.c, t.devices.c, t.customers.c
    owner = (c.name, c.surname, c.phone)
    kind = sa.case((r.is_down_payment, "down_payment"), else_="instalment")
    instalments = (
        sa.select(
            r.id, kind.label("kind"), r.customer_id, *owner,
            p.device_serial, r.due_on, r.cost, r.remaining, p.currency,
        )
        .join(t.plans, p.id == r.plan_id)
        .join(t.customers, c.id == r.customer_id)
        .where(r.company_id == company_id, r.remaining > 0, p.live, r.id > after)
    )  # fmt: skip
    access_rates = (
        sa.select(
            a.id, sa.literal("access_rate").label("kind"), a.customer_id, *owner,
            d.serial.label("device_serial"), a.due_on, a.amount.label("cost"), a.remaining,
            a.currency,
        )
        .join(t.devices, d.id == a.device_id)
        .join(t.customers, c.id == a.customer_id)
        .where(a.company_id == company_id, a.remaining > 0, a.id > after)
    )  # fmt: skip
    query = sa.union_all(instalments, access_rates).order_by(sa.literal_column("1")).limit(_AT_ONCE)
    return [
        (
            row["id"],
            _texts(row, "id", "kind", "customer_id", "name", "surname", "phone", "device_serial",
                   "due_on", "currency")
            | {name: _money(row[name], row["currency"]) for name in ("cost", "remaining")},
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip


def _quantity(row: RowMapping) -> dict[str, str]:
    if row["quantity"] is None:
        return {"quantity": "", "unit": ""}
    if row["unit"] == Unit.WATT_HOUR.value:
        return {"quantity": format_kwh(row["quantity"]), "unit": "kWh"}
    return {"quantity": str(row["quantity"]), "unit": "days"}


def _money(minor: int | None, currency: str) -> str:
    return "" if minor is None else str(Money(minor, currency))


def _texts(row: RowMapping, *names: str) -> dict[str, str]:
    return {name: _text(row[name]) for name in names}


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)
