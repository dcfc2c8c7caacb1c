"""The other side of the machine: manufacturers, a telecom and an SMS gateway inside this process.

They are real plugins behind the real dispatch; only their wire is missing. `BOOKS` is what the
outside world knows and the host cannot change: what was sold, what was acknowledged, what was sent.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import ClassVar

import attrs

from mpm_core import (
    ChargeKind,
    Delivery,
    DeviceKind,
    EnquiryRequest,
    Grant,
    Manifest,
    MessageReceipt,
    MessageStatus,
    Money,
    Msisdn,
    NotFound,
    NoticeEvent,
    NoticeRequest,
    NotSent,
    Operation,
    OrphanEffect,
    OutcomeUnknown,
    PluginKind,
    ProcessRequest,
    Recovery,
    Refused,
    Reply,
    Secret,
    Throttled,
    ValidationRequest,
    hookimpl,
)

__all__ = ["BOOKS", "MAKERS", "Bikes", "Blind", "Homes", "Keyed", "Lookup", "Sms", "Telecom"]

_ENERGY_STEP = 100  # Wh
_NO_ANSWER = {"refuse": Refused, "down": NotSent, "throttle": Throttled, "lose": OutcomeUnknown}


class Books:
    """What the world outside knows; one per run, emptied in place because plugins hold it."""

    def __init__(self):
        self.open()

    def open(self):
        """Begin with nothing."""
        self.behaviour = "mint"
        self.minted = defaultdict(list)  # codes by order key
        self.heard = []  # answers since somebody looked: order key, what
        self.texts = defaultdict(set)  # what the gateway was given, by message key
        self.withheld = {}  # answers that came too late, by order key
        self.on = {}  # which bikes may be ridden, by serial
        self.acknowledged = {}  # amounts by reference, noted when the telecom hears *accepted*
        self.count = 0

    def behave(self, behaviour):
        """Tell the manufacturers what to do with the next calls: `mint` as they should,
        `mint_and_lose` the answer, `lose` the question, `refuse`, be `down`, or `throttle`."""
        self.behaviour = behaviour

    def sell(self, maker, order, charge):
        """Sell as told, and note what the host hears of it."""
        behaviour = self.behaviour
        self.heard.append((order.key, behaviour))
        match behaviour:
            case "refuse":
                raise Refused("the vendor says no", "17")
            case "down":
                raise NotSent("nobody answers")
            case "throttle":
                raise Throttled("not now")
            case "lose":
                raise OutcomeUnknown("the line broke")
        known = self.minted[order.key]
        if not known or maker != "keyed":
            self.count += 1
            known.append(f"{self.count:020d}")
        grant = _grant(known[-1], charge)
        if behaviour == "mint_and_lose":
            self.withheld[order.key] = grant
            raise OutcomeUnknown("the answer was lost")
        return grant

    def switch(self, serial, order, *, on):
        """Switch a bike as told; it stays as it is when the question is lost."""
        behaviour = self.behaviour
        self.heard.append((order.key, behaviour))
        if behaviour in _NO_ANSWER:
            raise _NO_ANSWER[behaviour]("so it was told")
        self.on[serial] = on
        grant = Grant(delivery=Delivery.REMOTE)
        if behaviour == "mint_and_lose":
            self.withheld[order.key] = grant
            raise OutcomeUnknown("the answer was lost")
        return grant

    def find(self, order, charge):
        """Say truthfully what was sold, unless the vendor cannot be reached."""
        if self.behaviour not in {"mint", "refuse"}:
            self.heard.append((order.key, "no_answer"))
            raise OutcomeUnknown("nobody answers")
        known = self.minted[order.key]
        self.heard.append((order.key, "found" if known else "not_found"))
        return _grant(known[-1], charge) if known else NotFound(conclusive=True)


def _grant(code, charge):
    return Grant(codes=(Secret(code),), quantity=charge.quantity, unit=charge.unit)


MAKERS = ("blind", "keyed", "lookup", "homes", "bikes")
BOOKS = Books()


@attrs.frozen(kw_only=True)
class NoSettings:
    """Nothing to set."""


def _maker(name, recovery, *charges, kind=DeviceKind.METER, **more):
    operation = Operation(
        recovery=recovery, orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE, blocks_device=False
    )
    return Manifest(
        kind=PluginKind.MANUFACTURER,
        title=name.title(),
        settings_class=NoSettings,
        device_kinds=frozenset({kind}),
        operations=dict.fromkeys(charges, operation),
        energy_step=_ENERGY_STEP if ChargeKind.ENERGY in charges else None,
        **more,
    )


class _Maker:
    name: ClassVar[str]

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_generate_token(self, charge, order):
        return BOOKS.sell(self.name, order, charge)


class Blind(_Maker):
    """A manufacturer who cannot be asked what became of an order."""

    name = "blind"
    manifest = _maker("blind", Recovery.NONE, ChargeKind.ENERGY)


class Keyed(_Maker):
    """A manufacturer who answers the same order with the same token."""

    name = "keyed"
    manifest = _maker("keyed", Recovery.KEYED, ChargeKind.ENERGY)


class Lookup(_Maker):
    """A manufacturer who can be asked what became of an order."""

    name = "lookup"
    manifest = _maker("lookup", Recovery.LOOKUP, ChargeKind.ENERGY, supports_find=True)

    @hookimpl
    def mpm_find_token(self, charge, order):
        return BOOKS.find(order, charge)


class Homes(_Maker):
    """A blind manufacturer of solar home systems, who sells days and unlocks."""

    name = "homes"
    manifest = _maker(
        "homes", Recovery.NONE, ChargeKind.TIME, ChargeKind.UNLOCK, kind=DeviceKind.SHS
    )


class Bikes:
    """A manufacturer whose bikes are switched on and off and count no time."""

    manifest = _maker(
        "bikes", Recovery.DESIRED_STATE, ChargeKind.TIME, ChargeKind.UNLOCK,
        kind=DeviceKind.E_BIKE, switches=True,
    )  # fmt: skip

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_switch_device(self, device, on, order):
        return BOOKS.switch(device.serial, order, on=on)


class Sms:
    """A gateway that remembers what it was given."""

    manifest = Manifest(kind=PluginKind.MESSENGER, title="Sms", settings_class=NoSettings)

    def __init__(self, settings, runtime):
        del settings, runtime

    @hookimpl
    def mpm_send_message(self, message):
        BOOKS.texts[message.key].add((message.to.e164, message.body))
        return MessageReceipt(status=MessageStatus.SENT)


class Telecom:
    """A telecom whose calls are JSON and whose answers are the verdict's words."""

    manifest = Manifest(
        kind=PluginKind.TELECOM,
        title="Telecom",
        settings_class=NoSettings,
        callback_paths=("pay",),
    )

    def __init__(self, settings, runtime):
        del settings
        self._company = runtime.company

    @hookimpl
    def mpm_read_call(self, call):
        said = json.loads(call.body)
        reference = said["reference"]
        more = {}
        if "amount" in said:
            more["amount"] = Money.parse(said["amount"], self._company.currency)
        if "payer" in said:
            more["payer"] = Msisdn.parse(said["payer"], self._company.country)
        if "serial" in said:
            more["serial"] = said["serial"]
        match said["what"]:
            case "validate":
                return ValidationRequest(reference=reference, **more)
            case "process":
                return ProcessRequest(reference=reference, **more)
            case "enquire":
                return EnquiryRequest(reference=reference, final=said["final"])
            case event:
                return NoticeRequest(event=NoticeEvent(event), reference=reference, **more)

    @hookimpl
    def mpm_write_reply(self, verdict):
        words = f"{verdict.decision} {verdict.reason}".strip()
        return Reply(status=200, content_type="text/plain", body=words.encode())
