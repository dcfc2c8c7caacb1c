"""One order over all its attempts, as the host keeps it; and devices and charges to order."""

from __future__ import annotations

import hashlib
import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import attrs
from hypothesis import strategies as st

from mpm_core.devices import Device, DeviceKind
from mpm_core.money import Money
from mpm_core.orders import Charge, ChargeKind, Order, Pending, Prepared
from mpm_core.settings import SettingsPlace, read_settings
from mpm_core.testing.stages import Outcome, Stage
from mpm_core.testing.subjects import Subject
from mpm_core.units import Unit

__all__ = [
    "Purchase",
    "States",
    "charge_for",
    "device_of",
    "new_key",
    "serials",
    "unit_of",
]

States = dict[str, dict[str, str]]
"""What the host keeps as each device's `state`, by serial."""

_KEYS = itertools.count(1)
_DAYS_SOLD = 7
_STEPS_SOLD = 10
_PATIENCE = 20  # times a pending order is looked up


def new_key() -> str:
    """Return a key no other order, message or push has."""
    return hashlib.sha256(str(next(_KEYS)).encode()).hexdigest()[:32]


def unit_of(kind: ChargeKind) -> Unit | None:
    """Return the unit a kind of charge is counted in."""
    return {ChargeKind.ENERGY: Unit.WATT_HOUR, ChargeKind.TIME: Unit.DAY}.get(kind)


def charge_for(subject: Subject, kind: ChargeKind, quantity: int | None = None) -> Charge:
    """Return a charge as the host would compute it; by default one every vendor can serve."""
    unit = unit_of(kind)
    if quantity is None and unit is Unit.WATT_HOUR:
        quantity = _STEPS_SOLD * (subject.manifest.energy_step or 1)
    elif quantity is None and unit is Unit.DAY:
        quantity = _DAYS_SOLD
    minor = 0 if kind is ChargeKind.CLEAR else 100 * max(1, quantity or 1)
    return Charge(
        kind=kind,
        money=Money(minor, subject.currency),
        quantity=quantity,
        unit=unit,
        unit_price=None if unit is None else Decimal("1.00"),
    )


def device_of(subject: Subject, serial: str, state: dict[str, str] | None = None) -> Device:
    """Return a device as the plugin sees it."""
    kinds = sorted(subject.manifest.device_kinds)
    details_class = subject.manifest.details_class
    details: object = None
    if details_class is not None:
        place = SettingsPlace(company="umeme", instance=subject.name, plugin=subject.name)
        details = read_settings(
            details_class, subject.details, place=place, environ={}, folder=Path()
        )
    return Device(
        kind=kinds[0] if kinds else DeviceKind.METER,
        serial=serial,
        details=details,
        state=state or {},
    )


def serials(subject: Subject) -> st.SearchStrategy[str]:
    """Return serials as the manifest allows them, leading zeros and odd characters included."""
    pattern = st.from_regex(subject.manifest.serial_pattern, fullmatch=True)
    return pattern.filter(lambda serial: serial == serial.strip() and serial.isascii())


@attrs.define(kw_only=True, eq=False)
class Purchase:
    """One order, over all its attempts, with what the host keeps of it.

    Attributes:
        sent_at: when the last attempt was made.
        gained: how often the vendor gave the device something new for it.
        outcomes: what became of each attempt.
    """

    subject: Subject
    serial: str
    kind: ChargeKind
    quantity: int | None = None
    key: str = attrs.field(factory=new_key)
    attempt: int = 0
    prepared: Prepared | None = None
    sent_at: datetime | None = None
    gained: int = 0
    outcomes: list[Outcome] = attrs.field(factory=list)

    @property
    def charge(self) -> Charge:
        """What the device shall get."""
        return charge_for(self.subject, self.kind, self.quantity)

    def order(self, stage: Stage, *, sent_at: datetime | None = None) -> Order:
        """The order as the next hook call sees it."""
        return Order(
            key=self.key,
            attempt=max(1, self.attempt),
            created_at=stage.now,
            sent_at=sent_at,
            prepared=dict(self.prepared.inputs) if self.prepared else {},
        )

    def try_once(self, stage: Stage, states: States) -> Outcome:
        """Make one attempt: prepare once, keep what was prepared, then ask for the grant."""
        stage.front.changing.add(self.key)
        stage.now += timedelta(seconds=1)  # no two attempts fall into the same moment
        failed = self.make_ready(stage, states)
        if failed is not None:
            return self._note(failed)
        self.attempt += 1
        self.sent_at = stage.now
        outcome = self._note(self._ask(stage, self._hook, states))
        for _ in range(_PATIENCE):
            if not isinstance(outcome.answer, Pending):
                return outcome
            stage.now += outcome.answer.after
            outcome = self.find(stage, states)
        return outcome

    @property
    def _hook(self) -> str:
        if self.kind is ChargeKind.CLEAR:
            return "mpm_clear_device"
        return "mpm_switch_device" if self.subject.manifest.switches else "mpm_generate_token"

    def make_ready(self, stage: Stage, states: States) -> Outcome | None:
        """Prepare an order that is not prepared yet; returns the outcome if that failed."""
        if self.prepared is not None or not self.subject.has("mpm_prepare_order"):
            return None
        outcome = self._ask(stage, "mpm_prepare_order", states)
        if not isinstance(outcome.answer, Prepared):
            return outcome
        self.prepared = outcome.answer
        if outcome.answer.state is not None:
            states[self.serial] = dict(outcome.answer.state)
        return None

    def find(self, stage: Stage, states: States) -> Outcome:
        """Look for a lost answer."""
        return self._note(self._ask(stage, "mpm_find_token", states))

    def _ask(self, stage: Stage, hook: str, states: States) -> Outcome:
        device = device_of(self.subject, self.serial, states.get(self.serial))
        order = self.order(stage, sent_at=self.sent_at if hook == "mpm_find_token" else None)
        if hook == "mpm_switch_device":
            return stage.call(hook, device=device, on=True, order=order)
        return stage.call(hook, device=device, charge=self.charge, order=order)

    def _note(self, outcome: Outcome) -> Outcome:
        self.gained += outcome.gained
        self.outcomes.append(outcome)
        return outcome
