"""How a plan is changed after the sale: another total, another row, other dates.

What was paid on a row is never touched: a change moves only what is still owed. The functions
return the rows as they should be; the host stores them and writes the audit entry.
"""

from __future__ import annotations

from datetime import date

import attrs

from mpm_core.money import Money
from mpm_core.plans import Period, Plan, PlanChangeRefused, PlanRow
from mpm_core.plans.schedules import ScheduledRow, due_dates, rows_from, split_by_count

__all__ = ["RescheduledPlan", "change_row", "change_total", "reschedule"]


def change_total(plan: Plan, total: int, currency: str) -> tuple[PlanRow, ...]:
    """Return the plan's rows for another total: untouched rows share what the others leave.

    Rows with a payment on them stay as they are, and so does the down payment. If nothing is left
    to share, the untouched rows go.

    Raises:
        PlanChangeRefused: the total is below what is fixed, or no row is untouched.
    """
    _refuse_energy_service(plan)
    untouched = tuple(row for row in plan.rows if row.is_untouched and not row.is_down_payment)
    touched = tuple(row for row in plan.rows if row not in untouched)
    fixed = sum(row.cost for row in touched)
    if total < fixed:
        raise PlanChangeRefused(
            "total_below_paid",
            f"A total of {Money(total, currency)} {currency} is below the rows of plan "
            f"{plan.id!r} that are paid or partly paid; choose at least "
            f"{Money(fixed, currency)} {currency}.",
        )
    if not untouched:
        raise PlanChangeRefused(
            "no_untouched_row",
            f"Every row of plan {plan.id!r} is paid or partly paid, so none can take another "
            "total; reschedule what is open and change the new rows one by one.",
        )
    return touched + _share(total - fixed, untouched)


def _share(total: int, rows: tuple[PlanRow, ...]) -> tuple[PlanRow, ...]:
    if not total:
        return ()
    costs = split_by_count(total, len(rows))
    return tuple(
        attrs.evolve(row, cost=cost, remaining=cost) for row, cost in zip(rows, costs, strict=True)
    )


def change_row(plan: Plan, row_id: str, cost: int) -> tuple[PlanRow, ...]:
    """Return the plan's rows with another cost of one row; cost 0 takes the row out.

    The plan's total changes with it.

    Raises:
        PlanChangeRefused: a negative cost, no such row, or a payment was made on it.
    """
    row = next((one for one in plan.rows if one.id == row_id), None)
    if row is None:
        raise PlanChangeRefused(
            "unknown_row", f"Plan {plan.id!r} has no row {row_id[:40]!r}; choose one of its rows."
        )
    if not row.is_untouched:
        raise PlanChangeRefused(
            "row_already_paid",
            f"Row {row_id!r} of plan {plan.id!r} is paid or partly paid and stays as it is; "
            "change a row nothing was paid on.",
        )
    if cost < 0:
        raise PlanChangeRefused(
            "amount_invalid", f"The cost of row {row_id!r} cannot be negative; choose 0 or more."
        )
    changed = (attrs.evolve(row, cost=cost, remaining=cost),) if cost else ()
    return tuple(one for one in plan.rows if one is not row) + changed


@attrs.frozen(kw_only=True)
class RescheduledPlan:
    """A plan with new dates for what is open.

    Attributes:
        kept: rows with a payment on them, cut down to what was paid and due before the new rows,
            and an open down payment.
        added: the new rows; they sum to what was open.
        period: the plan's period from now on.
    """

    kept: tuple[PlanRow, ...]
    added: tuple[ScheduledRow, ...]
    period: Period


def reschedule(plan: Plan, count: int, period: Period, *, start_on: date) -> RescheduledPlan:
    """Divide what is open into so many new rows, one period apart; not an open down payment.

    The dates continue after the latest settled row. What was paid on a partly paid row stays paid:
    the row is cut down to it, and its rest moves to the new rows. It comes before them, for a day
    between two of them would shorten what the earlier one buys.

    Args:
        plan: the plan as it is.
        count: of new rows.
        period: from one new row to the next.
        start_on: the new rows follow this day if no row is settled yet, such as the day of sale.

    Raises:
        PlanChangeRefused: nothing is open, or the count does not work.
    """
    _refuse_energy_service(plan)
    agreed = tuple(row for row in plan.open_rows if row.is_down_payment)
    to_divide = plan.open_total - sum(row.remaining for row in agreed)
    if not to_divide:
        raise PlanChangeRefused(
            "plan_already_settled",
            f"Plan {plan.id!r} is paid off already{' but for its down payment' if agreed else ''}; "
            "nothing is left to reschedule.",
        )
    costs = split_by_count(to_divide, count)
    settled_on = [row.due_on for row in plan.rows if not row.is_open]
    base_on = max(settled_on, default=start_on)
    paid = tuple(row for row in plan.rows if row.paid and row not in agreed)
    kept = tuple(
        attrs.evolve(row, cost=row.paid, remaining=0, due_on=min(row.due_on, base_on))
        for row in paid
    )
    added = rows_from(due_dates(count, period, base_on=base_on), costs)
    return RescheduledPlan(kept=agreed + kept, added=added, period=period)


def _refuse_energy_service(plan: Plan) -> None:
    if plan.is_energy_service:
        raise PlanChangeRefused(
            "no_instalments",
            f"Plan {plan.id!r} sells days at a price per day and has no instalments; change its "
            "price instead.",
        )
