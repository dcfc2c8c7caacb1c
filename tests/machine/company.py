"""The company that every run of the machine begins with."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import sqlalchemy as sa

from mpm_core import DeviceKind, Money
from mpm_core.plans import Period
from mpm_host.agents.agent_appliances import assign_appliance
from mpm_host.agents.agent_store import create_agent
from mpm_host.agents.agent_values import NewAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration import (
    ExistingCustomer,
    NewCustomer,
    NewDevice,
    RegistrationRequest,
    register,
)
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.tariff_book import AccessRateTerms, TariffTerms, create_tariff
from tests.machine.simulated_side import MAKERS
from tests.support.hosts import NOW

__all__ = ["INSTANCES", "SLUG", "make_company", "sell_mill"]

SLUG = "umeme"
INSTANCES = (*MAKERS, "telecom", "sms")


def make_company(real):
    """Write the machine's company: three customers, a device of each manufacturer, an agent."""
    host, actor = real.host, Actor(name="test", at=NOW)
    details = {"name": "Umeme", "country": "TZ", "currency": "TZS"}
    host.companies.create(SLUG, {**details, "timezone": "Africa/Dar_es_Salaam"}, actor)
    for name in INSTANCES:
        host.companies.enable(SLUG, name, name, InstanceTable(), actor)
    with host.engines.write.begin() as connection:
        _register_all(connection, host, real.company)


def _register_all(connection, host, company):
    cluster = create_cluster(connection, company, "Coast", NOW)
    mini_grid = create_mini_grid(connection, company, cluster, "Mkuranga", NOW)
    village = create_village(connection, company, mini_grid, "Kisiju", NOW)
    for serial, maker, rate, minimum in (
        ("47001", "blind", "50", None),
        ("47002", "keyed", None, "200"),
        ("47003", "lookup", "30", None),
    ):
        terms = TariffTerms(
            price_per_kwh=Decimal(100),
            minimum_purchase=Money.parse(minimum, "TZS") if minimum else None,
            access_rate=AccessRateTerms(amount=Money.parse(rate, "TZS"), period_days=7)
            if rate
            else None,
        )
        _register(
            connection, host, company, village, DeviceKind.METER, serial, maker,
            tariff_id=create_tariff(connection, company, f"Tariff {serial}", terms, NOW),
        )  # fmt: skip
    home = create_appliance(
        connection, company, "Home 40", ApplianceKind.SHS, Money.parse("3000", "TZS"), NOW
    )
    # The same customer as the first meter's, so debts of the one meet payments of the other.
    first = connection.scalar(sa.select(sa.func.min(t.customers.c.id)))
    _register(
        connection, host, company, village, DeviceKind.SHS, "12345678", "homes",
        appliance_id=home, customer=ExistingCustomer(id=first),
        sale=PlanTerms(cost=Money.parse("3000", "TZS"), instalments=6, period=Period.WEEKLY),
    )  # fmt: skip

    bike = create_appliance(
        connection, company, "Bike", ApplianceKind.E_BIKE, Money.parse("2800", "TZS"), NOW
    )
    second = connection.scalars(sa.select(t.customers.c.id).order_by(t.customers.c.id)).all()[1]
    _register(
        connection, host, company, village, DeviceKind.E_BIKE, "BIKE0001", "bikes",
        appliance_id=bike, customer=ExistingCustomer(id=second),
        sale=PlanTerms(cost=Money.parse("2800", "TZS"), instalments=4, period=Period.WEEKLY),
    )  # fmt: skip
    _hire_agent(connection, company, mini_grid)


def _hire_agent(connection, company, mini_grid):
    """Let somebody take cash up to 6,000 and sell radios."""
    actor, new = Actor(name="test", at=NOW), NewAgent(
        name="Juma", phone="0781230099", mini_grid_id=mini_grid, commission_rate="0.10",
        risk_balance=Money.parse("6000", "TZS"),
    )  # fmt: skip
    agent = create_agent(connection, company, new, actor)
    price = Money.parse("600", "TZS")
    radio = create_appliance(connection, company, "Radio", ApplianceKind.OTHER, price, NOW)
    assign_appliance(connection, company, agent.id, radio, price, actor)


def _register(
    connection, host, company, village, kind, serial, maker, *, appliance_id=None, customer=None,
    **more,
):  # fmt: skip
    new = NewCustomer(name="Asha", surname=serial, phone=f"078123000{serial[-1]}")
    register(
        connection, host.house.directory, host.vault, company,
        RegistrationRequest(
            customer=customer or new,
            village_id=village,
            device=NewDevice(
                kind=kind, serial=serial, manufacturer=maker, appliance_id=appliance_id
            ),
            **more,
        ),
        NOW,
    )  # fmt: skip


def sell_mill(connection, company, customer_id, cost, instalments, now):
    appliance = create_appliance(
        connection, company, f"Mill {new_identifier()}", ApplianceKind.OTHER,
        Money.parse(cost, "TZS"), now,
    )  # fmt: skip
    terms = PlanTerms(
        cost=Money.parse(cost, "TZS"), instalments=instalments, period=Period.WEEKLY,
        sold_on=company.today(now) - timedelta(weeks=2),
    )  # fmt: skip
    request = SaleRequest(customer_id=customer_id, appliance_id=appliance, terms=terms)
    return sell(connection, company, request, now).plan_id
