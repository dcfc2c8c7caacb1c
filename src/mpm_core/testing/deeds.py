"""Deeds: the three acts that change something at the other side, done as the host does them.

A manufacturer sells, a messenger sends, a telecom prompts. What can go wrong on the wire is the same
for all of them, so the rules about that are written once, over deeds.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import attrs
from hypothesis import strategies as st

from mpm_core.devices import Device, DeviceKind
from mpm_core.manifest import PluginKind, Recovery
from mpm_core.messages import Message
from mpm_core.money import Money
from mpm_core.msisdn import Msisdn
from mpm_core.orders import Charge, ChargeKind, Grant, Order, Pending, Prepared
from mpm_core.pushes import Push
from mpm_core.settings import SettingsPlace, read_settings
from mpm_core.testing.cases import Case
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.stages import DEADLINE, Outcome, Stage, open_stage
from mpm_core.testing.subjects import Subject
from mpm_core.units import Unit

__all__ = [
    "Deed",
    "Prompting",
    "Purchase",
    "Sale",
    "Sending",
    "States",
    "charge_for",
    "deed_of",
    "device_of",
    "good_outcome",
    "open_deed",
    "serials",
    "unit_of",
]

States = dict[str, dict[str, str]]
"""What the host keeps as each device's `state`, by serial."""

_GRANTING = frozenset(
    {"mpm_generate_token", "mpm_find_token", "mpm_clear_device", "mpm_switch_device"}
)
_KEYS = itertools.count(1)
_DAYS_SOLD = 7
_STEPS_SOLD = 10
_PATIENCE = 20  # times a pending order is looked up


class Deed(ABC):
    """One act with an effect; each time it is done it is another order, message or push."""

    name: str
    least_gain = 1  # how often the other side gives something new when it is done again

    @abstractmethod
    def do(self, stage: Stage) -> Outcome:
        """Do it once."""

    def prepare(self, stage: Stage) -> None:  # noqa: B027 - most need nothing
        """Make the other side ready for it."""


def new_key() -> str:
    """Return a key no other order, message or push has."""
    return hashlib.sha256(str(next(_KEYS)).encode()).hexdigest()[:32]


# --- selling --------------------------------------------------------------------------------------


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
    gained: int = 0
    outcomes: list[Outcome] = attrs.field(factory=list)

    @property
    def charge(self) -> Charge:
        """What the device shall get."""
        return charge_for(self.subject, self.kind, self.quantity)

    def order(self, stage: Stage) -> Order:
        """The order as the next hook call sees it."""
        return Order(
            key=self.key,
            attempt=max(1, self.attempt),
            created_at=stage.now,
            prepared=dict(self.prepared.inputs) if self.prepared else {},
        )

    def try_once(self, stage: Stage, states: States) -> Outcome:
        """Make one attempt: prepare once, keep what was prepared, then ask for the grant."""
        stage.front.changing.add(self.key)
        failed = self.make_ready(stage, states)
        if failed is not None:
            return self._note(failed)
        self.attempt += 1
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
        order = self.order(stage)
        if hook == "mpm_switch_device":
            return stage.call(hook, device=device, on=True, order=order)
        return stage.call(hook, device=device, charge=self.charge, order=order)

    def _note(self, outcome: Outcome) -> Outcome:
        self.gained += outcome.gained
        self.outcomes.append(outcome)
        return outcome


class Sale(Deed):
    """Selling one kind of charge to one device."""

    def __init__(self, subject: Subject, kind: ChargeKind) -> None:
        self.name = f"an order for {kind}"
        self._subject = subject
        self.kind = kind
        if subject.manifest.operations[kind].recovery is Recovery.DESIRED_STATE:
            self.least_gain = 0
        self.states: States = {}

    def prepare(self, stage: Stage) -> None:
        """Deliver the device."""
        require_grant_counter(stage)
        stage.deliver(self._subject.serial)

    def do(self, stage: Stage) -> Outcome:
        """Sell once more."""
        purchase = Purchase(subject=self._subject, serial=self._subject.serial, kind=self.kind)
        return purchase.try_once(stage, self.states)


def require_grant_counter(stage: Stage) -> None:
    """Refuse a simulator that cannot prove what was sold.

    Raises:
        RuleBroken: a vendor is called, and its simulator does not count what it gives.
    """
    if stage.subject.calls_out and not hasattr(stage.simulator, "grants"):
        raise RuleBroken(
            "the simulator cannot tell how often it gave a device something.",
            write="def grants(self, serial: str) -> int: in the simulator, counting what it sold.",
        )


# --- sending and prompting ------------------------------------------------------------------------


def example_phone(subject: Subject) -> str:
    """Return a mobile number of the case's country, in E.164."""
    import phonenumbers  # noqa: PLC0415 - large tables

    number = phonenumbers.example_number_for_type(
        subject.country, phonenumbers.PhoneNumberType.MOBILE
    )
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


class Sending(Deed):
    """Sending one message."""

    name = "a message"

    def __init__(self, subject: Subject) -> None:
        self._to = Msisdn.from_e164(example_phone(subject))

    def do(self, stage: Stage) -> Outcome:
        """Send another message."""
        stage.front.changing |= {self._to.digits, (key := new_key())}
        message = Message(key=key, to=self._to, body=f"Token 1234 5678 9012, no. {next(_KEYS)}")
        return stage.call("mpm_send_message", message=message)


class Prompting(Deed):
    """Prompting one payer's phone."""

    name = "a push"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._payer = Msisdn.from_e164(example_phone(subject))

    def push(self) -> Push:
        """Return a push no telecom has seen."""
        return Push(
            key=f"KIT{new_key()[:20].upper()}",
            serial=self._subject.serial or "47000124512",
            amount=Money.parse("1000", self._subject.currency),
            payer=self._payer,
        )

    def do(self, stage: Stage) -> Outcome:
        """Prompt once more."""
        push = self.push()
        stage.front.changing |= {push.key, self._payer.digits}
        return stage.call("mpm_push_payment", push=push)


# --- any of them ----------------------------------------------------------------------------------


def deed_of(subject: Subject) -> Deed:
    """Return what a plugin mainly does at the other side."""
    if subject.manifest.kind is PluginKind.MESSENGER:
        return Sending(subject)
    if subject.manifest.kind is PluginKind.TELECOM:
        return Prompting(subject)
    return Sale(subject, subject.sellable[0])


def good_outcome(outcome: Outcome, deed: Deed) -> Outcome:
    """Return the outcome of a deed that must succeed.

    Raises:
        RuleBroken: it did not.
    """
    if outcome.error is not None or (
        outcome.hook in _GRANTING and not isinstance(outcome.answer, Grant)
    ):
        raise RuleBroken(f"{deed.name} that nothing hindered ended with {outcome}")
    return outcome


@contextlib.contextmanager
def open_deed(
    case: Case, deed: Deed, *, deadline: float = DEADLINE, learn: bool = True
) -> Iterator[Stage]:
    """Open a stage on which a deed was done once without hindrance.

    From that the front learns which of the plugin's requests has the effect.
    """
    with open_stage(case, deadline=deadline) as stage:
        deed.prepare(stage)
        if learn and case.subject.calls_out:
            _learn(stage, good_outcome(deed.do(stage), deed))
        yield stage


def _learn(stage: Stage, outcome: Outcome) -> None:
    """Note which request has the effect: the one that made the vendor give, else the last one."""
    gaining = [exchange for exchange in outcome.exchanges if exchange.gained]
    exchanges = gaining or list(outcome.exchanges)
    if not exchanges:
        raise RuleBroken(
            "the deed made no request, though url_settings says that the plugin calls out.",
            write="url_settings=() in the manifest, if everything is computed here.",
        )
    stage.front.effects.add(stage.front.effect_of(exchanges[-1].request))
