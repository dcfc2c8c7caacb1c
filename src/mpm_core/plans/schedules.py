"""How instalments are made when something is sold on a plan: their amounts and due dates.

Amounts are minor units. The functions return rows without ids; the host gives them ids and stores
them. How a plan is changed later is `plan_changes`.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import lru_cache

import attrs

from mpm_core.plans import Period, PlanChangeRefused

__all__ = [
    "SaleTerms",
    "ScheduledRow",
    "down_payment_row",
    "due_dates",
    "instalments_by_cost",
    "instalments_by_count",
    "read_period",
    "rows_from",
    "split_by_cost",
    "split_by_count",
]

_DAYS_PER_WEEK = 7
_MONTHS_PER_YEAR = 12
_MOST_ROWS = 1000  # nineteen years of weeks; more is a typing error


@attrs.frozen(kw_only=True)
class ScheduledRow:
    """A plan row that has no id yet.

    Attributes:
        due_on: the day it should be paid.
        cost: minor units.
        remaining: minor units still to be paid; 0 for a down payment that was taken in cash.
        is_down_payment: it is none of the instalments.
    """

    due_on: date
    cost: int
    remaining: int
    is_down_payment: bool = False


@attrs.frozen(kw_only=True)
class SaleTerms:
    """What customer and seller agreed on, whichever way the instalments are found.

    Attributes:
        cost: minor units for everything.
        down_payment: minor units paid at once; it is part of the cost.
        period: from one instalment to the next.
        sold_on: the day of the sale.
        first_due_on: the first instalment's day, where they chose one; else one period after the
            sale.

    Raises:
        PlanChangeRefused: the down payment is negative or above the cost.
    """

    cost: int
    period: Period
    sold_on: date
    down_payment: int = 0
    first_due_on: date | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.down_payment <= self.cost:
            raise PlanChangeRefused(
                "down_payment_invalid",
                "The down payment must be between 0 and the cost of what is sold.",
            )

    @property
    def financed(self) -> int:
        """Minor units that the instalments sum to."""
        return self.cost - self.down_payment


def down_payment_row(terms: SaleTerms, *, is_paid: bool = True) -> ScheduledRow | None:
    """Return the row of the down payment; `None` without one.

    Args:
        terms: what was agreed.
        is_paid: it was taken in cash; otherwise it is open until the payer has paid.
    """
    if not terms.down_payment:
        return None
    return ScheduledRow(
        due_on=terms.sold_on,
        cost=terms.down_payment,
        remaining=0 if is_paid else terms.down_payment,
        is_down_payment=True,
    )


def instalments_by_count(terms: SaleTerms, count: int) -> tuple[ScheduledRow, ...]:
    """Return so many equal instalments; the last one takes what cannot be divided.

    Raises:
        PlanChangeRefused: fewer than one instalment, too many, or instalments of nothing.
    """
    return _schedule(terms, split_by_count(terms.financed, count))


def instalments_by_cost(terms: SaleTerms, instalment: int) -> tuple[ScheduledRow, ...]:
    """Return instalments of the chosen cost; the last one takes what is left, and may be smaller.

    Raises:
        PlanChangeRefused: an instalment of nothing, or one that makes too many.
    """
    return _schedule(terms, split_by_cost(terms.financed, instalment))


@lru_cache(maxsize=256)  # an import sells the same thing thousands of times
def _schedule(terms: SaleTerms, costs: tuple[int, ...]) -> tuple[ScheduledRow, ...]:
    days = due_dates(
        len(costs), terms.period, base_on=terms.sold_on, first_due_on=terms.first_due_on
    )
    return rows_from(days, costs)


def rows_from(days: tuple[date, ...], costs: tuple[int, ...]) -> tuple[ScheduledRow, ...]:
    """Return one unpaid row per day and cost."""
    return tuple(
        ScheduledRow(due_on=day, cost=cost, remaining=cost)
        for day, cost in zip(days, costs, strict=True)
    )


def split_by_count(total: int, count: int) -> tuple[int, ...]:
    """Divide a total into equal whole parts; the last one takes the rest. Nothing has no parts.

    Raises:
        PlanChangeRefused: a count outside 1 to 1000, or more parts than minor units.
    """
    _check_count(count)
    base = total // count
    if total and not base:
        raise PlanChangeRefused(
            "instalment_too_small",
            f"{total} minor units cannot be divided into {count} instalments; choose fewer.",
        )
    return (*[base] * (count - 1), total - base * (count - 1)) if total else ()


def split_by_cost(total: int, instalment: int) -> tuple[int, ...]:
    """Divide a total into parts of the given size and a last one with the rest.

    Raises:
        PlanChangeRefused: a part below one minor unit, or more than 1000 parts.
    """
    if instalment < 1:
        raise PlanChangeRefused("instalment_too_small", "An instalment must be more than 0.")
    whole, rest = divmod(total, instalment)
    if total:
        _check_count(whole + bool(rest))
    return (*[instalment] * whole, rest) if rest else (instalment,) * whole


def _check_count(count: int) -> None:
    if not 1 <= count <= _MOST_ROWS:
        raise PlanChangeRefused(
            "count_invalid",
            f"A plan of {count} instalments is not possible; choose 1 to {_MOST_ROWS}.",
        )


def read_period(text: str) -> Period:
    """Read the interface's word for a period.

    Raises:
        PlanChangeRefused: another word.
    """
    try:
        return Period(text)
    except ValueError:
        words = " or ".join(Period)
        raise PlanChangeRefused(
            "period_unknown", f"{text[:40]!r} is not a period; choose {words}."
        ) from None


def due_dates(
    count: int, period: Period, *, base_on: date, first_due_on: date | None = None
) -> tuple[date, ...]:
    """Return the due dates of a plan, each counted from the same base date.

    The base is the first due date if there is one, else the first comes one period after
    `base_on`. In months without the base's day the last day of the month is due.
    """
    if first_due_on is not None:
        return tuple(_later(first_due_on, period, number) for number in range(count))
    return tuple(_later(base_on, period, number + 1) for number in range(count))


def _later(base: date, period: Period, times: int) -> date:
    if period is Period.WEEKLY:
        return base + timedelta(days=_DAYS_PER_WEEK * times)
    years, month = divmod(base.month - 1 + times, _MONTHS_PER_YEAR)
    _, last_day = calendar.monthrange(base.year + years, month + 1)
    return date(base.year + years, month + 1, min(base.day, last_day))
