"""Short ways to write down customers, plans and devices in tests; today is 10 March 2026."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

from mpm_core.allocation.accounts import AccessDebt, Account, Target
from mpm_core.devices import DeviceKind
from mpm_core.plans import Plan, PlanKind, PlanRow
from mpm_core.tariffs import PriceComponent, Tariff

TODAY = date(2026, 3, 10)
YESTERDAY = TODAY - timedelta(days=1)


def on(days: int) -> date:
    """Return a day counted from today; negative days are over."""
    return TODAY + timedelta(days=days)


def meter(
    price: int, *, minimum: int = 0, step: int = 1, components: tuple[PriceComponent, ...] = ()
) -> Target:
    tariff = Tariff(
        version="2026-1",
        price_per_kwh=Decimal(price),
        components=components,
        minimum_purchase=minimum,
    )
    return Target(serial="M1", kind=DeviceKind.METER, tariff=tariff, energy_step=step)


def row(row_id: str, due_on: date, cost: int, remaining: int | None = None) -> PlanRow:
    left = cost if remaining is None else remaining
    return PlanRow(id=row_id, due_on=due_on, cost=cost, remaining=left)


def appliance(*rows: PlanRow) -> Plan:
    return Plan(id=f"of {rows[0].id}", kind=PlanKind.APPLIANCE, device_serial=None, rows=rows)


def shs(*rows: PlanRow, **terms: int) -> Plan:
    return Plan(id="shs", kind=PlanKind.SHS, device_serial="S1", rows=rows, **terms)


def every(days: int, cost: int, *, first: int = 0, count: int = 4) -> Plan:
    """Return an SHS plan of equal rows, `days` apart, the first due so many days from today."""
    return shs(*(row(f"shs-{n + 1}", on(first + days * n), cost) for n in range(count)))


def access(remaining: int, *, serial: str = "M1", due_on: date = TODAY) -> AccessDebt:
    return AccessDebt(
        id=f"access {serial}", due_on=due_on, remaining=remaining, device_serial=serial
    )


def owes(*debts: Plan | AccessDebt, currency: str = "UGX", credit: int = 0) -> Account:
    return Account(
        currency=currency,
        credit=credit,
        plans=tuple(debt for debt in debts if isinstance(debt, Plan)),
        access_debts=tuple(debt for debt in debts if isinstance(debt, AccessDebt)),
    )


S1 = Target(serial="S1", kind=DeviceKind.SHS)
TV = appliance(row("tv", YESTERDAY, 300))


def exactly(message: str) -> str:
    """Return a pattern for `pytest.raises` that matches the whole message and nothing else."""
    return f"^{re.escape(message)}$"
