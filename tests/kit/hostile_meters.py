"""Plugins that mean harm, or act as if they did: the host must contain each of them."""

# ruff: noqa: ARG002 - attacks ignore their arguments

from __future__ import annotations

import sys
import threading
import time
from typing import Any, ClassVar

from mpm_core import CallContext, Charge, Device, Grant, Order, Secret, Unit, hookimpl
from tests.kit.acme_meters import AcmeMeters


class _Hostile(AcmeMeters):
    """Sells like `attack` says."""

    @hookimpl
    def mpm_generate_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant:
        return self.attack(device, charge)

    def attack(self, device: Device, charge: Charge) -> Any:
        raise NotImplementedError


class Raises(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        raise RuntimeError(f"secret {self._settings.api_key.reveal()}")


class Exits(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        sys.exit(3)


class Interrupts(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        raise KeyboardInterrupt


class OwnBaseException(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        raise BaseException("nobody catches me")  # noqa: TRY002 - that is the attack


class Hangs(_Hostile):
    released: ClassVar[threading.Event] = threading.Event()

    def attack(self, device: Device, charge: Charge) -> Any:
        self.released.wait(20)
        return None


class Recurses(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        return self.attack(device, charge)


class AnswersNothing(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        return None


class AnswersAnotherType(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        return "4711-4711"


class AnswersALookalike(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        class Grant:
            codes = (Secret("1"),)

        return Grant()


class AnswersHugely(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        return Grant(codes=(Secret("9" * 10_000_000),), quantity=charge.quantity, unit=charge.unit)


class AnswersManyCodes(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        codes = tuple(Secret(str(number)) for number in range(100_000))
        return Grant(codes=codes, quantity=charge.quantity, unit=charge.unit)


class AnswersFractions(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        return Grant(codes=(Secret("1"),), quantity=0.1, unit=Unit.WATT_HOUR)  # type: ignore[arg-type]  # the attack


class AnswersForAnother(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        return Grant(
            codes=(Secret("1"),), quantity=charge.quantity, unit=charge.unit, device_serial="666"
        )


class ChangesItsArguments(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        device.state["count"] = "0"  # type: ignore[index]  # the attack
        return None


class PrintsSecrets(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        print(self._settings.api_key.reveal())  # noqa: T201 - the attack
        raise RuntimeError("printed")


class StartsThreads(_Hostile):
    def attack(self, device: Device, charge: Charge) -> Any:
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(0.05,), daemon=True).start()
        raise RuntimeError("started")
