"""The waterfall: how one payment clears what the customer owes and what the rest buys.

Credit joins first. Then outstanding instalments of plain appliances are cleared, then those of
solar home systems and e-bikes together with access rates, oldest first. Only what is left buys
something for the device the payment names. The function is pure: *validate* runs it dry and refuses
on an objection, *process* books its lines whatever it objects to, for the money has moved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import attrs

from mpm_core.allocation.accounts import AccessDebt, Account, Line, LineKind, Options, Target
from mpm_core.allocation.sales import (
    Remainder,
    Sale,
    line_kind_of,
    pay_plan_rows,
    pay_rows,
    sell_energy,
    sell_for_plan,
    unlock_paid_off,
)
from mpm_core.devices import DeviceKind
from mpm_core.orders import Charge
from mpm_core.payments import Objection
from mpm_core.plans import Plan, PlanKind, PlanRow

__all__ = [
    "AccessDebt",
    "Account",
    "Allocation",
    "Line",
    "LineKind",
    "Options",
    "Target",
    "allocate",
    "apply_lines",
]

_DEFAULT_OPTIONS = Options()
_DEBT_RANK = {PlanKind.SHS: 0, PlanKind.E_BIKE: 1}
_ACCESS_RATE_RANK = 2  # last among debts that are due on the same day


@attrs.frozen(kw_only=True)
class Allocation:
    """What a payment does.

    Attributes:
        lines: in the order of the waterfall; they sum to the payment's amount.
        charge: what the device shall get, or `None`.
        objections: why the remainder could not be sold; empty when all is well.
        account: the customer's afterwards.
        calculation: how the charge was priced, as texts to store with the order; amounts in minor
            units, exact quotients as fractions.
        settled_plans: ids of all plans this payment finished, also of other devices than the one
            it names.
    """

    lines: tuple[Line, ...]
    charge: Charge | None
    objections: tuple[Objection, ...]
    account: Account
    calculation: Mapping[str, str]
    settled_plans: tuple[str, ...] = ()


def allocate(
    amount: int,
    account: Account,
    target: Target,
    today: date,
    options: Options = _DEFAULT_OPTIONS,
) -> Allocation:
    """Divide a payment into lines and find out what it buys.

    Args:
        amount: minor units of the account's currency.
        account: everything the customer owes; is not changed.
        target: the device whose serial was paid.
        today: the company's date when the payment was accepted.
        options: the company's choices.

    Raises:
        ValueError: the amount is not positive; the desk refuses that before.
    """
    if amount <= 0:
        raise ValueError(f"The amount is {amount} minor units; a payment is more than 0.")
    lines = _join_credit(amount, account.credit)
    lines += _clear_appliances(amount - _total(lines), account, today)
    spared = _spared_plan(account, target, options)
    lines += _clear_devices_and_access(amount - _total(lines), account, today, spared)
    cleared = apply_lines(account, lines)
    remainder = Remainder(
        paid=amount, left=amount - _total(lines), currency=account.currency, target=target
    )
    sale = _sell(remainder, account, cleared)
    afterwards = apply_lines(cleared, sale.lines)
    return Allocation(
        lines=lines + sale.lines,
        charge=sale.charge,
        objections=sale.objections,
        account=afterwards,
        calculation=sale.calculation,
        settled_plans=_newly_settled(account, afterwards),
    )


def _total(lines: tuple[Line, ...]) -> int:
    return sum(line.amount for line in lines)


def _join_credit(amount: int, credit: int) -> tuple[Line, ...]:
    """Spend all credit (a negative line), or collect what a reversal left owing (positive)."""
    change = -credit if credit > 0 else min(amount, -credit)
    return (Line(kind=LineKind.CREDIT, amount=change),) if change else ()


def _clear_appliances(available: int, account: Account, today: date) -> tuple[Line, ...]:
    rows = [
        row
        for plan in account.plans
        if plan.kind is PlanKind.APPLIANCE
        for row in plan.rows
        if row.is_outstanding(today)
    ]
    rows.sort(key=lambda row: (row.due_on, row.id))
    return pay_plan_rows(available, rows)


def _spared_plan(account: Account, target: Target, options: Options) -> str | None:
    """Return the plan whose overdue rows are not cleared as debt, because they shall buy time."""
    plan = account.device_plan(target.serial) if options.arrears_buy_time else None
    return plan.id if plan is not None else None


def _clear_devices_and_access(
    available: int, account: Account, today: date, spared: str | None
) -> tuple[Line, ...]:
    debts = [
        (row.due_on, _DEBT_RANK[plan.kind], row.id, line_kind_of(row), row.remaining)
        for plan in account.plans
        if plan.kind is not PlanKind.APPLIANCE
        for row in plan.rows
        if row.is_outstanding(today) and (plan.id != spared or row.is_down_payment)
    ]
    debts += [
        (debt.due_on, _ACCESS_RATE_RANK, debt.id, LineKind.ACCESS_RATE, debt.remaining)
        for debt in account.access_debts
        if debt.is_payable(today)
    ]
    lines: tuple[Line, ...] = ()
    for _, _, refers_to, kind, remaining in sorted(debts):
        lines += pay_rows(available - _total(lines), kind, [(refers_to, remaining)])
    return lines


def _sell(remainder: Remainder, before: Account, cleared: Account) -> Sale:
    target = remainder.target
    if target.kind is DeviceKind.METER:
        return sell_energy(remainder) if remainder.left else Sale()
    plan = before.device_plan(target.serial)
    left_of_plan = next((one for one in cleared.plans if plan and one.id == plan.id), None)
    if plan is not None and left_of_plan is not None and _is_newly_settled(plan, left_of_plan):
        # The customer has paid the device off with debts alone; it must be unlocked all the same.
        return unlock_paid_off(remainder, left_of_plan, used=0)
    return sell_for_plan(remainder, left_of_plan) if remainder.left else Sale()


def _is_newly_settled(before: Plan, afterwards: Plan) -> bool:
    return afterwards.is_settled and not before.is_settled


def _newly_settled(before: Account, afterwards: Account) -> tuple[str, ...]:
    pairs = zip(before.plans, afterwards.plans, strict=True)
    return tuple(old.id for old, new in pairs if _is_newly_settled(old, new))


def apply_lines(account: Account, lines: tuple[Line, ...]) -> Account:
    """Return the account as it is once the lines are booked; negated lines take them back.

    Raises:
        ValueError: a line pays more than is open, reopens more than was paid, or names a row or
            access debt the account does not have.
    """
    # Both are emptied as they are applied; what stays belongs to somebody else.
    rows = _sums_by_id(lines, LineKind.INSTALMENT, LineKind.DOWN_PAYMENT)
    access_rates = _sums_by_id(lines, LineKind.ACCESS_RATE)
    applied = attrs.evolve(
        account,
        credit=account.credit + _total(_of_kinds(lines, LineKind.CREDIT)),
        plans=tuple(_pay_plan(plan, rows) for plan in account.plans),
        access_debts=tuple(_pay_access_debt(debt, access_rates) for debt in account.access_debts),
    )
    if foreign := sorted((*rows, *access_rates)):
        raise ValueError(f"The lines pay {foreign}, which the account does not have.")
    return applied


def _of_kinds(lines: tuple[Line, ...], *kinds: LineKind) -> tuple[Line, ...]:
    return tuple(line for line in lines if line.kind in kinds)


def _sums_by_id(lines: tuple[Line, ...], *kinds: LineKind) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in _of_kinds(lines, *kinds):
        sums[line.refers_to] = sums.get(line.refers_to, 0) + line.amount
    return sums


def _pay_plan(plan: Plan, unpaid: dict[str, int]) -> Plan:
    if not any(row.id in unpaid for row in plan.rows):
        return plan
    return attrs.evolve(plan, rows=tuple(_pay_row(row, unpaid) for row in plan.rows))


def _pay_row(row: PlanRow, unpaid: dict[str, int]) -> PlanRow:
    part = unpaid.pop(row.id, 0)
    return attrs.evolve(row, remaining=row.remaining - part) if part else row


def _pay_access_debt(debt: AccessDebt, unpaid: dict[str, int]) -> AccessDebt:
    part = unpaid.pop(debt.id, 0)
    return attrs.evolve(debt, remaining=debt.remaining - part) if part else debt
