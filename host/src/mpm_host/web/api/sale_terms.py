"""The terms of a sale as requests write them: of `/sales` and of registrations."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from msgspec import Meta

from mpm_core import Money
from mpm_core.plans import Period
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.web.api.operation import Call
from mpm_host.web.api.values import Amount, Body, UnsetType

__all__ = ["InstalmentCount", "SaleTermsBody", "money_if_given", "plan_terms"]

InstalmentCount = Annotated[int, Meta(ge=1, le=1000)]


class SaleTermsBody(Body, frozen=True, kw_only=True):
    """How something is paid: one of `instalments`, `instalment_cost` and `price_per_day`.

    `cost` is for everything and not asked for energy as a service. The first instalment is due on
    `first_due_on`, or one period after the sale. The down payment is taken in cash, unless
    the payer is asked for it.
    """

    cost: Amount | None = None
    sold_on: date | None = None
    down_payment: Amount | None = None
    instalments: InstalmentCount | None = None
    instalment_cost: Amount | None = None
    price_per_day: Amount | None = None
    minimum_payment: Amount | None = None
    period: Period = Period.MONTHLY
    first_due_on: date | None = None


def plan_terms(call: Call, given: SaleTermsBody) -> PlanTerms:
    """Read the amounts of terms.

    Raises:
        ServiceRefused: `amount_invalid`.
    """
    return PlanTerms(
        cost=money_if_given(call, given.cost, "cost"),
        instalments=given.instalments,
        instalment_cost=money_if_given(call, given.instalment_cost, "instalment cost"),
        price_per_day=money_if_given(call, given.price_per_day, "price per day"),
        minimum_payment=money_if_given(call, given.minimum_payment, "minimum payment"),
        down_payment=money_if_given(call, given.down_payment, "down payment"),
        period=given.period,
        sold_on=given.sold_on,
        first_due_on=given.first_due_on,
    )


def money_if_given(call: Call, given: str | UnsetType | None, what: str) -> Money | None:
    """Read an amount that may be left out.

    Raises:
        ServiceRefused: `amount_invalid`.
    """
    return call.money(given, what) if isinstance(given, str) else None
