"""Values that hooks are called with where nothing particular is at stake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from mpm_core.messages import Message
from mpm_core.money import Money
from mpm_core.msisdn import Msisdn
from mpm_core.orders import ChargeKind, Order
from mpm_core.payments import (
    Decision,
    PaymentFacts,
    PaymentStatus,
    Quote,
    QuoteLine,
    ValidationRequest,
    Verdict,
)
from mpm_core.testing.phones import example_phone
from mpm_core.testing.purchases import charge_for, device_of
from mpm_core.testing.subjects import Subject

__all__ = ["AMOUNTS", "objection_arguments", "report_arguments", "told_arguments"]

AMOUNTS = ("1", "1000", "4999999")
_SERIAL = "47000124512"


def objection_arguments(subject: Subject) -> Sequence[Mapping[str, object]]:
    """Return payments to ask about: small and large, with and without a payer."""
    device = device_of(subject, subject.serial or _SERIAL)
    payer = Msisdn.from_e164(example_phone(subject))
    found = []
    for text in AMOUNTS:
        amount = Money.parse(text, subject.currency)
        for one in (payer, None):
            payment = ValidationRequest(serial=device.serial, amount=amount, payer=one)
            quote = Quote(lines=(QuoteLine(kind="energy", amount=amount),), watt_hours=1000)
            found.append({"payment": payment, "device": device, "quote": quote})
    return found


def told_arguments(subject: Subject) -> Mapping[str, Mapping[str, object]]:
    """Return the arguments of every hook that is told something."""
    now = datetime.now(UTC)
    device = device_of(subject, subject.serial or _SERIAL)
    kind = subject.sellable[0] if subject.sellable else ChargeKind.ENERGY
    order = Order(key="0" * 32, attempt=1, created_at=now)
    sale = {"device": device, "charge": charge_for(subject, kind), "order": order}
    facts = _settled(subject)
    message = Message(
        key="0" * 32, to=Msisdn.from_e164(example_phone(subject)), body="1234 5678 9012"
    )
    return {
        "mpm_payment_accepted": {"payment": facts},
        "mpm_payment_settled": {"payment": facts},
        "mpm_token_issued": sale,
        "mpm_order_held": sale,
        "mpm_device_registered": {"device": device},
        "mpm_message_sent": {"message": message},
    }


def report_arguments(subject: Subject) -> Mapping[str, object]:
    """Return a settled payment and the verdict to report about it."""
    verdict = Verdict(decision=Decision.ACCEPTED, number=17)
    return {"payment": _settled(subject), "verdict": verdict}


def _settled(subject: Subject) -> PaymentFacts:
    now = datetime.now(UTC)
    return PaymentFacts(
        status=PaymentStatus.SETTLED,
        amount=Money.parse("1000", subject.currency),
        serial=subject.serial or _SERIAL,
        reference="KIT0000000001",
        accepted_at=now,
        settled_at=now,
    )
