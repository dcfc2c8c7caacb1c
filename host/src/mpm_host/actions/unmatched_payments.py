"""Finding out whose an unmatched payment was: it is allocated as if it had just come."""

from __future__ import annotations

from mpm_core import PaymentStatus, ReasonCode
from mpm_host.actions.action_basics import Action, ActionOn
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.directory import Directory
from mpm_host.encryption import Vault
from mpm_host.payments.booking_allocation import AllocationBooking
from mpm_host.payments.booking_writes import BookingWrites
from mpm_host.payments.customer_accounts import CustomerAccount, load_accounts
from mpm_host.refusals import ServiceRefused

__all__ = ["match"]


def match(on: ActionOn, serial: str, directory: Directory, vault: Vault) -> bool:
    """Book an unmatched payment for a device: out of suspense, through the waterfall.

    The payment keeps the serial the telecom named, so that a repeat of its call is still the same.

    Returns:
        Whether anything was done; the same match again changes nothing.

    Raises:
        ServiceRefused: the payment is not unmatched, or the device is unknown or nobody's.
    """
    owner = _owner(on, serial, directory)
    device = owner.devices[serial]
    if on.payment.device_id == device.id and on.payment.status is not PaymentStatus.UNMATCHED:
        return False
    on.refuse_unless(
        PaymentStatus.UNMATCHED, ActionCode.PAYMENT_NOT_UNMATCHED, wanted="matched to a device"
    )
    before, record = on.payment.status, on.payment
    record.needs_person = record.disputed
    record.reason = record.message = ""
    accounts = {owner.customer_id: owner}
    writes = BookingWrites(accounts)
    booking = AllocationBooking(
        writes=writes, directory=directory, vault=vault, now=on.actor.at, from_suspense=True
    )
    accounts[owner.customer_id] = booking.book(record, owner, serial)
    writes.save(record)
    writes.execute(on.connection)
    after, record.status = record.status, before
    on.note(Action.MATCH, {"status": after.value, "serial": serial})
    return True


def _owner(on: ActionOn, serial: str, directory: Directory) -> CustomerAccount:
    key = (on.payment.company_id, serial)
    owners, accounts = load_accounts(on.connection, directory, [key], on.actor.at, lock=True)
    if key not in owners:
        raise ServiceRefused(
            ReasonCode.UNKNOWN_SERIAL, f"The company has no device {serial[:64]!r}."
        )
    owner = owners[key]
    if owner is None:
        raise ServiceRefused(
            ReasonCode.DEVICE_UNASSIGNED,
            f"Device {serial!r} belongs to nobody; give it to a customer first.",
        )
    return accounts[owner]
