"""In which units staff may ask for an ad-hoc token of a device, and why not in the others.

The same answer is given to whoever wants to know before and to whoever asks all the same.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from mpm_core.allocation.accounts import Account, Target
from mpm_core.devices import DeviceKind
from mpm_core.orders import ChargeKind
from mpm_core.payments import Objection, ReasonCode

__all__ = ["UNIT_NOT_SUPPORTED", "AdHocUnit", "objection_to_unit"]

UNIT_NOT_SUPPORTED = "unit_not_supported"


class AdHocUnit(StrEnum):
    """How staff say how much; the words of the public interface."""

    CURRENCY = "currency"
    KWH = "kWh"
    DAYS = "days"


def objection_to_unit(
    unit: AdHocUnit, account: Account, target: Target, sells: Collection[ChargeKind]
) -> Objection | None:
    """Say why no token of the device can be asked for in a unit, or `None` if it can.

    Args:
        unit: to be asked for in.
        account: its owner's.
        target: the device.
        sells: what its manufacturer's plugin makes tokens for.
    """
    is_meter = target.kind is DeviceKind.METER
    if unit is (AdHocUnit.DAYS if is_meter else AdHocUnit.KWH):
        right = AdHocUnit.KWH if is_meter else AdHocUnit.DAYS
        return _objection(
            UNIT_NOT_SUPPORTED,
            f"Device {target.serial} is of kind {target.kind.value} and takes no {unit.value}; "
            f"use {right.value} or {AdHocUnit.CURRENCY.value}.",
        )
    wanted = ChargeKind.ENERGY if is_meter else ChargeKind.TIME
    if wanted not in sells:
        return _objection(
            UNIT_NOT_SUPPORTED,
            f"The manufacturer's plugin of device {target.serial} makes no tokens for "
            f"{wanted.value}.",
        )
    return _tariff_objection(target) if is_meter else _plan_objection(account, target)


def _tariff_objection(target: Target) -> Objection | None:
    if target.tariff is None:
        return _objection(
            ReasonCode.NO_TARIFF, f"Device {target.serial} has no tariff; give it one first."
        )
    if target.tariff.total_price <= 0:
        return _objection(
            ReasonCode.NO_PRICE,
            f"The tariff of device {target.serial} has price 0; set a price first.",
        )
    return None


def _plan_objection(account: Account, target: Target) -> Objection | None:
    plan = account.device_plan(target.serial)
    if plan is None:
        return _objection(
            ReasonCode.NO_PLAN, f"Device {target.serial} has no payment plan; sell it on one first."
        )
    if plan.price_per_day == 0:
        return _objection(
            ReasonCode.NO_PRICE,
            f"The plan of device {target.serial} has price 0 per day; set a price first.",
        )
    if plan.is_settled:
        return _objection(
            ReasonCode.PLAN_ALREADY_SETTLED,
            f"Device {target.serial} is paid off and needs no days any more.",
        )
    return None


def _objection(code: str, message: str) -> Objection:
    return Objection(code=code, message=message)
