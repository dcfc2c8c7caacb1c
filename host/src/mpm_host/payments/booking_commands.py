"""What the desk asks of booking, and what it hears."""

from __future__ import annotations

import attrs

from mpm_core import (
    Decision,
    EnquiryRequest,
    NoticeRequest,
    Objection,
    ProcessRequest,
    Reply,
    ValidationRequest,
)
from mpm_host.directory import InstanceRecord
from mpm_host.payments.payment_records import PaymentKeys, PaymentRecord

__all__ = ["Accept", "Command", "Deny", "Intend", "IntendedSale", "Outcome", "TakeBack"]


@attrs.frozen(kw_only=True)
class IntendedSale:
    """The one sale that a payment is for, past everything else the customer owes.

    Attributes:
        plan_id: the sale.
        serial: of its device; `None` for a plain appliance.
    """

    plan_id: str
    serial: str | None


@attrs.frozen(kw_only=True)
class Intend:
    """Store what we answered to a validation: money has not moved.

    Attributes:
        objection: why the payment is refused; `None` when it may be paid.
        device_kind: of the addressed device, if it is known.
        sale: what is paid, if it is one sale; `None`: a device, debts first.
    """

    instance: InstanceRecord
    request: ValidationRequest
    objection: Objection | None
    device_kind: str | None
    sale: IntendedSale | None = None

    @property
    def keys(self) -> PaymentKeys:
        """How the payment is found again."""
        return PaymentKeys(
            instance_id=self.instance.id,
            reference=self.request.reference,
            intent=self.request.intent,
        )


@attrs.frozen(kw_only=True)
class Accept:
    """Book a payment whose money has moved.

    Attributes:
        reply: the encoded *accepted* answer, stored with the payment for every repeat; `None` for a
            push, where we asked and the telecom awaits neither an answer nor a report.
    """

    instance: InstanceRecord
    request: ProcessRequest
    reply: Reply | None

    @property
    def can_be_refused(self) -> bool:
        """Tell whether somebody hears a *no* and gives the money back: nobody does for a push."""
        return self.reply is not None

    @property
    def keys(self) -> PaymentKeys:
        """How the payment is found again."""
        return PaymentKeys(
            instance_id=self.instance.id,
            reference=self.request.reference,
            number=self.request.number,
            intent=self.request.intent,
        )


@attrs.frozen(kw_only=True)
class Deny:
    """Remember a final *no*: the telecom gives the money back."""

    instance: InstanceRecord
    request: EnquiryRequest

    @property
    def keys(self) -> PaymentKeys:
        """How the payment is found again."""
        return PaymentKeys(
            instance_id=self.instance.id,
            reference=self.request.reference,
            number=self.request.number,
            intent=self.request.intent,
        )


@attrs.frozen(kw_only=True)
class TakeBack:
    """Act on a notice that the telecom gave the money back, or never took it.

    A reference that was never booked is denied. For a booked one nothing is written here: the
    caller reverses it when it hears *found*.
    """

    instance: InstanceRecord
    request: NoticeRequest

    @property
    def keys(self) -> PaymentKeys:
        """How the payment is found again."""
        return PaymentKeys(instance_id=self.instance.id, reference=self.request.reference)


Command = Intend | Accept | Deny | TakeBack


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one command.

    Attributes:
        reply: the stored reply of an accepted payment.
        payment: a copy of the row as this command left it; `None` when there is none.
        has_work: something waits for the workers now.
    """

    decision: Decision
    reason: str = ""
    message: str = ""
    reply: Reply | None = None
    payment: PaymentRecord | None = None
    has_work: bool = False
