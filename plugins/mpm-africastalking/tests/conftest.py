"""An instance that sends through the simulated gateway over loopback HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mpm_africastalking.plugin import AfricasTalking
from mpm_africastalking.settings import AfricasTalkingSettings
from mpm_africastalking.simulator import AfricasTalkingSimulator
from mpm_core import CallContext, Company, PluginRuntime, read_settings
from mpm_core.outbound import OutboundClient
from mpm_core.settings import SettingsPlace
from mpm_core.simulation.server import SimulationServer, serve

COMPANY = Company(
    slug="umeme", name="Umeme", country="KE", currency="KES", timezone="Africa/Nairobi"
)

MakePlugin = Callable[..., AfricasTalking]


@pytest.fixture
def make_context() -> Callable[..., CallContext]:
    """Return a maker of contexts with a deadline in seconds."""

    def make(deadline: float = 10.0) -> CallContext:
        return CallContext(
            company="umeme",
            instance="africastalking",
            correlation_id="c-1",
            now=datetime(2026, 1, 15, 8, 0, tzinfo=UTC),
            deadline=deadline,
        )

    return make


@pytest.fixture
def simulator() -> AfricasTalkingSimulator:
    return AfricasTalkingSimulator()


@pytest.fixture
def server(simulator: AfricasTalkingSimulator) -> Iterator[SimulationServer]:
    with serve({"gateway": simulator}) as server:
        yield server


@pytest.fixture
def make_plugin(simulator: AfricasTalkingSimulator, server: SimulationServer) -> MakePlugin:
    """Return a maker of instances; keywords replace settings."""

    def make(**changed: object) -> AfricasTalking:
        raw = {**simulator.settings(server.base_url("gateway")), **changed}
        settings = read_settings(
            AfricasTalkingSettings,
            raw,
            place=SettingsPlace(
                company="umeme", instance="africastalking", plugin="africastalking"
            ),
            environ={},
            folder=Path(),
        )
        http = OutboundClient(
            allowed_hosts={"/".join(str(raw["api_url"]).split("/")[:3])},
            allow_plain_http=True,
            allow_private_addresses=True,
        )
        runtime = PluginRuntime(company=COMPANY, instance="africastalking", http=http)
        return AfricasTalking(settings, runtime)

    return make


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> AfricasTalking:
    return make_plugin()
