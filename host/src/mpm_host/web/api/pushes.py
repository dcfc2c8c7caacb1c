"""`/pushes`: asking a payer's phone for a payment."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.access.roles import Permission
from mpm_host.agents.agent_store import find_agent
from mpm_host.agents.agent_territory import require_own_device, require_own_sale
from mpm_host.database.outbox_tables import pushes
from mpm_host.payments.payment_views import masked
from mpm_host.pushes.push_desk import CheckedPush, PushWish
from mpm_host.pushes.push_rules import PushStatus
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_phone, read_serial
from mpm_host.web.api.acting_agents import only_own_agent
from mpm_host.web.api.customers import Phone
from mpm_host.web.api.listing import AnyRow, find_row
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import Amount, Body, Id, Page, PageQuery, View

__all__ = ["OPERATIONS"]


class NewPush(Body, frozen=True, kw_only=True):
    """Whom to ask for how much, for a device (`serial`) or for one sale (`sale_id`): one of them.

    For a sale its down payment comes first, then its instalments.
    """

    instance: Annotated[str, Meta(min_length=1, max_length=64)]
    serial: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    sale_id: Id | None = None
    amount: Amount
    msisdn: Phone


class Push(View, frozen=True, kw_only=True):
    """A payer who was asked; `payment_id` is the payment it is to become.

    `serial` is what the payer is told that they pay for: the device's, or the name of a plain
    appliance that was sold.
    """

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
    if (given.serial is None) is (given.sale_id is None):
        raise ServiceRefused(
            RefusalCode.PAYMENT_TARGET_INVALID, "Give either a serial or a sale_id."
        )
    wish = PushWish(
        instance=instance,
        serial=None if given.serial is None else read_serial(given.serial),
        sale_id=given.sale_id,
        amount=call.money(given.amount, "amount"),
        payer=read_phone(given.msisdn, company.country),
        agent_id=only_own_agent(call),
    )
    _check_territory(call, wish)
    return call.context.services.push_desk.check(wish)


def _check_territory(call: Call, wish: PushWish) -> None:
    """Let agents ask only for what customers of their own mini-grid pay."""
    if wish.agent_id is None:
        return
    with call.context.host.engines.read.connect() as connection:
        agent = find_agent(connection, call.company, wish.agent_id)
        if wish.serial is not None:
            require_own_device(connection, agent, wish.serial)
        if wish.sale_id is not None:
            require_own_sale(connection, agent, wish.sale_id)


def _create(call: Call, connection: Connection) -> Push:
    desk = call.context.services.push_desk
    push_id = desk.take(connection, call.prepared_as(CheckedPush), call.actor)
    return _view(call, _find(call, connection, push_id))


def _show(call: Call, connection: Connection) -> Push:
    return _view(call, _find(call, connection, call.path["id"]))


def _find(call: Call, connection: Connection, push_id: str) -> AnyRow:
    return find_row(call, connection, pushes, push_id, RefusalCode.UNKNOWN_PUSH, _own(call))


def _own(call: Call) -> sa.ColumnElement[bool]:
    """Return the condition that a push may be seen: agents see those they asked for."""
    agent_id = only_own_agent(call)
    return sa.true() if agent_id is None else pushes.c.agent_id == agent_id


def _list(call: Call, connection: Connection) -> Page[Push]:
    paging, c = call.query_as(PushQuery), pushes.c
    query = sa.select(pushes).where(c.company_id == call.company.id, _own(call))
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
        "instance's plugin cannot do it. With a `sale_id` it pays that sale alone, its down "
        "payment first; `push_open` while its payer is being asked already. An agent asks for "
        "customers of their own mini-grid only.",
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
        summary="List the pushes; an agent sees only their own.",
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
