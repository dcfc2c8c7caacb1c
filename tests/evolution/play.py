"""Load the frozen plugins as a host does and use each once; prints what came of it as JSON.

Run as a program, with the core and the wheels to be tried on PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import mpm_core
from mpm_core import (
    Charge,
    ChargeKind,
    Company,
    Decision,
    Device,
    DeviceKind,
    InboundCall,
    Message,
    Money,
    MpmError,
    Msisdn,
    Order,
    PluginRuntime,
    SimulatedPayment,
    Unit,
    Verdict,
    read_settings,
)
from mpm_core.company_plugins import CompanyPlugins, load_instance
from mpm_core.discovery import find_plugin, load_plugin_class
from mpm_core.outbound import OutboundClient
from mpm_core.settings import SettingsPlace
from mpm_core.simulation.server import serve
from mpm_core.simulation.simulators import simulator_of

NOW = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
SERIAL = "58042000008"
COMPANY = Company(
    slug="umeme", name="Umeme", country="TZ", currency="TZS", timezone="Africa/Dar_es_Salaam"
)
PAYMENT = SimulatedPayment(
    reference="P-1", serial=SERIAL, amount=Money.parse("1000", "TZS"), msisdn="255712345678"
)


def main(names):
    told = {"core": str(Path(mpm_core.__file__).parent)}
    for name in names:
        try:
            told[name] = play(name)
        except MpmError as error:
            told[name] = f"{type(error).__name__}: {error}"
        told[f"{name} imported"] = f"mpm_{name.replace('-', '_')}.plugin" in sys.modules
    print(json.dumps(told))  # noqa: T201 - the answer of this program


def play(name):
    installed = find_plugin(name)
    plugin_class = load_plugin_class(installed)
    simulator = simulator_of(plugin_class)
    simulator.knows(SERIAL)
    with serve({name: simulator}) as server:
        raw = simulator.settings(server.base_url(name))
        plugins = loaded(installed, plugin_class, raw, server.url)
        with contextlib.closing(plugins):
            return ACTS[plugin_class.manifest.kind](plugins, name, simulator, raw)


def loaded(installed, plugin_class, raw, url):
    place = SettingsPlace(company="umeme", instance=installed.name, plugin=installed.name)
    settings = read_settings(
        plugin_class.manifest.settings_class, raw, place=place, environ={}, folder=Path()
    )
    http = OutboundClient(allowed_hosts={url}, allow_plain_http=True, allow_private_addresses=True)
    instance = load_instance(
        plugin_class,
        settings,
        PluginRuntime(company=COMPANY, instance=installed.name, http=http),
        name=installed.name,
        plugin_name=installed.name,
        distribution=installed.distribution,
        version=installed.version,
    )
    return CompanyPlugins(COMPANY, [instance], clock=lambda: NOW)


def sell(plugins, name, simulator, _raw):
    charge = Charge(
        kind=ChargeKind.ENERGY,
        money=Money.parse("1000", "TZS"),
        quantity=7600,
        unit=Unit.WATT_HOUR,
        unit_price=Decimal(130),
    )
    order = Order(key="a" * 32, attempt=1, created_at=NOW)
    device = Device(kind=DeviceKind.METER, serial=SERIAL)
    grant = plugins.generate_token(name, device, charge, order, correlation_id="c-1")
    return simulator.use_token(SERIAL, grant.codes[0].reveal())


def pay(plugins, name, simulator, raw):
    call = simulator.validate_call(PAYMENT, raw)
    inbound = InboundCall(
        method=call.method, path=call.path, headers=call.headers, body=call.body, source="10.0.0.1"
    )
    request = plugins.read_call(name, inbound, correlation_id="c-1")
    words = []
    for decision in Decision:
        reply = plugins.write_reply(
            name, inbound, request, Verdict(decision=decision), correlation_id="c-1"
        )
        words.append(f"{decision}={reply.status}")
    return f"{request.serial} {request.amount}: {' '.join(words)}"


def send(plugins, name, _simulator, _raw):
    message = Message(key="m-1", to=Msisdn.from_e164("+255712345678"), body="Token 1234")
    receipt = plugins.send_message(name, message, correlation_id="c-1")
    return f"{receipt.status} {receipt.reference}"


ACTS = {"manufacturer": sell, "telecom": pay, "messenger": send}

if __name__ == "__main__":
    logging.disable()
    main(sys.argv[1:])
