"""`GET /payments` and `/exports`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import PaymentStatus
from mpm_host.access.roles import Permission
from mpm_host.database import tables as t
from mpm_host.payments.exports import ExportKind, as_csv, as_json, export_rows
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.payments.payment_views import list_payments, payment_view
from mpm_host.web.api.acting_agents import own_payments
from mpm_host.web.api.customers import RevealQuery
from mpm_host.web.api.operation import Call, Download, Method, Operation
from mpm_host.web.api.values import UNSET, Page, PageQuery, Query, UnsetType, View

__all__ = ["OPERATIONS", "Payment", "shown_payment"]


class Line(View, frozen=True, kw_only=True):
    """What a part of a payment was for; lines sum to the amount, used credit is negative."""

    kind: str
    amount: str
    refers_to: str | None


class Token(View, frozen=True, kw_only=True):
    """What the device got.

    `value` is null when the vendor credits the device itself, and unless it is revealed.
    """

    kind: str
    value: str | None
    delivery: str
    quantity: str | int | None
    unit: str | None
    device_serial: str
    issued_at: datetime


class Message(View, frozen=True, kw_only=True):
    """What the customer was told; `body` is null unless it is revealed."""

    to: str | None
    body: str | None
    status: str


class Attempt(View, frozen=True, kw_only=True):
    """One try to get a token."""

    at: datetime
    outcome: str
    detail: str


class Event(View, frozen=True, kw_only=True):
    """Something that happened to a payment."""

    at: datetime
    kind: str
    detail: str
    actor: str


class Proposal(View, frozen=True, kw_only=True):
    """What one person proposed and somebody else must approve: `reissue` or `not_minted`."""

    kind: str
    proposed_by: str
    proposed_at: datetime
    reason: str


class Payment(View, frozen=True, kw_only=True):
    """A payment with everything that became of it.

    `instance` is the telecom's; of a payment that staff took it is the `channel` itself. `sale_id`
    is the one sale that a payer was asked to pay; every other payment clears debts first.
    """

    id: str
    instance: str
    channel: PaymentChannel
    reference: str | None
    receipt: str | None
    number: int
    serial: str | None
    sale_id: str | None
    msisdn: str | None
    amount: str | None
    currency: str
    status: PaymentStatus
    needs_person: bool
    reason: str
    message: str
    conflict: bool
    created_at: datetime
    accepted_at: datetime | None
    settled_at: datetime | None
    lines: list[Line]
    tokens: list[Token]
    messages: list[Message]
    attempts: list[Attempt]
    calculation: dict[str, object]
    events: list[Event]
    reversing: bool
    proposal: Proposal | None


class PaymentQuery(PageQuery, frozen=True, kw_only=True):
    """Which payments."""

    status: PaymentStatus | None = None
    serial: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    needs_person: bool | UnsetType = UNSET


class Format(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSON = "json"


class ExportQuery(Query, frozen=True, kw_only=True):
    """How to write it."""

    format: Format = Format.CSV


def shown_payment(
    call: Call, connection: Connection, made: str | None = None, *, reveal: bool = False
) -> Payment:
    """Return the payment that was just made, or else the one that the path names.

    Raises:
        ServiceRefused: `unknown_payment`.
    """
    vault = call.context.host.vault
    payment_id = call.path["id"] if made is None else made
    view = payment_view(
        connection,
        vault,
        payment_id,
        company_id=call.company.id,
        among=own_payments(call) if made is None else None,
        reveal=reveal,
    )
    if reveal:
        view |= _whole_numbers(connection, payment_id, view)
    return msgspec.convert(view, type=Payment)


def _whole_numbers(
    connection: Connection, payment_id: str, view: dict[str, object]
) -> dict[str, object]:
    p, m = t.payments.c, t.messages.c
    payer = connection.execute(sa.select(p.payer).where(p.id == payment_id)).scalar_one()
    phones = connection.scalars(sa.select(m.phone).where(m.payment_id == payment_id).order_by(m.id))
    messages = view["messages"]
    if not isinstance(messages, list):
        return {"msisdn": payer}
    shown = [{**message, "to": phone} for message, phone in zip(messages, phones, strict=True)]
    return {"msisdn": payer, "messages": shown}


def _list(call: Call, connection: Connection) -> Page[Payment]:
    paging = call.query_as(PaymentQuery)
    found = list_payments(
        connection,
        call.company.id,
        status=paging.status,
        serial=paging.serial,
        needs_person=None if paging.needs_person is UNSET else paging.needs_person,
        among=own_payments(call),
        limit=paging.limit,
        after=paging.cursor,
    )
    return Page(
        items=[msgspec.convert(payment, type=Payment) for payment in found.payments],
        next=found.next,
    )


def _show(call: Call) -> Payment:
    reveal, engines = call.query_as(RevealQuery).reveal, call.context.host.engines
    with engines.read.connect() as connection:
        payment = shown_payment(call, connection)  # first: what is not there is not protected
        if reveal:
            call.principal.require_elevation(call.now)
            payment = shown_payment(call, connection, reveal=True)
    call.context.services.look_after(payment.id)
    if reveal:
        with engines.write.begin() as connection:
            call.audit(connection, "payment.revealed", payment.id)
    return payment


def _export(kind: ExportKind) -> Callable[[Call], Download]:
    def export(call: Call) -> Download:
        engines, wanted = call.context.host.engines, call.query_as(ExportQuery).format
        with engines.write.begin() as connection:
            noted = {"format": wanted.value}
            call.audit(connection, "export.made", kind.value, after=noted)
        rows = export_rows(engines.read, call.context.host.vault, call.company.id, kind)
        is_csv = wanted is Format.CSV
        return Download(
            media_type="text/csv" if is_csv else "application/json",
            file_name=f"{kind.value}.{wanted.value}",
            chunks=as_csv(rows) if is_csv else as_json(rows),
        )

    return export


def _export_operation(kind: Literal["payments", "tokens", "debts"]) -> Operation:
    return Operation(
        method=Method.GET,
        path=f"/exports/{kind}",
        name=f"export_{kind}",
        tag="payments",
        summary=f"Download all {kind}, as CSV or JSON.",
        details="Whole phone numbers and token codes; audited. Cells that a spreadsheet would run "
        "as formulas begin with an apostrophe.",
        permission=Permission.EXPORTS_READ,
        elevated=True,
        query=ExportQuery,
        downloads=("text/csv", "application/json"),
        act=_export(ExportKind(kind)),
    )


OPERATIONS = (
    Operation(
        method=Method.GET,
        path="/payments",
        name="list_payments",
        tag="payments",
        summary="List the payments; an agent sees only their own.",
        details="An agent's own payments are those whose cash they took, and those that they asked "
        "a payer's phone for. `needs_person=true` are those that wait for somebody, whatever their "
        "status.",
        permission=Permission.PAYMENTS_READ,
        query=PaymentQuery,
        answer=Page[Payment],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/payments/{id}",
        name="show_payment",
        tag="payments",
        summary="Show a payment.",
        details="`reveal` shows token codes, message bodies and whole phone numbers; it needs an "
        "elevation and is audited.",
        permission=Permission.PAYMENTS_READ,
        query=RevealQuery,
        answer=Payment,
        act=_show,
    ),
    _export_operation("payments"),
    _export_operation("tokens"),
    _export_operation("debts"),
)
