"""Booking: what one transaction does with the commands that wait together.

Read the payments the calls point at, lock the customers, run the money rules on copies, write
everything with one statement per table. Called by the group-commit writer, maybe several times with
the same commands; what an earlier try has committed is found again by the payment's keys.

Lock order, here and everywhere: payment → customer → device → order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from sqlalchemy.engine import Connection

from mpm_core import (
    Decision,
    Money,
    Objection,
    PaymentStatus,
    ProcessRequest,
    ReasonCode,
)
from mpm_host.clock import Clock
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.directory import Directory, InstanceRecord
from mpm_host.encryption import Vault
from mpm_host.identifiers import new_identifier
from mpm_host.outbox.outbox import OutboxHook
from mpm_host.payments.amounts import check_amount
from mpm_host.payments.booking_allocation import AllocationBooking
from mpm_host.payments.booking_commands import Accept, Command, Deny, Intend, Outcome, TakeBack
from mpm_host.payments.booking_outcomes import accepted, unknown_reference, validation_outcome
from mpm_host.payments.booking_writes import BookingWrites
from mpm_host.payments.conflicts import Conflicts, contradictions, difference
from mpm_host.payments.customer_accounts import CustomerAccount, DeviceKey, load_accounts
from mpm_host.payments.device_objections import mapping_objection
from mpm_host.payments.ledger import journal, suspense
from mpm_host.payments.payment_records import PaymentKeys, PaymentRecord, find_payments
from mpm_host.payments.sale_payments import (
    BUYER_DELETED,
    SALE_DELETED,
    allocate_for_sale,
    read_paid_sales,
)

__all__ = ["Accept", "Book", "Command", "Deny", "Intend", "Outcome", "TakeBack"]


class Book:
    """The writer's work: `book(connection, commands)` returns one outcome per command."""

    def __init__(self, *, vault: Vault, clock: Clock, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._vault = vault
        self._clock = clock

    def __call__(self, connection: Connection, commands: Sequence[Command]) -> Sequence[Outcome]:
        """Book a batch inside the caller's transaction."""
        batch = _Batch(connection, commands, self._directory(), self._vault, self._clock)
        outcomes = [batch.handle(command) for command in commands]
        batch.writes.execute(connection)
        crash_point(CrashPoint.BOOKING_WRITTEN)
        return outcomes


class _Batch:
    """One batch: payments, accounts and writes shared by its commands, in order of arrival."""

    def __init__(
        self,
        connection: Connection,
        commands: Sequence[Command],
        directory: Directory,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._vault = vault
        self._now = clock()
        self._payments = find_payments(connection, [c.keys for c in commands], lock=True)
        sales = read_paid_sales(connection, self._plan_ids(commands))
        self._owners, accounts = load_accounts(
            connection,
            directory,
            self._addressed(commands),
            self._now,
            lock=True,
            buyers=[sale.customer_id for sale in sales.values()],
        )
        # Once more: only under the customers' locks does nobody take a sale back.
        self._sales = read_paid_sales(connection, sales)
        self._accounts = dict(accounts)  # each payment meets what the one before it left
        self.writes = BookingWrites(self._accounts)
        self._conflicts = Conflicts(connection=connection, writes=self.writes, now=self._now)

    def _addressed(self, commands: Sequence[Command]) -> Sequence[DeviceKey]:
        """Return the devices that payments of the batch may be for."""
        keys, needs_validations = [], False
        for command in commands:
            if isinstance(command, Accept):
                record = self._payments.find(command.keys)
                serial = command.request.serial or (record.serial if record else None)
                is_for_sale = record is not None and record.plan_id is not None
                needs_validations |= serial is None
                if serial is not None and not is_for_sale:
                    keys.append((command.instance.company_id, serial))
        if needs_validations:  # one may wait beside its payment, and is no row yet
            keys += [
                (command.instance.company_id, command.request.serial)
                for command in commands
                if isinstance(command, Intend)
            ]
        return keys

    def _plan_ids(self, commands: Sequence[Command]) -> set[str]:
        """Return the sales that payments of the batch are for; hardly any batch has one."""
        found = (self._payments.find(each.keys) for each in commands if isinstance(each, Accept))
        return {record.plan_id for record in found if record and record.plan_id is not None}

    def handle(self, command: Command) -> Outcome:
        """Decide one command on the payment as the ones before it left it."""
        match command:
            case Intend():
                return self._intend(command)
            case Accept():
                return self._accept(command)
            case Deny() | TakeBack():
                return self._deny(command)

    # --- validations ---------------------------------------------------------

    def _intend(self, command: Intend) -> Outcome:
        record = self._payments.find(command.keys)
        request = command.request
        if record is None:
            return validation_outcome(self._store_intent(command))
        if record.status is PaymentStatus.DENIED:
            return self._conflict(record, "validated after a final no")
        if other := difference(record, request):
            return self._conflict(record, f"validated again with another {other}")
        return validation_outcome(record)

    def _store_intent(self, command: Intend) -> PaymentRecord:
        request, objection = command.request, command.objection
        record = self._new_payment(command.instance, command.keys)
        record.status = PaymentStatus.REJECTED if objection else PaymentStatus.VALIDATED
        record.reason = objection.code if objection else ""
        record.message = objection.message if objection else ""
        record.device_kind = command.device_kind
        record.validated_at = self._now
        record.details = dict(request.details)
        record.serial = request.serial
        if command.sale is not None:
            record.plan_id, record.serial = command.sale.plan_id, command.sale.serial
        record.amount = request.amount.minor if request.amount.minor > 0 else None
        record.payer = request.payer.e164 if request.payer else None
        return record

    # --- money that has moved ------------------------------------------------

    def _accept(self, command: Accept) -> Outcome:
        by_reference = self._payments.by_reference(command.keys)
        linked = self._payments.by_link(command.keys)
        record = by_reference or linked
        if by_reference is not None and _points_elsewhere(command.request, by_reference, linked):
            what = "paid again for another validation"
            return self._conflict(by_reference, what, command.request.receipt)
        if record is None:
            return self._accept_new(command)
        if record.reference not in {None, command.request.reference}:
            reference = command.request.reference
            what = f"paid again under another reference: {reference!r}"
            return self._conflict(record, what, command.request.receipt)
        return self._accept_known(command, record)

    def _accept_new(self, command: Accept) -> Outcome:
        request = command.request
        if request.serial is None or request.amount is None:
            return unknown_reference()
        if request.amount.minor <= 0:
            return _no_money(request.amount)
        record = self._new_payment(command.instance, command.keys)
        return self._book(command, record, was_validated=False)

    def _accept_known(self, command: Accept, record: PaymentRecord) -> Outcome:
        request = command.request
        if against := contradictions(record, request):
            return self._accept_contradicted(command, record, against)
        if record.accepted_at is not None:
            self._report(command, record)  # who tells us again may have missed our report
            return accepted(record)
        if request.amount is not None and request.amount.minor <= 0:
            return _no_money(request.amount)
        if record.plan_id is not None:
            return self._book_for_sale(command, record, record.plan_id)
        if _says_too_little(record, request):
            return unknown_reference()
        was_validated = record.status is PaymentStatus.VALIDATED
        return self._book(command, record, was_validated=was_validated)

    def _accept_contradicted(
        self, command: Accept, record: PaymentRecord, against: Sequence[Objection]
    ) -> Outcome:
        """Refuse what the row speaks against; what cannot be refused is money, though nobody's."""
        receipt = command.request.receipt
        if command.can_be_refused or not _is_money(record, command.request):
            return self._conflict(record, against[0].message, receipt)
        for each in against:
            self._conflicts.note(record, each.message, receipt)
        if record.accepted_at is not None:
            return self._dispute(record)
        self._take_over(command, record)
        what = f"It was {against[0].message}; match it to a device, or reverse it."
        return self._book_unmatched(record, _objection(against[0].code, what))

    def _dispute(self, record: PaymentRecord) -> Outcome:
        """Have a person look at a payment that is booked, but not as its telecom says."""
        if record.status is not PaymentStatus.REVERSED:
            record.disputed = record.needs_person = True
            self.writes.save(record)
        return accepted(record)

    def _book(self, command: Accept, record: PaymentRecord, *, was_validated: bool) -> Outcome:
        self._take_over(command, record)
        owner, objection = self._owner(command, record, was_validated=was_validated)
        if owner is None:
            return self._book_unmatched(record, objection)
        return self._book_allocated(record, owner)

    def _book_for_sale(self, command: Accept, record: PaymentRecord, plan_id: str) -> Outcome:
        """Book money for one sale, whatever has become of the sale meanwhile."""
        self._take_over(command, record)
        sale = self._sales[plan_id]
        if sale.is_deleted:
            objection = _objection(SALE_DELETED, f"Sale {plan_id} was taken back meanwhile.")
            return self._book_unmatched(record, objection)
        if sale.is_buyer_deleted:
            what = f"The buyer of sale {plan_id} was deleted meanwhile."
            return self._book_unmatched(record, _objection(BUYER_DELETED, what))
        owner = self._accounts[sale.customer_id]
        device = owner.devices.get(record.serial or "")
        if record.serial is not None and device is None:
            what = f"Device {record.serial!r} is not the buyer's any more."
            return self._book_unmatched(record, _objection(ReasonCode.DEVICE_UNASSIGNED, what))
        allocation = allocate_for_sale(record, plan_id, owner, device, self._directory)
        booking = self._allocation_booking()
        self._accounts[owner.customer_id] = booking.book_allocation(
            record, owner, device, allocation
        )
        return accepted(record, has_work=True)

    def _take_over(self, command: Accept, record: PaymentRecord) -> None:
        """Complete the row from the call; what it does not say stays as validated."""
        request = command.request
        record.reference = request.reference
        if record.plan_id is None:
            record.serial = request.serial or record.serial
        record.amount = request.amount.minor if request.amount else record.amount
        record.payer = request.payer.e164 if request.payer else record.payer
        record.receipt = request.receipt or record.receipt
        record.details = {**record.details, **request.details}
        record.reason = record.message = ""
        record.needs_person = record.disputed  # a push that was given up came after all
        record.accepted_at = self._now
        record.booked_on = self._directory.companies[record.company_id].today(self._now)
        if command.reply is not None:
            record.keep_reply(command.reply)
        self._payments.add(record)
        self.writes.save(record)
        self.writes.note(OutboxHook.PAYMENT_ACCEPTED, record, self._now)
        self._report(command, record)

    def _report(self, command: Accept, record: PaymentRecord) -> None:
        """Have the telecom told what we decided, if its protocol wants that."""
        if command.reply is not None:
            instance_id = command.instance.id
            self.writes.note(OutboxHook.REPORT_PAYMENT, record, self._now, only=instance_id)

    def _owner(
        self, command: Accept, record: PaymentRecord, *, was_validated: bool
    ) -> tuple[CustomerAccount | None, Objection | None]:
        """Find whose account the money belongs to, or why nobody can tell."""
        key = (record.company_id, record.serial or "")
        if key not in self._owners:
            return None, _objection(ReasonCode.UNKNOWN_SERIAL, f"No device {record.serial!r}.")
        owner = self._owners[key]
        if owner is None:
            return None, _objection(
                ReasonCode.DEVICE_UNASSIGNED, f"Device {record.serial!r} belongs to nobody."
            )
        money = Money(record.amount or 0, record.currency)
        account = self._accounts[owner]
        objection = check_amount(money, command.instance.amount_rules) or mapping_objection(
            account.company, account.devices[record.serial or ""]
        )
        if objection is not None and not was_validated:
            return None, objection
        return account, None

    def _book_unmatched(self, record: PaymentRecord, objection: Objection | None) -> Outcome:
        record.status = PaymentStatus.UNMATCHED
        record.needs_person = True
        record.reason = objection.code if objection else ""
        record.message = objection.message if objection else ""
        self.writes.entries += journal(record, suspense(record), customer_id=None, at=self._now)
        return accepted(record)

    def _book_allocated(self, record: PaymentRecord, owner: CustomerAccount) -> Outcome:
        self._accounts[owner.customer_id] = self._allocation_booking().book(record, owner)
        return accepted(record, has_work=True)

    def _allocation_booking(self) -> AllocationBooking:
        return AllocationBooking(
            writes=self.writes, directory=self._directory, vault=self._vault, now=self._now
        )

    # --- final noes ----------------------------------------------------------

    def _deny(self, command: Deny | TakeBack) -> Outcome:
        keys = command.keys
        record = self._payments.asked_about(keys)
        if record is None:
            if self._payments.by_link(keys) is not None:
                keys = attrs.evolve(keys, intent=None)  # of another payment
            record = self._new_payment(command.instance, keys)
        if record.status.is_booked:
            return Outcome(decision=Decision.FOUND, payment=record)
        if record.status is not PaymentStatus.REVERSED:
            record.status = PaymentStatus.DENIED
            record.reference = record.reference or keys.reference  # what may be paid later
            self._payments.add(record)
            self.writes.save(record)
        return Outcome(decision=Decision.NOT_FOUND, payment=record)

    # --- shared --------------------------------------------------------------

    def _new_payment(self, instance: InstanceRecord, keys: PaymentKeys) -> PaymentRecord:
        record = PaymentRecord(
            id=new_identifier(),
            company_id=instance.company_id,
            instance_id=instance.id,
            number=0,  # handed out when the batch is written
            status=PaymentStatus.VALIDATED,
            currency=self._directory.companies[instance.company_id].company.currency,
            created_at=self._now,
            reference=keys.reference,
            intent=keys.intent,
        )
        self._payments.add(record)
        self.writes.add(record)
        return record

    def _conflict(self, record: PaymentRecord, what: str, receipt: str | None = None) -> Outcome:
        self._conflicts.note(record, what, receipt)
        return Outcome(
            decision=Decision.CONFLICT,
            reason=ReasonCode.DUPLICATE_REFERENCE,
            message="This reference is known with other content; nothing was booked.",
            payment=record,
        )


def _points_elsewhere(
    request: ProcessRequest, record: PaymentRecord, linked: PaymentRecord | None
) -> bool:
    """Tell whether a call with a payment's reference is about another payment, or about none.

    A call that says everything itself needs no link: its first one was booked by what it says, so
    each repeat is judged by that.
    """
    if linked is not None:
        return linked is not record
    points_back = request.number is not None or request.intent is not None
    return points_back and (request.serial is None or request.amount is None)


def _says_too_little(record: PaymentRecord, request: ProcessRequest) -> bool:
    """Tell whether neither the validation nor the call says what is paid, or how much."""
    serial, amount = record.serial or request.serial, record.amount or request.amount
    return serial is None or amount is None


def _is_money(record: PaymentRecord, request: ProcessRequest) -> bool:
    """Tell whether what was paid can be booked: more than nothing, in the company's currency."""
    paid = record.money if request.amount is None else request.amount
    return paid is not None and paid.minor > 0 and paid.currency == record.currency


def _no_money(amount: Money) -> Outcome:
    return Outcome(
        decision=Decision.REJECTED,
        reason=ReasonCode.AMOUNT_INVALID,
        message=f"The amount {amount} is not money; nothing was booked.",
    )


def _objection(code: str, message: str) -> Objection:
    return Objection(code=code, message=message)
