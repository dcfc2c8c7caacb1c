"""`/pushes`: asking a payer's phone for a payment."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.access.roles import Permission
from mpm_host.database.outbox_tables import pushes
from mpm_host.payments.payment_views import masked
from mpm_host.pushes.push_desk import CheckedPush, PushWish
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.refusals import RefusalCode
from mpm_host.registration.inputs import read_phone, read_serial
from mpm_host.web.api.customers import Phone
from mpm_host.web.api.listing import AnyRow, find_row
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import Amount, Body, Page, PageQuery, View

__all__ = ["OPERATIONS"]


class NewPush(Body, frozen=True, kw_only=True):
    """Whom to ask for how much, for which device."""

    instance: Annotated[str, Meta(min_length=1, max_length=64)]
    serial: Annotated[str, Meta(min_length=1, max_length=64)]
    amount: Amount
    msisdn: Phone


class Push(View, frozen=True, kw_only=True):
    """A payer who was asked; `payment_id` is the payment it is to become."""

    id: str
    instance: str
    reference: str
    serial: str
    amount: str
    currency: str
    msisdn: str | None
    status: PushStatus
    detail: str
    payment_id: str
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None


class PushQuery(PageQuery, frozen=True, kw_only=True):
    """Which pushes."""

    status: PushStatus | None = None


def _check(call: Call) -> CheckedPush:
    given, company = call.body_as(NewPush), call.company.company
    instance = call.context.host.companies.find_instance(company.slug, given.instance)
    wish = PushWish(
        instance=instance,
        serial=read_serial(given.serial),
        amount=call.money(given.amount, "amount"),
        payer=read_phone(given.msisdn, company.country),
    )
    return call.context.services.push_desk.check(wish)


def _create(call: Call, connection: Connection) -> Push:
    desk = call.context.services.push_desk
    push_id = desk.take(connection, call.prepared_as(CheckedPush), call.actor)
    return _view(call, _find(call, connection, push_id))


def _show(call: Call, connection: Connection) -> Push:
    return _view(call, _find(call, connection, call.path["id"]))


def _find(call: Call, connection: Connection, push_id: str) -> AnyRow:
    return find_row(call, connection, pushes, push_id, RefusalCode.UNKNOWN_PUSH)


def _list(call: Call, connection: Connection) -> Page[Push]:
    paging, c = call.query_as(PushQuery), pushes.c
    query = sa.select(pushes).where(c.company_id == call.company.id)
    if paging.status is not None:
        query = query.where(c.status == paging.status)
    if paging.cursor is not None:
        query = query.where(c.id < paging.cursor)
    rows = connection.execute(query.order_by(c.id.desc()).limit(paging.limit + 1))
    return page_of(list(rows), paging.limit, lambda row: _view(call, row), lambda row: str(row.id))


def _view(call: Call, row: AnyRow) -> Push:
    instance = call.context.host.house.directory.instances.get(row.instance_id)
    return Push(
        id=row.id,
        instance=instance.name if instance else "",
        reference=row.key,
        serial=row.serial,
        amount=str(Money(row.amount, row.currency)),
        currency=row.currency,
        msisdn=masked(row.payer),
        status=PushStatus(row.status),
        detail=row.detail,
        payment_id=row.payment_id,
        created_at=row.created_at,
        sent_at=row.sent_at,
        finished_at=row.finished_at,
    )


def _wake(call: Call) -> None:
    call.context.services.wake()


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/pushes",
        name="create_push",
        tag="payments",
        summary="Ask a payer's phone for a payment.",
        details="Checked like every payment before money moves, then sent once, by a worker. "
        "`requested`: the payer is being asked. `unknown`: the payer may have been charged; the "
        "telecom is asked until it says what became. `paid`: booked; see the payment. `failed`: "
        "nothing was paid, as far as the telecom says; should it say later that it was, the push "
        "becomes `paid`. It is never sent again by itself. `operation_not_supported` where the "
        "instance's plugin cannot do it.",
        permission=Permission.PAYMENTS_TAKE,
        body=NewPush,
        answer=Push,
        status=201,
        prepare=_check,
        change=_create,
        after=_wake,
    ),
    Operation(
        method=Method.GET,
        path="/pushes",
        name="list_pushes",
        tag="payments",
        summary="List the pushes.",
        permission=Permission.PAYMENTS_READ,
        query=PushQuery,
        answer=Page[Push],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/pushes/{id}",
        name="show_push",
        tag="payments",
        summary="Show a push.",
        permission=Permission.PAYMENTS_READ,
        answer=Push,
        read=_show,
    ),
)
