"""What a simulated telecom and the plugin say to each other about one payment."""

from __future__ import annotations

from typing import TypeVar

import attrs

from mpm_core.calls import InboundCall, Reply
from mpm_core.money import Money, currency_exponent
from mpm_core.payments import (
    Decision,
    ValidationRequest,
    Verdict,
)
from mpm_core.simulation import SimulatedCall, SimulatedPayment, SimulatedReply
from mpm_core.testing.phones import phone_spellings
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.stages import Outcome, Stage
from mpm_core.testing.subjects import Subject

__all__ = [
    "Conversation",
    "example_payment",
    "inbound",
    "simulated",
    "smallest_step",
]

T = TypeVar("T")

_SOURCE = "192.0.2.7"


def smallest_step(subject: Subject, currency: str) -> int:
    """Return the smallest amount step a telecom can send, in minor units."""
    return subject.manifest.payment_step.get(currency, 1)


def example_payment(subject: Subject, **changes: object) -> SimulatedPayment:
    """Return a payment a customer could make; keywords replace parts of it."""
    step = smallest_step(subject, subject.currency)
    thousand = 1000 * 10 ** currency_exponent(subject.currency)
    payment = SimulatedPayment(
        reference="KIT0000000001",
        serial=subject.serial or "47000124512",
        amount=Money(thousand // step * step, subject.currency),
        msisdn=phone_spellings(subject.country)[0],
    )
    return attrs.evolve(payment, **changes)  # type: ignore[arg-type]  # by name, checked by attrs


@attrs.define(kw_only=True, eq=False)
class Conversation:
    """One payment's calls at one instance.

    Attributes:
        number: the running number the host gives the payment.
    """

    stage: Stage
    payment: SimulatedPayment
    number: int = 17

    # --- the telecom's calls ----------------------------------------------------------------------

    def validation(self) -> InboundCall:
        """Let the telecom make its validation call."""
        return self._made(
            self.stage.simulator.validate_call(self.payment, self.stage.raw), "validate_call"
        )

    def process(self, validation: SimulatedReply | None = None) -> InboundCall:
        """Let the telecom report the payment, after we allowed it."""
        reply = validation if validation is not None else self.yes()
        return self._made(self.process_or_nothing(reply), "process_call")

    def process_or_nothing(self, validation: SimulatedReply) -> SimulatedCall | None:
        """Let the telecom decide by our answer whether it goes on."""
        return self.stage.simulator.process_call(self.payment, self.stage.raw, validation)

    def enquiry(self) -> InboundCall:
        """Let the telecom ask what became of the payment."""
        return self._made(
            self.stage.simulator.enquiry_call(self.payment, self.stage.raw), "enquiry_call"
        )

    def yes(self) -> SimulatedReply:
        """Return our answer that allows the payment, if this telecom asks at all."""
        if "validate" not in self.stage.subject.telecom_calls:
            return SimulatedReply()
        call = self.validation()
        request = self.read_well(call, ValidationRequest)
        verdict = Verdict(decision=Decision.VALIDATED, number=self.number)
        return simulated(self.reply(call, request, verdict))

    def _made(self, made: SimulatedCall | None, method: str) -> InboundCall:
        if made is None:
            raise RuleBroken(
                f"the simulator's {method} made no call.",
                write=f"return the telecom's call from {method}; None only after our no.",
            )
        return inbound(made)

    # --- the plugin's answers ---------------------------------------------------------------------

    def read(self, call: InboundCall) -> Outcome:
        """Let the plugin read a call, whatever comes of it."""
        return self.stage.call("mpm_read_call", call=call)

    def read_well(self, call: InboundCall, kind: type[T]) -> T:
        """Let the plugin read a genuine call.

        Raises:
            RuleBroken: it refused it, or took it for something else.
        """
        outcome = self.read(call)
        if not isinstance(outcome.answer, kind):
            raise RuleBroken(
                f"the simulated telecom's genuine call to {call.path} was read as {outcome}, "
                f"not as a {kind.__name__}."
            )
        return outcome.answer

    def reply(self, call: InboundCall, request: object, verdict: Verdict) -> Reply:
        """Let the plugin write our answer.

        Raises:
            RuleBroken: it could not.
        """
        outcome = self.stage.call("mpm_write_reply", call=call, request=request, verdict=verdict)
        if not isinstance(outcome.answer, Reply):
            raise RuleBroken(
                f"mpm_write_reply for the decision {verdict.decision} ended with {outcome}",
                write="a Reply for every decision, reason and request, known or not.",
            )
        return outcome.answer


def inbound(made: SimulatedCall) -> InboundCall:
    """Return a simulated call as the host hands it on."""
    return InboundCall(
        method=made.method,
        path=made.path,
        headers={name.lower(): value for name, value in made.headers.items()},
        body=made.body,
        source=_SOURCE,
    )


def simulated(reply: Reply) -> SimulatedReply:
    """Return our answer as the telecom receives it."""
    return SimulatedReply(status=reply.status, content_type=reply.content_type, body=reply.body)
