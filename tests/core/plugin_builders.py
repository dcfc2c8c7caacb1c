"""Companies, plugins and arguments for tests of the dispatch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import attrs

from mpm_core import (
    Charge,
    ChargeKind,
    Company,
    Device,
    DeviceKind,
    Grant,
    InboundCall,
    Manifest,
    Message,
    Money,
    Msisdn,
    Order,
    PaymentFacts,
    PaymentStatus,
    PluginKind,
    PluginRuntime,
    Quote,
    Secret,
    Unit,
    ValidationRequest,
    hookimpl,
)
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits, LoadedInstance, load_instance
from mpm_core.outbound import OutboundClient

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
GRANT = Grant(codes=(Secret("1234 5678"),), quantity=7600, unit=Unit.WATT_HOUR)
CHARGE = Charge(
    kind=ChargeKind.ENERGY, money=Money(1000, "UGX"), quantity=7600, unit=Unit.WATT_HOUR
)
CALL = InboundCall(method="POST", path="c2b", headers={"x": "y"}, body=b"{}", source="10.0.0.1")
VALIDATION = ValidationRequest(serial="47", amount=Money(1000, "UGX"))
FACTS = PaymentFacts(status=PaymentStatus.SETTLED)
QUOTE = Quote(lines=())
WHOSE = "Plugin calin (mpm-calin 1.2), instance south of company umeme:"


@attrs.frozen(kw_only=True)
class NoSettings:
    """Nothing to set."""


def manifest(
    *, deadline: float = 5.0, concurrency: int = 4, token_pattern: str | None = None
) -> Manifest:
    return Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Calin",
        settings_class=NoSettings,
        device_kinds=frozenset({DeviceKind.METER}),
        deadline=deadline,
        concurrency=concurrency,
        token_pattern=token_pattern,
    )


def company(slug: str = "umeme") -> Company:
    return Company(slug=slug, name=slug, country="UG", currency="UGX", timezone="Africa/Kampala")


def device(serial: str = "47") -> Device:
    return Device(kind=DeviceKind.METER, serial=serial, state={"count": "1"})


def order() -> Order:
    return Order(key="a" * 32, attempt=1, created_at=NOW, prepared={"id": "9"})


def message() -> Message:
    return Message(key="m", to=Msisdn.from_e164("+256712345678"), body="1234")


def http(*urls: str) -> OutboundClient:
    return OutboundClient(allowed_hosts=urls, allow_plain_http=True, allow_private_addresses=True)


def loaded(
    plugin_class: type,
    *,
    name: str = "south",
    owner: Company | None = None,
    client: OutboundClient | None = None,
) -> LoadedInstance:
    runtime = PluginRuntime(company=owner or company(), instance=name, http=client or http())
    return load_instance(
        plugin_class,
        NoSettings(),
        runtime,
        name=name,
        plugin_name="calin",
        distribution="mpm-calin",
        version="1.2",
    )


def plugins(
    *instances: LoadedInstance,
    monotonic: Callable[[], float] | None = None,
    limits: DispatchLimits | None = None,
) -> CompanyPlugins:
    options = {} if monotonic is None else {"monotonic": monotonic}
    return CompanyPlugins(
        instances[0].company,
        instances,
        clock=lambda: NOW,
        limits=limits or DispatchLimits(grace=0.05),
        **options,
    )


class _Plugin:
    def __init__(self, settings: object, runtime: object) -> None:
        del settings, runtime


def one_hook(name: str, body: Callable[..., object], **options: float) -> type:
    """Make a plugin class with one hook, a function of the hook's arguments without `self`."""
    names = body.__code__.co_varnames[: body.__code__.co_argcount]
    scope: dict[str, object] = {"body": body}
    listed = ", ".join(names)
    exec(f"def hook(self, {listed}): return body({listed})", scope)  # noqa: S102 - pluggy reads names
    return type(
        "OneHook",
        (_Plugin,),
        {
            "manifest": manifest(**options),
            name: hookimpl(scope["hook"]),
        },
    )


def generate(
    dispatch: CompanyPlugins, serial: str = "47", late: list[object] | None = None
) -> object:
    return dispatch.generate_token(
        "south",
        device(serial),
        CHARGE,
        order(),
        correlation_id="c-1",
        on_late=None if late is None else late.append,
    )
