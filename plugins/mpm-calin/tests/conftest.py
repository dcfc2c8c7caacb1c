"""A Calin instance that buys from the simulator over loopback HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mpm_calin.plugin import Calin
from mpm_calin.settings import CalinSettings
from mpm_calin.simulator import CalinSimulator
from mpm_core import CallContext, Company, PluginRuntime, read_settings
from mpm_core.outbound import OutboundClient
from mpm_core.settings import SettingsPlace
from mpm_core.simulation.server import SimulationServer, serve

NOW = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
SERIAL = "47000124512"
COMPANY = Company(
    slug="umeme",
    name="Umeme Vijijini",
    country="TZ",
    currency="TZS",
    timezone="Africa/Dar_es_Salaam",
)

MakePlugin = Callable[..., Calin]


@pytest.fixture
def simulator() -> CalinSimulator:
    simulator = CalinSimulator(clock=lambda: NOW)
    simulator.knows(SERIAL)
    return simulator


@pytest.fixture
def server(simulator: CalinSimulator) -> Iterator[SimulationServer]:
    with serve({"calin": simulator}) as server:
        yield server


@pytest.fixture
def make_plugin(simulator: CalinSimulator, server: SimulationServer) -> MakePlugin:
    """Return a maker of instances; keywords replace settings."""

    def make(*, production: bool = False, **changed: object) -> Calin:
        raw = {**simulator.settings(server.base_url("calin")), **changed}
        settings = read_settings(
            CalinSettings,
            raw,
            place=SettingsPlace(company="umeme", instance="calin", plugin="calin"),
            environ={},
            folder=Path(),
        )
        http = OutboundClient(
            allowed_hosts={str(raw["api_url"]).rsplit("/", 1)[0].removesuffix("/calin")},
            allow_plain_http=True,
            allow_private_addresses=True,
        )
        runtime = PluginRuntime(company=COMPANY, instance="calin", http=http, production=production)
        return Calin(settings, runtime)

    return make


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Calin:
    return make_plugin()


@pytest.fixture
def context() -> CallContext:
    return make_context()


def make_context(deadline: float = 10.0) -> CallContext:
    return CallContext(
        company="umeme", instance="calin", correlation_id="c-1", now=NOW, deadline=deadline
    )
