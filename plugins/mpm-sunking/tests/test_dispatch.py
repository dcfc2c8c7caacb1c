"""The plugin as the host calls it: checked, contained and attributed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mpm_core import (
    Charge,
    ChargeKind,
    Company,
    Device,
    DeviceKind,
    DeviceMapping,
    Money,
    Order,
    Unit,
)
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance, PluginIdentity
from mpm_core.discovery.plugin_checks import check_plugin_class
from mpm_sunking.plugin import SunKing

SERIAL = "996995411"
DEVICE = Device(kind=DeviceKind.SHS, serial=SERIAL)
PRICE = Money(100_000, "TZS")
ORDER = Order(key="0" * 32, attempt=1, created_at=datetime(2026, 1, 15, tzinfo=UTC))
COMPANY = Company(
    slug="umeme", name="Umeme", country="TZ", currency="TZS", timezone="Africa/Dar_es_Salaam"
)


@pytest.fixture
def company_plugins(plugin, clock):
    identity = PluginIdentity(name="sunking", distribution="mpm-sunking", version="0.1.0")
    loaded = LoadedInstance(
        name="sunking",
        plugin=identity,
        manifest=SunKing.manifest,
        instance=plugin,
        company=COMPANY,
    )
    plugins = CompanyPlugins(COMPANY, [loaded], clock=clock)
    yield plugins
    plugins.close()


def test_the_class_passes_the_checks_at_load():
    check_plugin_class(SunKing)


@pytest.mark.parametrize(
    ("charge", "shows"),
    [
        pytest.param(
            Charge(kind=ChargeKind.TIME, money=PRICE, quantity=7, unit=Unit.DAY),
            "accepted 7 days",
            id="days",
        ),
        pytest.param(Charge(kind=ChargeKind.UNLOCK, money=PRICE), "accepted unlock", id="unlock"),
    ],
)
def test_the_grant_passes_the_dispatch(company_plugins, simulator, charge, shows):
    grant = company_plugins.generate_token("sunking", DEVICE, charge, ORDER, correlation_id="c-1")
    assert simulator.use_token(SERIAL, grant.codes[0].reveal()) == shows


def test_the_look_up_passes_the_dispatch(company_plugins):
    mapping = company_plugins.register_device("sunking", DEVICE, correlation_id="c-1")
    assert mapping is DeviceMapping.MAPPED
