"""Generated customers, devices and prices, shared by the property tests of the core."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import attrs
from hypothesis import strategies as st

from mpm_core.allocation.accounts import AccessDebt, Account, Options, Target
from mpm_core.devices import DeviceKind
from mpm_core.plans import Plan, PlanKind, PlanRow
from mpm_core.tariffs import PriceComponent, Tariff

TODAY = date(2026, 3, 10)
SERIALS = {DeviceKind.METER: "M1", DeviceKind.SHS: "S1", DeviceKind.E_BIKE: "B1"}

currencies = st.sampled_from(["UGX", "TZS", "KES", "MZN", "XOF", "BHD"])
amounts = (
    st.integers(min_value=1, max_value=2_000)
    | st.integers(min_value=1, max_value=8_000)
    | st.integers(min_value=1, max_value=10**9)
)
days_near_today = st.integers(min_value=-60, max_value=60).map(
    lambda days: TODAY + timedelta(days=days)
)
whole_prices = st.integers(min_value=1, max_value=500).map(Decimal)
fine_prices = st.decimals(min_value=Decimal(0), max_value=Decimal(10_000), places=6)
mostly = st.sampled_from([True, True, True, False])
steps = st.sampled_from([None, 1, 10, 100, 1000])


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    components = draw(st.just([]) | st.lists(fine_prices, max_size=2))
    return Tariff(
        version="v1",
        price_per_kwh=draw(whole_prices | fine_prices),
        components=tuple(
            PriceComponent(name=f"part {number}", price_per_kwh=price)
            for number, price in enumerate(components)
        ),
        minimum_purchase=draw(st.just(0) | st.integers(min_value=0, max_value=2_000)),
    )


@st.composite
def plan_rows(draw: st.DrawFn, plan_id: str) -> tuple[PlanRow, ...]:
    rows = []
    for number in range(draw(st.sampled_from([0, 1, 2, 3, 4, 4]))):
        cost = draw(st.integers(min_value=1, max_value=2_000))
        remaining = draw(
            st.just(cost) | st.just(cost) | st.just(0) | st.integers(min_value=0, max_value=cost)
        )
        rows.append(
            PlanRow(
                id=f"{plan_id}-{number}",
                due_on=draw(days_near_today),
                cost=cost,
                remaining=remaining,
                is_down_payment=number == 0 and draw(st.integers(0, 3)) == 0,
            )
        )
    return tuple(rows)


@st.composite
def plans(draw: st.DrawFn, plan_id: str, kind: PlanKind, serial: str | None) -> Plan:
    sells_days = kind is not PlanKind.APPLIANCE and draw(st.integers(0, 3)) == 0
    return Plan(
        id=plan_id,
        kind=kind,
        device_serial=serial,
        rows=draw(plan_rows(plan_id)),
        price_per_day=draw(st.integers(min_value=0, max_value=500)) if sells_days else None,
        minimum_payment=draw(st.integers(min_value=0, max_value=1_000)) if sells_days else 0,
    )


@st.composite
def access_debts(draw: st.DrawFn, debt_id: str) -> AccessDebt:
    return AccessDebt(
        id=debt_id,
        due_on=draw(days_near_today),
        remaining=draw(st.integers(min_value=0, max_value=1_000)),
        device_serial=draw(st.sampled_from(["M1", "M2"])),
    )


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """A customer with any of: appliances, an SHS, an e-bike, access debts, credit or its lack."""
    kinds = [
        ("tv", PlanKind.APPLIANCE, None),
        ("mill", PlanKind.APPLIANCE, None),
        ("shs", PlanKind.SHS, SERIALS[DeviceKind.SHS]),
        ("bike", PlanKind.E_BIKE, SERIALS[DeviceKind.E_BIKE]),
    ]
    owned = [one for one in kinds if draw(mostly)]
    return Account(
        currency=draw(currencies),
        credit=draw(st.just(0) | st.integers(min_value=-2_000, max_value=2_000)),
        plans=tuple(draw(plans(*one)) for one in owned),
        access_debts=tuple(
            draw(access_debts(f"access-{number}")) for number in range(draw(st.integers(0, 3)))
        ),
    )


@st.composite
def targets(draw: st.DrawFn, kinds: tuple[DeviceKind, ...] = tuple(DeviceKind)) -> Target:
    """A device of one of the kinds; meters mostly have a tariff."""
    kind = draw(st.sampled_from(kinds))
    is_meter = kind is DeviceKind.METER
    return Target(
        serial=SERIALS[kind],
        kind=kind,
        tariff=draw(tariffs()) if is_meter and draw(mostly) else None,
        energy_step=draw(steps) if is_meter else None,
    )


options = st.booleans().map(lambda choice: Options(arrears_buy_time=choice))


@attrs.frozen
class Payment:
    """A payment as `allocate` takes it, all on the same day."""

    amount: int
    account: Account
    target: Target
    options: Options


@st.composite
def payments(draw: st.DrawFn) -> Payment:
    """Any amount, often one near the debts, where something little is left for the device."""
    account = draw(accounts())
    owed = sum(outstanding(account).values()) - account.credit
    near_debts = st.integers(min_value=0, max_value=3_000).map(lambda left: max(1, owed + left))
    return Payment(
        amount=draw(near_debts | near_debts | amounts),
        account=account,
        target=draw(targets()),
        options=draw(options),
    )


def outstanding(account: Account) -> dict[str, int]:
    """Return what the customer should have paid by today, by row or access debt."""
    rows = {
        row.id: row.remaining
        for plan in account.plans
        for row in plan.rows
        if row.is_outstanding(TODAY)
    }
    return rows | {
        debt.id: debt.remaining for debt in account.access_debts if debt.is_payable(TODAY)
    }
