"""Deleting a customer: nothing new is theirs, their devices are free, their ledger stays.

The row stays too, for the entries that name it. Nothing that is still going on may be cut off: open
sales are ended first, and payments that wait for a token get theirs. Credit and access rates that
are owed stay as they are in the ledger; because nobody will pay or use them any more, whoever
deletes says so.
"""

from __future__ import annotations

from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.orders.switch_rows import end_switches
from mpm_host.payments.customer_accounts import CustomerAccount, load_customers
from mpm_host.payments.ledger import account_changes
from mpm_host.payments.open_payments import refuse_open_payments_of_customer
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["DeletedCustomer", "delete_customer"]


@attrs.frozen(kw_only=True)
class DeletedCustomer:
    """What a deletion left, for the audit trail.

    Attributes:
        serials: of the devices that belong to nobody now.
        credit: minor units they had.
        owed: minor units of access rates they owed.
    """

    serials: tuple[str, ...]
    credit: int
    owed: int


def delete_customer(  # noqa: PLR0913 - who, where, when, and what may be left
    connection: Connection,
    directory: Directory,
    company: CompanyRecord,
    customer_id: str,
    now: datetime,
    *,
    keep_balance: bool,
) -> DeletedCustomer | None:
    """Delete a customer in the caller's transaction; repeating it changes nothing.

    Args:
        connection: of the caller's transaction.
        directory: companies and instances.
        company: whose customer it is.
        customer_id: who.
        now: aware; access rates count until the company's date.
        keep_balance: leave credit and owed access rates in the ledger as they are.

    Returns:
        What was left; `None` if they were deleted before.

    Raises:
        ServiceRefused: `unknown_customer`, `plan_open`, `payment_open`, `balance_open`.
    """
    if _lock(connection, company, customer_id):
        return None
    account = load_customers(connection, directory, [customer_id], now, lock=True)[customer_id]
    _refuse_open_plans(account)
    refuse_open_payments_of_customer(connection, company, customer_id)
    left = DeletedCustomer(
        serials=tuple(sorted(account.devices)),
        credit=account.account.credit,
        owed=sum(debt.remaining for debt in account.account.access_debts),
    )
    if (left.credit or left.owed) and not keep_balance:
        raise _balance_open(left, account.account.currency)
    _write_passed_access_rates(connection, account)
    _release_devices(connection, company, customer_id, now)
    connection.execute(
        sa.update(t.customers).where(t.customers.c.id == customer_id).values(deleted_at=now)
    )
    return left


def _lock(connection: Connection, company: CompanyRecord, customer_id: str) -> bool:
    """Take the customer's row and tell whether they were deleted before."""
    c = t.customers.c
    query = sa.select(c.deleted_at).where(c.company_id == company.id, c.id == customer_id)
    row = connection.execute(query.with_for_update()).first()  # nobody refers to them meanwhile
    if row is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_CUSTOMER,
            f"The company has no customer with id {customer_id[:64]!r}.",
        )
    return row.deleted_at is not None


def _refuse_open_plans(account: CustomerAccount) -> None:
    for plan in account.account.plans:
        if not plan.is_settled:
            raise ServiceRefused(
                RefusalCode.PLAN_OPEN,
                f"The customer has sale {plan.id!r} that is not paid off; take it back first "
                "(DELETE /sales/{id}), or let it be paid.",
            )


def _balance_open(left: DeletedCustomer, currency: str) -> ServiceRefused:
    credit, owed = Money(left.credit, currency), Money(left.owed, currency)
    return ServiceRefused(
        RefusalCode.BALANCE_OPEN,
        f"The customer has a credit of {credit} {currency} and owes {owed} {currency} of access "
        "rates; to delete them all the same, and leave that in the ledger, say keep_balance=true.",
    )


def _write_passed_access_rates(connection: Connection, account: CustomerAccount) -> None:
    """Book what the meters' access rates came to until today: it is their last owner's."""
    changes = account_changes(
        account, account.account, account.company.id, account.account.currency
    )
    if changes.new_access_debts:
        connection.execute(sa.insert(t.access_debts), changes.new_access_debts)


def _release_devices(
    connection: Connection, company: CompanyRecord, customer_id: str, now: datetime
) -> None:
    """Let the devices belong to nobody; plans that are paid off are put aside with them."""
    d, p = t.devices.c, t.plans.c
    released = (
        sa.update(t.devices)
        .where(d.company_id == company.id, d.customer_id == customer_id)
        .values(customer_id=None, access_due_on=None)
        .returning(d.id)
    )
    end_switches(connection, connection.execute(released).scalars().all(), now)
    connection.execute(
        sa.update(t.plans)
        .where(p.company_id == company.id, p.customer_id == customer_id)
        .values(live=False)
    )
