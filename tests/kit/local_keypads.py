"""A small correct plugin that computes its codes here: counters decided before, no vendor."""

# ruff: noqa: ARG002 - a plugin has the contract's arguments, needed or not

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from typing import ClassVar

import attrs

from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Device,
    DeviceKind,
    FaultSwitches,
    Grant,
    Health,
    Manifest,
    NotSupported,
    Operation,
    Order,
    OrphanEffect,
    PluginKind,
    PluginRuntime,
    Prepared,
    Recovery,
    Secret,
    SimulatedReply,
    SimulatedRequest,
    Simulator,
    hookimpl,
    setting,
)


@attrs.frozen(kw_only=True)
class LocalSettings:
    """Nothing but a name."""

    label: str = setting(help="Printed on the boxes.", default="box")


@attrs.frozen(kw_only=True)
class LocalDetails:
    """What registration asks."""

    secret_key: Secret = setting(help="Key of the device.")


def code_for(key: str, count: int, days: int | None) -> str:
    body = f"{count:04d}{days or 0:04d}"
    return body + hashlib.sha256(f"{key}{body}".encode()).hexdigest()[:4]


class LocalKeypads:
    """Boxes whose codes are counted."""

    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Local boxes",
        settings_class=LocalSettings,
        details_class=LocalDetails,
        device_kinds=frozenset({DeviceKind.SHS}),
        operations={
            ChargeKind.TIME: Operation(
                recovery=Recovery.DETERMINISTIC,
                orphan_effect=OrphanEffect.HARMLESS,
                blocks_device=True,
            )
        },
        serial_pattern=r"B[0-9]{3,8}",
        example_serial="B0017",
        example_details={"secret_key": "k" * 16},
    )

    def __init__(self, settings: LocalSettings, runtime: PluginRuntime) -> None:
        self._settings = settings

    @hookimpl
    def mpm_prepare_order(self, device: Device, charge: Charge) -> Prepared:
        if charge.kind is not ChargeKind.TIME:
            raise NotSupported("Boxes take days only.")
        if not charge.quantity or charge.quantity < 0:
            raise ContractViolation("Boxes take one day or more.")
        count = str(int(device.state.get("count", "0")) + 1)
        return self.prepared(count)

    def prepared(self, count: str) -> Prepared:
        return Prepared(inputs={"count": count}, state={"count": count})

    @hookimpl
    def mpm_generate_token(self, device: Device, charge: Charge, order: Order) -> Grant:
        assert isinstance(device.details, LocalDetails)
        key = device.details.secret_key.reveal()
        code = code_for(key, self.count(device, order), charge.quantity)
        return Grant(codes=(Secret(code),), quantity=charge.quantity, unit=charge.unit)

    def count(self, device: Device, order: Order) -> int:
        return int(order.prepared["count"])

    @hookimpl
    def mpm_check(self) -> Health:
        return Health(ok=True)

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return LocalSimulator()


class LocalSimulator:
    """Boxes that take each newer code once."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._switches = FaultSwitches(())

    def settings(self, base_url: str) -> Mapping[str, object]:
        return {}

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        return SimulatedReply(status=404)

    def faults(self) -> tuple[str, ...]:
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        self._switches.clear()

    def knows(self, serial: str) -> None:
        with self._lock:
            self._counts.setdefault(serial, 0)

    def use_token(self, serial: str, code: str) -> str:
        count, days = int(code[:4]), int(code[4:8])
        with self._lock:
            if serial not in self._counts or code != code_for("k" * 16, count, days):
                return "rejected: Not a code for this box."
            if count <= self._counts[serial]:
                return "rejected: Used before."
            self._counts[serial] = count
        return f"accepted {days} days"

    def validate_call(self, payment: object, settings: object) -> None:
        return None

    def process_call(self, payment: object, settings: object, validation: object) -> None:
        return None

    def enquiry_call(self, payment: object, settings: object) -> None:
        return None
