"""What the plugin declares, and the plugin as the host calls it: checked and attributed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mpm_core import (
    ChargeKind,
    Company,
    Delivery,
    Device,
    DeviceKind,
    DeviceMapping,
    Grant,
    NotSent,
    Operation,
    Order,
    OrphanEffect,
    PluginKind,
    Recovery,
)
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance, PluginIdentity
from mpm_core.discovery.plugin_checks import check_plugin_class
from mpm_daly.plugin import Daly
from mpm_daly.settings import DalySettings

MANIFEST = Daly.manifest
SERIAL = "DL8500000123"
BIKE = Device(kind=DeviceKind.E_BIKE, serial=SERIAL)
ORDER = Order(key="0" * 32, attempt=1, created_at=datetime(2026, 1, 15, tzinfo=UTC))
COMPANY = Company(
    slug="umeme", name="Umeme", country="TZ", currency="TZS", timezone="Africa/Dar_es_Salaam"
)


def test_the_class_passes_the_checks_at_load():
    check_plugin_class(Daly)


def test_the_manifest_says_that_time_is_sold_by_switching():
    switching = Operation(
        recovery=Recovery.DESIRED_STATE, orphan_effect=OrphanEffect.HARMLESS, blocks_device=True
    )
    assert MANIFEST.switches
    assert MANIFEST.operations == {ChargeKind.TIME: switching, ChargeKind.UNLOCK: switching}


def test_the_manifest_says_what_daly_does():
    assert (MANIFEST.kind, MANIFEST.device_kinds) == (PluginKind.MANUFACTURER, {DeviceKind.E_BIKE})
    assert (MANIFEST.supports_lookup, MANIFEST.supports_find) == (True, False)
    assert (MANIFEST.settings_class, MANIFEST.url_settings) == (DalySettings, ("api_url",))
    assert MANIFEST.serial_pattern.fullmatch(MANIFEST.example_serial)
    assert all(code.source for code in MANIFEST.result_codes)


@pytest.mark.parametrize(
    ("serial", "good"),
    [(SERIAL, True), ("0123", True), ("123", False), ("DL 8500", False), ("1" * 33, False)],
)
def test_the_serial_pattern_takes_codes_of_terminals(serial, good):
    assert bool(MANIFEST.serial_pattern.fullmatch(serial)) is good


@pytest.fixture
def plugins(plugin, clock):
    loaded = LoadedInstance(
        name="daly",
        plugin=PluginIdentity(name="daly", distribution="mpm-daly", version="0.1.0"),
        manifest=MANIFEST,
        instance=plugin,
        company=COMPANY,
    )
    plugins = CompanyPlugins(COMPANY, [loaded], clock=clock)
    yield plugins
    plugins.close()


@pytest.mark.parametrize("on", [True, False])
def test_a_switch_passes_the_dispatch(plugins, simulator, on):
    grant = plugins.switch_device("daly", BIKE, ORDER, on=on, correlation_id="c-1")
    assert grant == Grant(delivery=Delivery.REMOTE)
    assert simulator.bike(SERIAL).on is on


def test_a_bike_out_of_reach_stays_not_sent_after_the_dispatch(plugins, simulator):
    simulator.set_fault("offline")
    with pytest.raises(NotSent) as failed:
        plugins.switch_device("daly", BIKE, ORDER, on=True, correlation_id="c-1")
    assert str(failed.value.attribution) == (
        "plugin daly (mpm-daly 0.1.0), hook mpm_switch_device, company umeme, instance daly, "
        "correlation c-1"
    )


def test_look_up_reading_and_check_pass_the_dispatch(plugins):
    mapping = plugins.register_device("daly", BIKE, correlation_id="c-1")
    reading = plugins.read_device("daly", BIKE, correlation_id="c-1")
    assert (mapping, reading.facts["switched"]) == (DeviceMapping.MAPPED, "off")
    assert plugins.check("daly", correlation_id="c-1").ok
