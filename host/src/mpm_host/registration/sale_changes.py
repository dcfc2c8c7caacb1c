"""Changing a sale afterwards: its total, one row, its dates; and taking it back.

The rules are `mpm_core.plans.plan_changes`; what was paid is never touched. Every change locks the
customer first, so that no payment is allocated meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from mpm_core import Money
from mpm_core.plans import Period, Plan, PlanKind, PlanRow
from mpm_core.plans.plan_changes import change_row, change_total, reschedule
from mpm_core.plans.schedules import ScheduledRow
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.orders.switch_rows import end_switches
from mpm_host.payments.open_payments import refuse_open_payments_of_device
from mpm_host.payments.payment_locks import lock_device
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.customers import lock_customers
from mpm_host.registration.inputs import check_amount_given
from mpm_host.registration.settled_plans import Unlocker

__all__ = [
    "SaleChange",
    "change_sale",
    "change_sale_row",
    "delete_sale",
    "reschedule_sale",
]


@attrs.frozen(kw_only=True)
class SaleChange:
    """What to change; `None` leaves it.

    Attributes:
        cost: the new total of a plan with instalments, down payment included.
        price_per_day: of energy as a service.
        minimum_payment: of energy as a service.
    """

    cost: Money | None = None
    price_per_day: Money | None = None
    minimum_payment: Money | None = None


@attrs.frozen(kw_only=True)
class _StoredPlan:
    """A plan that is locked, as stored and as the rules see it."""

    row: RowMapping
    plan: Plan


def change_sale(
    connection: Connection,
    company: CompanyRecord,
    plan_id: str,
    change: SaleChange,
    unlocker: Unlocker,
) -> dict[str, object]:
    """Change what a sale costs; returns what changed for the audit trail.

    If nothing is owed on it afterwards, its device is unlocked.

    Raises:
        ServiceRefused: `unknown_sale`, `sale_deleted`, `amount_invalid`, `terms_invalid`.
        PlanChangeRefused: `total_below_paid`, `no_untouched_row`, `no_instalments`.
    """
    stored = _lock(connection, company, plan_id)
    currency = company.company.currency
    before = {name: stored.row[name] for name in ("cost", "price_per_day", "minimum_payment")}
    after = dict(before)
    if change.cost is not None:
        total = check_amount_given(change.cost, currency, "cost")
        _write_rows(connection, stored, change_total(stored.plan, total, currency), ())
        after["cost"] = total
    after |= _service_terms(stored, change, currency)
    connection.execute(sa.update(t.plans).where(t.plans.c.id == plan_id).values(**after))
    unlocker.unlock_if_settled(connection, company, stored.row["customer_id"], stored.plan)
    return {
        name: [_written(before[name], currency), _written(value, currency)]
        for name, value in after.items()
        if value != before[name]
    }


def change_sale_row(  # noqa: PLR0913, PLR0917 - which row of which sale, to what
    connection: Connection,
    company: CompanyRecord,
    plan_id: str,
    number: int,
    cost: Money,
    unlocker: Unlocker,
) -> dict[str, object]:
    """Change the cost of one row; the total changes with it, and cost 0 takes the row out.

    Row 1 may be a down payment that the payer was asked for and has not paid.

    If nothing is owed on the sale afterwards, its device is unlocked.

    Args:
        connection: of the caller's transaction.
        company: whose sale it is.
        plan_id: the sale.
        number: of the row in due order, from 1.
        cost: from now on.
        unlocker: unlocks the device of a sale that this settles.

    Raises:
        ServiceRefused: `unknown_sale`, `sale_deleted`, `unknown_row`, `amount_invalid`.
        PlanChangeRefused: `row_already_paid`.
    """
    stored = _lock(connection, company, plan_id)
    if not 1 <= number <= len(stored.plan.rows):
        raise ServiceRefused(
            RefusalCode.UNKNOWN_ROW,
            f"The sale has rows 1 to {len(stored.plan.rows)}, and none with number {number}.",
        )
    currency = company.company.currency
    row = stored.plan.rows[number - 1]
    minor = check_amount_given(cost, currency, "cost")
    rows = change_row(stored.plan, row.id, minor)
    _write_rows(connection, stored, rows, ())
    agreed = {
        "cost": sum(each.cost for each in rows),
        "down_payment": sum(each.cost for each in rows if each.is_down_payment),
    }
    connection.execute(sa.update(t.plans).where(t.plans.c.id == plan_id).values(**agreed))
    unlocker.unlock_if_settled(connection, company, stored.row["customer_id"], stored.plan)
    return {f"row {number}": [_written(row.cost, currency), _written(minor, currency)]}


def reschedule_sale(
    connection: Connection, company: CompanyRecord, plan_id: str, count: int, period: Period
) -> dict[str, object]:
    """Divide what is open into so many new rows; returns what changed for the audit trail.

    Raises:
        ServiceRefused: `unknown_sale`, `sale_deleted`.
        PlanChangeRefused: `plan_already_settled`, `no_instalments`, `count_invalid`.
    """
    stored = _lock(connection, company, plan_id)
    new = reschedule(stored.plan, count, period, start_on=stored.row["sold_on"])
    _write_rows(connection, stored, new.kept, new.added)
    connection.execute(
        sa.update(t.plans).where(t.plans.c.id == plan_id).values(period=new.period.value)
    )
    return {
        "period": [stored.row["period"], new.period.value],
        "open_rows": [len(stored.plan.open_rows), len(new.added)],
    }


def delete_sale(
    connection: Connection, company: CompanyRecord, plan_id: str, now: datetime
) -> dict[str, object]:
    """Take a sale back, paid or not: nothing more is owed, and its device belongs to nobody.

    What was paid stays in the ledger.

    Raises:
        ServiceRefused: `unknown_sale`, `sale_deleted`, `payment_open`.
    """
    stored = _lock(connection, company, plan_id)
    if stored.row["device_id"] is not None and stored.row["live"]:
        _take_device(connection, stored.row, now)
    connection.execute(
        sa.update(t.plans).where(t.plans.c.id == plan_id).values(live=False, deleted_at=now)
    )
    return {
        "cost": [_written(stored.row["cost"], company.company.currency), None],
        "device_serial": [stored.row["device_serial"], None],
    }


def _lock(connection: Connection, company: CompanyRecord, plan_id: str) -> _StoredPlan:
    p = t.plans.c
    query = sa.select(t.plans).where(p.company_id == company.id, p.id == plan_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_SALE, f"The company has no sale with id {plan_id[:64]!r}."
        )
    lock_customers(connection, company, {row["customer_id"]})
    row = connection.execute(query.with_for_update()).mappings().one()
    if row["deleted_at"] is not None:
        raise ServiceRefused(
            RefusalCode.SALE_DELETED, "The sale was taken back; it cannot be changed any more."
        )
    return _StoredPlan(row=row, plan=_plan(connection, row))


def _take_device(connection: Connection, plan: RowMapping, now: datetime) -> None:
    """Take the device of a live plan from its owner, who is locked, unless a token is under way."""
    device_id, d = plan["device_id"], t.devices.c
    lock_device(connection, device_id)
    refuse_open_payments_of_device(connection, device_id, plan["device_serial"])
    connection.execute(
        sa.update(t.devices)
        .where(d.id == device_id, d.customer_id == plan["customer_id"])
        .values(customer_id=None)
    )
    end_switches(connection, [device_id], now)


def _plan(connection: Connection, row: RowMapping) -> Plan:
    r = t.plan_rows.c
    query = sa.select(r.id, r.due_on, r.cost, r.remaining, r.is_down_payment)
    return Plan(
        id=row["id"],
        kind=PlanKind(row["kind"]),
        device_serial=row["device_serial"],
        rows=tuple(
            PlanRow(**each)
            for each in connection.execute(query.where(r.plan_id == row["id"])).mappings()
        ),
        price_per_day=row["price_per_day"],
        minimum_payment=row["minimum_payment"],
    )


def _write_rows(
    connection: Connection,
    stored: _StoredPlan,
    rows: Sequence[PlanRow],
    added: Sequence[ScheduledRow],
) -> None:
    """Make the plan's rows be these: those that are gone were never paid on."""
    before = {row.id: row for row in stored.plan.rows}
    r = t.plan_rows.c
    for row in rows:
        if row != before[row.id]:
            connection.execute(
                sa.update(t.plan_rows)
                .where(r.id == row.id)
                .values(cost=row.cost, remaining=row.remaining, due_on=row.due_on)
            )
    _remove_rows(connection, sorted(before.keys() - {row.id for row in rows}))
    if added:
        connection.execute(sa.insert(t.plan_rows), [_row(stored.row, row) for row in added])


def _remove_rows(connection: Connection, gone: Sequence[str]) -> None:
    """Delete rows; one whose payments were all reversed stays, empty, for its entries' sake."""
    if not gone:
        return
    r, e = t.plan_rows.c, t.entries.c
    query = sa.select(e.refers_to).where(e.refers_to.in_(gone))
    booked = set(connection.scalars(query))
    connection.execute(sa.delete(t.plan_rows).where(r.id.in_(sorted(set(gone) - booked))))
    connection.execute(
        sa.update(t.plan_rows).where(r.id.in_(sorted(booked))).values(cost=0, remaining=0)
    )


def _row(plan: RowMapping, row: ScheduledRow) -> dict[str, object]:
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


def _service_terms(stored: _StoredPlan, change: SaleChange, currency: str) -> dict[str, int]:
    given = {"price_per_day": change.price_per_day, "minimum_payment": change.minimum_payment}
    terms = {
        name: check_amount_given(amount, currency, name.replace("_", " "))
        for name, amount in given.items()
        if amount is not None
    }
    if terms and not stored.plan.is_energy_service:
        raise ServiceRefused(
            RefusalCode.TERMS_INVALID,
            "The sale has instalments; a price per day and a minimum belong to energy as a "
            "service.",
        )
    if terms.get("price_per_day") == 0:
        raise ServiceRefused(RefusalCode.TERMS_INVALID, "The price per day is 0; it must be more.")
    return terms


def _written(minor: int | None, currency: str) -> str | None:
    return None if minor is None else str(Money(minor, currency))
