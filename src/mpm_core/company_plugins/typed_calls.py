"""The hooks as plain typed methods, so that a type checker sees every call the host makes.

Each method calls one instance; what it may raise is in the hook's specification and in
`CompanyPlugins.call`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from mpm_core.calls import InboundCall, Reply
from mpm_core.devices import Device, DeviceMapping, DeviceReading
from mpm_core.health import Health
from mpm_core.messages import Message, MessageReceipt
from mpm_core.orders import Charge, Grant, NotFound, Order, Pending, Prepared
from mpm_core.payments import PaymentFacts, ProviderRequest, Verdict
from mpm_core.pushes import ProviderState, Push, PushReceipt, ReportReceipt
from mpm_core.simulation import Simulator

__all__ = ["OnLate", "TypedCalls"]

OnLate = Callable[[object], None]
"""Hears the answer, or the `MpmError`, of a call that was given up, in the plugin's thread."""


class TypedCalls(ABC):
    """One method per routed hook, over `call_hook`."""

    @abstractmethod
    def call_hook(
        self,
        instance: str,
        hook: str,
        correlation_id: str,
        arguments: Mapping[str, object],
        on_late: OnLate | None = None,
    ) -> Any:  # noqa: ANN401 - the hook decides; the methods below state it
        """Call one hook of one instance and return its checked answer."""

    def read_call(
        self, instance: str, call: InboundCall, *, correlation_id: str
    ) -> ProviderRequest:
        """Authenticate and decode an inbound call."""
        request: ProviderRequest = self.call_hook(
            instance, "mpm_read_call", correlation_id, {"call": call}
        )
        return request

    def write_reply(
        self,
        instance: str,
        call: InboundCall,
        request: ProviderRequest | None,
        verdict: Verdict,
        *,
        correlation_id: str,
    ) -> Reply:
        """Encode our answer to an inbound call."""
        reply: Reply = self.call_hook(
            instance,
            "mpm_write_reply",
            correlation_id,
            {"call": call, "request": request, "verdict": verdict},
        )
        return reply

    def report_payment(
        self, instance: str, payment: PaymentFacts, verdict: Verdict, *, correlation_id: str
    ) -> ReportReceipt:
        """Tell the telecom the result of a payment."""
        receipt: ReportReceipt = self.call_hook(
            instance, "mpm_report_payment", correlation_id, {"payment": payment, "verdict": verdict}
        )
        return receipt

    def push_payment(
        self, instance: str, push: Push, *, correlation_id: str, on_late: OnLate | None = None
    ) -> PushReceipt:
        """Ask the telecom to prompt the payer's phone."""
        receipt: PushReceipt = self.call_hook(
            instance, "mpm_push_payment", correlation_id, {"push": push}, on_late
        )
        return receipt

    def query_payment(self, instance: str, push: Push, *, correlation_id: str) -> ProviderState:
        """Ask the telecom what became of a push."""
        state: ProviderState = self.call_hook(
            instance, "mpm_query_payment", correlation_id, {"push": push}
        )
        return state

    def register_device(
        self, instance: str, device: Device, *, correlation_id: str
    ) -> DeviceMapping:
        """Ask the vendor whether it knows a device."""
        mapping: DeviceMapping = self.call_hook(
            instance, "mpm_register_device", correlation_id, {"device": device}
        )
        return mapping

    def prepare_order(
        self, instance: str, device: Device, charge: Charge, order: Order, *, correlation_id: str
    ) -> Prepared:
        """Decide what must be durable before the vendor is asked."""
        prepared: Prepared = self.call_hook(
            instance,
            "mpm_prepare_order",
            correlation_id,
            {"device": device, "charge": charge, "order": order},
        )
        return prepared

    def generate_token(  # noqa: PLR0913 - the hook's arguments and who is called
        self,
        instance: str,
        device: Device,
        charge: Charge,
        order: Order,
        *,
        correlation_id: str,
        on_late: OnLate | None = None,
    ) -> Grant | Pending:
        """Turn a charge into a grant."""
        grant: Grant | Pending = self.call_hook(
            instance,
            "mpm_generate_token",
            correlation_id,
            {"device": device, "charge": charge, "order": order},
            on_late,
        )
        return grant

    def find_token(
        self, instance: str, device: Device, charge: Charge, order: Order, *, correlation_id: str
    ) -> Grant | NotFound | Pending:
        """Recover the lost answer of an earlier attempt."""
        found: Grant | NotFound | Pending = self.call_hook(
            instance,
            "mpm_find_token",
            correlation_id,
            {"device": device, "charge": charge, "order": order},
        )
        return found

    def clear_device(  # noqa: PLR0913 - as above
        self,
        instance: str,
        device: Device,
        charge: Charge,
        order: Order,
        *,
        correlation_id: str,
        on_late: OnLate | None = None,
    ) -> Grant:
        """Set the device's credit to zero."""
        grant: Grant = self.call_hook(
            instance,
            "mpm_clear_device",
            correlation_id,
            {"device": device, "charge": charge, "order": order},
            on_late,
        )
        return grant

    def read_device(self, instance: str, device: Device, *, correlation_id: str) -> DeviceReading:
        """Read what the vendor knows of a device."""
        reading: DeviceReading = self.call_hook(
            instance, "mpm_read_device", correlation_id, {"device": device}
        )
        return reading

    def switch_device(  # noqa: PLR0913 - as above
        self,
        instance: str,
        device: Device,
        order: Order,
        *,
        on: bool,
        correlation_id: str,
        on_late: OnLate | None = None,
    ) -> Grant:
        """Switch a device on or off."""
        grant: Grant = self.call_hook(
            instance,
            "mpm_switch_device",
            correlation_id,
            {"device": device, "on": on, "order": order},
            on_late,
        )
        return grant

    def send_message(
        self, instance: str, message: Message, *, correlation_id: str, on_late: OnLate | None = None
    ) -> MessageReceipt:
        """Send one message."""
        receipt: MessageReceipt = self.call_hook(
            instance, "mpm_send_message", correlation_id, {"message": message}, on_late
        )
        return receipt

    def check(self, instance: str, *, correlation_id: str) -> Health:
        """Ask whether the other side is reachable."""
        health: Health = self.call_hook(instance, "mpm_check", correlation_id, {})
        return health

    def simulator(self, instance: str, *, correlation_id: str) -> Simulator:
        """Return a fresh simulator of the other side."""
        simulator: Simulator = self.call_hook(instance, "mpm_simulator", correlation_id, {})
        return simulator
