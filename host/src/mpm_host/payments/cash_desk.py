"""The cash desk: money that somebody of the company takes by hand.

For a device it does what a telecom's payment of the same amount would; a plan may also be paid by
its sale, such as that of a television without a serial. Whatever validation would refuse is refused
here, because nothing has moved yet.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money, ReasonCode
from mpm_core.allocation import allocate
from mpm_core.allocation.plan_payments import allocate_to_plan
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.encryption import Vault
from mpm_host.payments.customer_accounts import (
    AccountMovedError,
    CustomerAccount,
    OwnedDevice,
    load_accounts,
    load_customers,
)
from mpm_host.payments.device_objections import mapping_objection
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.payments.staff_bookings import (
    StaffBooking,
    check_money,
    manufacturer_objection,
    refuse,
    unknown_serial,
)
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_serial

__all__ = ["CashDesk", "CashPayment"]


@attrs.frozen(kw_only=True)
class CashPayment:
    """What is paid: for a device by its serial, or for one plan by its sale.

    Exactly one of `serial` and `sale_id` is given.
    """

    amount: Money
    serial: str | None = None
    sale_id: str | None = None


@attrs.frozen(kw_only=True)
class CashDesk:
    """Takes cash, in the caller's transaction.

    The caller may do more in the same transaction, such as writing what an agent now holds: lock
    that first, for the customer is locked here. After the commit workers should be woken. Two calls
    are two payments; whoever may be asked twice keeps the answer (see `web.api.idempotency`).

    Attributes:
        vault: encrypts receipts.
        directory: returns companies and instances as they are now.
    """

    vault: Vault
    directory: Callable[[], Directory]

    def take(
        self, connection: Connection, company: CompanyRecord, cash: CashPayment, by: Actor
    ) -> PaymentRecord:
        """Book one payment and return it.

        Args:
            connection: of a transaction that may write.
            company: whose payment it is.
            cash: how much, and what for.
            by: who takes it, and when.

        Raises:
            ServiceRefused: nothing was written: device, sale or amount cannot be paid like that.
            PlanChangeRefused: the same, by the rules of a plan.
            AccountMovedError: the device changed its owner meanwhile; try again.
        """
        if (cash.serial is None) is (cash.sale_id is None):
            raise ServiceRefused(
                RefusalCode.PAYMENT_TARGET_INVALID, "Give either a serial or a sale_id."
            )
        taking = _Taking(
            connection=connection,
            directory=self.directory(),
            company=company,
            cash=cash,
            booking=StaffBooking(
                vault=self.vault,
                directory=self.directory(),
                company=company,
                channel=PaymentChannel.CASH,
                by=by,
            ),
        )
        if cash.sale_id is not None:
            return taking.for_sale(cash.sale_id)
        return taking.for_device()


@attrs.frozen(kw_only=True)
class _Taking:
    connection: Connection
    directory: Directory
    company: CompanyRecord
    cash: CashPayment
    booking: StaffBooking

    # --- for a device -----------------------------------------------------------------------------

    def for_device(self) -> PaymentRecord:
        serial = read_serial(self.cash.serial or "")
        owner = self._owner(serial)
        device = owner.devices[serial]
        check_money(self.cash.amount, self.company)
        self._require_manufacturer(device)
        allocation = allocate(
            self.cash.amount.minor,
            owner.account,
            owner.target(serial, self.directory),
            owner.today,
            owner.options,
        )
        return self.booking.book(
            self.connection, owner, device, allocation, self.cash.amount, noted={}
        )

    def _owner(self, serial: str) -> CustomerAccount:
        key = (self.company.id, serial)
        owners, accounts = load_accounts(
            self.connection, self.directory, [key], self.booking.by.at, lock=True
        )
        if key not in owners:
            raise unknown_serial(serial)
        owner = owners[key]
        if owner is None:
            raise ServiceRefused(
                ReasonCode.DEVICE_UNASSIGNED,
                f"Device {serial!r} belongs to nobody; give it to a customer first.",
            )
        return accounts[owner]

    def _require_manufacturer(self, device: OwnedDevice) -> None:
        objection = manufacturer_objection(device, self.directory) or mapping_objection(
            self.company, device
        )
        if objection is not None:
            raise refuse(objection)

    # --- for a sale -------------------------------------------------------------------------------

    def for_sale(self, sale_id: str) -> PaymentRecord:
        owner = self._buyer(sale_id)
        check_money(self.cash.amount, self.company)
        device = self._sold_device(owner, sale_id)
        if device is not None:
            self._require_manufacturer(device)
        allocation = allocate_to_plan(
            self.cash.amount.minor,
            owner.account,
            sale_id,
            owner.target(device.serial, self.directory) if device else None,
            owner.today,
            owner.options,
        )
        return self.booking.book(
            self.connection,
            owner,
            device,
            allocation,
            self.cash.amount,
            noted={"sale_id": sale_id},
        )

    def _buyer(self, sale_id: str) -> CustomerAccount:
        """Lock the customer who pays a sale, and make sure that it can be paid."""
        row = self._sale(sale_id)
        if row is None:
            raise ServiceRefused(
                RefusalCode.UNKNOWN_SALE, f"The company has no sale with id {sale_id[:64]!r}."
            )
        accounts = load_customers(
            self.connection, self.directory, [row.customer_id], self.booking.by.at, lock=True
        )
        owner = accounts[row.customer_id]
        if all(plan.id != sale_id for plan in owner.account.plans):
            raise self._not_live(sale_id)
        return owner

    def _sale(self, sale_id: str) -> sa.Row[str, object] | None:
        p = t.plans.c
        query = sa.select(p.customer_id, p.deleted_at).where(
            p.id == sale_id, p.company_id == self.company.id
        )
        return self.connection.execute(query).first()

    def _not_live(self, sale_id: str) -> ServiceRefused:
        row = self._sale(sale_id)
        if row is not None and row.deleted_at is not None:
            return ServiceRefused(
                RefusalCode.SALE_DELETED,
                f"Sale {sale_id!r} was taken back; nothing can be paid on it.",
            )
        return ServiceRefused(
            ReasonCode.PLAN_ALREADY_SETTLED,
            f"Sale {sale_id!r} is paid off and was put aside; nothing can be paid on it.",
        )

    def _sold_device(self, owner: CustomerAccount, sale_id: str) -> OwnedDevice | None:
        plan = next(plan for plan in owner.account.plans if plan.id == sale_id)
        if plan.device_serial is None:
            return None
        if plan.device_serial not in owner.devices:
            raise AccountMovedError(owner.customer_id)
        return owner.devices[plan.device_serial]
