"""`POST /sales`: something sold, its down payment taken in cash or asked from the payer's phone."""

from __future__ import annotations

from typing import Annotated

import attrs
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import Msisdn
from mpm_host.access.roles import Permission
from mpm_host.agents.agent_sales import sell_as_agent
from mpm_host.database import tables as t
from mpm_host.pushes.push_desk import CheckedPush, NewSaleWish, PushWish
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_phone, read_serial
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.web.api.acting_agents import acting_agent, only_own_agent, within_reach
from mpm_host.web.api.customers import Phone
from mpm_host.web.api.listing import find_row
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.sale_terms import SaleTermsBody, plan_terms
from mpm_host.web.api.sale_views import Sale, sale_views
from mpm_host.web.api.values import Body, Id

__all__ = ["CREATE_SALE", "find_sale"]


class DownPaymentPush(Body, frozen=True, kw_only=True):
    """Whose phone is asked for the down payment, through which instance of a telecom.

    Without `msisdn` it is the customer's own.
    """

    instance: Annotated[str, Meta(min_length=1, max_length=64)]
    msisdn: Phone | None = None


class NewSale(SaleTermsBody, frozen=True, kw_only=True):
    """Something sold to a customer; with the serial of its device, if it has one.

    An agent (`agent_id`; for role agent themselves) sells what they were given, at their price, and
    holds the down payment, unless the payer is asked for it: leave `cost` out.
    """

    customer_id: Id
    appliance_id: Id
    device_serial: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    agent_id: Id | None = None
    down_payment_push: DownPaymentPush | None = None


def _check_push(call: Call) -> CheckedPush | None:
    """Make sure, before anything is written, that the payer may be asked for the down payment."""
    new = call.body_as(NewSale)
    asked = new.down_payment_push
    if asked is None:
        return None
    call.principal.require(Permission.PAYMENTS_TAKE)
    if new.down_payment is None:
        raise ServiceRefused(
            RefusalCode.TERMS_INVALID, "Say which down_payment the payer is asked for."
        )
    instance = call.context.host.companies.find_instance(call.company.company.slug, asked.instance)
    wish = PushWish(
        instance=instance,
        amount=call.money(new.down_payment, "down payment"),
        payer=_payer(call, new.customer_id, asked.msisdn),
        agent_id=only_own_agent(call) or new.agent_id,
    )
    serial = None if new.device_serial is None else read_serial(new.device_serial)
    return call.context.services.push_desk.check_down_payment(
        NewSaleWish(wish=wish, appliance_id=new.appliance_id, serial=serial)
    )


def _payer(call: Call, customer_id: str, msisdn: str | None) -> Msisdn:
    if msisdn is not None:
        return read_phone(msisdn, call.company.company.country)
    with call.context.host.engines.read.connect() as connection:
        reach = within_reach(call, t.customers.c.id)
        is_there = t.customers.c.deleted_at.is_(None)
        unknown = RefusalCode.UNKNOWN_CUSTOMER
        row = find_row(call, connection, t.customers, customer_id, unknown, reach, is_there)
    return Msisdn.from_e164(str(row.phone))


def _create(call: Call, connection: Connection) -> Sale:
    new, checked = call.body_as(NewSale), call.prepared
    terms = attrs.evolve(plan_terms(call, new), asks_down_payment=checked is not None)
    request = SaleRequest(
        customer_id=new.customer_id,
        appliance_id=new.appliance_id,
        device_serial=new.device_serial,
        terms=terms,
    )
    agent_id = acting_agent(call, new.agent_id)
    if agent_id is None:
        made = sell(connection, call.company, request, call.now).plan_id
    else:
        made = sell_as_agent(connection, call.company, agent_id, request, call.actor).plan_id
    if isinstance(checked, CheckedPush):
        call.context.services.push_desk.take(connection, checked, call.actor, sale_id=made)
    sale = find_sale(call, connection, made)
    _note(call, connection, sale, agent_id)
    return sale


def _note(call: Call, connection: Connection, sale: Sale, agent_id: str | None) -> None:
    noted = {
        "customer_id": sale.customer_id,
        "appliance_id": sale.appliance_id,
        "device_serial": sale.device_serial,
        "cost": sale.cost,
        "down_payment": sale.down_payment,
    }
    if agent_id is not None:
        noted["agent_id"] = agent_id
    call.audit(connection, "sale.created", sale.id, after=noted)


def find_sale(call: Call, connection: Connection, sale_id: str) -> Sale:
    """Return a sale that the asker may see.

    Raises:
        ServiceRefused: `unknown_sale`.
    """
    reach = within_reach(call, t.plans.c.customer_id)
    row = find_row(call, connection, t.plans, sale_id, RefusalCode.UNKNOWN_SALE, reach)
    return sale_views(connection, [row])[0]


def _wake(call: Call) -> None:
    call.context.services.wake()


CREATE_SALE = Operation(
    method=Method.POST,
    path="/sales",
    name="create_sale",
    tag="sales",
    summary="Sell an appliance to a customer.",
    details="The down payment is taken in cash, and booked with the sale. With `down_payment_push` "
    "the payer's phone is asked for it instead: nothing is booked before the telecom says that it "
    "was paid, then it is booked once and as down payment; until then it is owed, and the sale "
    "shows the push. If the push fails, ask again (`POST /pushes` with the `sale_id`), take cash "
    "(`POST /cash-payments` with it), or take the sale back.",
    permission=Permission.SALES_WRITE,
    body=NewSale,
    answer=Sale,
    status=201,
    prepare=_check_push,
    change=_create,
    after=_wake,
)
