"""Manufacturers' plugins that do one thing wrong each."""

# ruff: noqa: ARG002, RUF009 - faults ignore their arguments; `_url` and `_key` are settings

from __future__ import annotations

import logging
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_UP, Decimal
from typing import Any, ClassVar

import attrs

from mpm_core import (
    CallContext,
    Charge,
    ChargeKind,
    Delivery,
    Device,
    DeviceMapping,
    DeviceReading,
    Grant,
    Health,
    InboundCall,
    Manifest,
    Misconfigured,
    NotFound,
    NotSent,
    Operation,
    Order,
    OrphanEffect,
    OutcomeError,
    OutcomeUnknown,
    PluginRuntime,
    Prepared,
    ProcessRequest,
    Recovery,
    Refused,
    Reply,
    Secret,
    SimulatedCall,
    Simulator,
    Throttled,
    Verdict,
    hookimpl,
    setting,
)
from tests.kit.acme_meters import (
    KEYED,
    MANIFEST,
    AcmeLookup,
    AcmeMeters,
    AcmeRemote,
    AcmeSettings,
    AcmeSimulator,
)
from tests.kit.local_keypads import LocalKeypads

_log = logging.getLogger(__name__)

# --- amounts and serials --------------------------------------------------------------------------


class RoundsUp(AcmeMeters):
    def kwh(self, charge: Charge) -> Decimal:
        return super().kwh(charge).quantize(Decimal(1), ROUND_UP)


class CalculatesWithFloat(AcmeMeters):
    def kwh(self, charge: Charge) -> Decimal:
        return Decimal(str(float(super().kwh(charge)) * 1.1 / 1.1)[:6])


class SellsMoneyNotEnergy(AcmeMeters):
    def kwh(self, charge: Charge) -> Decimal:
        return charge.money.to_decimal() / 10


class SaysMoreThanItSold(AcmeMeters):
    def grant(self, body: Mapping[str, object], charge: Charge, device: Device) -> Grant:
        given = super().grant(body, charge, device)
        return attrs.evolve(given, quantity=(given.quantity or 0) + 100)


class AddsToItsLastSale(AcmeMeters):
    total = Decimal(0)

    def kwh(self, charge: Charge) -> Decimal:
        self.total += super().kwh(charge)
        return self.total


class SellsHalfSteps(AcmeMeters):
    def kwh(self, charge: Charge) -> Decimal:
        return max(Decimal("0.1"), Decimal((charge.quantity or 0) // 100) / 10)


class AsksTheVendorAboutNothing(AcmeMeters):
    def kwh(self, charge: Charge) -> Decimal:
        return Decimal(charge.quantity or 0) / 1000


class SellsEveryKind(AcmeMeters):
    @hookimpl
    def mpm_generate_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant:
        body = self.sell(device, Decimal(1), order, context)
        return Grant(codes=(Secret(self.code(body)),), quantity=charge.quantity, unit=charge.unit)


class LosesLeadingZeros(AcmeMeters):
    def fields(self, device: Device, kwh: Decimal, order: Order) -> dict[str, object]:
        return super().fields(device, kwh, order) | {"meter": device.serial.lstrip("0")}


class CutsCodes(AcmeMeters):
    def code(self, body: Mapping[str, object]) -> str:
        return super().code(body).lstrip("0")


class OneKeyPerDevice(AcmeMeters):
    def fields(self, device: Device, kwh: Decimal, order: Order) -> dict[str, object]:
        return super().fields(device, kwh, order) | {"key": device.serial}


class RemembersGrantsByAmount(AcmeMeters):
    def __init__(self, settings: AcmeSettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self._known: dict[Decimal, Any] = {}

    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        if kwh not in self._known:
            self._known[kwh] = super().sell(device, kwh, order, context)
        return self._known[kwh]


# --- answers --------------------------------------------------------------------------------------


class TakesSilenceForNotSent(AcmeMeters):
    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        try:
            return super().sell(device, kwh, order, context)
        except OutcomeUnknown as error:
            raise NotSent("Acme did not answer.") from error


class TakesTroubleForNo(AcmeMeters):
    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        try:
            return super().sell(device, kwh, order, context)
        except OutcomeUnknown as error:
            raise Refused("Acme did not sell.") from error


class TakesUnreachableForNo(AcmeMeters):
    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        try:
            return super().sell(device, kwh, order, context)
        except NotSent as error:
            raise Refused("Acme is not there.") from error


class AsksAgain(AcmeMeters):
    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        for _ in range(3):
            try:
                return super().sell(device, kwh, order, context)
            except OutcomeUnknown as error:
                last = error
        raise last


class WaitsForEver(AcmeMeters):
    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        try:
            return super().sell(device, kwh, order, context)
        except OutcomeUnknown:
            time.sleep(2)
            raise


class SaysItIsAGet(AcmeMeters):
    def request(self, method: str, path: str, context: CallContext, **more: Any) -> Any:
        return super().request(method, path, context, **more, effect=False)


class MakesUpATokenForPages(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        try:
            return super().sorted(answer)
        except OutcomeUnknown:
            if answer.status != 200:
                raise
            return {"code": 0, "token": "000000000000"}


class TakesGarbageForNotSent(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        if answer.status == 200:
            try:
                answer.json()
            except OutcomeUnknown as error:
                raise NotSent("Acme answered nonsense.") from error
        return super().sorted(answer)


class IgnoresTheStatus(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        body = answer.json()
        if body.get("code") == 0:
            return body
        raise OutcomeUnknown("Acme answered no code.")


class ForgetsHowLongToWait(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        if answer.status in {429, 503}:
            raise Throttled("Acme says not now.")
        return super().sorted(answer)


class RefusesEveryClientError(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        if 400 <= answer.status < 500 and answer.status not in {401, 429}:
            raise Refused(f"Acme answered {answer.status}.", str(answer.status))
        return super().sorted(answer)


class TakesAnyCode(AcmeMeters):
    def code(self, body: Mapping[str, object]) -> str:
        return str(body.get("token") or "none")[:64]


class TakesNumbersForCodes(AcmeMeters):
    def code(self, body: Mapping[str, object]) -> str:
        token = body.get("token")
        if isinstance(token, int):
            return f"{token:012d}"
        return super().code(body)


class IgnoresTheOtherDevice(AcmeMeters):
    def grant(self, body: Mapping[str, object], charge: Charge, device: Device) -> Grant:
        return attrs.evolve(super().grant(body | {"meter": device.serial}, charge, device))


class LogsInForEver(AcmeMeters):
    def request(self, method: str, path: str, context: CallContext, **more: Any) -> Any:
        for _ in range(5):
            answer = super().request(method, path, context, **more)
            if answer.status != 401:
                break
        return answer


class DoubtsEveryLogin(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        if answer.status == 401:
            raise OutcomeUnknown("Acme refused us; who knows.")
        return super().sorted(answer)


class DoubtsEveryNo(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        try:
            return super().sorted(answer)
        except Refused as error:
            raise OutcomeUnknown("Acme said no.") from error


class RefusesWithoutAWord(AcmeMeters):
    def reason(self, body: Mapping[str, object]) -> str:
        return ""


class TrustsTheMembers(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        answer.expect_success()
        body = answer.json()
        if body["code"] == 17:
            raise Refused(self.reason(body), "17")
        return body


class BelievesTheVendorsClock(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        return super().sorted(answer)

    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        if abs(context.now - datetime.now(UTC)).total_seconds() > 3600:
            raise ValueError("clocks differ")
        return super().sell(device, kwh, order, context)


class KeepsItsLock(AcmeMeters):
    def __init__(self, settings: AcmeSettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self._lock = threading.Lock()

    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        if not self._lock.acquire(timeout=0.3):
            raise NotSent("Another sale is under way.")
        body = super().sell(device, kwh, order, context)
        self._lock.release()
        return body


class FinishesTheLastOrder(AcmeMeters):
    def __init__(self, settings: AcmeSettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self._left: list[tuple[Device, Decimal, Order]] = []

    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        for left in self._left:
            super().sell(*left, context)
        self._left = [(device, kwh, order)]
        body = super().sell(device, kwh, order, context)
        self._left = []
        return body


# --- look-up, clearing, reading -------------------------------------------------------------------


class TakesNoAnswerForUnknown(AcmeMeters):
    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        try:
            return super().mpm_register_device(device, context)
        except OutcomeError:
            return DeviceMapping.NOT_MAPPED


class KnowsEveryDevice(AcmeMeters):
    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        return DeviceMapping.MAPPED


class LooksUpByTheBarePath(AcmeMeters):
    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        answer = self.request("GET", f"meters/{device.serial}", context)
        return DeviceMapping.MAPPED if answer.status == 200 else DeviceMapping.NOT_MAPPED


class SellsToLookUp(AcmeMeters):
    @hookimpl
    def mpm_register_device(self, device: Device, context: CallContext) -> DeviceMapping:
        order = Order(key=uuid.uuid4().hex, attempt=1, created_at=context.now)
        try:
            self.sell(device, Decimal(1), order, context)
        except Refused:
            return DeviceMapping.NOT_MAPPED
        return DeviceMapping.MAPPED


class ClearsByAnEnergyGrant(AcmeMeters):
    @hookimpl
    def mpm_clear_device(self, device: Device, order: Order, context: CallContext) -> Grant:
        code = self.code(self.sell(device, Decimal(0), order, context))
        return Grant(codes=(Secret(code[::-1]),))


class ReadsWithoutAZone(AcmeMeters):
    @hookimpl
    def mpm_read_device(self, device: Device, context: CallContext) -> DeviceReading:
        return DeviceReading(at=context.now.replace(tzinfo=None), facts={})


# --- recovery -------------------------------------------------------------------------------------


class NewKeyEachAttempt(AcmeMeters):
    def key(self, order: Order) -> str:
        return uuid.uuid4().hex


class KeyWithTheAttempt(AcmeMeters):
    def key(self, order: Order) -> str:
        return f"{order.key}-{order.attempt}"


class SaysKeyedButIsBlind(AcmeMeters):
    path: ClassVar[str] = "blind"


class SaysStateButAddsUp(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(
        MANIFEST,
        operations={
            ChargeKind.ENERGY: attrs.evolve(KEYED, recovery=Recovery.DESIRED_STATE),
            ChargeKind.CLEAR: KEYED,
        },
    )
    path: ClassVar[str] = "blind"


class TargetFromTheClock(AcmeRemote):
    def target(self, charge: Charge, order: Order, context: CallContext) -> str:
        return f"{context.now}+{charge.quantity}"


class SaysRemoteIsHarmless(AcmeRemote):
    manifest: ClassVar[Manifest] = attrs.evolve(
        AcmeRemote.manifest,
        operations={
            ChargeKind.TIME: Operation(recovery=Recovery.NONE, orphan_effect=OrphanEffect.HARMLESS),
            ChargeKind.CLEAR: KEYED,
        },
    )


class FindsTheNewestSale(AcmeLookup):
    newest: ClassVar[dict[str, str]] = {}

    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        self.newest[device.serial] = order.key
        return super().sell(device, kwh, order, context)

    @hookimpl
    def mpm_find_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant | NotFound:
        newest = attrs.evolve(order, key=self.newest[device.serial])
        return super().mpm_find_token(device, charge, newest, context)


class NeverFinds(AcmeLookup):
    @hookimpl
    def mpm_find_token(self, context: CallContext) -> Grant | NotFound:
        self.request("GET", "", context)
        return NotFound(conclusive=True)


class SellsToFind(AcmeLookup):
    @hookimpl
    def mpm_find_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant | NotFound:
        return self.grant(self.sell(device, self.kwh(charge), order, context), charge, device)


class TakesNoAnswerForNotFound(AcmeLookup):
    @hookimpl
    def mpm_find_token(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Grant | NotFound:
        try:
            return super().mpm_find_token(device, charge, order, context)
        except OutcomeError:
            return NotFound(conclusive=True)


class CountsWithoutState(LocalKeypads):
    def prepared(self, count: str) -> Prepared:
        return Prepared(inputs={"count": count})


class CountsByItself(LocalKeypads):
    def __init__(self, settings: Any, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self._count = 0

    def count(self, device: Device, order: Order) -> int:
        self._count += 1
        return self._count


class CountsWithoutBlocking(LocalKeypads):
    manifest: ClassVar[Manifest] = attrs.evolve(
        LocalKeypads.manifest,
        operations={
            ChargeKind.TIME: Operation(
                recovery=Recovery.DETERMINISTIC, orphan_effect=OrphanEffect.HARMLESS
            )
        },
    )


class SellsWhilePreparing(AcmeMeters):
    @hookimpl
    def mpm_prepare_order(
        self, device: Device, charge: Charge, order: Order, context: CallContext
    ) -> Prepared:
        if charge.kind is ChargeKind.ENERGY:
            self.sell(device, self.kwh(charge), order, context)
        return Prepared()


# --- isolation and conduct ------------------------------------------------------------------------


class SharesItsClient(AcmeMeters):
    first: ClassVar[list[Any]] = []

    def __init__(self, settings: AcmeSettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self.first.append((self._settings, self._http))
        self._settings, self._http = self.first[0]
        if len(self.first) >= 3:
            self.first.clear()


class KeepsTheDeviceInSelf(AcmeMeters):
    def sell(self, device: Device, kwh: Decimal, order: Order, context: CallContext) -> Any:
        self._device = device
        time.sleep(0.02)
        return super().sell(self._device, kwh, order, context)


class CallsByItself(AcmeMeters):
    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        try:
            urllib.request.urlopen(self._settings.api_url, timeout=1).close()  # noqa: S310
        except OSError:
            return Health(ok=False, detail="unreachable")
        return Health(ok=True)


class StartsAThread(AcmeMeters):
    def grant(self, body: Mapping[str, object], charge: Charge, device: Device) -> Grant:
        threading.Thread(target=lambda: None).start()
        return super().grant(body, charge, device)


class WritesAFile(AcmeMeters):
    def grant(self, body: Mapping[str, object], charge: Charge, device: Device) -> Grant:
        with tempfile.TemporaryFile("w") as file:
            file.write("sold")
        return super().grant(body, charge, device)


class AsksTheSystemForTheTime(AcmeMeters):
    def fields(self, device: Device, kwh: Decimal, order: Order) -> dict[str, object]:
        return super().fields(device, kwh, order) | {"at": datetime.now(UTC).isoformat()}


class Prints(AcmeMeters):
    def grant(self, body: Mapping[str, object], charge: Charge, device: Device) -> Grant:
        print("sold")  # noqa: T201 - the fault
        return super().grant(body, charge, device)


class ChangesTheCharge(AcmeMeters):
    def grant(self, body: Mapping[str, object], charge: Charge, device: Device) -> Grant:
        given = super().grant(body, charge, device)
        object.__setattr__(charge, "quantity", 1)
        return given


class LogsItsKey(AcmeMeters):
    def headers(self) -> dict[str, str]:
        headers = super().headers()
        _log.debug("calling Acme with %s", headers)
        return headers


class LogsTheToken(AcmeMeters):
    def code(self, body: Mapping[str, object]) -> str:
        _log.info("Acme sold %s", body.get("token"))
        return super().code(body)


class RepeatsWhatTheVendorSays(AcmeMeters):
    def reason(self, body: Mapping[str, object]) -> str:
        return str(body.get("reason"))


class ShowsItsKey(AcmeMeters):
    def __repr__(self) -> str:
        return f"AcmeMeters({self._settings.api_key.reveal()})"


class PutsItsKeyIntoErrors(AcmeMeters):
    def sorted(self, answer: Any) -> Any:
        if answer.status == 401:
            raise Misconfigured(f"Acme refuses the key {self._settings.api_key.reveal()}.")
        return super().sorted(answer)


class KeepsItsKeyAsText(AcmeMeters):
    def __init__(self, settings: AcmeSettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        self._key = settings.api_key.reveal()


# --- class, manifest, simulator -------------------------------------------------------------------


class MisspellsAHook(AcmeMeters):
    @hookimpl
    def mpm_generate_tokens(self, device: Device) -> Grant:
        raise NotImplementedError


class KeywordOnly(AcmeMeters):
    @hookimpl
    def mpm_read_device(self, device: Device, *, context: CallContext) -> DeviceReading:
        return DeviceReading(at=context.now, facts={})


class WithADefault(AcmeMeters):
    @hookimpl
    def mpm_read_device(
        self, device: Device, context: CallContext | None = None
    ) -> DeviceReading | None:
        return None


class AsynchronousHook(AcmeMeters):
    @hookimpl
    async def mpm_read_device(self, device: Device, context: CallContext) -> DeviceReading:
        return DeviceReading(at=context.now, facts={})


class WithoutTheHookItPromises(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(
        MANIFEST, supports_find=True, callback_paths=("reports",)
    )


class EqualInstances(AcmeMeters):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqualInstances)

    __hash__ = AcmeMeters.__hash__


class UnhashableInstances(AcmeMeters):
    __hash__ = None  # type: ignore[assignment]  # the fault


class PatientManifest(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(MANIFEST, deadline=1000.0)


class LimitsTheWrongWayRound(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(
        MANIFEST, minimum_amount="1000", maximum_amount="10"
    )


class InventedMeaning(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(
        MANIFEST,
        result_codes=(attrs.evolve(MANIFEST.result_codes[0], meaning="fine"),),
    )


class SeenTomorrow(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(
        MANIFEST,
        result_codes=(attrs.evolve(MANIFEST.result_codes[0], seen_on=date(2999, 1, 1)),),
    )


class ConnectsAtOnce(AcmeMeters):
    def __init__(self, settings: AcmeSettings, runtime: PluginRuntime) -> None:
        super().__init__(settings, runtime)
        threading.Thread(target=lambda: None).start()


_ONE_FOR_ALL = AcmeSimulator()


class OneSimulator(AcmeMeters):
    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return _ONE_FOR_ALL


class SimulatorOfTheInstance(AcmeMeters):
    @hookimpl
    def mpm_simulator(self) -> Simulator:
        assert self._settings
        return AcmeSimulator()


class _AnyFault(AcmeSimulator):
    def set_fault(self, fault: str, *, serial: str | None = None, times: int | None = None) -> None:
        """Take anything."""


class TakesAnyFault(AcmeMeters):
    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return _AnyFault()


class _Uncounted(AcmeSimulator):
    def grants(self, serial: str) -> int:
        return 0


class DoesNotCount(AcmeMeters):
    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return _Uncounted()


class HidesItsHost(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(MANIFEST, url_settings=())


class AlwaysWell(AcmeMeters):
    @hookimpl
    def mpm_check(self) -> Health:
        return Health(ok=True)


class NeverWell(AcmeMeters):
    @hookimpl
    def mpm_check(self) -> Health:
        return Health(ok=False, detail="Ask Acme.")


class CheckThatRaises(AcmeMeters):
    @hookimpl
    def mpm_check(self, context: CallContext) -> Health:
        if not self.request("GET", "", context).status:
            return Health(ok=False)
        raise RuntimeError("no")


# --- settings -------------------------------------------------------------------------------------


def _with_settings(settings_class: type) -> Manifest:
    return attrs.evolve(MANIFEST, settings_class=settings_class)


def _key() -> Any:
    return setting(help="Our key.")


def _url(**more: Any) -> Any:
    return setting(help="Base URL.", **{"kind": "url", "example": "https://acme.example", **more})


@attrs.frozen(kw_only=True)
class _Speechless:
    api_url: str = _url()
    user: str = setting(help="")
    api_key: Secret = _key()


class SettingWithoutHelp(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_Speechless)


@attrs.define(kw_only=True)
class _Changeable:
    api_url: str = _url()
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = _key()


class SettingsThatChange(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_Changeable)


@attrs.frozen(kw_only=True)
class _Open:
    api_url: str = _url()
    user: str = setting(help="Our user name.", example="umeme")
    api_key: str = _key()


class KeyIsNoSecret(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_Open)


@attrs.frozen(kw_only=True)
class _Shown:
    api_url: str = _url()
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = _key()

    def __repr__(self) -> str:
        return f"settings with {self.api_key.reveal()}"


class SettingsThatShowTheKey(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_Shown)


@attrs.frozen(kw_only=True)
class _Abrupt:
    api_url: str = _url()
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = _key()

    def __attrs_post_init__(self) -> None:
        if self.user not in {"acme-user": 1}:
            raise KeyError(self.user)


class ChecksThatRaiseAnything(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_Abrupt)


@attrs.frozen(kw_only=True)
class _NoUrl:
    api_url: str = setting(help="Base URL.", example="https://acme.example")
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = _key()


class UrlOfAnyText(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_NoUrl)


@attrs.frozen(kw_only=True)
class _NoExample:
    api_url: str = _url(example=None)
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = _key()


class UrlWithoutExample(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_NoExample)


@attrs.frozen(kw_only=True)
class _WrongDefault:
    api_url: str = _url()
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = _key()
    region: str = setting(help="Where.", default="middle", choices=("north", "south"))


class DefaultThatIsNoChoice(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_WrongDefault)


@attrs.frozen(kw_only=True)
class _KnownSecret:
    api_url: str = _url()
    user: str = setting(help="Our user name.", example="umeme")
    api_key: Secret = setting(help="Our key.", default=Secret("everybody knows this"))


class SecretWithADefault(AcmeMeters):
    manifest: ClassVar[Manifest] = _with_settings(_KnownSecret)


# --- callbacks ------------------------------------------------------------------------------------


class _CallingSimulator(AcmeSimulator):
    def process_call(self, payment: Any, settings: object, validation: object) -> Any:
        return SimulatedCall(path="reports", headers={}, body=b'{"id":"1"}')


class CountsCallbacks(AcmeMeters):
    manifest: ClassVar[Manifest] = attrs.evolve(MANIFEST, callback_paths=("reports",))
    count = 0

    @hookimpl
    def mpm_read_call(self, call: InboundCall) -> ProcessRequest:
        self.count += 1
        return ProcessRequest(reference=str(self.count))

    @hookimpl
    def mpm_write_reply(self, call: InboundCall, verdict: Verdict) -> Reply:
        return Reply(content_type="text/plain", body=b"")

    @hookimpl
    def mpm_simulator(self) -> Simulator:
        return _CallingSimulator()


class SwitchesByCode(AcmeMeters):
    @hookimpl
    def mpm_switch_device(
        self,
        device: Device,
        on: bool,  # noqa: FBT001 - the contract's own argument
        order: Order,
        context: CallContext,
    ) -> Grant:
        return Grant(codes=(Secret("1"),), delivery=Delivery.KEYPAD)
