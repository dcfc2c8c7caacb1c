"""What a company's people do in the machine's real host: change sales, sell as agents, hand over.

Each returns what came of it; what a service refuses is `False` or `None`, never an error.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import sqlalchemy as sa

from mpm_core import Money
from mpm_core.plans import Period, PlanChangeRefused
from mpm_host.agents.agent_payments import take_cash_as_agent
from mpm_host.agents.agent_receipts import take_receipt
from mpm_host.agents.agent_sales import sell_as_agent
from mpm_host.database import tables as t
from mpm_host.payments.cash_desk import CashPayment
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sale_changes import (
    SaleChange,
    change_sale,
    change_sale_row,
    delete_sale,
    reschedule_sale,
)
from mpm_host.registration.sales import SaleRequest
from mpm_host.registration.settled_plans import Unlocker

__all__ = ["StaffSide"]


@attrs.frozen
class StaffSide:
    """The company's people at one real host."""

    _real: object

    def _try(self, what: Callable):
        """Do something in one transaction; return what it returns, or nothing if it was refused."""
        try:
            with self._real.host.engines.write.begin() as connection:
                return what(connection)
        except (ServiceRefused, PlanChangeRefused):
            return None

    # --- sales ------------------------------------------------------------------------------------

    def change_plan(self, plan, what, number):
        """Change a sale as `changed_rows` has it; tell whether it was allowed."""
        company, plan_id, now = self._real.company, plan.id, self._real.now
        unlocker = Unlocker(directory=self._real.host.house.directory, by=self._real.actor())

        def change(connection):
            match what:
                case "total":
                    cost = SaleChange(cost=Money(number * 10_000, "TZS"))
                    return change_sale(connection, company, plan_id, cost, unlocker)
                case "row":
                    place, cost = number % len(plan.rows), Money(number // 5 * 10_000, "TZS")
                    return change_sale_row(connection, company, plan_id, place + 1, cost, unlocker)
                case "reschedule":
                    return reschedule_sale(connection, company, plan_id, number % 8, Period.WEEKLY)
                case _:
                    return delete_sale(connection, company, plan_id, now)

        return self._try(change) is not None

    def sold_on(self, plan_id):
        """Return the day of a sale."""
        [(day,)] = self._real.ask(sa.select(t.plans.c.sold_on).where(t.plans.c.id == plan_id))
        return day

    # --- agents -----------------------------------------------------------------------------------

    def agent_cash(self, serial, amount):
        """Let the agent take cash for a device; return the payment's id."""
        cash = CashPayment(amount=Money.parse(amount, "TZS"), serial=serial)
        record = self._try(
            lambda connection: take_cash_as_agent(
                connection, self._real.services.cash, self._real.company,
                self._agent_id(), cash, self._real.actor(),
            )
        )  # fmt: skip
        return None if record is None else record.id

    def agent_sale(self, customer_id):
        """Let the agent sell a radio at the agent's price; return the plan's id."""
        real = self._real
        [(radio,)] = real.ask(sa.select(t.appliances.c.id).where(t.appliances.c.name == "Radio"))
        terms = PlanTerms(instalments=2, period=Period.WEEKLY, sold_on=real.company.today(real.now))
        request = SaleRequest(customer_id=customer_id, appliance_id=radio, terms=terms)
        sold = self._try(
            lambda connection: sell_as_agent(
                connection, real.company, self._agent_id(), request, real.actor()
            )
        )
        return None if sold is None else sold.plan_id

    def hand_over(self, amount):
        """Let the agent hand cash over; tell whether it was taken."""
        money = Money.parse(amount, "TZS")
        taken = self._try(
            lambda connection: take_receipt(
                connection, self._real.company, self._agent_id(), money, self._real.actor()
            )
        )
        return taken is not None

    def _agent_id(self):
        [agent_id] = self._real.seen.agents
        return agent_id
