"""Paying one plan by its name, past everything else the customer owes: what staff may do.

Mobile money that a customer sends names a device and clears every debt first; cash, and what staff
ask a payer's phone for, may be meant for one plan, such as that of a television without a serial.
While nothing has moved, what does not fit the plan is refused; what has moved becomes credit.
"""

from __future__ import annotations

from datetime import date

import attrs

from mpm_core.allocation import Allocation, allocate, apply_lines
from mpm_core.allocation.accounts import Account, Line, LineKind, Options, Target
from mpm_core.allocation.sales import credit_lines, pay_plan_rows
from mpm_core.payments import Objection, ReasonCode
from mpm_core.plans import Plan, PlanKind, check_staff_payment

__all__ = ["allocate_moved_to_plan", "allocate_to_plan"]


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
    plan = _find(account, plan_id)
    if plan is None:
        raise ValueError(f"The account has no plan {plan_id!r}.")
    check_staff_payment(plan, amount, account.currency)
    return allocate_moved_to_plan(amount, account, plan_id, target, today, options)


def _find(account: Account, plan_id: str) -> Plan | None:
    return next((one for one in account.plans if one.id == plan_id), None)


def allocate_moved_to_plan(  # noqa: PLR0913, PLR0917 - as `allocate_to_plan`
    amount: int,
    account: Account,
    plan_id: str,
    target: Target | None,
    today: date,
    options: Options,
) -> Allocation:
    """Divide money that has moved as `allocate_to_plan` does, whatever has changed since it asked.

    What does not fit the plan any more becomes credit, with an objection; so does everything, if
    the account has no such plan. The arguments are the same.

    Raises:
        ValueError: the plan is a device's, and that is not given.
    """
    plan = _find(account, plan_id)
    if plan is None:
        return _keep(amount, account, plan_id)
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
        used = min(amount, plan.open_total)
        lines = (*pay_plan_rows(used, plan.open_rows), *credit_lines(amount - used))
    afterwards = apply_lines(account, lines)
    paid = next(one for one in afterwards.plans if one.id == plan.id)
    return Allocation(
        lines=lines,
        charge=None,
        objections=(_settled(plan.id),) if plan.is_settled else (),
        account=afterwards,
        calculation={},
        settled_plans=(plan.id,) if paid.is_settled and not plan.is_settled else (),
    )


def _keep(amount: int, account: Account, plan_id: str) -> Allocation:
    """Keep everything as credit: the plan was paid off and put aside."""
    lines = credit_lines(amount)
    return Allocation(
        lines=lines,
        charge=None,
        objections=(_settled(plan_id),),
        account=apply_lines(account, lines),
        calculation={},
    )


def _settled(plan_id: str) -> Objection:
    return Objection(
        code=ReasonCode.PLAN_ALREADY_SETTLED,
        message=f"Plan {plan_id!r} is paid off already; the money is the customer's credit.",
    )
