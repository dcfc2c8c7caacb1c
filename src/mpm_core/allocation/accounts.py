"""What one customer owes and owns, which device is paid, and the lines a payment becomes.

These are the values that `allocation` works on; the host fills them from its tables and books the
lines. Amounts are minor units of the account's currency.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import attrs

from mpm_core.devices import DeviceKind
from mpm_core.plans import Plan, PlanKind
from mpm_core.tariffs import Tariff

__all__ = ["AccessDebt", "Account", "Line", "LineKind", "Options", "Target"]


@attrs.frozen(kw_only=True)
class AccessDebt:
    """One boundary of a meter's access rate.

    Attributes:
        id: unique over all access debts of the customer.
        due_on: the boundary; it is payable from this very day.
        remaining: minor units still to be paid.
        device_serial: the meter it is for.
    """

    id: str
    due_on: date
    remaining: int = attrs.field(validator=attrs.validators.ge(0))
    device_serial: str

    def is_payable(self, today: date) -> bool:
        """Tell whether it is debt: something is left and its day has come."""
        return self.remaining > 0 and self.due_on <= today


@attrs.frozen(kw_only=True)
class Account:
    """Everything one customer owes, and the credit they have.

    Attributes:
        currency: of every amount in it.
        credit: minor units; negative only when a reversal took back money that was spent.
        plans: of plain appliances, solar home systems and e-bikes, settled ones too.
        access_debts: of all the customer's meters.

    Raises:
        ValueError: two plans, two rows or two access debts have the same id.
    """

    currency: str
    credit: int = 0
    plans: tuple[Plan, ...] = ()
    access_debts: tuple[AccessDebt, ...] = ()

    def __attrs_post_init__(self) -> None:
        _refuse_repeated("plan", [plan.id for plan in self.plans])
        _refuse_repeated("row", [row.id for plan in self.plans for row in plan.rows])
        _refuse_repeated("access debt", [debt.id for debt in self.access_debts])

    def device_plan(self, serial: str) -> Plan | None:
        """Return the plan a device is paid on: one that is not settled, if there is one."""
        plans = (plan for plan in self.plans if plan.device_serial == serial)
        device_plans = [plan for plan in plans if plan.kind is not PlanKind.APPLIANCE]
        return min(device_plans, key=lambda plan: (plan.is_settled, plan.id), default=None)


def _refuse_repeated(what: str, ids: list[str]) -> None:
    if len(set(ids)) < len(ids):
        repeated = next(text for text in ids if ids.count(text) > 1)
        raise ValueError(f"The account has two of {what} {repeated!r}; ids must be unique.")


@attrs.frozen(kw_only=True)
class Target:
    """The device whose serial the payment names.

    Attributes:
        serial: the device's.
        kind: decides what the money buys.
        tariff: of a meter; `None` when it has none.
        energy_step: watt-hours, from the manufacturer's manifest; `None` means 1 Wh.
    """

    serial: str
    kind: DeviceKind
    tariff: Tariff | None = None
    energy_step: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(attrs.validators.ge(1))
    )


class LineKind(StrEnum):
    """What a part of a payment was for; the words of the public interface."""

    INSTALMENT = "instalment"
    DOWN_PAYMENT = "down_payment"
    ACCESS_RATE = "access_rate"
    ENERGY = "energy"
    TIME = "time"
    EAAS = "eaas"
    CREDIT = "credit"
    SUSPENSE = "suspense"


@attrs.frozen(kw_only=True)
class Line:
    """A part of a payment; all lines of a payment sum to its amount.

    Attributes:
        kind: what it was for.
        amount: minor units, never 0; negative only for credit that was spent.
        refers_to: the plan row (instalment, down payment), access debt or plan (eaas) it belongs
            to, else empty.
    """

    kind: LineKind
    amount: int
    refers_to: str = ""


@attrs.frozen(kw_only=True)
class Options:
    """What a company may choose.

    Attributes:
        arrears_buy_time: overdue rows of the paid device's own plan buy days, instead of being
            cleared as debt first.
    """

    arrears_buy_time: bool = False
