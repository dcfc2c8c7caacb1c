"""Booking money whose customer is known: lines, debts, orders and the receipt.

The rules are `mpm_core.allocation`'s; this turns their answer into rows. Used when a payment is
accepted, and when a person finds out whose an unmatched one was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import attrs

from mpm_core import Charge, ChargeKind, Money, PaymentStatus
from mpm_core.allocation import Allocation, allocate
from mpm_core.plans import PlanKind
from mpm_host.directory import Directory
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.messages.texts import receipt_text
from mpm_host.orders.order_store import OrderPurpose
from mpm_host.outbox.outbox import OutboxHook
from mpm_host.payments.booking_writes import BookingWrites
from mpm_host.payments.customer_accounts import CustomerAccount, OwnedDevice
from mpm_host.payments.ledger import journal
from mpm_host.payments.payment_records import PaymentRecord

__all__ = ["AllocationBooking", "can_unlock", "order_row"]


@attrs.frozen(kw_only=True)
class AllocationBooking:
    """Books payments on accounts, into rows to be written.

    Attributes:
        writes: collects the rows.
        directory: what manufacturers sell.
        vault: encrypts messages.
        now: when.
        from_suspense: the money was booked before, as nobody's.
    """

    writes: BookingWrites
    directory: Directory
    vault: Vault
    now: datetime
    from_suspense: bool = False

    def book(
        self, record: PaymentRecord, owner: CustomerAccount, serial: str | None = None
    ) -> CustomerAccount:
        """Book a payment for a device and return its owner's account as it is afterwards.

        Args:
            record: is completed.
            owner: locked.
            serial: of one of the owner's devices, if it is not the one the payment names.
        """
        device = owner.devices[serial or record.serial or ""]
        allocation = allocate(
            record.amount or 0,
            owner.account,
            owner.target(device.serial, self.directory),
            owner.today,
            owner.options,
        )
        return self.book_allocation(record, owner, device, allocation)

    def book_allocation(
        self,
        record: PaymentRecord,
        owner: CustomerAccount,
        device: OwnedDevice | None,
        allocation: Allocation,
    ) -> CustomerAccount:
        """Book what the rules made of a payment and return the account as it is afterwards.

        Args:
            record: is completed.
            owner: locked.
            device: what the payment is for; `None` for a plain appliance's plan.
            allocation: of the payment, from this very account.
        """
        afterwards = attrs.evolve(owner, account=allocation.account)
        record.customer_id = owner.customer_id
        record.device_id = device.id if device else None
        record.device_kind = device.kind if device else None
        if allocation.objections:
            record.reason = allocation.objections[0].code
            record.message = allocation.objections[0].message
        self.writes.entries += journal(
            record,
            allocation.lines,
            customer_id=owner.customer_id,
            at=self.now,
            from_suspense=self.from_suspense,
        )
        self._order(record, afterwards, device, allocation)
        return afterwards

    def _order(
        self,
        record: PaymentRecord,
        owner: CustomerAccount,
        device: OwnedDevice | None,
        allocation: Allocation,
    ) -> None:
        """Queue what the payment bought, and unlock whatever else it paid off."""
        orders = []
        if allocation.charge is not None and device is not None:
            sale = order_row(record, owner, device, allocation.charge, self.now)
            orders.append({**sale, "calculation": dict(allocation.calculation)})
        unlock = Charge(kind=ChargeKind.UNLOCK, money=Money(0, record.currency))
        for other in self._paid_off(owner, device, allocation):
            order = order_row(record, owner, other, unlock, self.now)
            orders.append({**order, "purpose": OrderPurpose.UNLOCK.value})
        self.writes.orders += orders
        record.status = PaymentStatus.TOKEN_PENDING if orders else PaymentStatus.SETTLED
        record.settled_at = None if orders else self.now
        if not orders:
            self.writes.note(OutboxHook.PAYMENT_SETTLED, record, self.now)
        if allocation.charge is None:
            self._tell_receipt(record, owner, allocation)

    def _paid_off(
        self, owner: CustomerAccount, addressed: OwnedDevice | None, allocation: Allocation
    ) -> Iterator[OwnedDevice]:
        """Find the devices besides the addressed one whose plans the payment's debts settled."""
        for plan in owner.account.plans:
            other = owner.devices.get(plan.device_serial or "")
            if (
                plan.id in allocation.settled_plans
                and plan.kind is not PlanKind.APPLIANCE
                and other is not None
                and other != addressed
                and can_unlock(other, self.directory)
            ):
                yield other

    def _tell_receipt(
        self, record: PaymentRecord, owner: CustomerAccount, allocation: Allocation
    ) -> None:
        account = owner.account
        due = sum(
            row.remaining
            for plan in account.plans
            for row in plan.rows
            if row.is_outstanding(owner.today)
        ) + sum(debt.remaining for debt in account.access_debts if debt.is_payable(owner.today))
        text = receipt_text(
            Money(record.amount or 0, record.currency),
            allocation.lines,
            credit=Money(max(0, account.credit), record.currency),
            debt=Money(due, record.currency),
        )
        self.writes.messages.append(
            {
                "id": new_identifier(),
                "company_id": record.company_id,
                "payment_id": record.id,
                "key": f"{record.id}:receipt",
                "phone": record.payer or owner.phone,
                "body": self.vault.seal(text),
                "next_at": self.now,
                "created_at": self.now,
            }
        )


def can_unlock(device: OwnedDevice, directory: Directory) -> bool:
    """Tell whether a device's manufacturer can hand it over for good."""
    facts = directory.instances[device.instance_id].facts
    return facts is not None and ChargeKind.UNLOCK in facts.operations


def order_row(
    record: PaymentRecord,
    owner: CustomerAccount,
    device: OwnedDevice,
    charge: Charge,
    now: datetime,
) -> dict[str, object]:
    """Return the row of a new order for a payment, of its owner's device."""
    return {
        "id": new_identifier(),
        "company_id": record.company_id,
        "payment_id": record.id,
        "customer_id": owner.customer_id,
        "device_id": device.id,
        "instance_id": device.instance_id,
        "kind": charge.kind.value,
        "money": charge.money.minor,
        "currency": charge.money.currency,
        "quantity": charge.quantity,
        "unit": charge.unit.value if charge.unit else None,
        "unit_price": str(charge.unit_price) if charge.unit_price is not None else None,
        "calculation": {},
        "next_at": now,
        "created_at": now,
    }
