"""Ad-hoc tokens: what staff give to a device past all debts, priced like what customers buy.

Staff say how much in money, in kWh or in days; the money it is worth is counted as received. The
company's smallest purchase does not bind them, the manufacturer's step and whole days do. Debts and
credit are left alone; of money, what no step can be made of becomes credit.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from fractions import Fraction

import attrs

from mpm_core.allocation.accounts import Account, Line, LineKind, Target
from mpm_core.allocation.ad_hoc_units import AdHocUnit, objection_to_unit
from mpm_core.allocation.sales import Remainder, Sale, days_charge, sell_energy
from mpm_core.devices import DeviceKind
from mpm_core.errors import UserError
from mpm_core.money import Money
from mpm_core.orders import Charge, ChargeKind
from mpm_core.payments import ReasonCode
from mpm_core.plans import Plan, PriceBasis, price_basis
from mpm_core.tariffs import Tariff, exact_watt_hours, price_of
from mpm_core.units import Unit, format_kwh, parse_kwh

__all__ = ["AdHocRefused", "AdHocSale", "sell_ad_hoc"]

_FINEST_STEP = 1  # Wh, where a manufacturer does not say what it can sell
_MOST_WATT_HOURS = 10**9  # a gigawatt-hour; more is a typing error
_MOST_DAYS = 36_500  # a hundred years; more is a typing error
_MOST_MINOR = 10**15  # what an amount of money may be, too


class AdHocRefused(UserError):
    """A token cannot be given like that.

    Args:
        code: one stable word for the interface, such as `no_tariff`.
        message: what is wrong and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@attrs.frozen(kw_only=True)
class AdHocSale:
    """A token to be given: the money it counts for, and the lines and charge it becomes."""

    money: Money
    sale: Sale


def sell_ad_hoc(
    amount: str, unit: AdHocUnit, account: Account, target: Target, sells: Collection[ChargeKind]
) -> AdHocSale:
    """Price a token that staff ask for.

    Args:
        amount: a plain decimal, in the unit.
        unit: of the amount.
        account: the owner's; decides currency and plan.
        target: the device.
        sells: what its manufacturer's plugin makes tokens for.

    Raises:
        AdHocRefused: the unit is impossible (`objection_to_unit`), or the amount is none, too small
            or too large.
    """
    objection = objection_to_unit(unit, account, target, sells)
    if objection is not None:
        raise AdHocRefused(objection.code, objection.message)
    match unit:
        case AdHocUnit.CURRENCY:
            sold = _sell_for_money(_read_money(amount, account.currency), account, target)
        case AdHocUnit.KWH:
            sold = _sell_watt_hours(_read_watt_hours(amount), account.currency, target)
        case AdHocUnit.DAYS:
            sold = _sell_days(_read_days(amount), _basis(account, target), account.currency)
    _refuse_too_much(sold)
    return sold


# --- reading --------------------------------------------------------------------------------------


def _read_money(text: str, currency: str) -> Money:
    try:
        money = Money.parse(text, currency)
    except ValueError as error:
        raise _invalid(f"The amount cannot be used: {error}") from None
    if money.minor <= 0:
        raise _invalid(f"The amount {money} must be more than 0.")
    return money


def _read_watt_hours(text: str) -> int:
    try:
        watt_hours = parse_kwh(text)
    except ValueError as error:
        raise _invalid(f"The amount cannot be used: {error}") from None
    if not watt_hours:
        raise _invalid(f"The amount {text} kWh must be more than 0.")
    return watt_hours


def _read_days(text: str) -> Fraction:
    """Read days like kWh: digits with at most three decimals."""
    try:
        days = Fraction(parse_kwh(text), 1000)
    except ValueError:
        raise _invalid(
            f"{text[:40]!r} is not a number of days; write digits such as 4 or 7.25."
        ) from None
    if days <= 0:
        raise _invalid(f"The amount {text} days must be more than 0.")
    return days


def _invalid(message: str) -> AdHocRefused:
    return AdHocRefused(ReasonCode.AMOUNT_INVALID, message)


# --- pricing --------------------------------------------------------------------------------------


def _sell_for_money(money: Money, account: Account, target: Target) -> AdHocSale:
    if target.kind is not DeviceKind.METER:
        return _sell_days_for(money, _basis(account, target), target)
    tariff = attrs.evolve(_tariff(target), minimum_purchase=0)
    remainder = Remainder(
        paid=money.minor,
        left=money.minor,
        currency=money.currency,
        target=attrs.evolve(target, tariff=tariff),
    )
    sale = sell_energy(remainder)
    for objection in sale.objections:
        raise AdHocRefused(objection.code, objection.message)
    return AdHocSale(money=money, sale=sale)


def _sell_watt_hours(watt_hours: int, currency: str, target: Target) -> AdHocSale:
    """Sell exactly so much: nothing is rounded but the money, up."""
    tariff, step = _tariff(target), target.energy_step or _FINEST_STEP
    if watt_hours % step:
        below = watt_hours - watt_hours % step
        raise _invalid(
            f"Device {target.serial} takes energy in steps of {format_kwh(step)} kWh; ask for "
            + (f"{format_kwh(below)} or " if below else "")
            + f"{format_kwh(below + step)} kWh."
        )
    price = tariff.total_price
    money = Money(price_of(watt_hours, price, currency), currency)
    charge = Charge(
        kind=ChargeKind.ENERGY,
        money=money,
        quantity=watt_hours,
        unit=Unit.WATT_HOUR,
        unit_price=price,
    )
    calculation = {
        "tariff_version": tariff.version,
        "price_per_kwh": f"{price:f}",
        "energy_step": str(step),
        "asked_watt_hours": str(watt_hours),
        "exact_watt_hours": str(exact_watt_hours(money.minor, price, currency)),
        "watt_hours": str(watt_hours),
        "cost": str(money.minor),
    }
    return _sold(money, LineKind.ENERGY, charge, calculation)


def _sell_days_for(money: Money, basis: PriceBasis, target: Target) -> AdHocSale:
    exact_days = basis.exact_days(money.minor)
    if exact_days < 1:
        needed = Money(math.ceil(basis.price_per_day), money.currency)
        raise AdHocRefused(
            ReasonCode.AMOUNT_BELOW_MINIMUM,
            f"{money} {money.currency} is less than one day of device {target.serial}; give at "
            f"least {needed} {needed.currency}.",
        )
    return _sold_days(money, exact_days, basis)


def _sell_days(days: Fraction, basis: PriceBasis, currency: str) -> AdHocSale:
    if days < 1:
        raise AdHocRefused(
            ReasonCode.AMOUNT_BELOW_MINIMUM,
            "Devices count whole days, and less than one is none; give at least 1 day.",
        )
    return _sold_days(Money(math.ceil(days * basis.price_per_day), currency), days, basis)


def _sold_days(money: Money, exact_days: Fraction, basis: PriceBasis) -> AdHocSale:
    days = math.ceil(exact_days)
    calculation = {
        "cost": str(basis.cost),
        "gap_days": str(basis.gap_days),
        "used": str(money.minor),
        "exact_days": str(exact_days),
        "rounding": "up",
        "days": str(days),
    }
    return _sold(money, LineKind.TIME, days_charge(money, days, basis), calculation)


def _sold(money: Money, kind: LineKind, charge: Charge, calculation: dict[str, str]) -> AdHocSale:
    line = Line(kind=kind, amount=money.minor)
    return AdHocSale(money=money, sale=Sale(lines=(line,), charge=charge, calculation=calculation))


def _refuse_too_much(sold: AdHocSale) -> None:
    charge = sold.sale.charge
    quantity = charge.quantity or 0 if charge else 0
    is_energy = charge is not None and charge.unit is Unit.WATT_HOUR
    most = f"{format_kwh(_MOST_WATT_HOURS)} kWh" if is_energy else f"{_MOST_DAYS} days"
    if quantity > (_MOST_WATT_HOURS if is_energy else _MOST_DAYS):
        raise _too_much(most)
    if sold.money.minor > _MOST_MINOR:
        raise _too_much(f"{Money(_MOST_MINOR, sold.money.currency)} {sold.money.currency}")


def _too_much(most: str) -> AdHocRefused:
    return AdHocRefused(
        ReasonCode.AMOUNT_ABOVE_MAXIMUM, f"That is more than {most}, the most of one token."
    )


def _tariff(target: Target) -> Tariff:
    if target.tariff is None:
        raise ValueError(f"Device {target.serial} has no tariff; ask for objections first.")
    return target.tariff


def _basis(account: Account, target: Target) -> PriceBasis:
    plan: Plan | None = account.device_plan(target.serial)
    if plan is None:
        raise ValueError(f"Device {target.serial} has no plan; ask for objections first.")
    return price_basis(plan)
