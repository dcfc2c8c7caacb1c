"""A whole world on loopback, in which the demo and the acceptance tests live.

Simulated telecoms and manufacturers, a host with a real database and HTTP, and one company with a
village.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import attrs
import sqlalchemy as sa

from mpm_core import DeviceKind, Money, PluginKind, Simulator
from mpm_core.discovery import find_plugin, load_plugin_class
from mpm_core.manifest import Manifest
from mpm_core.plans import Period
from mpm_core.simulation.server import SimulationServer, serve
from mpm_core.simulation.simulators import simulator_of
from mpm_host.clock import Clock, system_clock
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.database import tables as t
from mpm_host.database.upgrade import upgrade
from mpm_host.demo.simulated_payer import SimulatedPayer
from mpm_host.directory import CompanyRecord
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.payments.payment_views import payment_view
from mpm_host.registration.appliances import ApplianceKind, create_appliance
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration import (
    NewCustomer,
    NewDevice,
    RegistrationRequest,
    register,
)
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.tariff_book import AccessRateTerms, TariffTerms, create_tariff
from mpm_host.services import Services
from mpm_host.web.server import bound_socket, running
from mpm_host.work import WorkLimits

__all__ = ["COMPANY", "CURRENCY", "SimulatedWorld", "simulated_world"]

COMPANY = "demo"
CURRENCY = "TZS"
PLUGINS = ("airtel", "calin", "sunking", "vodacom")
_SETTLED = {"settled", "held", "unmatched", "rejected", "denied", "reversed"}
_POLL_SECONDS = 0.02


@attrs.frozen(kw_only=True)
class SimulatedWorld:
    """A running world.

    Attributes:
        host: the opened installation.
        services: its desk and workers.
        url: of its web server.
        simulators: by the name of their instance.
        manifests: by the same names.
        payers: telecoms one can pay through, by the same names.
    """

    host: Host
    services: Services
    url: str
    simulation: SimulationServer
    simulators: Mapping[str, Simulator]
    manifests: Mapping[str, Manifest]
    payers: Mapping[str, SimulatedPayer]
    village_id: str

    @property
    def company(self) -> CompanyRecord:
        """The company everything belongs to."""
        return self.host.house.directory.by_slug[COMPANY]

    @property
    def today(self) -> date:
        """The company's date."""
        return self.company.today(self.host.clock())

    def money(self, text: str) -> Money:
        """Read an amount in the company's currency."""
        return Money.parse(text, CURRENCY)

    def tariff(
        self,
        name: str,
        price: str,
        *,
        minimum: str | None = None,
        access_rate: str | None = None,
        period_days: int = 7,
    ) -> str:
        """Create a tariff and return its id."""
        terms = TariffTerms(
            price_per_kwh=Decimal(price),
            minimum_purchase=self.money(minimum) if minimum else None,
            access_rate=AccessRateTerms(amount=self.money(access_rate), period_days=period_days)
            if access_rate
            else None,
        )
        with self.host.engines.write.begin() as connection:
            return create_tariff(connection, self.company, name, terms, self.host.clock())

    def customer_with_meter(  # noqa: PLR0913 - one argument per choice, all by name
        self,
        name: str,
        phone: str,
        serial: str,
        tariff_id: str,
        *,
        days_ago: int = 0,
        manufacturer: str = "calin",
    ) -> str:
        """Register a customer with a meter some days ago and return the customer's id."""
        return self._register(
            name,
            phone,
            NewDevice(kind=DeviceKind.METER, serial=serial, manufacturer=manufacturer),
            tariff_id=tariff_id,
            days_ago=days_ago,
        )

    def customer_with_device(  # noqa: PLR0913 - as above
        self,
        name: str,
        phone: str,
        serial: str,
        sale: PlanTerms,
        *,
        manufacturer: str = "sunking",
        kind: DeviceKind = DeviceKind.SHS,
    ) -> str:
        """Register a customer with a device on a plan and return the customer's id."""
        with self.host.engines.write.begin() as connection:
            appliance_id = create_appliance(
                connection,
                self.company,
                f"{kind} {serial}",
                ApplianceKind(kind.value),
                self.money("1000"),
                self.host.clock(),
            )
        device = NewDevice(
            kind=kind,
            serial=serial,
            manufacturer=manufacturer,
            appliance_id=appliance_id,
            details=self.manifests[manufacturer].example_details,
        )
        return self._register(name, phone, device, sale=sale)

    def _register(  # noqa: PLR0913 - as above
        self,
        name: str,
        phone: str,
        device: NewDevice,
        *,
        tariff_id: str | None = None,
        sale: PlanTerms | None = None,
        days_ago: int = 0,
    ) -> str:
        self.simulators[device.manufacturer].knows(device.serial)
        request = RegistrationRequest(
            customer=NewCustomer(name=name, surname="Demo", phone=phone),
            village_id=self.village_id,
            device=device,
            tariff_id=tariff_id,
            sale=sale,
            registered_on=self.today - timedelta(days=days_ago),
        )
        with self.host.engines.write.begin() as connection:
            registered = register(
                connection,
                self.host.house.directory,
                self.host.vault,
                self.company,
                request,
                self.host.clock(),
                lambda instance: self.manifests[instance.name],
            )
        return registered.customer_id

    def owes(self, customer_id: str, name: str, amount: str, *, days_overdue: int) -> None:
        """Sell a plain appliance whose only instalment was due some days ago."""
        due_on = self.today - timedelta(days=days_overdue)
        with self.host.engines.write.begin() as connection:
            appliance_id = create_appliance(
                connection,
                self.company,
                f"{name} {customer_id[-6:]}",
                ApplianceKind.OTHER,
                self.money(amount),
                self.host.clock(),
            )
            sell(
                connection,
                self.company,
                SaleRequest(
                    customer_id=customer_id,
                    appliance_id=appliance_id,
                    terms=PlanTerms(
                        cost=self.money(amount),
                        instalments=1,
                        period=Period.MONTHLY,
                        sold_on=due_on - timedelta(days=30),
                        first_due_on=due_on,
                    ),
                ),
                self.host.clock(),
            )

    def payment(self, reference: str) -> dict[str, object] | None:
        """Return the payment of a provider reference as the public interface shows it."""
        query = sa.select(t.payments.c.id).where(
            t.payments.c.company_id == self.company.id, t.payments.c.reference == reference
        )
        with self.host.engines.read.connect() as connection:
            payment_id = connection.execute(query).scalar_one_or_none()
            if payment_id is None:
                return None
            return payment_view(connection, self.host.vault, payment_id, reveal=True)

    def look_after(self, payment_id: str) -> None:
        """Look after the payment's unknown orders now, instead of on the resolver's schedule."""
        query = sa.select(t.orders.c.id).where(t.orders.c.payment_id == payment_id)
        with self.host.engines.read.connect() as connection:
            order_ids = connection.execute(query).scalars().all()
        for order_id in order_ids:
            self.services.orders.look(order_id)

    def wait_for(
        self, reference: str, statuses: Sequence[str] = tuple(_SETTLED), *, seconds: float = 30.0
    ) -> dict[str, object]:
        """Wait until a payment has one of some statuses and its messages are out.

        Raises:
            TimeoutError: it did not come to that in time.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.payment(reference)
            if found is not None and found["status"] in statuses and _messages_out(found):
                return found
            time.sleep(_POLL_SECONDS)
        raise TimeoutError(f"Payment {reference} is not {', '.join(statuses)} yet: {found}")


def _messages_out(payment: Mapping[str, object]) -> bool:
    messages = payment["messages"]
    return isinstance(messages, list) and all(m["status"] != "queued" for m in messages)


@contextlib.contextmanager
def simulated_world(
    folder: Path,
    *,
    extra_plugins: Sequence[str] = (),
    database: str | None = None,
    clock: Clock = system_clock,
    port: int = 0,
) -> Iterator[SimulatedWorld]:
    """Start everything, yield the world, and stop everything.

    Args:
        folder: for the database, if it is SQLite.
        extra_plugins: installed plugins besides the four.
        database: a URL; a new SQLite file in the folder by default.
        clock: the host's.
        port: of the host's web server; 0 takes a free one.

    Raises:
        UserError: a plugin is missing or broken.
    """
    names = tuple(sorted({*PLUGINS, *extra_plugins}))
    classes = {name: load_plugin_class(find_plugin(name)) for name in names}
    simulators = {name: simulator_of(plugin) for name, plugin in classes.items()}
    manifests: dict[str, Manifest] = {
        name: plugin.manifest  # type: ignore[attr-defined]  # checked when the class was loaded
        for name, plugin in classes.items()
    }
    with contextlib.ExitStack() as stack:
        simulation = stack.enter_context(serve(simulators))
        settings = {
            name: simulator.settings(simulation.base_url(name))
            for name, simulator in simulators.items()
        }
        config_text = _config(database or f"sqlite:///{folder / 'demo.db'}", settings)
        source = ConfigSource(file_name="demo", folder=folder, environ=dict(os.environ))
        host = stack.enter_context(
            contextlib.closing(Host.open(parse_config(config_text, source), clock=clock))
        )
        upgrade(host.engines.write)
        host.reconcile()
        services = Services(
            host, workers=True, limits=WorkLimits(poll=0.1, engine_poll=0.02, drain=1.0)
        )
        services.start()
        stack.callback(services.close)
        listening = stack.enter_context(contextlib.closing(bound_socket("127.0.0.1", port)))
        url = stack.enter_context(running(services.application(), listening))
        payers = {
            name: stack.enter_context(
                contextlib.closing(
                    SimulatedPayer(simulators[name], _callback_url(host, url, name), settings[name])
                )
            )
            for name in names
            if manifests[name].kind is PluginKind.TELECOM
        }
        yield SimulatedWorld(
            host=host,
            services=services,
            url=url,
            simulation=simulation,
            simulators=simulators,
            manifests=manifests,
            payers=payers,
            village_id=_found_village(host),
        )


def _config(database: str, settings: Mapping[str, Mapping[str, object]]) -> str:
    lines = [
        "[host]",
        f"database = {_toml(database)}",
        f"allowed_plugins = {_toml(sorted(settings))}",
        f"secret_key = {_toml(new_key())}",
        'mode = "development"',
        f"[companies.{COMPANY}]",
        'name = "Demo Power"',
        'country = "TZ"',
        f"currency = {_toml(CURRENCY)}",
        'timezone = "Africa/Dar_es_Salaam"',
    ]
    for name, values in settings.items():
        lines.append(f"[companies.{COMPANY}.plugins.{name}]")
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n".join(lines)


def _toml(value: object) -> str:
    """Write a text, number, switch or list of texts as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _callback_url(host: Host, url: str, instance: str) -> str:
    company = host.house.directory.by_slug[COMPANY]
    record = host.house.directory.instance_named(company.id, instance)
    if record is None:
        raise LookupError(instance)
    return f"{url}/callbacks/{record.callback_key}"


def _found_village(host: Host) -> str:
    company, now = host.house.directory.by_slug[COMPANY], host.clock()
    with host.engines.write.begin() as connection:
        cluster_id = create_cluster(connection, company, "Coast", now)
        mini_grid_id = create_mini_grid(connection, company, cluster_id, "Mkuranga", now)
        return create_village(connection, company, mini_grid_id, "Kisiju", now)
