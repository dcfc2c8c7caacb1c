"""A small correct manufacturer's plugin over HTTP: keyed sales, login, look-up, clearing.

The faults of the catalogue are subclasses of it that do one thing wrong.
"""

# ruff: noqa: ARG002 - a simulator has more arguments than it needs

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import attrs

from mpm_core import (
    ANSWER_FAULTS,
    UNPROCESSED_FAULTS,
    CallContext,
    Charge,
    ChargeKind,
    ContractViolation,
    Delivery,
    Device,
    DeviceKind,
    DeviceMapping,
    DeviceReading,
    FaultSwitches,
    Grant,
    Health,
    Manifest,
    Misconfigured,
    NotFound,
    NotSupported,
    Operation,
    Order,
    OrphanEffect,
    OutcomeError,
    OutcomeUnknown,
    PluginKind,
    PluginRuntime,
    Recovery,
    Refused,
    ResultCode,
    Secret,
    SimulatedReply,
    SimulatedRequest,
    Simulator,
    Unit,
    format_kwh,
    hookimpl,
    setting,
    spoil_answer,
)

STEP = 100
CODE_LENGTH = 12


@attrs.frozen(kw_only=True)
class AcmeSettings:
    """Where Acme is and who we are there."""

    api_url: str = setting(
        help="Base URL of the token server.", kind="url", example="https://acme.example/api"
    )
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = setting(help="Our key.")
    days_kept: int = setting(help="Days that Acme keeps sales.", default=30, minimum=1)


def _code(code: str, meaning: str, text: str) -> ResultCode:
    return ResultCode(
        code=code, meaning=meaning, text=text, source="acme.example/docs", seen_on=date(2026, 1, 1)
    )


KEYED = Operation(recovery=Recovery.KEYED, orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE)
MANIFEST = Manifest(
    kind=PluginKind.MANUFACTURER,
    title="Acme meters",
    settings_class=AcmeSettings,
    device_kinds=frozenset({DeviceKind.METER}),
    operations={ChargeKind.ENERGY: KEYED, ChargeKind.CLEAR: KEYED},
    energy_step=STEP,
    supports_lookup=True,
    serial_pattern=r"[0-9A-Z?#-]{3,16}",
    example_serial="00071",
    url_settings=("api_url",),
    deadline=20.0,
    concurrency=4,
    result_codes=(_code("0", "accepted", "OK"), _code("17", "refused", "no such meter")),
)


class AcmeMeters:
    """One company's access to Acme."""

    manifest: ClassVar[Manifest] = MANIFEST
    path: ClassVar[str] = "sales"

    def __init__(self, settings: AcmeSettings, runtime: PluginRuntime) -> None:
        self._settings = settings
        self._http = runtime.http
        self._runtime = runtime

    # --- hooks ------------------------------------------------------------------------------------

    @hookimpl
    def mpm_generate_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant:
        if charge.kind is not ChargeKind.ENERGY:
            raise NotSupported(f"Acme sells energy only, not {charge.kind}.")
        return self.grant(self.sell(device, self.kwh(charge), order, context), charge, device)

    @hookimpl
    def mpm_clear_device(self, device: Device, order: Order, context: CallContext) -> Grant:
        answer = self.sell(device, Decimal(0), order, context)
        return Grant(codes=(Secret(self.code(answer)),))

    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        answer = self.request("GET", f"meters/{quote(device.serial, safe='')}", context)
        if answer.status == 404 and self.words(answer) == "no such meter":
            return DeviceMapping.NOT_MAPPED
        if answer.status != 200 or not isinstance(answer.json(), dict):
            raise answer.unusable("it is not about a meter")
        return DeviceMapping.MAPPED

    @hookimpl
    def mpm_read_device(self, device: Device, context: CallContext) -> DeviceReading:
        answer = self.request("GET", f"meters/{quote(device.serial, safe='')}", context)
        return DeviceReading(at=context.now, facts={"status": str(answer.status)})

    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        try:
            self.request("GET", "", context)
        except OutcomeError as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True)

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return AcmeSimulator()

    # --- the wire ---------------------------------------------------------------------------------

    def request(self, method: str, path: str, context: CallContext, **more: Any) -> Any:
        return self._http.request(
            method,
            f"{self._settings.api_url}/{path}",
            context=context,
            headers=self.headers(),
            **more,
        )

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._settings.api_key.reveal()}"}

    def fields(self, device: Device, kwh: Decimal, order: Order) -> dict[str, object]:
        return {"meter": device.serial, "kwh": kwh, "key": self.key(order)}

    def key(self, order: Order) -> str:
        return order.key

    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        answer = self.request(
            "POST",
            self.path,
            context,
            json=self.fields(device, kwh, order),
            not_processed=(401,),
        )
        return self.sorted(answer)

    def sorted(self, answer: Any) -> Any:
        answer.expect_success()
        if answer.status == 401:
            raise Misconfigured("Acme refuses our key; correct api_key.")
        body = answer.json()
        if not isinstance(body, dict):
            raise answer.unusable("it is no object")
        if str(body.get("code")) == "17":
            raise Refused(self.reason(body), "17")
        if body.get("code") != 0 or answer.status != 200:
            raise OutcomeUnknown("Acme answered a code that it does not document.")
        return body

    def reason(self, body: Mapping[str, object]) -> str:
        text = str(body.get("reason"))
        return text.replace(self._settings.api_key.reveal(), "…")[:200]

    def words(self, answer: Any) -> str:
        try:
            return str(answer.json().get("reason"))
        except (OutcomeError, AttributeError):
            return ""

    # --- values -----------------------------------------------------------------------------------

    def kwh(self, charge: Charge) -> Decimal:
        quantity = charge.quantity or 0
        if quantity <= 0 or quantity % STEP:
            raise ContractViolation(f"Acme sells steps of 0.1 kWh, not {quantity} Wh.")
        return Decimal(format_kwh(quantity))

    def code(self, body: Mapping[str, object]) -> str:
        code = body.get("token")
        if not isinstance(code, str) or len(code) != CODE_LENGTH or not code.isdigit():
            raise OutcomeUnknown("Acme answered no token.")
        return code

    def grant(self, body: Mapping[str, object], charge: Charge, device: Device) -> Grant:
        return Grant(
            codes=(Secret(self.code(body)),),
            quantity=charge.quantity,
            unit=charge.unit,
            device_serial=str(body.get("meter", device.serial)),
        )


class AcmeLookup(AcmeMeters):
    """The same, where a lost sale is looked up by our key."""

    manifest: ClassVar[Manifest] = attrs.evolve(
        MANIFEST,
        operations={
            ChargeKind.ENERGY: Operation(
                recovery=Recovery.LOOKUP, orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE
            ),
            ChargeKind.CLEAR: KEYED,
        },
        supports_find=True,
    )
    path: ClassVar[str] = "blind"

    @hookimpl
    def mpm_find_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant | NotFound:
        answer = self.request("GET", f"sales/{self.key(order)}", context).expect_success()
        body = answer.json()
        if answer.status == 404 and body.get("reason") == "no such sale":
            return NotFound(conclusive=True)
        if answer.status != 200 or body.get("code") != 0:
            raise answer.unusable("it is not about the sale")
        return self.grant(body, charge, device)


class AcmeRemote(AcmeMeters):
    """The same, where Acme credits the meter itself to a target that we decide before."""

    manifest: ClassVar[Manifest] = attrs.evolve(
        MANIFEST,
        operations={
            ChargeKind.TIME: Operation(
                recovery=Recovery.DESIRED_STATE, orphan_effect=OrphanEffect.CREDITS_DEVICE
            ),
            ChargeKind.CLEAR: KEYED,
        },
        energy_step=None,
    )

    @hookimpl
    def mpm_generate_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant:
        if charge.kind is not ChargeKind.TIME:
            raise NotSupported("Acme credits days only.")
        if not charge.quantity or charge.quantity < 0:
            raise ContractViolation("Acme credits one day or more.")
        target = {"meter": device.serial, "target": self.target(charge, order, context)}
        answer = self.request("PUT", "targets", context, json=target, not_processed=(401,))
        body = self.sorted(answer)
        return Grant(
            quantity=charge.quantity,
            unit=Unit.DAY,
            delivery=Delivery.REMOTE,
            device_serial=str(body.get("meter")),
        )

    def target(self, charge: Charge, order: Order, context: CallContext) -> str:
        return f"{order.key}+{charge.quantity}"


class AcmeSimulator:
    """Acme's side: keyed sales at `sales`, blind ones at `blind`, targets at `targets`."""

    KEY = "simulated-acme-key"

    def __init__(self) -> None:
        self._meters: dict[str, dict[str, int]] = {}  # codes not used yet, with their Wh
        self._sales: dict[str, dict[str, object]] = {}
        self._targets: dict[str, list[str]] = {}
        self._given: list[str] = []
        self._lock = threading.RLock()
        self._switches = FaultSwitches((*UNPROCESSED_FAULTS, *ANSWER_FAULTS))

    def settings(self, base_url: str) -> Mapping[str, object]:
        return {"api_url": f"{base_url}/api", "user": "acme-user", "api_key": self.KEY}

    def faults(self) -> tuple[str, ...]:
        return self._switches.names

    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        self._switches.turn_on(fault, serial=serial, times=times)

    def clear_faults(self) -> None:
        self._switches.clear()

    def knows(self, serial: str) -> None:
        with self._lock:
            self._meters.setdefault(serial, {})

    def grants(self, serial: str) -> int:
        with self._lock:
            return self._given.count(serial)

    def use_token(self, serial: str, code: str) -> str:
        with self._lock:
            watt_hours = self._meters.get(serial, {}).pop(code, None)
        if watt_hours is None:
            return "rejected: Not a code for this meter."
        return f"accepted {format_kwh(watt_hours)} kWh" if watt_hours else "accepted clearing"

    def validate_call(self, payment: object, settings: object) -> None:
        return None

    def process_call(self, payment: object, settings: object, validation: object) -> None:
        return None

    def enquiry_call(self, payment: object, settings: object) -> None:
        return None

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        if request.headers.get("authorization") != f"Bearer {self.KEY}":
            return _json(401, {"reason": "who are you"})
        path = request.path.removeprefix("api").strip("/")
        if path.startswith("meters/"):
            known = unquote(path.removeprefix("meters/")) in self._meters
            return _json(200, {"ok": True}) if known else _json(404, {"reason": "no such meter"})
        if path.startswith("sales/"):
            return self._find(path.removeprefix("sales/"))
        if not path:
            return _json(200, {})
        return self._change(path, json.loads(request.body, parse_float=Decimal))

    def _change(self, path: str, asked: Mapping[str, Any]) -> SimulatedReply:
        fault = self._switches.take(asked["meter"])
        if unprocessed := UNPROCESSED_FAULTS.get(fault or ""):
            return unprocessed
        if asked["meter"] not in self._meters:
            return _json(200, {"code": 17, "reason": "there is no such meter"})
        with self._lock:
            if path == "targets":
                return spoil_answer(fault, self._set_target(asked))
            if path != "sales" or asked["key"] not in self._sales:
                self._sales[asked["key"]] = self._mint(asked)
            return spoil_answer(fault, _json(200, self._sales[asked["key"]]))

    def _set_target(self, asked: Mapping[str, Any]) -> SimulatedReply:
        targets = self._targets.setdefault(asked["meter"], [])
        if asked["target"] not in targets:
            targets.append(asked["target"])
            self._given.append(asked["meter"])
        return _json(200, {"code": 0, "meter": asked["meter"]})

    def _find(self, key: str) -> SimulatedReply:
        sale = self._sales.get(key)
        return _json(200, sale) if sale else _json(404, {"reason": "no such sale"})

    def _mint(self, asked: Mapping[str, Any]) -> dict[str, object]:
        meter = asked["meter"]
        self._given.append(meter)
        code = f"{len(self._given):0{CODE_LENGTH}d}"
        self._meters[meter][code] = int(Decimal(asked["kwh"]) * 1000)
        return {"code": 0, "meter": meter, "token": code}


def _json(status: int, fields: Mapping[str, object]) -> SimulatedReply:
    return SimulatedReply(status=status, body=json.dumps(fields).encode())
