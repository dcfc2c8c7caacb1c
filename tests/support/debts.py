"""Debts for tests."""

from __future__ import annotations

from datetime import timedelta

from mpm_core import Money
from mpm_core.plans import Period
from mpm_host.host import Host
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sales import SaleRequest, sell

__all__ = ["sell_overdue"]


def sell_overdue(host: Host, slug: str, customer_id: str, *, cost: str, instalments: int) -> None:
    """Sell a plain appliance whose weekly instalments are all overdue."""
    company, now = host.house.directory.by_slug[slug], host.clock()
    money = Money.parse(cost, company.company.currency)
    with host.engines.write.begin() as connection:
        appliance_id = create_appliance(
            connection, company, f"Mill {customer_id}", ApplianceKind.OTHER, money, now
        )
        terms = PlanTerms(
            cost=money,
            instalments=instalments,
            period=Period.WEEKLY,
            sold_on=company.today(now) - timedelta(weeks=instalments + 2),
        )
        request = SaleRequest(customer_id=customer_id, appliance_id=appliance_id, terms=terms)
        sell(connection, company, request, now)
