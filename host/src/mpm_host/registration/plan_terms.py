"""The terms of a sale and the plan they make: pure, shared by sales, registration and imports."""

from __future__ import annotations

from datetime import date, datetime

import attrs

from mpm_core import DeviceKind, Money
from mpm_core.plans import Period, PlanChangeRefused
from mpm_core.plans.schedules import (
    SaleTerms,
    ScheduledRow,
    down_payment_row,
    instalments_by_cost,
    instalments_by_count,
)
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.appliances import StoredAppliance
from mpm_host.registration.down_payment_entries import down_payment_entries
from mpm_host.registration.inputs import check_amount_given, check_day

__all__ = ["PlanTerms", "PlanWrites", "SaleDevice", "prepare_sale"]


@attrs.frozen(kw_only=True)
class PlanTerms:
    """How something is paid: exactly one of `instalments`, `instalment_cost`, `price_per_day`.

    Attributes:
        cost: for everything; not asked for energy as a service, which has no end.
        instalments: so many equal ones.
        instalment_cost: of each one; the last takes what is left.
        price_per_day: energy as a service.
        minimum_payment: the least that buys days of energy as a service.
        down_payment: part of the cost, and a row of the plan: paid, because it was taken in cash at
            the sale, or open while the payer is asked for it.
        asks_down_payment: the payer's phone is asked for it.
        sold_on: the day of registration, or the company's today, when it is not given.
        first_due_on: one period after the sale when it is not given.
    """

    cost: Money | None = None
    instalments: int | None = None
    instalment_cost: Money | None = None
    price_per_day: Money | None = None
    minimum_payment: Money | None = None
    down_payment: Money | None = None
    asks_down_payment: bool = False
    period: Period = Period.MONTHLY
    sold_on: date | None = None
    first_due_on: date | None = None


@attrs.frozen(kw_only=True)
class SaleDevice:
    """The device that is sold."""

    id: str
    serial: str
    kind: DeviceKind


@attrs.frozen(kw_only=True)
class PlanWrites:
    """Rows of a new plan.

    Attributes:
        entries: of the ledger, for the down payment.
    """

    plan: dict[str, object]
    rows: tuple[dict[str, object], ...]
    entries: tuple[dict[str, object], ...] = ()

    @property
    def plan_id(self) -> str:
        """The plan's id."""
        return str(self.plan["id"])


def prepare_sale(  # noqa: PLR0913, PLR0917 - who buys what on which terms, and when
    company: CompanyRecord,
    customer_id: str,
    appliance: StoredAppliance,
    device: SaleDevice | None,
    terms: PlanTerms,
    now: datetime,
) -> PlanWrites:
    """Return the rows of a plan; pure.

    Raises:
        ServiceRefused: the device does not fit the appliance, or the terms make no plan.
    """
    _check_device_fits(appliance, device)
    money = _PlanMoney.read(terms, company.company.currency)
    sold_on = check_day(terms.sold_on or company.today(now), "The day of the sale")
    scheduled = _schedule(terms, money, sold_on)
    plan: dict[str, object] = {
        "id": new_identifier(),
        "company_id": company.id,
        "customer_id": customer_id,
        "device_id": device.id if device else None,
        "appliance_id": appliance.id,
        "kind": appliance.kind.plan_kind.value,
        "device_serial": device.serial if device else None,
        "live": True,
        "sold_on": sold_on,
        "cost": money.cost,
        "down_payment": money.down_payment,
        "currency": company.company.currency,
        "period": terms.period.value if scheduled else None,
        "price_per_day": money.price_per_day,
        "minimum_payment": money.minimum_payment,
        "created_at": now,
    }
    rows = tuple(_plan_row(plan, row) for row in scheduled)
    paid = [str(row["id"]) for row in rows if not row["remaining"]]
    entries = down_payment_entries(plan, paid[0], money.down_payment, now) if paid else ()
    return PlanWrites(plan=plan, rows=rows, entries=entries)


@attrs.frozen(kw_only=True)
class _PlanMoney:
    """The amounts of terms in minor units, checked; a plan has one of the last three."""

    cost: int
    down_payment: int
    minimum_payment: int
    instalments: int | None
    instalment_cost: int | None
    price_per_day: int | None

    @classmethod
    def read(cls, terms: PlanTerms, currency: str) -> _PlanMoney:
        ways = (terms.instalments, terms.instalment_cost, terms.price_per_day)
        if sum(way is not None for way in ways) != 1:
            raise ServiceRefused(
                RefusalCode.TERMS_INVALID,
                "Give exactly one of instalments, instalment_cost and price_per_day.",
            )
        if terms.cost is None and terms.price_per_day is None:
            raise ServiceRefused(
                RefusalCode.TERMS_INVALID, "A plan with instalments needs the cost of what is sold."
            )
        down_payment = _minor(terms.down_payment, currency, "down payment") or 0
        if terms.asks_down_payment and not down_payment:
            raise ServiceRefused(
                RefusalCode.TERMS_INVALID,
                "There is no down payment to ask the payer for; give one, or ask nobody.",
            )
        if down_payment and terms.price_per_day is not None:
            raise ServiceRefused(
                RefusalCode.TERMS_INVALID,
                "Energy as a service has no down payment; leave it out.",
            )
        return cls(
            cost=_minor(terms.cost, currency, "cost") or 0,
            down_payment=down_payment,
            minimum_payment=_minor(terms.minimum_payment, currency, "minimum payment") or 0,
            instalments=terms.instalments,
            instalment_cost=_minor(terms.instalment_cost, currency, "instalment cost"),
            price_per_day=_minor(terms.price_per_day, currency, "price per day"),
        )


def _minor(amount: Money | None, currency: str, what: str) -> int | None:
    return None if amount is None else check_amount_given(amount, currency, what)


def _schedule(terms: PlanTerms, money: _PlanMoney, sold_on: date) -> tuple[ScheduledRow, ...]:
    if money.price_per_day is not None:
        _require_positive(money.price_per_day, "price per day")
        return ()
    _require_positive(money.cost, "cost")
    if terms.first_due_on is not None:
        check_day(terms.first_due_on, "The first due day")
    try:
        agreed = SaleTerms(
            cost=money.cost,
            down_payment=money.down_payment,
            period=terms.period,
            sold_on=sold_on,
            first_due_on=terms.first_due_on,
        )
        first = down_payment_row(agreed, is_paid=not terms.asks_down_payment)
        return (*([first] if first else []), *_instalments(agreed, money))
    except PlanChangeRefused as error:
        raise ServiceRefused(error.code, str(error)) from None


def _instalments(agreed: SaleTerms, money: _PlanMoney) -> tuple[ScheduledRow, ...]:
    if money.instalment_cost is not None:
        return instalments_by_cost(agreed, money.instalment_cost)
    return instalments_by_count(agreed, money.instalments or 0)


def _require_positive(minor: int, what: str) -> None:
    if not minor:
        raise ServiceRefused(RefusalCode.TERMS_INVALID, f"The {what} is 0; it must be more.")


def _plan_row(plan: dict[str, object], row: ScheduledRow) -> dict[str, object]:
    return {
        "id": new_identifier(),
        "company_id": plan["company_id"],
        "plan_id": plan["id"],
        "customer_id": plan["customer_id"],
        "due_on": row.due_on,
        "cost": row.cost,
        "remaining": row.remaining,
        "is_down_payment": row.is_down_payment,
    }


def _check_device_fits(appliance: StoredAppliance, device: SaleDevice | None) -> None:
    wanted = appliance.kind.device_kind
    if wanted is None and device is not None:
        raise ServiceRefused(
            RefusalCode.DEVICE_FORBIDDEN,
            f"Appliance {appliance.name!r} is a plain one without a device; leave the serial out.",
        )
    if wanted is not None and device is None:
        raise ServiceRefused(
            RefusalCode.DEVICE_REQUIRED,
            f"Appliance {appliance.name!r} is sold with a device; give the serial of its "
            f"{wanted.value}.",
        )
    if device is not None and device.kind is not wanted:
        raise ServiceRefused(
            RefusalCode.KIND_MISMATCH,
            f"Device {device.serial!r} is of kind {device.kind.value}, but appliance "
            f"{appliance.name!r} is of kind {appliance.kind.value}.",
        )
