"""The scene of the crash tests: manufacturers that survive, customers, and a host to be killed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa

from mpm_airtel.simulator import AirtelSimulator
from mpm_calin.simulator import CalinSimulator
from mpm_core import DeviceKind, Money, SimulatedReply, SimulatedRequest, Simulator
from mpm_core.plans import Period
from mpm_core.simulation.server import serve
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration import NewCustomer, NewDevice, RegistrationRequest, register
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.tariff_book import TariffTerms, create_tariff
from mpm_sunking.simulator import SunKingSimulator
from tests.faults.killable_host import (
    KillableHost,
    MovableClock,
    Variant,
    process_context,
    read_config,
)
from tests.support.config_text import config_text

__all__ = ["Device", "Distant", "Scene", "crash_scene"]

_SYSTEMS_PER_METERS = 6  # every sixth device is a solar home system
_DEBTORS = 3  # every third customer owes for something else
_PAYMENTS_PER_DEVICE = 4
_WAY_SECONDS = 0.05
_HOLD_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class Device:
    """Something payable, and what its payments are."""

    serial: str
    amount: str


@attrs.frozen(kw_only=True)
class Scene:
    """Everything around the host."""

    host: KillableHost
    opened: Host
    clock: MovableClock
    airtel: AirtelSimulator
    airtel_settings: dict[str, object]
    calin: CalinSimulator
    sunking: SunKingSimulator
    distant: Mapping[str, Distant]
    devices: tuple[Device, ...]

    @property
    def callback_url(self) -> str:
        """Where Airtel calls."""
        key = sa.select(t.instances.c.callback_key).where(t.instances.c.name == "airtel")
        with self.opened.engines.read.connect() as connection:
            return f"{self.host.url}/callbacks/{connection.execute(key).scalar_one()}"


class Distant:
    """A manufacturer some way off: it has minted for a while before its answer arrives.

    After `hold_answers` it mints and says nothing until `let_go`: whoever asked can be killed
    between the two for sure.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._holds_one = threading.Event()

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        reply = self._simulator.handle(request)
        if not self._may_answer.is_set():
            self._holds_one.set()
            self._may_answer.wait(_HOLD_SECONDS)
        return attrs.evolve(reply, delay=max(reply.delay, _WAY_SECONDS))

    def hold_answers(self) -> None:
        """Answer nobody until `let_go`."""
        self._holds_one.clear()
        self._may_answer.clear()

    def wait_until_one_is_held(self, seconds: float) -> bool:
        """Wait until something was minted whose answer is held; tell whether it was."""
        return self._holds_one.wait(seconds)

    def let_go(self) -> None:
        """Answer whoever still listens, and everybody from now on at once."""
        self._may_answer.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)


@contextlib.contextmanager
def crash_scene(
    folder: Path, database: str, *, payments: int, variant: Variant | None = None
) -> Iterator[Scene]:
    """Set the scene on a database that has our tables; the host is not started yet."""
    clock = MovableClock(offset=process_context().Value("d", 0.0))
    airtel, calin = AirtelSimulator(clock=clock), CalinSimulator(clock=clock)
    sunking = SunKingSimulator(clock=clock)
    distant = {"calin": Distant(calin), "sunking": Distant(sunking)}
    with serve(distant) as simulation:
        airtel_settings = dict(airtel.settings(""))
        text = config_text(
            database=database,
            secret_key=new_key(),
            instances={
                "airtel": airtel_settings,
                "calin": calin.settings(simulation.base_url("calin")),
                "sunking": sunking.settings(simulation.base_url("sunking")),
            },
        )
        with Host.open(read_config(text, folder), clock=clock) as opened:
            opened.reconcile()
            devices = _register(opened, calin, sunking, payments)
            host = KillableHost(
                config_text=text, folder=folder, clock=clock, port=_free_port(), variant=variant
            )
            try:
                yield Scene(
                    host=host,
                    opened=opened,
                    clock=clock,
                    airtel=airtel,
                    airtel_settings=airtel_settings,
                    calin=calin,
                    sunking=sunking,
                    distant=distant,
                    devices=devices,
                )
            finally:
                host.kill()


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _register(
    host: Host, calin: CalinSimulator, sunking: SunKingSimulator, payments: int
) -> tuple[Device, ...]:
    """Register enough devices: meters and systems, of customers with and without debts."""
    company, now = host.house.directory.by_slug["demo"], host.clock()
    today = company.today(now)
    devices = []
    with host.engines.write.begin() as connection:
        cluster = create_cluster(connection, company, "Coast", now)
        grid = create_mini_grid(connection, company, cluster, "Mkuranga", now)
        village = create_village(connection, company, grid, "Kisiju", now)
        terms = TariffTerms(price_per_kwh=Decimal(100))
        tariff = create_tariff(connection, company, "Household", terms, now)
        system = create_appliance(
            connection, company, "System", ApplianceKind.SHS, Money.parse("2000", "TZS"), now
        )
        mill = create_appliance(
            connection, company, "Mill", ApplianceKind.OTHER, Money.parse("550", "TZS"), now
        )
        for number in range(-(-payments // _PAYMENTS_PER_DEVICE)):
            is_system = number % _SYSTEMS_PER_METERS == 0
            serial = str((98_000_000_000 if is_system else 47_000_000_000) + number)
            request = RegistrationRequest(
                customer=NewCustomer(name="Asha", surname=str(number), phone="+255781230001"),
                village_id=village,
                device=NewDevice(
                    kind=DeviceKind.SHS if is_system else DeviceKind.METER,
                    serial=serial,
                    manufacturer="sunking" if is_system else "calin",
                    appliance_id=system if is_system else None,
                ),
                tariff_id=None if is_system else tariff,
                sale=PlanTerms(cost=Money.parse("2000", "TZS"), instalments=4, period=Period.WEEKLY)
                if is_system
                else None,
            )
            (sunking if is_system else calin).knows(serial)
            registered = register(
                connection, host.house.directory, host.vault, company, request, now
            )
            if number % _DEBTORS == 0:
                debt = SaleRequest(
                    customer_id=registered.customer_id,
                    appliance_id=mill,
                    terms=PlanTerms(
                        cost=Money.parse("550", "TZS"),
                        instalments=2,
                        period=Period.WEEKLY,
                        sold_on=today - timedelta(days=60),
                    ),
                )
                sell(connection, company, debt, now)
            devices.append(Device(serial=serial, amount="500" if is_system else "300"))
    return tuple(devices)
