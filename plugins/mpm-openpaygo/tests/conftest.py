"""A device with the published sample key, and the plugin as the host calls it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import attrs
import pytest

from mpm_core import (
    Charge,
    ChargeKind,
    Company,
    Device,
    DeviceKind,
    Grant,
    Order,
    PluginRuntime,
)
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance, PluginIdentity
from mpm_core.outbound import OutboundClient
from mpm_openpaygo.maker import SAMPLE_KEY, SAMPLE_STARTING_CODE
from mpm_openpaygo.plugin import OpenPaygo
from mpm_openpaygo.settings import OpenPaygoDevice, OpenPaygoSettings
from mpm_openpaygo.simulator import OpenPaygoSimulator

SERIAL = "OPG-000123"
COMPANY = Company(
    slug="umeme", name="Umeme", country="TZ", currency="TZS", timezone="Africa/Dar_es_Salaam"
)
NOW = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)

MakeHost = Callable[..., "Host"]


@attrs.define(kw_only=True, eq=False)
class Host:
    """Keeps the device's state and calls the plugin through the dispatch, as the host does."""

    plugins: CompanyPlugins
    details: object
    state: dict[str, str] = attrs.field(factory=dict)
    orders: int = 0

    @property
    def device(self) -> Device:
        return Device(
            kind=DeviceKind.SHS, serial=SERIAL, details=self.details, state=dict(self.state)
        )

    def prepare(self, charge: Charge) -> Order:
        """Prepare an order and commit what was prepared."""
        self.orders += 1
        order = Order(key=f"{self.orders:032x}", attempt=1, created_at=NOW)
        prepared = self.plugins.prepare_order(
            "openpaygo", self.device, charge, order, correlation_id="c-1"
        )
        if prepared.state is not None:
            self.state = dict(prepared.state)
        return attrs.evolve(order, prepared=prepared.inputs)

    def ask(self, charge: Charge, order: Order) -> Grant:
        ask = (
            self.plugins.clear_device
            if charge.kind is ChargeKind.CLEAR
            else self.plugins.generate_token
        )
        grant = ask("openpaygo", self.device, charge, order, correlation_id="c-1")
        assert isinstance(grant, Grant)
        return grant

    def sell(self, charge: Charge) -> list[str]:
        return [code.reveal() for code in self.ask(charge, self.prepare(charge)).codes]


@pytest.fixture
def make_host() -> MakeHost:
    hosts: list[Host] = []

    def make(device: dict[str, object] | None = None, **settings: int) -> Host:
        """Return a host of the sample device; `device` replaces some of its details."""
        plain = {"secret_key": SAMPLE_KEY, "starting_code": SAMPLE_STARTING_CODE} | (device or {})
        runtime = PluginRuntime(
            company=COMPANY, instance="openpaygo", http=OutboundClient(allowed_hosts=())
        )
        loaded = LoadedInstance(
            name="openpaygo",
            plugin=PluginIdentity(name="openpaygo", distribution="mpm-openpaygo", version="0.1.0"),
            manifest=OpenPaygo.manifest,
            instance=OpenPaygo(OpenPaygoSettings(**settings), runtime),
            company=COMPANY,
        )
        plugins = CompanyPlugins(COMPANY, [loaded], clock=lambda: NOW)
        hosts.append(Host(plugins=plugins, details=OpenPaygoDevice(**plain)))
        return hosts[-1]

    yield make
    for host in hosts:
        host.plugins.close()


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()


@pytest.fixture
def simulator() -> OpenPaygoSimulator:
    simulator = OpenPaygoSimulator()
    simulator.knows(SERIAL)
    return simulator
