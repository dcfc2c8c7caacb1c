"""Paying one plan by its name, past everything else the customer owes: what staff may do.

Mobile money names a device and clears every debt first; cash may be meant for one plan, such as
that of a television without a serial. Nothing has moved yet when staff ask, so what does not fit
the plan is refused instead of becoming credit.
"""

from __future__ import annotations

from datetime import date

import attrs

from mpm_core.allocation import Allocation, allocate, apply_lines
from mpm_core.allocation.accounts import Account, Line, LineKind, Options, Target
from mpm_core.allocation.sales import pay_plan_rows
from mpm_core.plans import Plan, PlanKind, check_staff_payment

__all__ = ["allocate_to_plan"]


def allocate_to_plan(  # noqa: PLR0913, PLR0917 - who pays what for which plan, when, and our choices
    amount: int,
    account: Account,
    plan_id: str,
    target: Target | None,
    today: date,
    options: Options,
) -> Allocation:
    """Divide a payment over the rows of one plan, the earliest due first; credit is left alone.

    On the plan of a device it buys what the same money would buy if the customer owed nothing else.

    Args:
        amount: minor units of the account's currency.
        account: everything the customer owes, the plan among it; is not changed.
        plan_id: the plan to be paid.
        target: the plan's device; `None` for a plain appliance's plan.
        today: the company's date.
        options: the company's choices.

    Returns:
        The allocation, maybe with objections: then nothing should be booked.

    Raises:
        PlanChangeRefused: staff may not take that amount for the plan (`check_staff_payment`).
        ValueError: the account has no such plan, or its device is not given.
    """
    plan = next((one for one in account.plans if one.id == plan_id), None)
    if plan is None:
        raise ValueError(f"The account has no plan {plan_id!r}.")
    check_staff_payment(plan, amount, account.currency)
    if plan.kind is PlanKind.APPLIANCE:
        return _pay_appliance(amount, account, plan)
    if target is None or target.serial != plan.device_serial:
        raise ValueError(f"Plan {plan_id!r} is of device {plan.device_serial!r}; give that one.")
    alone = Account(currency=account.currency, plans=(plan,))
    paid = allocate(amount, alone, target, today, options)
    return attrs.evolve(paid, account=apply_lines(account, paid.lines))


def _pay_appliance(amount: int, account: Account, plan: Plan) -> Allocation:
    """Pay what nobody makes tokens for: its rows, or the use of it for energy as a service."""
    if plan.is_energy_service:
        lines: tuple[Line, ...] = (Line(kind=LineKind.EAAS, amount=amount, refers_to=plan.id),)
    else:
        lines = pay_plan_rows(amount, plan.open_rows)
    afterwards = apply_lines(account, lines)
    paid = next(one for one in afterwards.plans if one.id == plan.id)
    return Allocation(
        lines=lines,
        charge=None,
        objections=(),
        account=afterwards,
        calculation={},
        settled_plans=(plan.id,) if paid.is_settled else (),
    )
