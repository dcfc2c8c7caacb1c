"""A SunKing instance that talks to the simulator over loopback HTTP, and a clock both share."""

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
from mpm_sunking.plugin import SunKing
from mpm_sunking.settings import SunKingSettings
from mpm_sunking.simulator import SunKingSimulator

SERIAL = "996995411"
COMPANY = Company(
    slug="umeme",
    name="Umeme Vijijini",
    country="TZ",
    currency="TZS",
    timezone="Africa/Dar_es_Salaam",
)

MakePlugin = Callable[..., SunKing]


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
            instance="sunking",
            correlation_id="c-1",
            now=self.now,
            deadline=deadline,
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> SunKingSimulator:
    simulator = SunKingSimulator(clock=clock)
    simulator.knows(SERIAL)
    return simulator


@pytest.fixture
def server(simulator: SunKingSimulator) -> Iterator[SimulationServer]:
    with serve({"sunking": simulator}) as server:
        yield server


@pytest.fixture
def make_plugin(simulator: SunKingSimulator, server: SimulationServer) -> MakePlugin:
    """Return a maker of instances; keywords replace settings."""

    def make(**changed: object) -> SunKing:
        raw = {**simulator.settings(server.base_url("sunking")), **changed}
        settings = read_settings(
            SunKingSettings,
            raw,
            place=SettingsPlace(company="umeme", instance="sunking", plugin="sunking"),
            environ={},
            folder=Path(),
        )
        origins = {
            "/".join(str(raw[name]).split("/")[:3]) for name in SunKing.manifest.url_settings
        }
        http = OutboundClient(
            allowed_hosts=origins, allow_plain_http=True, allow_private_addresses=True
        )
        return SunKing(settings, PluginRuntime(company=COMPANY, instance="sunking", http=http))

    return make


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> SunKing:
    return make_plugin()
