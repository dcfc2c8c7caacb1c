"""Quotes: what a payment would do if it were made now, answered in batches and never locking.

A quote may be a moment old when the intent is stored; booking runs the same rules again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import (
    ChargeKind,
    Device,
    DeviceKind,
    Money,
    Objection,
    Quote,
    QuoteLine,
    ReasonCode,
    Unit,
    ValidationRequest,
)
from mpm_core.allocation import Allocation, allocate
from mpm_host.clock import Clock
from mpm_host.database import tables as t
from mpm_host.directory import Directory, InstanceRecord
from mpm_host.encryption import Vault
from mpm_host.payments.amounts import check_amount
from mpm_host.payments.customer_accounts import CustomerAccount, load_accounts
from mpm_host.payments.device_objections import mapping_objection

__all__ = ["QuoteQuestion", "Quoted", "Quoter", "as_quote", "load_device"]


@attrs.frozen(kw_only=True)
class QuoteQuestion:
    """One validation to be quoted."""

    instance: InstanceRecord
    request: ValidationRequest


@attrs.frozen(kw_only=True)
class Quoted:
    """The answer.

    Attributes:
        objection: of the money rules; `None` when the payment may be made.
        quote: what it would do; `None` with an objection.
        device_id: of the addressed device, if it is known.
        manufacturer_id: its instance.
    """

    objection: Objection | None = None
    quote: Quote | None = None
    device_id: str | None = None
    device_kind: DeviceKind | None = None
    manufacturer_id: str | None = None


class Quoter:
    """The reader's work: `quoter(connection, questions)` returns one quote per question."""

    def __init__(self, *, clock: Clock, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._clock = clock

    def __call__(
        self, connection: Connection, questions: Sequence[QuoteQuestion]
    ) -> Sequence[Quoted]:
        """Answer a batch of questions in one read transaction."""
        directory = self._directory()
        keys = [(q.instance.company_id, q.request.serial) for q in questions]
        owners, accounts = load_accounts(connection, directory, keys, self._clock(), lock=False)
        answers = []
        for question, key in zip(questions, keys, strict=True):
            owner = owners.get(key)
            if key not in owners:
                answers.append(_refused(ReasonCode.UNKNOWN_SERIAL, "This serial is not known."))
            elif owner is None:
                answers.append(
                    _refused(ReasonCode.DEVICE_UNASSIGNED, "This device belongs to nobody yet.")
                )
            else:
                answers.append(_quote(question, accounts[owner], directory))
        return answers


def _refused(code: ReasonCode, message: str) -> Quoted:
    return Quoted(objection=Objection(code=code, message=message))


def _quote(question: QuoteQuestion, owner: CustomerAccount, directory: Directory) -> Quoted:
    amount, serial = question.request.amount, question.request.serial
    device = owner.devices[serial]
    quoted = Quoted(
        device_id=device.id, device_kind=device.kind, manufacturer_id=device.instance_id
    )
    objection = check_amount(amount, question.instance.amount_rules)
    if objection is None:
        objection = _manufacturer_objection(
            directory.instances[device.instance_id]
        ) or mapping_objection(owner.company, device)
    if objection is not None:
        return attrs.evolve(quoted, objection=objection)
    allocation = allocate(
        amount.minor, owner.account, owner.target(serial, directory), owner.today, owner.options
    )
    if allocation.objections:
        return attrs.evolve(quoted, objection=allocation.objections[0])
    return attrs.evolve(quoted, quote=as_quote(allocation, amount.currency))


def _manufacturer_objection(manufacturer: InstanceRecord) -> Objection | None:
    """Refuse what nobody could deliver; a vendor that is merely down refuses nothing."""
    if manufacturer.takes_new_work:
        return None
    return Objection(
        code=ReasonCode.PLUGIN_NOT_ENABLED,
        message=f"The manufacturer's plugin {manufacturer.name} is not enabled.",
    )


def as_quote(allocation: Allocation, currency: str) -> Quote:
    """Return what an allocation would do, as plugins see it."""
    charge = allocation.charge
    quantity = charge.quantity if charge else None
    return Quote(
        lines=tuple(
            QuoteLine(kind=line.kind, amount=Money(line.amount, currency))
            for line in allocation.lines
        ),
        watt_hours=quantity if charge and charge.unit is Unit.WATT_HOUR else None,
        days=quantity if charge and charge.unit is Unit.DAY else None,
        unlocks=charge is not None and charge.kind is ChargeKind.UNLOCK,
    )


def load_device(
    connection: Connection, device_id: str, vault: Vault, details_class: type | None
) -> tuple[Device, int]:
    """Read a device as its plugin sees it, and the version of its state.

    Args:
        connection: of the caller's transaction.
        device_id: which one.
        vault: decrypts its details.
        details_class: what the manifest says `details` are made of.
    """
    d = t.devices.c
    row = connection.execute(
        sa.select(d.kind, d.serial, d.details, d.state, d.state_version).where(d.id == device_id)
    ).one()
    details = None
    if details_class is not None and row.details is not None:
        details = details_class(**json.loads(vault.open(row.details)))
    device = Device(kind=DeviceKind(row.kind), serial=row.serial, details=details, state=row.state)
    return device, row.state_version
