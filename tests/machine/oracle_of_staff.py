"""The model of what a company's people do: changed sales, an agent's cash, bikes that run out."""

from __future__ import annotations

from datetime import timedelta

import attrs

from mpm_core import ChargeKind
from mpm_core.plans import Period, PlanChangeRefused, PlanKind
from mpm_core.plans.plan_changes import change_row, change_total, reschedule

__all__ = ["AgentModel", "BikeModel", "changed_rows", "merged_rows", "settles"]


@attrs.define
class AgentModel:
    """An agent's cash: `balance` of the company's in their hands, `commission` earned, in minor."""

    risk_balance: int = 600_000
    balance: int = 0
    commission: int = 0

    def may_take(self, amount):
        """Tell whether the limit allows it."""
        return self.balance + amount <= self.risk_balance

    def take(self, amount, sign=1):
        """Take cash, or give it back with what it earned: a tenth, rounded down."""
        self.balance += sign * amount
        self.commission += sign * (amount // 10)

    def hand_over(self, amount):
        """Hand cash over and keep the commission of it; tell whether it was due."""
        due = max(self.balance - self.commission, 0)
        if not 0 < amount <= due:
            return False
        self.balance -= amount + self.commission
        self.commission = 0
        return True


@attrs.define
class BikeModel:
    """What a bike that cannot count time was paid for."""

    paid_until: object = None
    unlocked: bool = False

    def granted(self, kind, days, now):
        """Move *paid until*: from what is paid already, or from now when that has passed."""
        self.unlocked |= kind is ChargeKind.UNLOCK
        self.paid_until = max(now, self.paid_until or now) + timedelta(days=days or 0)

    def should_be_on(self, now):
        """Tell whether it may be ridden."""
        return self.unlocked or (self.paid_until is not None and self.paid_until > now)


def changed_rows(plan, what, number, sold_on):
    """Return the rows that stay and those that come; `None` where the change is refused."""
    try:
        match what:
            case "total":
                return change_total(plan, number * 10_000, "TZS"), ()
            case "row":
                row = plan.rows[number % len(plan.rows)]
                return change_row(plan, row.id, number // 5 * 10_000), ()
            case _:
                new = reschedule(plan, number % 8, Period.WEEKLY, start_on=sold_on)
                return new.kept, new.added
    except PlanChangeRefused:
        return None


def merged_rows(plan, kept, added, stored):
    """Return a plan's rows after a change.

    Args:
        plan: before it.
        kept: rows that stay.
        added: rows that come, without ids.
        stored: rows as the database has them, for the ids of new ones.
    """
    known = {row.id for row in plan.rows}
    new = [row for row in stored if row.id not in known]
    assert sorted((row.due_on, row.cost, row.remaining) for row in new) == sorted(
        (row.due_on, row.cost, row.remaining) for row in added
    )
    return (*kept, *new)


def settles(before, after):
    """Tell whether a change pays off a device that can be unlocked."""
    return before.kind is not PlanKind.APPLIANCE and not before.is_settled and after.is_settled
