"""A whole world on loopback, in which the demo and the acceptance tests live.

Simulated telecoms and manufacturers, a host with a real database and HTTP, and one company with a
village (`simulated_village`).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
import sqlalchemy as sa

from mpm_core import PluginKind
from mpm_core.discovery import find_plugin, load_plugin_class
from mpm_core.manifest import Manifest
from mpm_core.settings.toml import given_line
from mpm_core.simulation.server import SimulationServer, serve
from mpm_core.simulation.simulators import simulator_of
from mpm_host.clock import Clock, system_clock
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.database import tables as t
from mpm_host.database.upgrade import upgrade
from mpm_host.demo.simulated_payer import SimulatedPayer
from mpm_host.demo.simulated_village import COMPANY, CURRENCY, SimulatedVillage, found_village
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.payments.payment_views import payment_view
from mpm_host.services import Services
from mpm_host.web.server import bound_socket, running
from mpm_host.work import WorkLimits

__all__ = ["COMPANY", "CURRENCY", "SimulatedWorld", "simulated_world"]

PLUGINS = ("airtel", "calin", "sunking", "vodacom")
_SETTLED = {"settled", "held", "unmatched", "rejected", "denied", "reversed"}
_POLL_SECONDS = 0.02
_LIMITS = WorkLimits(poll=0.1, engine_poll=0.02, drain=1.0)


@attrs.frozen(kw_only=True)
class SimulatedWorld(SimulatedVillage):
    """A running world around a village.

    Attributes:
        services: the host's desk and workers.
        url: of its web server.
        payers: telecoms one can pay through, by the names of their instances.
    """

    services: Services
    url: str
    simulation: SimulationServer
    payers: Mapping[str, SimulatedPayer]

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
        host = stack.enter_context(contextlib.closing(_new_host(config_text, folder, clock)))
        services = Services(host, workers=True, limits=_LIMITS)
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
            village_id=found_village(host),
        )


def _new_host(config_text: str, folder: Path, clock: Clock) -> Host:
    """Open a host on a database that may be empty."""
    source = ConfigSource(file_name="demo", folder=folder, environ=dict(os.environ))
    host = Host.open(parse_config(config_text, source), clock=clock)
    upgrade(host.engines.write)
    host.reconcile()
    return host


def _config(database: str, settings: Mapping[str, Mapping[str, object]]) -> str:
    lines = [
        "[host]",
        given_line("database", database),
        given_line("allowed_plugins", sorted(settings)),
        given_line("secret_key", new_key()),
        given_line("mode", "development"),
        f"[companies.{COMPANY}]",
        given_line("name", "Demo Power"),
        given_line("country", "TZ"),
        given_line("currency", CURRENCY),
        given_line("timezone", "Africa/Dar_es_Salaam"),
    ]
    for name, values in settings.items():
        lines.append(f"[companies.{COMPANY}.plugins.{name}]")
        lines += [given_line(key, value) for key, value in values.items()]
    return "\n".join(lines)


def _callback_url(host: Host, url: str, instance: str) -> str:
    company = host.house.directory.by_slug[COMPANY]
    record = host.house.directory.instance_named(company.id, instance)
    if record is None:
        raise LookupError(instance)
    return f"{url}/callbacks/{record.callback_key}"
