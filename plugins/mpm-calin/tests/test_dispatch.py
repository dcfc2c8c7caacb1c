"""The plugin as the host calls it: checked, contained and attributed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mpm_calin.plugin import Calin
from mpm_core import (
    Charge,
    ChargeKind,
    Company,
    Device,
    DeviceKind,
    Money,
    NotSupported,
    Order,
    OutcomeUnknown,
    Unit,
)
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance, PluginIdentity
from mpm_core.discovery.plugin_checks import check_plugin_class

NOW = datetime(2026, 1, 15, 8, 0, tzinfo=UTC)
SERIAL = "47000124512"
METER = Device(kind=DeviceKind.METER, serial=SERIAL)
CHARGE = Charge(
    kind=ChargeKind.ENERGY, money=Money(100_000, "TZS"), quantity=7600, unit=Unit.WATT_HOUR
)
ORDER = Order(key="0" * 32, attempt=1, created_at=NOW)
COMPANY = Company(
    slug="umeme", name="Umeme", country="TZ", currency="TZS", timezone="Africa/Dar_es_Salaam"
)


@pytest.fixture
def company_plugins(plugin):
    identity = PluginIdentity(name="calin", distribution="mpm-calin", version="0.1.0")
    loaded = LoadedInstance(
        name="calin", plugin=identity, manifest=Calin.manifest, instance=plugin, company=COMPANY
    )
    plugins = CompanyPlugins(COMPANY, [loaded], clock=lambda: NOW)
    yield plugins
    plugins.close()


def test_the_class_passes_the_checks_at_load():
    check_plugin_class(Calin)


def test_the_grant_passes_the_dispatch(company_plugins, simulator):
    grant = company_plugins.generate_token("calin", METER, CHARGE, ORDER, correlation_id="c-1")
    assert simulator.use_token(SERIAL, grant.codes[0].reveal()) == "accepted 7.6 kWh"


def test_a_lost_answer_leaves_the_dispatch_as_unknown_and_names_whose_it_is(
    company_plugins, simulator
):
    simulator.set_fault("lose_answer")
    with pytest.raises(OutcomeUnknown) as unknown:
        company_plugins.generate_token("calin", METER, CHARGE, ORDER, correlation_id="c-1")
    assert str(unknown.value.attribution) == (
        "plugin calin (mpm-calin 0.1.0), hook mpm_generate_token, company umeme, instance calin, "
        "correlation c-1"
    )


def test_other_operations_are_not_supported(company_plugins):
    with pytest.raises(NotSupported):
        company_plugins.clear_device("calin", METER, CHARGE, ORDER, correlation_id="c-1")
