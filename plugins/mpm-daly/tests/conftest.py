"""A Daly instance that talks to the simulator over loopback HTTP, and a clock both share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from mpm_core import CallContext, Company, PluginRuntime, read_settings
from mpm_core.outbound import OutboundClient
from mpm_core.settings import SettingsPlace
from mpm_core.simulation.server import SimulationServer, serve
from mpm_daly.plugin import Daly
from mpm_daly.settings import DalySettings
from mpm_daly.simulator import DalySimulator

SERIAL = "DL8500000123"
COMPANY = Company(
    slug="umeme",
    name="Umeme Vijijini",
    country="TZ",
    currency="TZS",
    timezone="Africa/Dar_es_Salaam",
)

MakePlugin = Callable[..., Daly]


@attrs.define
class Clock:
    """A time that moves only when told to."""

    now: datetime = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    def context(self, deadline: float = 10.0) -> CallContext:
        return CallContext(
            company="umeme",
            instance="daly",
            correlation_id="c-1",
            now=self.now,
            deadline=deadline,
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> DalySimulator:
    simulator = DalySimulator(clock=clock)
    simulator.knows(SERIAL)
    return simulator


@pytest.fixture
def server(simulator: DalySimulator) -> Iterator[SimulationServer]:
    with serve({"daly": simulator}) as server:
        yield server


@pytest.fixture
def make_plugin(simulator: DalySimulator, server: SimulationServer) -> MakePlugin:
    """Return a maker of instances; keywords replace settings."""

    def make(**changed: object) -> Daly:
        raw = {**simulator.settings(server.base_url("daly")), **changed}
        settings = read_settings(
            DalySettings,
            raw,
            place=SettingsPlace(company="umeme", instance="daly", plugin="daly"),
            environ={},
            folder=Path(),
        )
        http = OutboundClient(
            allowed_hosts={"/".join(str(raw["api_url"]).split("/")[:3])},
            allow_plain_http=True,
            allow_private_addresses=True,
        )
        return Daly(settings, PluginRuntime(company=COMPANY, instance="daly", http=http))

    return make


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Daly:
    return make_plugin()
