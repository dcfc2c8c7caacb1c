"""`/appliances`."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.access.roles import Permission
from mpm_host.database import tables as t
from mpm_host.refusals import RefusalCode
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.web.api.listing import AnyRow, find_row
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import Amount, Body, Name, Page, PageQuery, View

__all__ = ["OPERATIONS"]


class NewAppliance(Body, frozen=True, kw_only=True):
    """Something to sell; a sale may agree on another cost than this price."""

    name: Name
    kind: ApplianceKind
    price: Amount


class Appliance(View, frozen=True, kw_only=True):
    """Something to sell."""

    id: str
    name: str
    kind: ApplianceKind
    price: str
    created_at: datetime


def _create(call: Call, connection: Connection) -> Appliance:
    new = call.body_as(NewAppliance)
    price = call.money(new.price, "price")
    made = create_appliance(connection, call.company, new.name, new.kind, price, call.now)
    noted = {"name": new.name, "kind": new.kind.value, "price": str(price)}
    call.audit(connection, "appliance.created", made, after=noted)
    return _find(call, connection, made)


def _find(call: Call, connection: Connection, identifier: str) -> Appliance:
    code = RefusalCode.UNKNOWN_APPLIANCE
    return _view(call, find_row(call, connection, t.appliances, identifier, code))


def _show(call: Call, connection: Connection) -> Appliance:
    return _find(call, connection, call.path["id"])


def _list(call: Call, connection: Connection) -> Page[Appliance]:
    paging, c = call.query_as(PageQuery), t.appliances.c
    query = sa.select(t.appliances).where(c.company_id == call.company.id).order_by(c.id.desc())
    if paging.cursor is not None:
        query = query.where(c.id < paging.cursor)
    rows = list(connection.execute(query.limit(paging.limit + 1)))
    return page_of(rows, paging.limit, lambda row: _view(call, row), lambda row: str(row.id))


def _view(call: Call, row: AnyRow) -> Appliance:
    return Appliance(
        id=row.id,
        name=row.name,
        kind=ApplianceKind(row.kind),
        price=call.written(row.price),
        created_at=row.created_at,
    )


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/appliances",
        name="create_appliance",
        tag="sales",
        summary="Create an appliance to sell.",
        permission=Permission.APPLIANCES_WRITE,
        body=NewAppliance,
        answer=Appliance,
        status=201,
        change=_create,
    ),
    Operation(
        method=Method.GET,
        path="/appliances",
        name="list_appliances",
        tag="sales",
        summary="List the appliances.",
        permission=Permission.APPLIANCES_READ,
        query=PageQuery,
        answer=Page[Appliance],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/appliances/{id}",
        name="show_appliance",
        tag="sales",
        summary="Show an appliance.",
        permission=Permission.APPLIANCES_READ,
        answer=Appliance,
        read=_show,
    ),
)
