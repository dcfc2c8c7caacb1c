"""Unlocking a device whose plan is settled by a change of the sale instead of by money.

The unlock is an order like every other, with attempts, a token and people who decide when it fails.
Orders belong to payments, so it gets one of its own: of channel `plan_change`, without an amount,
lines or entries, because no money moved. It is made when the last open row goes, and a settled plan
has none to lose again: so it is made once.
"""

from __future__ import annotations

import attrs
from sqlalchemy.engine import Connection

from mpm_core import Charge, ChargeKind, Money, PaymentStatus
from mpm_core.plans import Plan, PlanKind
from mpm_host.companies.audit_trail import Actor
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.identifiers import new_identifier
from mpm_host.orders.order_store import OrderPurpose
from mpm_host.payments.booking_allocation import can_unlock, order_row
from mpm_host.payments.booking_writes import BookingWrites
from mpm_host.payments.customer_accounts import CustomerAccount, OwnedDevice, load_customers
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.payments.payment_records import PaymentRecord

__all__ = ["Unlocker"]


@attrs.frozen(kw_only=True)
class Unlocker:
    """Unlocks what a change of a sale has paid off, in the transaction of the change.

    Attributes:
        directory: what manufacturers can do.
        by: who changes the sale, and when.
    """

    directory: Directory
    by: Actor

    def unlock_if_settled(
        self, connection: Connection, company: CompanyRecord, customer_id: str, before: Plan
    ) -> bool:
        """Queue the unlock of a device if its plan had open rows before and has none now.

        Args:
            connection: of the transaction, which has locked the customer.
            company: whose sale it is.
            customer_id: who pays the plan.
            before: the plan as it was before the change.

        Returns:
            Whether anything was queued; the workers should be woken then.
        """
        if before.is_settled or before.kind is PlanKind.APPLIANCE:
            return False
        accounts = load_customers(connection, self.directory, [customer_id], self.by.at, lock=True)
        owner = accounts[customer_id]
        after = next((plan for plan in owner.account.plans if plan.id == before.id), None)
        device = owner.devices.get(before.device_serial or "")
        if after is None or not after.is_settled or device is None:
            return False
        if not can_unlock(device, self.directory):
            return False
        self._queue(connection, company, owner, device, before)
        return True

    def _queue(
        self,
        connection: Connection,
        company: CompanyRecord,
        owner: CustomerAccount,
        device: OwnedDevice,
        plan: Plan,
    ) -> None:
        record = self._record(company, owner, device)
        unlock = Charge(kind=ChargeKind.UNLOCK, money=Money(0, record.currency))
        order = order_row(record, owner, device, unlock, self.by.at)
        writes = BookingWrites({})
        writes.add(record)
        writes.orders.append(
            order | {"purpose": OrderPurpose.UNLOCK.value, "calculation": {"plan": plan.id}}
        )
        writes.events.append(
            {
                "id": new_identifier(),
                "company_id": company.id,
                "payment_id": record.id,
                "kind": "plan_settled",
                "detail": f"Sale {plan.id} was changed, and nothing is owed on it any more.",
                "actor": self.by.name,
                "at": self.by.at,
            }
        )
        writes.execute(connection)

    def _record(
        self, company: CompanyRecord, owner: CustomerAccount, device: OwnedDevice
    ) -> PaymentRecord:
        return PaymentRecord(
            id=new_identifier(),
            company_id=company.id,
            instance_id=None,
            channel=PaymentChannel.PLAN_CHANGE,
            number=0,  # handed out when it is written
            status=PaymentStatus.TOKEN_PENDING,
            currency=company.company.currency,
            created_at=self.by.at,
            serial=device.serial,
            device_id=device.id,
            device_kind=device.kind,
            customer_id=owner.customer_id,
            accepted_at=self.by.at,
            booked_on=owner.today,
        )
