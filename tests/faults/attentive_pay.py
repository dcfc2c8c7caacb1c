"""A telecom that pushes, wants reports and listens to every fact its company is told.

What it hears it passes on to its simulator, which lives in the test's process and survives.
"""

from __future__ import annotations

import json
import threading
from collections import Counter

import attrs

from mpm_core import (
    CallContext,
    Device,
    Message,
    Order,
    PaymentFacts,
    ReportReceipt,
    SimulatedReply,
    SimulatedRequest,
    Verdict,
    hookimpl,
)
from tests.kit.acme_pay import AcmePay, AcmePaySimulator

__all__ = ["AttentivePay", "AttentiveSimulator", "Heard"]

_HEAR = "hear"


@attrs.frozen(kw_only=True)
class Heard:
    """One fact as it was told.

    Attributes:
        hook: by which it was told.
        key: that stays the same however often it is told.
        correlation_id: under which it was told; our number of a payment that is reported.
    """

    hook: str
    key: str
    correlation_id: str


class AttentivePay(AcmePay):
    """The plugin."""

    @hookimpl
    def mpm_payment_accepted(self, payment: PaymentFacts, context: CallContext) -> None:
        self._pass_on("mpm_payment_accepted", payment.reference, context)

    @hookimpl
    def mpm_payment_settled(self, payment: PaymentFacts, context: CallContext) -> None:
        self._pass_on("mpm_payment_settled", payment.reference, context)

    @hookimpl
    def mpm_token_issued(self, order: Order, context: CallContext) -> None:
        self._pass_on("mpm_token_issued", order.key, context)

    @hookimpl
    def mpm_order_held(self, order: Order, context: CallContext) -> None:
        self._pass_on("mpm_order_held", order.key, context)

    @hookimpl
    def mpm_device_registered(self, device: Device, context: CallContext) -> None:
        self._pass_on("mpm_device_registered", device.serial, context)

    @hookimpl
    def mpm_message_sent(self, message: Message, context: CallContext) -> None:
        self._pass_on("mpm_message_sent", message.key, context)

    @hookimpl
    def mpm_report_payment(
        self, payment: PaymentFacts, verdict: Verdict, context: CallContext
    ) -> ReportReceipt:
        fields = {"id": payment.reference or "", "number": str(verdict.number)}
        self.ask("POST", "report", fields, context)
        return ReportReceipt()

    def _pass_on(self, hook: str, key: str | None, context: CallContext) -> None:
        fact = {"hook": hook, "key": key or "", "correlation_id": context.correlation_id}
        self.ask("POST", _HEAR, fact, context)


class AttentiveSimulator(AcmePaySimulator):
    """The other side: remembers what it heard; everybody whose phone is prompted pays at once.

    Attributes:
        heard: every fact that was told, reports among them, and how often.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: Counter[Heard] = Counter()
        self._hearing = threading.Lock()

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        """Answer one request."""
        reply = super().handle(request)
        path = request.path.removeprefix("pay").strip("/")
        if reply.status != 200:
            return reply
        fields = json.loads(request.body or b"{}")
        if path == "push":
            self.answer_push(fields["key"], "paid")
        elif path == _HEAR:
            self._hear(Heard(**fields))
        elif path == "report":
            self._hear(
                Heard(hook="mpm_report_payment", key=fields["id"], correlation_id=fields["number"])
            )
        return reply

    def _hear(self, fact: Heard) -> None:
        with self._hearing:
            self.heard[fact] += 1
