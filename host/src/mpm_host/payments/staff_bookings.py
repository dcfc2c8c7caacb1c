"""Booking what the company's own people take, like a telecom's payment but for the money's source.

Nothing has moved when they ask, so everything that is wrong is refused before anything is written.
Lock order, as everywhere: payment → customer → device → order; the payment is new, so its customer
comes first here.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from sqlalchemy.engine import Connection

from mpm_core import Money, Objection, PaymentStatus, ReasonCode
from mpm_core.allocation import Allocation
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.directory import AmountRules, CompanyRecord, Directory
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.outbox.outbox import OutboxHook
from mpm_host.payments.amounts import check_amount
from mpm_host.payments.booking_allocation import AllocationBooking
from mpm_host.payments.booking_writes import BookingWrites
from mpm_host.payments.customer_accounts import CustomerAccount, OwnedDevice
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.refusals import ServiceRefused

__all__ = ["StaffBooking", "check_money", "manufacturer_objection", "refuse", "unknown_serial"]

_ANY_AMOUNT = AmountRules()  # cash has no telecom that limits it


@attrs.frozen(kw_only=True)
class StaffBooking:
    """One payment that somebody of the company takes, to be booked in the caller's transaction.

    Attributes:
        vault: encrypts the receipt.
        directory: what manufacturers sell.
        company: whose payment it is.
        channel: cash or ad hoc.
        by: who takes it, when, and why if they said so.
    """

    vault: Vault
    directory: Directory
    company: CompanyRecord
    channel: PaymentChannel
    by: Actor

    def book(  # noqa: PLR0913 - whose money for what, and what else is noted of it
        self,
        connection: Connection,
        owner: CustomerAccount,
        device: OwnedDevice | None,
        allocation: Allocation,
        money: Money,
        *,
        noted: Mapping[str, object],
    ) -> PaymentRecord:
        """Write the payment with everything that follows of it.

        Args:
            connection: of the transaction.
            owner: locked.
            device: what it is for; `None` for a plain appliance's plan.
            allocation: of the money, from this very account.
            money: what was taken.
            noted: more for the audit trail; JSON values.

        Raises:
            ServiceRefused: the allocation has an objection.
        """
        for objection in allocation.objections:
            raise refuse(objection)
        record = self._record(device, money)
        accounts = {owner.customer_id: owner}
        writes = BookingWrites(accounts)
        writes.add(record)
        booking = AllocationBooking(
            writes=writes, directory=self.directory, vault=self.vault, now=self.by.at
        )
        accounts[owner.customer_id] = booking.book_allocation(record, owner, device, allocation)
        writes.events.append(self._event(record))
        writes.note(OutboxHook.PAYMENT_ACCEPTED, record, self.by.at)
        writes.execute(connection)
        self._audit(connection, record, noted)
        return record

    def _record(self, device: OwnedDevice | None, money: Money) -> PaymentRecord:
        return PaymentRecord(
            id=new_identifier(),
            company_id=self.company.id,
            instance_id=None,
            channel=self.channel,
            number=0,  # handed out when it is written
            status=PaymentStatus.SETTLED,
            currency=money.currency,
            created_at=self.by.at,
            serial=device.serial if device else None,
            amount=money.minor,
            accepted_at=self.by.at,
            booked_on=self.company.today(self.by.at),
        )

    def _event(self, record: PaymentRecord) -> dict[str, object]:
        return {
            "id": new_identifier(),
            "company_id": record.company_id,
            "payment_id": record.id,
            "kind": "taken",
            "detail": self.by.reason,
            "actor": self.by.name,
            "at": self.by.at,
        }

    def _audit(
        self, connection: Connection, record: PaymentRecord, noted: Mapping[str, object]
    ) -> None:
        write_audit(
            connection,
            self.by,
            company_id=record.company_id,
            action=f"payment.{self.channel.value}",
            subject=record.id,
            before={},
            after={"amount": str(record.money), "serial": record.serial, **noted},
        )


def refuse(objection: Objection) -> ServiceRefused:
    """Return the refusal an objection becomes while nothing has moved."""
    return ServiceRefused(objection.code, objection.message)


def check_money(money: Money, company: CompanyRecord) -> None:
    """Refuse an amount nobody can hand over.

    Raises:
        ServiceRefused: `amount_invalid`.
    """
    if money.currency != company.company.currency:
        raise ServiceRefused(
            ReasonCode.AMOUNT_INVALID,
            f"The amount is in {money.currency}, but the company's currency is "
            f"{company.company.currency}.",
        )
    objection = check_amount(money, _ANY_AMOUNT)
    if objection is not None:
        raise refuse(objection)


def unknown_serial(serial: str) -> ServiceRefused:
    """Return the refusal of a serial that the company has no device of."""
    return ServiceRefused(
        ReasonCode.UNKNOWN_SERIAL, f"The company has no device {serial[:64]!r}; register it first."
    )


def manufacturer_objection(device: OwnedDevice, directory: Directory) -> Objection | None:
    """Refuse what nobody could deliver; a vendor that is merely down refuses nothing."""
    manufacturer = directory.instances[device.instance_id]
    if manufacturer.takes_new_work:
        return None
    return Objection(
        code=ReasonCode.PLUGIN_NOT_ENABLED,
        message=f"The manufacturer's plugin {manufacturer.name} is not enabled; enable it first.",
    )
