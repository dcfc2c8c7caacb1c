"""`/customers`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_core.tariffs import passed_boundaries
from mpm_host.access.roles import Permission
from mpm_host.agents.agent_sales import lock_working_agent
from mpm_host.agents.agent_territory import require_new_customer
from mpm_host.database import tables as t
from mpm_host.payments.payment_views import masked
from mpm_host.refusals import RefusalCode
from mpm_host.registration.customer_deletion import delete_customer
from mpm_host.registration.customers import CustomerDetails, create_customer
from mpm_host.registration.tariff_book import find_tariffs
from mpm_host.web.api.acting_agents import only_own_agent, within_reach
from mpm_host.web.api.device_views import Device, device_view
from mpm_host.web.api.listing import AnyRow, find_row
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.sale_views import Sale, sale_views
from mpm_host.web.api.values import Body, Id, Name, Page, PageQuery, Query, View

__all__ = ["OPERATIONS", "Customer", "customer_view"]

Phone = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=40,
        description="National, or with the country's code.",
        examples=["0712345678"],
    ),
]


class NewCustomer(Body, frozen=True, kw_only=True):
    """Somebody who has no device yet."""

    name: Name
    surname: Name
    phone: Phone
    village_id: Id


class Customer(View, frozen=True, kw_only=True):
    """A customer; the phone is masked unless it is revealed."""

    id: str
    name: str
    surname: str
    phone: str
    village_id: str
    credit: str
    created_at: datetime


class AccessDebt(View, frozen=True, kw_only=True):
    """An access rate that fell due and is not paid."""

    device_serial: str
    due_on: date
    amount: str
    remaining: str


class CustomerDetail(Customer, frozen=True, kw_only=True):
    """A customer with everything they have and owe."""

    deleted_at: datetime | None
    devices: list[Device]
    plans: list[Sale]
    access_debts: list[AccessDebt]


class CustomerQuery(PageQuery, frozen=True, kw_only=True):
    """Which customers."""

    village_id: Id | None = None


class DeleteQuery(Query, frozen=True, kw_only=True):
    """Whether credit and owed access rates may stay in the ledger for good."""

    keep_balance: bool = False


class RevealQuery(Query, frozen=True, kw_only=True):
    """Whether to show protected data, which needs an elevation and is audited."""

    reveal: bool = False


def customer_view(row: AnyRow, currency: str, *, reveal: bool = False) -> Customer:
    """Return a customer."""
    return Customer(**_fields(row, currency, reveal=reveal))  # type: ignore[arg-type]  # by name


def _fields(row: AnyRow, currency: str, *, reveal: bool) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "surname": row.surname,
        "phone": row.phone if reveal else masked(row.phone),
        "village_id": row.village_id,
        "credit": str(Money(row.credit, currency)),
        "created_at": row.created_at,
    }


def _create(call: Call, connection: Connection) -> Customer:
    new = call.body_as(NewCustomer)
    details = CustomerDetails(
        name=new.name, surname=new.surname, phone=new.phone, village_id=new.village_id
    )
    agent_id = only_own_agent(call)
    agent = agent_id and lock_working_agent(connection, call.company, agent_id, call.actor)
    made = create_customer(connection, call.company, details, call.now)
    if agent:
        require_new_customer(connection, agent, made)
    call.audit(connection, "customer.created", made, after={"village_id": new.village_id})
    row = find_row(call, connection, t.customers, made, RefusalCode.UNKNOWN_CUSTOMER)
    return customer_view(row, call.company.company.currency)


def _list(call: Call, connection: Connection) -> Page[Customer]:
    paging, c = call.query_as(CustomerQuery), t.customers.c
    query = sa.select(t.customers).where(c.company_id == call.company.id).order_by(c.id.desc())
    query = query.where(within_reach(call, c.id), c.deleted_at.is_(None))
    if paging.village_id is not None:
        query = query.where(c.village_id == paging.village_id)
    if paging.cursor is not None:
        query = query.where(c.id < paging.cursor)
    rows = list(connection.execute(query.limit(paging.limit + 1)))
    currency = call.company.company.currency
    return page_of(
        rows, paging.limit, lambda row: customer_view(row, currency), lambda row: str(row.id)
    )


def _show(call: Call) -> CustomerDetail:
    reveal = call.query_as(RevealQuery).reveal
    engines = call.context.host.engines
    with engines.read.connect() as connection:
        shown = _detail(call, connection, reveal=reveal)
    if reveal:
        with engines.write.begin() as connection:
            call.audit(connection, "customer.revealed", shown.id)
    return shown


def _delete(call: Call, connection: Connection) -> None:
    customer_id = call.path["id"]
    left = delete_customer(
        connection,
        call.context.host.house.directory,
        call.company,
        customer_id,
        call.now,
        keep_balance=call.query_as(DeleteQuery).keep_balance,
    )
    if left is not None:
        noted = {
            "devices": list(left.serials),
            "credit": call.written(left.credit),
            "owed": call.written(left.owed),
        }
        call.audit(connection, "customer.deleted", customer_id, before=noted)


def _detail(call: Call, connection: Connection, *, reveal: bool) -> CustomerDetail:
    identifier = call.path["id"]
    reach = within_reach(call, t.customers.c.id)
    row = find_row(call, connection, t.customers, identifier, RefusalCode.UNKNOWN_CUSTOMER, reach)
    if reveal:
        call.principal.require_elevation(call.now)
    p, d = t.plans.c, t.devices.c
    devices = list(
        connection.execute(sa.select(t.devices).where(d.customer_id == row.id).order_by(d.id))
    )
    plans = list(
        connection.execute(sa.select(t.plans).where(p.customer_id == row.id).order_by(p.id))
    )
    return CustomerDetail(
        **_fields(row, call.company.company.currency, reveal=reveal),  # type: ignore[arg-type]  # by name
        deleted_at=row.deleted_at,
        devices=[device_view(call, device) for device in devices],
        plans=sale_views(connection, plans),
        access_debts=[
            *_stored_debts(call, connection, row.id),
            *_debts_to_come(call, connection, devices),
        ],
    )


def _stored_debts(call: Call, connection: Connection, customer_id: str) -> list[AccessDebt]:
    a = t.access_debts.c
    query = (
        sa.select(a.due_on, a.amount, a.remaining, t.devices.c.serial)
        .join(t.devices, t.devices.c.id == a.device_id)
        .where(a.customer_id == customer_id, a.remaining > 0)
        .order_by(a.due_on, a.id)
    )
    return [
        AccessDebt(
            device_serial=row.serial,
            due_on=row.due_on,
            amount=call.written(row.amount),
            remaining=call.written(row.remaining),
        )
        for row in connection.execute(query)
    ]


def _debts_to_come(call: Call, connection: Connection, devices: list[AnyRow]) -> list[AccessDebt]:
    """Show boundaries that have passed and that nobody has written yet."""
    tariffs = find_tariffs(
        connection, call.company, ids=[each.tariff_id for each in devices if each.tariff_id]
    )
    debts = []
    for device in devices:
        tariff = tariffs.get(device.tariff_id)
        rate = tariff.tariff.access_rate if tariff else None
        if rate is not None and device.access_due_on is not None:
            amount = call.written(rate.amount)
            debts += [
                AccessDebt(
                    device_serial=device.serial, due_on=due_on, amount=amount, remaining=amount
                )
                for due_on in passed_boundaries(device.access_due_on, rate.period_days, call.today)
            ]
    return debts


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/customers",
        name="create_customer",
        tag="customers",
        summary="Create a customer without a device.",
        permission=Permission.CUSTOMERS_WRITE,
        body=NewCustomer,
        answer=Customer,
        status=201,
        change=_create,
    ),
    Operation(
        method=Method.GET,
        path="/customers",
        name="list_customers",
        tag="customers",
        summary="List the customers.",
        permission=Permission.CUSTOMERS_READ,
        query=CustomerQuery,
        answer=Page[Customer],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/customers/{id}",
        name="show_customer",
        tag="customers",
        summary="Show a customer with devices, plans, access-rate debts and credit.",
        details="`reveal` shows the whole phone number; it needs an elevation and is audited.",
        permission=Permission.CUSTOMERS_READ,
        query=RevealQuery,
        answer=CustomerDetail,
        act=_show,
    ),
    Operation(
        method=Method.DELETE,
        path="/customers/{id}",
        name="delete_customer",
        tag="customers",
        summary="Delete a customer: their devices belong to nobody, their ledger stays.",
        details="Refused while a sale is not paid off (`plan_open`) or a payment waits for its "
        "token (`payment_open`). What is left of credit or owed access rates stays in the ledger; "
        "that must be said with `keep_balance` (`balance_open`).",
        permission=Permission.CUSTOMERS_DELETE,
        query=DeleteQuery,
        status=204,
        change=_delete,
    ),
)
