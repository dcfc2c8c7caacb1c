"""What is left of a payment after the debts: what it buys for the device, and why if nothing.

One function per way of selling: energy of a meter, days on an instalment plan, days of energy as a
service. Each accounts for the whole remainder: what cannot be sold becomes one credit line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

import attrs

from mpm_core.allocation.accounts import Line, LineKind, Target
from mpm_core.money import Money, currency_exponent
from mpm_core.orders import Charge, ChargeKind
from mpm_core.payments import Objection, ReasonCode
from mpm_core.plans import Plan, PlanRow, PriceBasis, price_basis
from mpm_core.tariffs import Tariff, exact_watt_hours, price_energy, price_of
from mpm_core.units import Unit

__all__ = [
    "Remainder",
    "Sale",
    "credit_lines",
    "days_charge",
    "line_kind_of",
    "pay_plan_rows",
    "pay_rows",
    "sell_energy",
    "sell_for_plan",
    "unlock_paid_off",
]

_FINEST_STEP = 1  # Wh, where a manufacturer does not say what it can sell


@attrs.frozen(kw_only=True)
class Sale:
    """What the remainder became: lines that sum to it, and a charge or the reason for none."""

    lines: tuple[Line, ...] = ()
    charge: Charge | None = None
    objections: tuple[Objection, ...] = ()
    calculation: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Remainder:
    """What is left for the device of a payment.

    Attributes:
        paid: minor units of the whole payment.
        left: minor units after credit joined and debts were cleared.
        currency: of both.
        target: the device.
    """

    paid: int
    left: int
    currency: str
    target: Target

    def refuse(self, code: ReasonCode, fact: str, *, needed: int | None = None) -> Sale:
        """Keep everything as credit and say why, with the amounts that would have worked.

        Args:
            code: why.
            fact: a sentence.
            needed: what should be left to buy anything, in minor units, if money would help.
        """
        objection = Objection(code=code, message=fact + self._remedy(needed))
        return Sale(lines=credit_lines(self.left), objections=(objection,))

    def too_little(self, needed: int) -> Sale:
        """Refuse because less is left than `needed` minor units."""
        fact = (
            f"What is left for device {self.target.serial} is {self.write(self.left)}, "
            f"but nothing is sold to it below {self.write(needed)}."
        )
        return self.refuse(ReasonCode.AMOUNT_BELOW_MINIMUM, fact, needed=needed)

    def write(self, minor: int) -> str:
        """Write minor units for people, with the currency."""
        return f"{Money(minor, self.currency)} {self.currency}"

    def _remedy(self, needed: int | None) -> str:
        owed = self.paid - self.left  # what credit does not cover of the debts
        ways = [f"exactly {self.write(owed)} to clear what is owed"] if owed > 0 else []
        if needed is not None:
            ways.append(f"at least {self.write(self.paid + needed - self.left)}")
        return f" Pay {', or '.join(ways)}." if ways else ""


def credit_lines(amount: int) -> tuple[Line, ...]:
    """Return one credit line, or none for 0."""
    return (Line(kind=LineKind.CREDIT, amount=amount),) if amount else ()


def pay_rows(available: int, kind: LineKind, rows: list[tuple[str, int]]) -> tuple[Line, ...]:
    """Pay (id, remaining) one after the other; the last one reached may get a part."""
    lines = []
    for refers_to, remaining in rows:
        part = min(available, remaining)
        if part > 0:
            lines.append(Line(kind=kind, amount=part, refers_to=refers_to))
            available -= part
    return tuple(lines)


def pay_plan_rows(available: int, rows: Iterable[PlanRow]) -> tuple[Line, ...]:
    """Pay rows of plans one after the other, each as what it is: instalment or down payment."""
    lines: tuple[Line, ...] = ()
    for row in rows:
        part = pay_rows(available, line_kind_of(row), [(row.id, row.remaining)])
        available -= sum(line.amount for line in part)
        lines += part
    return lines


def line_kind_of(row: PlanRow) -> LineKind:
    """Return what money on a row of a plan is booked as."""
    return LineKind.DOWN_PAYMENT if row.is_down_payment else LineKind.INSTALMENT


def sell_energy(remainder: Remainder) -> Sale:
    """Sell energy to a meter: rounded down to the step, its cost up to the minor unit."""
    target = remainder.target
    if target.tariff is None:
        fact = f"Device {target.serial} has no tariff. Its company must give it one."
        return remainder.refuse(ReasonCode.NO_TARIFF, fact)
    if target.tariff.total_price <= 0:
        fact = f"The tariff of device {target.serial} has price 0. Its company must set a price."
        return remainder.refuse(ReasonCode.NO_PRICE, fact)
    return _sell_priced_energy(remainder, target.tariff, target.energy_step or _FINEST_STEP)


def _sell_priced_energy(remainder: Remainder, tariff: Tariff, step: int) -> Sale:
    price, currency = tariff.total_price, remainder.currency
    needed = max(tariff.minimum_purchase, price_of(step, price, currency))
    if remainder.left < needed:
        return remainder.too_little(needed)
    sold = price_energy(remainder.left, price, step, currency)
    return Sale(
        lines=(Line(kind=LineKind.ENERGY, amount=sold.cost), *credit_lines(sold.remainder)),
        charge=Charge(
            kind=ChargeKind.ENERGY,
            money=Money(sold.cost, currency),
            quantity=sold.watt_hours,
            unit=Unit.WATT_HOUR,
            unit_price=price,
        ),
        calculation={
            "tariff_version": tariff.version,
            "price_per_kwh": f"{price:f}",
            "energy_step": str(step),
            "available": str(remainder.left),
            "exact_watt_hours": str(exact_watt_hours(remainder.left, price, currency)),
            "rounding": "down",
            "watt_hours": str(sold.watt_hours),
            "cost": str(sold.cost),
            "remainder": str(sold.remainder),
        },
    )


def sell_for_plan(remainder: Remainder, plan: Plan | None) -> Sale:
    """Sell days, or the device itself, on the plan of a solar home system or e-bike."""
    serial = remainder.target.serial
    if plan is None:
        fact = f"Device {serial} has no payment plan. Its company must sell it on one."
        return remainder.refuse(ReasonCode.NO_PLAN, fact)
    if plan.price_per_day == 0:
        fact = f"The plan of device {serial} has price 0 per day. Its company must set a price."
        return remainder.refuse(ReasonCode.NO_PRICE, fact)
    if plan.is_settled:
        fact = f"Device {serial} is paid off already."
        return remainder.refuse(ReasonCode.PLAN_ALREADY_SETTLED, fact)
    if plan.is_energy_service:
        return _sell_service_days(remainder, plan)
    return _sell_plan_days(remainder, plan)


def _sell_service_days(remainder: Remainder, plan: Plan) -> Sale:
    needed = max(plan.minimum_payment, price_basis(plan).cost)
    if remainder.left < needed:
        return remainder.too_little(needed)
    line = Line(kind=LineKind.EAAS, amount=remainder.left, refers_to=plan.id)
    return _days_sale(remainder, plan, used=remainder.left, lines=(line,))


def _sell_plan_days(remainder: Remainder, plan: Plan) -> Sale:
    open_total = plan.open_total
    # Settling the plan is worth having even where the last few coins are no whole day.
    needed = min(math.ceil(price_basis(plan).price_per_day), open_total)
    if remainder.left < needed:
        return remainder.too_little(needed)
    used = min(remainder.left, open_total)
    paid = pay_plan_rows(used, plan.open_rows)
    lines = (*paid, *credit_lines(remainder.left - used))
    if used == open_total:
        return attrs.evolve(unlock_paid_off(remainder, plan, used=used), lines=lines)
    return _days_sale(remainder, plan, used=used, lines=lines)


def _days_sale(remainder: Remainder, plan: Plan, *, used: int, lines: tuple[Line, ...]) -> Sale:
    basis = price_basis(plan)
    exact_days = basis.exact_days(used)
    money = Money(used, remainder.currency)
    return Sale(
        lines=lines,
        charge=days_charge(money, math.ceil(exact_days), basis),
        calculation={
            "plan": plan.id,
            "cost": str(basis.cost),
            "gap_days": str(basis.gap_days),
            "used": str(used),
            "exact_days": str(exact_days),
            "rounding": "up",
            "days": str(math.ceil(exact_days)),
        },
    )


def days_charge(money: Money, days: int, basis: PriceBasis) -> Charge:
    """Return the charge of whole days that were priced by a plan."""
    major_per_day = basis.price_per_day / 10 ** currency_exponent(money.currency)
    return Charge(
        kind=ChargeKind.TIME,
        money=money,
        quantity=days,
        unit=Unit.DAY,
        unit_price=_exact_decimal(major_per_day),
    )


def unlock_paid_off(remainder: Remainder, plan: Plan, *, used: int) -> Sale:
    """Hand the device over for good: its plan is settled by `used` minor units of the remainder.

    What is left beyond that becomes credit, without an objection.
    """
    return Sale(
        lines=credit_lines(remainder.left - used),
        charge=Charge(kind=ChargeKind.UNLOCK, money=Money(used, remainder.currency)),
        calculation={"plan": plan.id, "used": str(used)},
    )


def _exact_decimal(value: Fraction) -> Decimal | None:
    """Return a fraction as a decimal, or `None` if its decimals never end."""
    decimals = value.denominator.bit_length()  # enough for any product of twos and fives
    scaled = value * 10**decimals
    if scaled.denominator != 1:
        return None
    return _without_trailing_zeros(scaled.numerator, decimals)


def _without_trailing_zeros(digits: int, decimals: int) -> Decimal:
    while decimals and digits % 10 == 0:
        digits, decimals = digits // 10, decimals - 1
    return Decimal(f"{digits}E-{decimals}")
