"""Clearing, switching and reading devices, and what is declared of grants, M-29, M-37 to M-39."""

from __future__ import annotations

from mpm_core.manifest import OrphanEffect
from mpm_core.orders import ChargeKind, Delivery, Grant
from mpm_core.testing.cases import Case
from mpm_core.testing.purchases import Purchase, device_of
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.selling_rules import WHEN_SOLD, enter_codes, sell, sells
from mpm_core.testing.stages import open_stage
from mpm_core.testing.truth import expect_truth
from mpm_core.testing.values import shown

__all__ = ["BOOK"]

BOOK = RuleBook()


@BOOK.rule(
    "M-37",
    "a device is cleared by a grant",
    promise="`mpm_clear_device` answers a grant without quantity, and the simulated device accepts "
    "its codes.",
    remedy="return Grant(codes=(…,)) or Grant(delivery=Delivery.REMOTE).",
    applies=lambda subject: ChargeKind.CLEAR in subject.manifest.operations,
    when="operation *clear*",
)
def _clears(case: Case) -> None:
    with open_stage(case) as stage:
        stage.deliver(case.subject.serial)
        purchase = Purchase(subject=case.subject, serial=case.subject.serial, kind=ChargeKind.CLEAR)
        grant = sell(stage, purchase, {})
        enter_codes(stage, case.subject.serial, grant)
    if grant.quantity is not None:
        raise RuleBroken(f"clearing answered {shown(grant)}.", write="Grant(…) without quantity.")


@BOOK.rule(
    "M-38",
    "switching asks for a state",
    promise="`mpm_switch_device` on, on again and off: each ends with a grant without codes; "
    "repeating is harmless.",
    remedy="send the state the device shall have, and return Grant(delivery=Delivery.REMOTE).",
    applies=lambda subject: subject.has("mpm_switch_device"),
    when="`mpm_switch_device`",
)
def _switches(case: Case) -> None:
    with open_stage(case) as stage:
        stage.deliver(case.subject.serial)
        device = device_of(case.subject, case.subject.serial)
        for on in (True, True, False):
            purchase = Purchase(
                subject=case.subject, serial=case.subject.serial, kind=ChargeKind.UNLOCK
            )
            outcome = stage.call(
                "mpm_switch_device", device=device, on=on, order=purchase.order(stage)
            )
            grant = outcome.answer
            if not isinstance(grant, Grant) or grant.delivery is not Delivery.REMOTE:
                raise RuleBroken(f"switching {'on' if on else 'off'} ended with {outcome}.")


@BOOK.rule(
    "M-39",
    "what an unseen grant does is declared truly",
    promise="Where the vendor credits the device itself (`Delivery.REMOTE`), the operation's "
    "`orphan_effect` is *credits_device*, unless a repeat is safe: the host must never sell again "
    "while in doubt.",
    remedy="orphan_effect=OrphanEffect.CREDITS_DEVICE for this operation.",
    applies=sells,
    when=WHEN_SOLD,
)
def _orphan_effect(case: Case) -> None:
    for kind in case.subject.sellable:
        with open_stage(case) as stage:
            stage.deliver(case.subject.serial)
            grant = sell(
                stage, Purchase(subject=case.subject, serial=case.subject.serial, kind=kind), {}
            )
        operation = case.subject.manifest.operations[kind]
        truly = OrphanEffect.CREDITS_DEVICE
        is_doubtful = not operation.recovery.repeat_is_safe
        if grant.delivery is Delivery.REMOTE and is_doubtful and operation.orphan_effect != truly:
            raise RuleBroken(
                f"{kind} is credited by the vendor, but declared {operation.orphan_effect}."
            )


@BOOK.rule(
    "M-29",
    "reading a device gives nothing",
    promise="`mpm_read_device` answers an aware time and small texts, and the vendor gives "
    "nothing.",
    remedy="return DeviceReading(at=context.now, facts={…}) with texts only.",
    applies=lambda subject: subject.has("mpm_read_device"),
    when="`mpm_read_device`",
)
def _reads(case: Case) -> None:
    with open_stage(case) as stage:
        stage.deliver(case.subject.serial)
        outcome = stage.call("mpm_read_device", device=device_of(case.subject, case.subject.serial))
    expect_truth(outcome, "When a device was read")
    reading = outcome.answer
    if outcome.error is not None or outcome.gained or reading.at.tzinfo is None:
        raise RuleBroken(f"reading a device ended with {outcome}.")
    if not all(isinstance(text, str) for pair in reading.facts.items() for text in pair):
        raise RuleBroken("a fact of the reading is no text.")
