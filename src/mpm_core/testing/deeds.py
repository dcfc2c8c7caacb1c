"""Deeds: the three acts that change something at the other side, done as the host does them.

A manufacturer sells, a messenger sends, a telecom prompts. What can go wrong on the wire is the
same for all of them, so the rules about that are written once, over deeds.
"""

from __future__ import annotations

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator

from mpm_core.manifest import PluginKind, Recovery
from mpm_core.messages import Message
from mpm_core.money import Money
from mpm_core.msisdn import Msisdn
from mpm_core.orders import ChargeKind, Grant
from mpm_core.pushes import Push
from mpm_core.testing.cases import Case
from mpm_core.testing.phones import example_phone
from mpm_core.testing.purchases import Purchase, States, new_key
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.stages import DEADLINE, Outcome, Stage, open_stage
from mpm_core.testing.subjects import Subject

__all__ = ["Deed", "Prompting", "Sale", "Sending", "deed_of", "good_outcome", "open_deed"]

_GRANTING = frozenset(
    {"mpm_generate_token", "mpm_find_token", "mpm_clear_device", "mpm_switch_device"}
)
_NUMBERS = itertools.count(1)


class Deed(ABC):
    """One act with an effect; each time it is done it is another order, message or push."""

    name: str
    least_gain = 1  # how often the other side gives something new when it is done again

    @abstractmethod
    def do(self, stage: Stage) -> Outcome:
        """Do it once."""

    def prepare(self, stage: Stage) -> None:  # noqa: B027 - most need nothing
        """Make the other side ready for it."""


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


class Sending(Deed):
    """Sending one message."""

    name = "a message"

    def __init__(self, subject: Subject) -> None:
        self._to = Msisdn.from_e164(example_phone(subject))

    def do(self, stage: Stage) -> Outcome:
        """Send another message."""
        stage.front.changing |= {self._to.digits, (key := new_key())}
        message = Message(key=key, to=self._to, body=f"Token 1234 5678 9012, no. {next(_NUMBERS)}")
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
def open_deed(case: Case, deed: Deed, *, deadline: float = DEADLINE) -> Iterator[Stage]:
    """Open a stage on which a deed was done once without hindrance.

    From that the front learns which of the plugin's requests has the effect. A short deadline holds
    from then on only, so that a busy machine cannot spoil the learning.
    """
    with open_stage(case) as stage:
        deed.prepare(stage)
        if case.subject.calls_out:
            _learn(stage, good_outcome(deed.do(stage), deed))
        if deadline != DEADLINE:
            stage.restart(deadline=deadline)
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
