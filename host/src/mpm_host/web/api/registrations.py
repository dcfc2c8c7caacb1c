"""`/registrations`: a customer and their device, at once."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind, DeviceMapping, Manifest
from mpm_host.access.roles import Permission
from mpm_host.agents.agent_sales import (
    check_agents_registration,
    lock_working_agent,
    with_agents_terms,
)
from mpm_host.database import tables as t
from mpm_host.directory import InstanceRecord
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.demanded_mapping import ask_before_registering
from mpm_host.registration.registration_values import (
    ExistingCustomer,
    ManifestOf,
    NewCustomer,
    NewDevice,
    RegistrationContext,
    RegistrationRequest,
)
from mpm_host.registration.stored_registrations import register_once, was_registered
from mpm_host.web.api.acting_agents import acting_agent
from mpm_host.web.api.customers import Customer, Phone, customer_view
from mpm_host.web.api.device_views import Device, Serial, find_device
from mpm_host.web.api.listing import find_row
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.sale_terms import SaleTermsBody, plan_terms
from mpm_host.web.api.sale_views import Sale, sale_views
from mpm_host.web.api.values import Body, Id, Name, View

__all__ = ["OPERATIONS", "manifest_of"]


class RegisteredCustomer(Body, frozen=True, kw_only=True):
    """Either `id` of a customer, or `name`, `surname` and `phone` of a new one."""

    id: Id | None = None
    name: Name | None = None
    surname: Name | None = None
    phone: Phone | None = None


class RegisteredDevice(Body, frozen=True, kw_only=True):
    """The device; `appliance_id` is required for solar home systems and e-bikes."""

    kind: DeviceKind
    serial: Serial
    manufacturer: Annotated[
        str, Meta(min_length=1, max_length=64, description="Name of an enabled instance.")
    ]
    appliance_id: Id | None = None
    details: dict[str, object] = msgspec.field(default_factory=dict)


class NewRegistration(Body, frozen=True, kw_only=True):
    """A customer and their device, at once.

    `request_id` is the client's own: sending the same request again makes nothing new.
    `tariff_id` is required for meters and forbidden for others.
    """

    request_id: Annotated[str, Meta(min_length=1, max_length=100)]
    customer: RegisteredCustomer
    village_id: Annotated[str, Meta(max_length=64)]
    device: RegisteredDevice
    tariff_id: Id | None = None
    sale: SaleTermsBody | None = None
    registered_on: date | None = None
    agent_id: Id | None = None


class Registration(View, frozen=True, kw_only=True):
    """What came of a registration, as it is now."""

    customer: Customer
    device: Device
    sale: Sale | None


def manifest_of(call: Call) -> ManifestOf:
    """Return how to find the manifest of a company's working instance."""

    def find(instance: InstanceRecord) -> Manifest | None:
        plan = call.context.host.house.plan_of(instance.id)
        return plan.plugin.manifest if plan else None

    return find


def _ask_manufacturer(call: Call) -> DeviceMapping:
    """Ask the manufacturer first, where that is demanded; a request sent again asks nobody."""
    given, host = call.body_as(NewRegistration), call.context.host
    with host.engines.read.connect() as connection:
        if was_registered(connection, call.company, given.request_id):
            return DeviceMapping.UNKNOWN
    context = RegistrationContext(
        directory=host.house.directory,
        vault=host.vault,
        company=call.company,
        now=call.now,
        manifest_of=manifest_of(call),
    )
    plugins = host.house.plugins_of(call.company.id)
    return ask_before_registering(host.engines.read, context, _request(call, given), plugins)


def _request(call: Call, given: NewRegistration) -> RegistrationRequest:
    return RegistrationRequest(
        customer=_customer(given.customer),
        village_id=given.village_id,
        device=NewDevice(
            kind=given.device.kind,
            serial=given.device.serial,
            manufacturer=given.device.manufacturer,
            appliance_id=given.device.appliance_id,
            details=given.device.details,
        ),
        tariff_id=given.tariff_id,
        sale=None if given.sale is None else plan_terms(call, given.sale),
        registered_on=given.registered_on,
    )


def _register(call: Call, connection: Connection) -> Registration:
    given, host = call.body_as(NewRegistration), call.context.host
    request = _request(call, given)
    agent_id = acting_agent(call, given.agent_id)
    agent = None
    if agent_id is not None:
        agent = lock_working_agent(connection, call.company, agent_id, call.actor)
        request = with_agents_terms(connection, agent, request)
    made, is_new = register_once(
        connection,
        host.house.directory,
        host.vault,
        call.company,
        request,
        call.now,
        manifest_of=manifest_of(call),
        request_id=given.request_id,
        digest=hashlib.sha256(msgspec.json.encode(given, order="sorted")).hexdigest(),
        mapping=call.prepared_as(DeviceMapping),
    )
    if is_new and agent is not None:
        check_agents_registration(connection, agent, request, made, call.actor)
    if is_new:
        noted = {"serial": given.device.serial.strip(), "customer_id": made.customer_id}
        if agent is not None:
            noted["agent_id"] = agent.id
        call.audit(connection, "device.registered", made.device_id, after=noted)
    sales = []
    if made.plan_id is not None:
        code = RefusalCode.UNKNOWN_SALE
        sales = sale_views(connection, [find_row(call, connection, t.plans, made.plan_id, code)])
    customer = find_row(
        call, connection, t.customers, made.customer_id, RefusalCode.UNKNOWN_CUSTOMER
    )
    return Registration(
        customer=customer_view(customer, call.company.company.currency),
        device=find_device(call, connection, made.device_id),
        sale=sales[0] if sales else None,
    )


def _customer(given: RegisteredCustomer) -> NewCustomer | ExistingCustomer:
    new = (given.name, given.surname, given.phone)
    if given.id is not None and new == (None, None, None):
        return ExistingCustomer(id=given.id)
    name, surname, phone = new
    if given.id is None and name is not None and surname is not None and phone is not None:
        return NewCustomer(name=name, surname=surname, phone=phone)
    raise ServiceRefused(
        RefusalCode.CUSTOMER_INVALID,
        "Give either the id of a customer, or name, surname and phone of a new one.",
    )


def _wake(call: Call) -> None:
    call.context.services.wake()


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/registrations",
        name="register",
        tag="customers",
        summary="Register a customer together with a device.",
        details="The only way to a new meter besides the import. The manufacturer is asked "
        "afterwards whether it knows the serial: see the device's `mapping`. A company that "
        "demands mapping is answered after that, and nothing is stored unless it is *mapped*.",
        permission=Permission.CUSTOMERS_WRITE,
        body=NewRegistration,
        answer=Registration,
        status=201,
        prepare=_ask_manufacturer,
        change=_register,
        after=_wake,
    ),
)
