"""Payments, exports and imports through the API."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_core import Secret
from mpm_host.database import tables as t
from mpm_host.identifiers import new_identifier

PROTECTED = "behind the curtain"


@pytest.fixture
def shop(installation, umeme):
    installation.protect()
    return Shop(umeme)


def elevate(shop):
    shop.api.ok("POST", "/elevations", {"password": PROTECTED})


def issue(installation, payment_id, code):
    """Give a payment its token, as the order worker does."""
    host = installation.host
    with host.engines.write.begin() as connection:
        order = connection.execute(
            sa.select(t.orders).where(t.orders.c.payment_id == payment_id)
        ).one()
        connection.execute(
            sa.insert(t.tokens).values(
                id=new_identifier(), company_id=order.company_id, order_id=order.id,
                payment_id=payment_id, device_id=order.device_id, kind=order.kind,
                codes=host.vault.seal_codes([Secret(code)]), quantity=order.quantity,
                unit=order.unit, delivery="keypad", issued_at=installation.clock(),
            )
        )  # fmt: skip


def test_a_payment_shows_what_it_became(installation, shop):
    shop.meter(tariff_id=shop.tariff(price="100"))
    payment_id = installation.pay("47001234567", "1000", "OM-1")

    payment = shop.api.ok("GET", f"/payments/{payment_id}")
    assert (payment["reference"], payment["status"], payment["amount"], payment["msisdn"]) == (
        "OM-1",
        "token_pending",
        "1000",
        "+255•••••••78",
    )
    assert payment["lines"] == [{"kind": "energy", "amount": "1000", "refers_to": None}]
    listed = shop.api.ok("GET", "/payments", serial="47001234567", status="token_pending")
    assert [item["id"] for item in listed["items"]] == [payment_id]
    assert shop.api.ok("GET", "/payments", status="settled")["items"] == []


def test_codes_and_numbers_are_shown_to_those_who_may_see_them(installation, shop):
    shop.meter(tariff_id=shop.tariff(price="100"))
    payment_id = installation.pay("47001234567", "1000", "OM-1")
    issue(installation, payment_id, "12345678901234567890")
    path = f"/payments/{payment_id}"
    assert shop.api.ok("GET", path)["tokens"][0]["value"] is None
    assert shop.api.refused("GET", path, reveal="true") == (403, "elevation_required")

    elevate(shop)
    shown = shop.api.ok("GET", path, reveal="true")
    assert (shown["msisdn"], shown["tokens"][0]["value"]) == (
        "+255712345678",
        "12345678901234567890",
    )
    assert installation.audit(shop.api)[0]["action"] == "payment.revealed"


def test_a_customer_shows_credit_debts_and_plans(installation, shop):
    made = shop.meter(tariff_id=shop.tariff(price="300"))
    customer = made["customer"]["id"]
    shop.television(customer, cost="300", instalments=3)
    installation.clock.move(days=45)
    installation.pay("47001234567", "1000", "OM-1")

    shown = shop.api.ok("GET", f"/customers/{customer}")
    assert shop.rows(shown["plans"][0]) == [
        ("2026-02-28", "100", "0"),
        ("2026-03-31", "100", "0"),
        ("2026-04-30", "100", "100"),
    ]
    assert shown["credit"] == "20"  # 800 at 300 per kWh, in steps of 0.1 kWh: 780
    assert [device["serial"] for device in shown["devices"]] == ["47001234567"]


def rows_of(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_exports_need_an_elevation_and_are_noted(installation, shop):
    shop.meter(tariff_id=shop.tariff(price="100"))
    payment_id = installation.pay("47001234567", "1000", "=1+1")
    issue(installation, payment_id, "12345678901234567890")
    for kind in ("payments", "tokens", "debts"):
        assert shop.api.refused("GET", f"/exports/{kind}") == (403, "elevation_required")
    elevate(shop)

    payments = shop.api("GET", "/exports/payments")
    assert payments.headers["content-type"] == "text/csv; charset=utf-8"
    assert payments.headers["content-disposition"] == 'attachment; filename="payments.csv"'
    [row] = rows_of(payments)
    assert (row["id"], row["reference"], row["amount"], row["msisdn"]) == (
        payment_id,
        "'=1+1",
        "1000",
        "'+255712345678",
    )
    [token] = shop.api.ok("GET", "/exports/tokens", format="json")
    assert (token["value"], token["quantity"], token["unit"]) == (
        "12345678901234567890",
        "10",
        "kWh",
    )
    noted = [each for each in installation.audit(shop.api) if each["action"] == "export.made"]
    assert [(each["subject"], each["after"]["format"]) for each in noted] == [
        ("tokens", "json"),
        ("payments", "csv"),
    ]


def test_an_export_of_debts_has_instalments_and_access_rates(installation, shop):
    tariff = shop.tariff(access_rate={"amount": "100", "period_days": 7})
    made = shop.meter(tariff_id=tariff)
    shop.television(made["customer"]["id"], cost="300", instalments=2)
    installation.clock.move(days=8)
    moved = {"customer_id": shop.customer("Neema", "0712345670")}  # writes what has passed
    shop.api.ok("PATCH", f"/devices/{made['device']['id']}", moved)
    elevate(shop)

    rows = shop.api.ok("GET", "/exports/debts", format="json")
    assert sorted((row["kind"], row["due_on"], row["remaining"]) for row in rows) == [
        ("access_rate", "2026-03-09", "100"),
        ("instalment", "2026-02-28", "150"),
        ("instalment", "2026-03-31", "150"),
    ]


def test_an_export_of_nothing_is_a_header_or_an_empty_list(shop):
    elevate(shop)
    assert shop.api("GET", "/exports/tokens").text.startswith("payment_id,issued_at,")
    assert shop.api.ok("GET", "/exports/tokens", format="json") == []


def test_an_export_is_of_the_own_company_only(installation, shop):
    shop.meter(tariff_id=shop.tariff(price="100"))
    installation.pay("47001234567", "1000", "OM-1")
    stranger = shop.api.as_(installation.stranger)
    assert stranger.ok("GET", "/exports/payments", format="json") == []


HEADER = (
    "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer,tariff,"
    "tariff_price\n"
)
GOOD = "Kagera,Muleba,Kimwani,Asha,Juma,0712345678,meter,47001234567,calin,Household,100\n"
BAD = "Kagera,Muleba,Kimwani,Asha,Juma,nonsense,meter,47001234568,calin,Household,100\n"


def send(shop, text, **query):
    headers = {"Content-Type": "text/csv"}
    return shop.api("POST", "/imports", content=text.encode(), headers=headers, **query)


@pytest.mark.parametrize(
    ("query", "expected", "devices"),
    [
        ({}, {"created": 1, "errors": 1, "written": True}, 1),
        ({"dry_run": "true"}, {"created": 1, "errors": 1, "written": False}, 0),
        ({"all_or_nothing": "true"}, {"created": 1, "errors": 1, "written": False}, 0),
    ],
    ids=["row by row", "dry run", "all or nothing"],
)
def test_an_import_reports_every_bad_row(shop, query, expected, devices):
    answer = send(shop, HEADER + GOOD + BAD, **query)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert {name: told[name] for name in expected} == expected
    assert [(error["row"], error["code"]) for error in told["row_errors"]] == [(3, "phone_invalid")]
    assert len(shop.api.ok("GET", "/devices")["items"]) == devices


def test_t_83_a_repeated_import_changes_nothing_and_a_wrong_header_is_refused(shop):
    send(shop, HEADER + GOOD)
    again = send(shop, HEADER + GOOD).json()
    assert (again["created"], again["unchanged"]) == (0, 1)
    wrong = send(shop, "colour\nred\n")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "columns_invalid")
    assert "import.csv" not in wrong.text


# --- plugins --------------------------------------------------------------------------------------


def test_a_plugin_is_added_changed_disabled_and_removed(installation, umeme):
    settings = {
        "api_url": "http://127.0.0.1:9/south",
        "user_id": "u",
        "api_key": "south-secret",
    }
    path = "/plugins/calin-south"
    made = umeme.ok("PUT", path, {"use": "calin", "settings": settings})
    assert (made["plugin"], made["state"], made["settings"]["user_id"]) == (
        "calin",
        "enabled",
        "u",
    )

    changed = umeme.ok("PUT", path, {"settings": {"user_id": "other", "minimum_amount": "500"}})
    assert (changed["settings"]["user_id"], changed["settings"]["api_key"]) == ("other", "••••••")
    assert umeme.ok("PUT", path, {"enabled": False})["state"] == "disabled"
    assert umeme.ok("PUT", path, {})["settings"]["user_id"] == "other"
    off = umeme.ok("PUT", path, {"enabled": False, "settings": {"user_id": "third"}})
    assert (off["state"], off["settings"]["user_id"]) == ("disabled", "third")
    umeme.ok("DELETE", path)
    assert umeme.ok("GET", path)["state"] == "removed"
    everything = umeme("GET", "/plugins").text + str(installation.audit(umeme))
    assert "south-secret" not in everything


def test_of_two_changes_at_once_neither_undoes_the_other(umeme):
    for number in range(5):
        user, limit = f"user-{number}", str(1000 + number)
        both = [{"settings": {"user_id": user}}, {"settings": {"minimum_amount": limit}}]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda body: umeme.ok("PUT", "/plugins/calin", body), both))
        found = umeme.ok("GET", "/plugins/calin")
        assert (found["settings"]["user_id"], found["options"]["minimum_amount"]) == (user, limit)


def test_another_plugin_of_an_unused_instance_begins_without_the_settings_of_the_first(umeme):
    settings = {"auth_url": "http://127.0.0.1:9/a", "api_url": "http://127.0.0.1:9/s",
                "client_id": "c", "client_secret": "s"}  # fmt: skip
    changed = umeme.ok("PUT", "/plugins/calin", {"use": "sunking", "settings": settings})
    assert (changed["plugin"], changed["settings"]["client_id"]) == ("sunking", "c")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/plugins/calin-south", {"use": "calin"}, 422, "settings_invalid"),
        ("/plugins/calin", {"settings": {"colour": "red"}}, 422, "settings_invalid"),
        ("/plugins/calin", {"settings": {"allow_plain_http": True}}, 422, "settings_invalid"),
        ("/plugins/calin", {"settings": {"api_key": {"env": "HOME"}}}, 422, "settings_invalid"),
        ("/plugins/stranger", {}, 409, "plugin_not_enabled"),
        ("/plugins/Not-a-name", {"use": "calin"}, 422, "instance_name_invalid"),
    ],
    ids=["missing", "unknown", "host's own", "reference", "not allowed", "name"],
)
def test_settings_that_do_not_work_change_nothing(umeme, path, body, status, code):
    before = umeme.ok("GET", "/plugins")["instances"]
    assert umeme.refused("PUT", path, body) == (status, code)
    assert umeme.ok("GET", "/plugins")["instances"] == before


def test_a_disabled_manufacturer_takes_no_new_devices(umeme):
    shop = Shop(umeme)
    assert [each["instance"] for each in umeme.ok("GET", "/manufacturers")["items"]] == [
        "calin",
        "sunking",
    ]
    umeme.ok("PUT", "/plugins/calin", {"enabled": False})
    body = shop.meter_body()
    assert umeme.refused("POST", "/registrations", body) == (409, "plugin_not_enabled")
    assert [each["instance"] for each in umeme.ok("GET", "/manufacturers")["items"]] == ["sunking"]


def test_a_plugin_that_cannot_ask_a_payers_phone_says_so(umeme):
    """T-17."""
    body = {"instance": "calin", "serial": "1", "amount": "500", "msisdn": "0712345678"}
    assert umeme.refused("POST", "/pushes", body) == (409, "operation_not_supported")
    assert umeme.refused("POST", "/pushes", body | {"instance": "x"}) == (404, "unknown_instance")
