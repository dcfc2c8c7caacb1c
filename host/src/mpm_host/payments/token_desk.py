"""The token desk: ad-hoc tokens, which staff give to a device past all debts of its owner.

Each is a payment of its own channel: the money it is worth counts as received in cash, so that the
ledger balances and exports tell it from what customers paid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
from sqlalchemy.engine import Connection

from mpm_core import ChargeKind, Objection, ReasonCode
from mpm_core.allocation import Allocation, apply_lines
from mpm_core.allocation.ad_hoc import AdHocRefused, AdHocSale, sell_ad_hoc
from mpm_core.allocation.ad_hoc_units import AdHocUnit, objection_to_unit
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.companies.audit_trail import Actor
from mpm_host.directory import CompanyRecord, Directory
from mpm_host.encryption import Vault
from mpm_host.payments.customer_accounts import CustomerAccount, OwnedDevice, load_accounts
from mpm_host.payments.device_objections import mapping_objection
from mpm_host.payments.payment_channels import PaymentChannel
from mpm_host.payments.payment_records import PaymentRecord
from mpm_host.payments.staff_bookings import (
    StaffBooking,
    manufacturer_objection,
    refuse,
    unknown_serial,
)
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.inputs import read_serial

__all__ = ["AdHocToken", "TokenDesk"]


@attrs.frozen(kw_only=True)
class AdHocToken:
    """What is to be given.

    Attributes:
        amount: a plain decimal, in the unit.
    """

    serial: str
    amount: str
    unit: AdHocUnit


@attrs.frozen(kw_only=True)
class TokenDesk:
    """Gives ad-hoc tokens, in the caller's transaction; workers should be woken after the commit.

    Two calls are two tokens; whoever may be asked twice keeps the answer.

    Attributes:
        vault: encrypts messages.
        directory: returns companies and instances as they are now.
    """

    vault: Vault
    directory: Callable[[], Directory]

    def objections(
        self, connection: Connection, company: CompanyRecord, serial: str, by: Actor
    ) -> Mapping[AdHocUnit, Objection | None]:
        """Return why no token can be asked for, by unit; `None` where one can. Locks nothing.

        Raises:
            ServiceRefused: `unknown_serial`.
        """
        addressed = _Addressed.find(
            connection, self.directory(), company, read_serial(serial), by, lock=False
        )
        return {unit: addressed.objection(unit) for unit in AdHocUnit}

    def give(
        self, connection: Connection, company: CompanyRecord, token: AdHocToken, by: Actor
    ) -> PaymentRecord:
        """Book a token and return its payment; the order worker gets the codes.

        Args:
            connection: of a transaction that may write.
            company: whose device it is.
            token: how much, and for which device.
            by: who gives it, when and why.

        Raises:
            ServiceRefused: nothing was written: no reason, an unknown device, a unit that
                `objections` objects to, or an amount that makes no token.
            AccountMovedError: the device changed its owner meanwhile; try again.
        """
        if not by.reason.strip():
            raise ServiceRefused(
                ActionCode.REASON_REQUIRED, "Say why; it is kept with the payment for ever."
            )
        directory, serial = self.directory(), read_serial(token.serial)
        addressed = _Addressed.find(connection, directory, company, serial, by, lock=True)
        owner, device = addressed.require(token.unit)
        sold = _sell(token, owner, serial, directory)
        booking = StaffBooking(
            vault=self.vault,
            directory=directory,
            company=company,
            channel=PaymentChannel.AD_HOC,
            by=by,
        )
        noted = {"asked": f"{token.amount} {token.unit.value}"}
        allocation = _allocation(owner, sold)
        return booking.book(connection, owner, device, allocation, sold.money, noted=noted)


@attrs.frozen(kw_only=True)
class _Addressed:
    """The device a token is for, with its owner if it has one."""

    serial: str
    directory: Directory
    owner: CustomerAccount | None

    @classmethod
    def find(  # noqa: PLR0913 - which device of whom, as it is when
        cls,
        connection: Connection,
        directory: Directory,
        company: CompanyRecord,
        serial: str,
        by: Actor,
        *,
        lock: bool,
    ) -> _Addressed:
        key = (company.id, serial)
        owners, accounts = load_accounts(connection, directory, [key], by.at, lock=lock)
        if key not in owners:
            raise unknown_serial(serial)
        owner = owners[key]
        return cls(
            serial=serial, directory=directory, owner=None if owner is None else accounts[owner]
        )

    def objection(self, unit: AdHocUnit) -> Objection | None:
        if self.owner is None:
            return Objection(
                code=ReasonCode.DEVICE_UNASSIGNED,
                message=f"Device {self.serial!r} belongs to nobody; give it to a customer first.",
            )
        device = self.owner.devices[self.serial]
        target = self.owner.target(self.serial, self.directory)
        sells = _sells(device, self.directory)
        return (
            manufacturer_objection(device, self.directory)
            or mapping_objection(self.owner.company, device)
            or objection_to_unit(unit, self.owner.account, target, sells)
        )

    def require(self, unit: AdHocUnit) -> tuple[CustomerAccount, OwnedDevice]:
        objection = self.objection(unit)
        if objection is not None or self.owner is None:
            raise refuse(objection) if objection else unknown_serial(self.serial)
        return self.owner, self.owner.devices[self.serial]


def _sells(device: OwnedDevice, directory: Directory) -> frozenset[ChargeKind]:
    facts = directory.instances[device.instance_id].facts
    return frozenset(facts.operations) if facts else frozenset()


def _sell(
    token: AdHocToken, owner: CustomerAccount, serial: str, directory: Directory
) -> AdHocSale:
    target = owner.target(serial, directory)
    sells = _sells(owner.devices[serial], directory)
    try:
        return sell_ad_hoc(token.amount, token.unit, owner.account, target, sells)
    except AdHocRefused as refused:
        raise ServiceRefused(refused.code, str(refused)) from None


def _allocation(owner: CustomerAccount, sold: AdHocSale) -> Allocation:
    """Return what is booked: the sale alone, past every debt."""
    return Allocation(
        lines=sold.sale.lines,
        charge=sold.sale.charge,
        objections=(),
        account=apply_lines(owner.account, sold.sale.lines),
        calculation=sold.sale.calculation,
    )
