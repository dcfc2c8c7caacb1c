"""The plugin as the host calls it: prepared, committed, made, and made again after a crash."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Device,
    DeviceKind,
    Health,
    Misconfigured,
    Money,
    Operation,
    OrphanEffect,
    PluginKind,
    Recovery,
    Refused,
    Unit,
)
from mpm_core.discovery.plugin_checks import check_plugin_class
from mpm_openpaygo.maker import SAMPLE_KEY, SAMPLE_STARTING_CODE
from mpm_openpaygo.plugin import OpenPaygo
from mpm_openpaygo.settings import OpenPaygoDevice
from mpm_openpaygo.simulator import OpenPaygoSimulator

SERIAL = "OPG-000123"
MANIFEST = OpenPaygo.manifest
PRICE = Money(100_000, "TZS")
UNLOCK = Charge(kind=ChargeKind.UNLOCK, money=PRICE)
CLEAR = Charge(kind=ChargeKind.CLEAR, money=Money(0, "TZS"))


def days(quantity: int) -> Charge:
    return Charge(kind=ChargeKind.TIME, money=PRICE, quantity=quantity, unit=Unit.DAY)


def test_the_class_passes_the_checks_at_load():
    check_plugin_class(OpenPaygo)


def test_the_manifest_says_that_a_repeat_gives_the_same_codes():
    local = Operation(
        recovery=Recovery.DETERMINISTIC, orphan_effect=OrphanEffect.HARMLESS, blocks_device=True
    )
    assert MANIFEST.operations == {
        ChargeKind.TIME: local,
        ChargeKind.UNLOCK: local,
        ChargeKind.CLEAR: local,
    }
    assert (MANIFEST.kind, MANIFEST.device_kinds) == (PluginKind.MANUFACTURER, {DeviceKind.SHS})
    assert (MANIFEST.supports_lookup, MANIFEST.supports_find) == (False, False)
    assert MANIFEST.url_settings == ()


def test_the_examples_of_the_manifest_fit_each_other():
    assert MANIFEST.serial_pattern.fullmatch(MANIFEST.example_serial)
    assert MANIFEST.details_class(**MANIFEST.example_details) == OpenPaygoDevice(
        secret_key=SAMPLE_KEY, starting_code=SAMPLE_STARTING_CODE
    )


@pytest.mark.parametrize(
    ("serial", "good"),
    [("OPG-000123", True), ("00123", True), ("", False), ("-1", False), ("a b", False)],
)
def test_the_serial_pattern_takes_what_makers_print(serial, good):
    assert bool(MANIFEST.serial_pattern.fullmatch(serial)) is good


@pytest.mark.parametrize(
    ("code", "good"),
    [
        ("588224011", True),
        ("314114432231134", True),
        ("58822401", False),
        ("588224011588224", False),
        ("247264959011", False),  # an extended code, which the plugin never makes
    ],
)
def test_the_token_pattern_takes_codes_of_both_keypads(code, good):
    assert bool(MANIFEST.token_pattern.fullmatch(code)) is good


# --- selling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charge", "shows"),
    [
        pytest.param(days(7), ["accepted 7 days"], id="days"),
        pytest.param(days(1000), ["accepted 995 days", "accepted 5 days"], id="two codes"),
        pytest.param(UNLOCK, ["accepted unlock"], id="unlock"),
        pytest.param(CLEAR, ["accepted counter", "accepted 0 days left"], id="clear"),
    ],
)
def test_what_is_sold_is_accepted_by_the_device(host, simulator, charge, shows):
    order = host.prepare(charge)
    grant = host.ask(charge, order)
    assert (grant.quantity, grant.unit) == (charge.quantity, charge.unit)
    assert [simulator.use_token(SERIAL, code.reveal()) for code in grant.codes] == shows


def test_the_codes_counts_are_stored_with_order_and_device_before_they_are_made(host):
    order = host.prepare(days(1000))
    assert order.prepared == {"codes": "add_time:2:995 add_time:4:5"}
    assert host.state == {"count": "4"}


@pytest.mark.parametrize("charge", [days(1000), UNLOCK, CLEAR], ids=["days", "unlock", "clear"])
def test_a_lost_answer_is_made_again_and_gives_the_same_codes(host, charge):
    order = host.prepare(charge)
    host.sell(days(1))  # whatever happens to the device meanwhile
    again = attrs.evolve(order, attempt=2)
    assert host.ask(charge, again) == host.ask(charge, order)


def test_orders_never_share_a_count(host, simulator):
    codes = [code for _sale in range(5) for code in host.sell(days(3))]
    assert len(set(codes)) == 5
    assert [simulator.use_token(SERIAL, code) for code in codes] == ["accepted 3 days"] * 5


@settings(
    max_examples=25,
    deadline=None,
    # `make_host` makes a new one every time it is called
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from([days(1), days(30), days(996), UNLOCK, CLEAR]), max_size=6))
def test_every_sequence_of_orders_is_accepted_in_its_order(make_host, charges):
    host, simulator = make_host(), OpenPaygoSimulator()
    simulator.knows(SERIAL)
    for charge in charges:
        for code in host.sell(charge):
            assert simulator.use_token(SERIAL, code).startswith("accepted")


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"restricted_digit_set": True}, id="restricted digits"),
        pytest.param({"value_divider": 24}, id="hours"),
        pytest.param({"starting_code": None}, id="derived starting code"),
        pytest.param({"starting_count": 240}, id="brought from elsewhere"),
    ],
)
def test_every_kind_of_device_takes_its_own_codes(make_host, changed):
    host, simulator = make_host(device=changed), OpenPaygoSimulator()
    simulator.deliver(SERIAL, host.details)
    (code,) = host.sell(days(30))
    assert simulator.use_token(SERIAL, code) == "accepted 30 days"


def test_a_device_that_left_its_codes_unused_is_brought_back_by_clearing(host, simulator):
    for _sale in range(40):
        newest = host.sell(days(1))
    assert simulator.use_token(SERIAL, newest[0]) == "rejected: Not a code for this device."
    assert [simulator.use_token(SERIAL, code) for code in host.sell(CLEAR)] == [
        "accepted counter",
        "accepted 0 days left",
    ]
    assert simulator.use_token(SERIAL, host.sell(days(1))[0]) == "accepted 1 days"


# --- what goes wrong ------------------------------------------------------------------------------


def test_a_device_without_details_waits_until_it_has_some(host):
    host.details = None
    with pytest.raises(Misconfigured) as waits:
        host.prepare(days(7))
    assert str(waits.value) == (
        "Device OPG-000123 has no OpenPAYGO details; register its secret_key, and its "
        "starting_code if it has one of its own."
    )
    assert host.state == {}


def test_too_much_at_once_is_refused_and_uses_no_count(make_host):
    host = make_host(most_codes=1)
    with pytest.raises(Refused, match=r"^996 days need more than 1 codes; at most 995 days "):
        host.prepare(days(996))
    assert host.state == {}
    assert len(host.sell(days(995))) == 1


def test_an_order_that_was_not_prepared_makes_no_code(host):
    order = attrs.evolve(host.prepare(days(7)), prepared={})
    with pytest.raises(ContractViolation, match=r"^The order was not prepared: "):
        host.ask(days(7), order)


def test_check_makes_published_codes(host):
    assert host.plugins.check("openpaygo", correlation_id="c-1") == Health(
        ok=True, detail="openpaygo 0.6.3 makes the published codes."
    )


def test_check_says_what_to_install(host, monkeypatch):
    monkeypatch.setattr("openpaygo.generate_token", lambda **_asked: (2, "000000000"))
    health = host.plugins.check("openpaygo", correlation_id="c-1")
    assert not health.ok
    assert re.fullmatch(
        r"openpaygo .* install a version this plugin was tested with\.", health.detail
    )


# --- secrets --------------------------------------------------------------------------------------


def test_nothing_of_the_device_shows_its_key_or_starting_code(host):
    order = host.prepare(days(7))
    device = Device(kind=DeviceKind.SHS, serial=SERIAL, details=host.details, state=host.state)
    shown = f"{device!r} {order!r} {host.ask(days(7), order)!r}"
    assert not any(secret in shown for secret in (SAMPLE_KEY, SAMPLE_STARTING_CODE, "397287017"))


def test_the_plugin_never_asks_for_the_time(host):
    order = host.prepare(days(7))
    later = attrs.evolve(order, created_at=datetime(2036, 1, 1, tzinfo=UTC))
    assert host.ask(days(7), later) == host.ask(days(7), order)
