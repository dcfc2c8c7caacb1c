"""Registrations, devices and tariffs through the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.database import tables as t


@pytest.fixture
def shop(umeme):
    return Shop(umeme)


def count(installation, table):
    with installation.host.engines.read.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table))


def test_a_registration_answers_customer_and_device(shop):
    tariff = shop.tariff()
    made = shop.meter(tariff_id=tariff)

    assert made["customer"] == {
        "id": made["customer"]["id"],
        "name": "Asha",
        "surname": "Juma",
        "phone": "+255•••••••78",
        "village_id": shop.village,
        "credit": "0",
        "created_at": "2026-03-02T09:00:00Z",
    }
    assert made["device"] == {
        "id": made["device"]["id"],
        "serial": "47001234567",
        "kind": "meter",
        "manufacturer": "calin",
        "customer_id": made["customer"]["id"],
        "village_id": shop.village,
        "tariff_id": tariff,
        "appliance_id": None,
        "mapping": "unknown",
        "next_access_rate_on": None,
        "created_at": "2026-03-02T09:00:00Z",
    }
    assert made["sale"] is None


def test_a_request_sent_again_makes_nothing_new(installation, shop, clock):
    body = shop.meter_body()
    first = shop.api.ok("POST", "/registrations", body)
    clock.move(days=3)

    assert shop.api.ok("POST", "/registrations", body) == first
    assert count(installation, t.devices) == 1
    registered = [
        each for each in installation.audit(shop.api) if each["action"] == "device.registered"
    ]
    assert len(registered) == 1


def test_another_request_under_the_same_id_is_refused(installation, shop):
    body = shop.meter_body()
    shop.api.ok("POST", "/registrations", body)
    other = body | {"device": body["device"] | {"serial": "47001234568"}}

    assert shop.api.refused("POST", "/registrations", other) == (422, "request_id_reused")
    assert count(installation, t.devices) == 1


def test_a_request_that_was_refused_may_be_corrected_under_its_id(shop):
    body = shop.meter_body()
    wrong = body | {"village_id": "0" * 32}
    assert shop.api.refused("POST", "/registrations", wrong) == (404, "unknown_village")
    shop.api.ok("POST", "/registrations", body)


def test_one_request_sent_many_times_at_once_registers_once(installation, shop):
    body = shop.meter_body()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.api("POST", "/registrations", body), range(8)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["device"]["id"] for answer in answers}) == 1
    assert count(installation, t.customers) == count(installation, t.devices) == 1


CHANGES = {
    "no village": ({"village_id": None}, 422, "body_invalid"),
    "empty village": ({"village_id": ""}, 422, "village_required"),
    "no tariff": ({"tariff_id": None}, 422, "tariff_required"),
    "unknown tariff": ({"tariff_id": "0" * 32}, 404, "unknown_tariff"),
    "unknown customer": ({"customer": {"id": "0" * 32}}, 404, "unknown_customer"),
    "half a customer": ({"customer": {"name": "Asha"}}, 422, "customer_invalid"),
    "two customers": ({"customer": {"id": "0" * 32, "name": "A"}}, 422, "customer_invalid"),
    "future century": ({"registered_on": "2126-01-01"}, 422, "date_invalid"),
    "unknown field": ({"is_admin": True}, 422, "body_invalid"),
}


@pytest.mark.parametrize(("change", "status", "code"), CHANGES.values(), ids=CHANGES)
def test_a_wrong_registration_is_refused_and_writes_nothing(
    installation, shop, change, status, code
):
    body = shop.meter_body() | change
    assert shop.api.refused("POST", "/registrations", body) == (status, code)
    assert count(installation, t.customers) == count(installation, t.devices) == 0


def test_a_missing_village_has_its_own_code(shop):
    body = shop.meter_body()
    del body["village_id"]
    assert shop.api.refused("POST", "/registrations", body) == (422, "village_required")


DEVICES = {
    "maker is off": ({"manufacturer": "vodacom"}, 409, "plugin_not_enabled"),
    "maker of others": ({"manufacturer": "sunking"}, 422, "device_kind_unsupported"),
    "serial of others": ({"serial": "not a meter"}, 422, "serial_invalid"),
    "appliance of a meter": ({"appliance_id": "0" * 32}, 422, "appliance_forbidden"),
    "details nobody asked for": ({"details": {"colour": "red"}}, 422, "details_invalid"),
}


@pytest.mark.parametrize(("change", "status", "code"), DEVICES.values(), ids=DEVICES)
def test_a_wrong_device_is_refused(shop, change, status, code):
    body = shop.meter_body()
    body["device"] |= change
    assert shop.api.refused("POST", "/registrations", body) == (status, code)


@pytest.mark.parametrize("serial", ["1234", "1" * 21, "12345678X"], ids=["short", "long", "letter"])
def test_t_80_a_serial_that_its_manufacturer_does_not_print_is_refused(installation, shop, serial):
    """SunKing prints 5 to 20 digits; upstream's 8 to 15 characters were nobody's rule."""
    shop_body = {
        "request_id": "app-1",
        "customer": {"name": "Baraka", "surname": "Mushi", "phone": "0712345679"},
        "village_id": shop.village,
        "device": {
            "kind": "shs",
            "serial": serial,
            "manufacturer": "sunking",
            "appliance_id": shop.appliance(),
        },
    }
    assert shop.api.refused("POST", "/registrations", shop_body) == (422, "serial_invalid")
    assert count(installation, t.devices) == 0


def test_t_80_a_serial_that_is_used_is_refused(installation, shop):
    shop.home("12345678")
    body = {
        "request_id": "another",
        "customer": {"name": "Baraka", "surname": "Mushi", "phone": "0712345679"},
        "village_id": shop.village,
        "device": {
            "kind": "shs",
            "serial": " 12345678 ",
            "manufacturer": "sunking",
            "appliance_id": shop.appliance("Home 80"),
        },
    }
    assert shop.api.refused("POST", "/registrations", body) == (409, "duplicate_serial")
    assert count(installation, t.devices) == 1


def test_a_serial_is_unique_over_all_kinds(shop):
    shop.meter()
    body = shop.meter_body(tariff_id=shop.tariff()) | {"request_id": "another"}
    assert shop.api.refused("POST", "/registrations", body) == (409, "duplicate_serial")


def test_a_solar_home_system_takes_no_tariff(shop):
    body = {
        "request_id": "r",
        "customer": {"name": "Baraka", "surname": "Mushi", "phone": "0712345679"},
        "village_id": shop.village,
        "device": {"kind": "shs", "serial": "12345678", "manufacturer": "sunking"},
    }
    tariff = {"tariff_id": shop.tariff()}
    assert shop.api.refused("POST", "/registrations", body | tariff) == (422, "tariff_forbidden")
    assert shop.api.refused("POST", "/registrations", body) == (422, "appliance_required")


def test_a_meter_with_an_access_rate_owes_from_its_first_boundary(shop, clock):
    """Domain 4.4: amount 100, period 7, assigned 1 March; nobody looks until 30 March."""
    tariff = shop.tariff(access_rate={"amount": "100", "period_days": 7})
    made = shop.meter(tariff_id=tariff, registered_on="2026-03-01")
    assert made["device"]["next_access_rate_on"] == "2026-03-08"
    path = f"/customers/{made['customer']['id']}"
    assert shop.api.ok("GET", path)["access_debts"] == []

    clock.move(days=28)
    debts = shop.api.ok("GET", path)["access_debts"]
    assert [(debt["due_on"], debt["remaining"]) for debt in debts] == [
        ("2026-03-08", "100"),
        ("2026-03-15", "100"),
        ("2026-03-22", "100"),
        ("2026-03-29", "100"),
    ]


def test_a_moved_meter_leaves_its_debts_with_the_old_owner(shop, clock):
    tariff = shop.tariff(access_rate={"amount": "100", "period_days": 7})
    made = shop.meter(tariff_id=tariff, registered_on="2026-03-02")
    old, new = made["customer"]["id"], shop.customer("Neema", "0712345670")
    clock.move(days=15)

    moved = shop.api.ok("PATCH", f"/devices/{made['device']['id']}", {"customer_id": new})

    assert (moved["customer_id"], moved["next_access_rate_on"]) == (new, "2026-03-24")
    debts = shop.api.ok("GET", f"/customers/{old}")["access_debts"]
    assert [(debt["due_on"], debt["remaining"]) for debt in debts] == [
        ("2026-03-09", "100"),
        ("2026-03-16", "100"),
    ]
    assert shop.api.ok("GET", f"/customers/{new}")["access_debts"] == []


def test_another_tariff_closes_the_access_rate_and_begins_its_own(shop, clock):
    made = shop.meter(tariff_id=shop.tariff(access_rate={"amount": "100", "period_days": 7}))
    path = f"/devices/{made['device']['id']}"
    dearer = shop.tariff("Shop", access_rate={"amount": "300", "period_days": 30})
    clock.move(days=10)

    changed = shop.api.ok("PATCH", path, {"tariff_id": dearer})
    assert changed["next_access_rate_on"] == "2026-04-11"
    free = shop.api.ok("PATCH", path, {"tariff_id": shop.tariff("Free of rates")})
    assert free["next_access_rate_on"] is None
    debts = shop.api.ok("GET", f"/customers/{made['customer']['id']}")["access_debts"]
    assert [(debt["due_on"], debt["amount"]) for debt in debts] == [("2026-03-09", "100")]


def test_a_change_to_what_is_there_already_changes_nothing(installation, shop):
    made = shop.meter(tariff_id=shop.tariff(access_rate={"amount": "100", "period_days": 7}))
    device = made["device"]
    same = {name: device[name] for name in ("customer_id", "tariff_id", "village_id")}
    assert shop.api.ok("PATCH", f"/devices/{device['id']}", same) == device
    assert "device.changed" not in [each["action"] for each in installation.audit(shop.api)]


def test_a_device_that_is_not_paid_off_does_not_change_its_owner(shop):
    home = shop.home(sale={"cost": "1000", "instalments": 2})
    path = f"/devices/{home['device']['id']}"
    other = shop.customer("Neema", "0712345670")
    assert shop.api.refused("PATCH", path, {"customer_id": other}) == (409, "plan_open")
    assert shop.api.refused("PATCH", path, {"tariff_id": shop.tariff()}) == (
        422,
        "tariff_forbidden",
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"customer_id": "0" * 32}, "unknown_customer"),
        ({"tariff_id": "0" * 32}, "unknown_tariff"),
        ({"village_id": "0" * 32}, "unknown_village"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_device_cannot_get_what_is_not_there(shop, change, code):
    device = shop.meter()["device"]
    path = f"/devices/{device['id']}"
    assert shop.api.refused("PATCH", path, change) == (404, code)
    assert shop.api.ok("GET", path) == device


def test_t_79_components_raise_the_price_of_a_tariff(shop):
    tariff = shop.tariff(price="10000")
    changed = shop.api.ok(
        "PATCH", f"/tariffs/{tariff}", {"components": [{"name": "Tax", "price_per_kwh": "200000"}]}
    )
    assert (changed["version"], changed["total_price_per_kwh"]) == (2, "210000")


def test_a_tariff_keeps_what_a_change_does_not_name(shop):
    rate = {"amount": "100", "period_days": 7}
    tariff = shop.tariff(minimum_purchase="500", access_rate=rate)
    changed = shop.api.ok("PATCH", f"/tariffs/{tariff}", {"price_per_kwh": "130.25"})
    assert (changed["price_per_kwh"], changed["minimum_purchase"], changed["access_rate"]) == (
        "130.25",
        "500",
        rate,
    )
    changed = shop.api.ok("PATCH", f"/tariffs/{tariff}", {"minimum_purchase": None})
    assert (changed["version"], changed["minimum_purchase"]) == (3, "0")
    changed = shop.api.ok("PATCH", f"/tariffs/{tariff}", {"access_rate": None})
    assert (changed["version"], changed["access_rate"]) == (4, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"price_per_kwh": "-1"}, "body_invalid"),
        ({"price_per_kwh": "1.1234567"}, "body_invalid"),
        ({"price_per_kwh": 100}, "body_invalid"),
        ({"access_rate": {"amount": "100", "period_days": 0}}, "body_invalid"),
        ({"access_rate": {"amount": "1.001", "period_days": 7}}, "amount_invalid"),
        ({"components": [{"name": "A", "price_per_kwh": "1"}] * 2}, "tariff_invalid"),
    ],
    ids=["negative", "decimals", "number", "no period", "amount", "two of a name"],
)
def test_a_tariff_that_cannot_be_is_refused(shop, body, code):
    whole = {"name": "Household", "price_per_kwh": "100"} | body
    assert shop.api.refused("POST", "/tariffs", whole) == (422, code)


def test_reading_a_whole_phone_number_needs_an_elevation_and_is_noted(installation, shop):
    path = f"/customers/{shop.customer()}"
    assert shop.api.ok("GET", path)["phone"] == "+255•••••••78"
    assert shop.api.refused("GET", path, reveal="true") == (403, "elevation_required")

    installation.protect()
    shop.api.ok("POST", "/elevations", {"password": "behind the curtain"})
    assert shop.api.ok("GET", path, reveal="true")["phone"] == "+255712345678"
    assert installation.audit(shop.api)[0]["action"] == "customer.revealed"
