"""Payment plans: rows with due dates, or a price per day, and what a day on them costs.

How rows are made is `schedules`, how they are changed `plan_changes`, how payments clear them
`allocation`.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from fractions import Fraction

import attrs

from mpm_core.errors import UserError
from mpm_core.money import Money
from mpm_core.payments import ReasonCode

__all__ = [
    "DEFAULT_GAP_DAYS",
    "Period",
    "Plan",
    "PlanChangeRefused",
    "PlanKind",
    "PlanRow",
    "PriceBasis",
    "check_staff_payment",
    "next_payable_amount",
    "price_basis",
]

DEFAULT_GAP_DAYS = 30  # a plan whose rows do not tell how long one of them lasts


class PlanChangeRefused(UserError):
    """A plan cannot be changed or paid like that.

    Args:
        code: one stable word for the interface, such as `total_below_paid`.
        message: what is wrong and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class PlanKind(StrEnum):
    """What was sold on the plan; it decides when a payment clears the plan's rows."""

    APPLIANCE = "appliance"  # a plain one, without a device that takes tokens
    SHS = "shs"
    E_BIKE = "e_bike"


class Period(StrEnum):
    """From one due date to the next."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"


@attrs.frozen(kw_only=True)
class PlanRow:
    """One instalment, or the down payment.

    Attributes:
        id: unique over all rows of the customer.
        due_on: the day it should be paid; it is outstanding from the day after.
        cost: minor units of the whole instalment.
        remaining: minor units still to be paid.
        is_down_payment: agreed on at the sale: outstanding at once, and never buys time.
    """

    id: str
    due_on: date
    cost: int
    remaining: int
    is_down_payment: bool = False

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.remaining <= self.cost:
            raise ValueError(
                f"Row {self.id!r} has {self.remaining} remaining of {self.cost}; "
                "it must be between 0 and its cost."
            )

    @property
    def is_open(self) -> bool:
        """Tell whether something is still to be paid."""
        return self.remaining > 0

    @property
    def is_untouched(self) -> bool:
        """Tell whether it is open and nothing was ever paid on it."""
        return self.is_open and self.remaining == self.cost

    @property
    def paid(self) -> int:
        """Minor units paid so far."""
        return self.cost - self.remaining

    def is_outstanding(self, today: date) -> bool:
        """Tell whether it is debt: open, and its due day is over; a down payment waits for none."""
        return self.is_open and (self.is_down_payment or self.due_on < today)


def _in_due_order(rows: tuple[PlanRow, ...]) -> tuple[PlanRow, ...]:
    there = (row for row in rows if row.cost)
    return tuple(sorted(there, key=lambda row: (not row.is_down_payment, row.due_on, row.id)))


@attrs.frozen(kw_only=True)
class Plan:
    """What a customer pays for one thing that was sold.

    Attributes:
        id: unique over all plans of the customer.
        kind: what was sold.
        device_serial: the device that takes tokens for it; `None` for a plain appliance.
        rows: the instalments, kept in due order whatever order they are given in; the down payment
            comes first. One that costs nothing was taken out of the plan and is none of them: a
            host keeps it for what was booked on it and taken back.
        price_per_day: minor units; set for energy as a service, which has no end.
        minimum_payment: minor units; the least that buys days of energy as a service.
    """

    id: str
    kind: PlanKind
    device_serial: str | None
    rows: tuple[PlanRow, ...] = attrs.field(default=(), converter=_in_due_order)
    price_per_day: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(0))
    )
    minimum_payment: int = attrs.field(default=0, validator=attrs.validators.ge(0))

    @property
    def is_energy_service(self) -> bool:
        """Tell whether days are sold at a price per day, without an end."""
        return self.price_per_day is not None

    @property
    def open_rows(self) -> tuple[PlanRow, ...]:
        """The rows with something to pay, earliest due first."""
        return tuple(row for row in self.rows if row.is_open)

    @property
    def open_total(self) -> int:
        """Minor units still to be paid on all rows."""
        return sum(row.remaining for row in self.rows)

    @property
    def total(self) -> int:
        """Minor units of all rows, paid or not."""
        return sum(row.cost for row in self.rows)

    @property
    def is_settled(self) -> bool:
        """Tell whether all is paid; energy as a service never is."""
        return not self.is_energy_service and self.open_total == 0


@attrs.frozen(kw_only=True)
class PriceBasis:
    """What days on a plan cost: `cost` minor units buy `gap_days` days."""

    cost: int
    gap_days: int

    @property
    def price_per_day(self) -> Fraction:
        """Minor units per day, exactly."""
        return Fraction(self.cost, self.gap_days)

    def exact_days(self, amount: int) -> Fraction:
        """Return how many days minor units are worth, before any rounding.

        Raises:
            ZeroDivisionError: the cost is 0; ask only for plans that are not settled.
        """
        return Fraction(amount * self.gap_days, self.cost)


def price_basis(plan: Plan) -> PriceBasis:
    """Return what days on the plan cost now.

    The whole cost of the earliest open instalment (not what is left of it) buys the days from that
    row to the next one, or from the one before it if it is the last. Rows already paid count as
    neighbours. Where nothing but the down payment is open, the last row tells. A settled plan
    costs 0.
    """
    if plan.price_per_day is not None:
        return PriceBasis(cost=plan.price_per_day, gap_days=1)
    if plan.is_settled:
        return PriceBasis(cost=0, gap_days=DEFAULT_GAP_DAYS)
    row = _priced_row(plan.rows)
    return PriceBasis(cost=row.cost, gap_days=_gap_days(plan.rows, row))


def _priced_row(rows: tuple[PlanRow, ...]) -> PlanRow:
    """Return the earliest open instalment, or else the last row."""
    open_instalments = (row for row in rows if row.is_open and not row.is_down_payment)
    return next(open_instalments, rows[-1])


def _gap_days(rows: tuple[PlanRow, ...], row: PlanRow) -> int:
    """Return the days from a row to the next by due date, wherever it stands in the plan."""
    if len(rows) == 1:
        return DEFAULT_GAP_DAYS
    by_day = sorted(rows, key=lambda each: (each.due_on, each.id))
    earlier = min(by_day.index(row), len(rows) - 2)  # the last row looks back to the one before it
    gap = (by_day[earlier + 1].due_on - by_day[earlier].due_on).days
    return gap or DEFAULT_GAP_DAYS


def next_payable_amount(plan: Plan) -> int:
    """Return the least that staff may take: what is left of the next row, or the plan's minimum.

    Minor units; 0 for a settled plan.
    """
    if plan.is_energy_service:
        return plan.minimum_payment
    return next((row.remaining for row in plan.rows if row.is_open), 0)


def check_staff_payment(plan: Plan, amount: int, currency: str) -> None:
    """Refuse an amount that staff may not take for the plan, by web or in cash.

    Mobile money follows other rules, because it has moved already: see `allocation`.

    Raises:
        PlanChangeRefused: not positive, below the next payable amount or above what is open.
    """
    least, paid = Money(next_payable_amount(plan), currency), Money(amount, currency)
    if plan.is_settled:
        raise PlanChangeRefused(
            ReasonCode.PLAN_ALREADY_SETTLED,
            f"Plan {plan.id!r} is paid off already; nothing can be paid on it.",
        )
    if amount <= 0 or amount < least.minor:
        raise PlanChangeRefused(
            ReasonCode.AMOUNT_BELOW_MINIMUM,
            f"{paid} {currency} is too little for plan {plan.id!r}; take "
            + (f"at least {least} {currency}." if least.minor else "more than 0."),
        )
    if not plan.is_energy_service and amount > plan.open_total:
        raise PlanChangeRefused(
            ReasonCode.AMOUNT_ABOVE_MAXIMUM,
            f"{paid} {currency} is more than is open on plan {plan.id!r}; take at most "
            f"{Money(plan.open_total, currency)} {currency}.",
        )
