"""T-41: a deleted customer's devices are released, not deleted, and their ledger survives."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.access.roles import Role
from mpm_host.database import tables as t
from mpm_host.verification.verification import verify
from tests.support.issuing import issue_order

SERIAL = "47001234567"


@pytest.fixture
def shop(umeme):
    return Shop(umeme)


@pytest.fixture(autouse=True)
def the_ledger_adds_up_afterwards(installation):
    yield
    with installation.host.engines.read.connect() as connection:
        assert list(verify(connection)) == []


def delete(api, customer_id, **query):
    return api("DELETE", f"/customers/{customer_id}", **query)


def entries(installation):
    with installation.host.engines.read.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(t.entries))


def close_orders(installation):
    """End the orders of every payment as if their tokens had gone out long ago."""
    host = installation.host
    with host.engines.read.connect() as connection:
        payments = connection.scalars(sa.select(t.orders.c.payment_id)).all()
    for number, payment_id in enumerate(payments):
        issue_order(
            host.engines.write, host.vault, payment_id, installation.clock(), f"{number:020}"
        )


def test_t_41_the_devices_are_released_and_the_ledger_stays(installation, shop):
    made = shop.meter()
    customer, device = made["customer"]["id"], made["device"]["id"]
    installation.pay(SERIAL, "1000", "R1")
    close_orders(installation)
    before = entries(installation)

    assert delete(shop.api, customer).status_code == 204

    released = shop.api.ok("GET", f"/devices/{device}")
    assert (released["customer_id"], released["serial"]) == (None, SERIAL)
    assert entries(installation) == before > 0
    assert shop.api.ok("GET", "/customers")["items"] == []
    shown = shop.api.ok("GET", f"/customers/{customer}")
    assert (shown["deleted_at"], shown["devices"]) == ("2026-03-02T09:00:00Z", [])
    [payment] = shop.api.ok("GET", "/payments")["items"]
    assert payment["status"] == "settled"


def test_deleting_again_changes_nothing_and_is_noted_once(installation, shop):
    customer = shop.meter()["customer"]["id"]
    assert [delete(shop.api, customer).status_code for _ in range(2)] == [204, 204]
    noted = [each for each in installation.audit(shop.api) if each["action"] == "customer.deleted"]
    assert [(each["subject"], each["before"]) for each in noted] == [
        (customer, {"devices": [SERIAL], "credit": "0", "owed": "0"})
    ]


def test_a_released_device_can_be_given_to_somebody_else(shop):
    made = shop.meter(tariff_id=shop.tariff(access_rate={"amount": "100", "period_days": 7}))
    delete(shop.api, made["customer"]["id"])
    other = shop.customer("Neema", "0712345670")
    path = f"/devices/{made['device']['id']}"
    assert shop.api.ok("GET", path)["next_access_rate_on"] is None
    moved = shop.api.ok("PATCH", path, {"customer_id": other})
    assert (moved["customer_id"], moved["next_access_rate_on"]) == (other, "2026-03-09")


def test_a_sold_device_that_is_paid_off_can_be_sold_again(installation, shop):
    home = shop.home("12345678", sale={"cost": "1000", "instalments": 1})
    shop.api.ok("PATCH", f"/sales/{home['sale']['id']}/rows/1", {"cost": "0"})
    close_orders(installation)
    assert delete(shop.api, home["customer"]["id"]).status_code == 204
    other = shop.customer("Neema", "0712345670")
    body = {
        "customer_id": other,
        "appliance_id": home["device"]["appliance_id"],
        "device_serial": "12345678",
        "cost": "800",
        "instalments": 2,
        "sold_on": "2026-03-02",
    }
    assert shop.api.ok("POST", "/sales", body)["customer_id"] == other


def test_a_customer_with_an_open_sale_stays(shop):
    home = shop.home(sale={"cost": "1000", "instalments": 2})
    customer, sale = home["customer"]["id"], home["sale"]["id"]
    answer = delete(shop.api, customer)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (
        409,
        "plan_open",
        (
            f"The customer has sale {sale!r} that is not paid off; take it back first "
            "(DELETE /sales/{id}), or let it be paid."
        ),
    )
    shop.api.ok("DELETE", f"/sales/{sale}")
    assert delete(shop.api, customer).status_code == 204


def test_a_customer_whose_payment_waits_for_its_token_stays(installation, shop):
    customer = shop.meter()["customer"]["id"]
    payment = installation.pay(SERIAL, "1000", "R1")
    answer = delete(shop.api, customer)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (
        409,
        "payment_open",
        (
            f"Payment {payment} of the customer is token_pending; wait for its token, or decide it "
            "first."
        ),
    )


def test_what_is_owed_or_left_must_be_let_go_knowingly(installation, shop, clock):
    tariff = shop.tariff(access_rate={"amount": "100", "period_days": 7})
    customer = shop.meter(tariff_id=tariff)["customer"]["id"]
    clock.move(days=15)
    answer = delete(shop.api, customer)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (
        409,
        "balance_open",
        (
            "The customer has a credit of 0 TZS and owes 200 TZS of access rates; to delete them "
            "all the same, and leave that in the ledger, say keep_balance=true."
        ),
    )
    assert delete(shop.api, customer, keep_balance="true").status_code == 204
    with installation.host.engines.read.connect() as connection:
        stored = connection.execute(sa.select(t.access_debts.c.remaining)).scalars().all()
    assert stored == [10000, 10000]
    [noted] = [
        each for each in installation.audit(shop.api) if each["action"] == "customer.deleted"
    ]
    assert noted["before"] == {"devices": [SERIAL], "credit": "0", "owed": "200"}


def test_a_deleted_customer_gets_nothing_new(shop):
    made = shop.meter()
    customer = made["customer"]["id"]
    device = shop.meter(
        "47001234568", customer={"name": "Neema", "surname": "J", "phone": "0712345670"}
    )
    delete(shop.api, customer)
    body = shop.meter_body("47001234569") | {"customer": {"id": customer}}
    unknown = (404, "unknown_customer")
    assert shop.api.refused("POST", "/registrations", body) == unknown
    path = f"/devices/{device['device']['id']}"
    assert shop.api.refused("PATCH", path, {"customer_id": customer}) == unknown
    sale = {
        "customer_id": customer,
        "appliance_id": shop.appliance(kind="other"),
        "cost": "10",
        "instalments": 1,
        "sold_on": "2026-03-02",
    }
    assert shop.api.refused("POST", "/sales", sale) == unknown


def test_an_import_makes_the_same_person_a_new_customer(shop):
    customer = shop.meter()["customer"]["id"]
    delete(shop.api, customer)
    header = (
        "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer,tariff,"
        "tariff_price"
    )
    row = "Kagera,Muleba,Kimwani,Asha,Juma,0712345678,meter,47001234570,calin,Import,100"
    shop.api.ok(
        "POST", "/imports", content=f"{header}\n{row}\n".encode(),
        headers={"Content-Type": "text/csv"},
    )  # fmt: skip
    [found] = shop.api.ok("GET", "/customers")["items"]
    assert found["id"] != customer


def test_who_may_not_delete_deletes_nobody(installation, shop):
    customer = shop.meter()["customer"]["id"]
    operator = installation.key(role=Role.OPERATOR)
    assert operator.refused("DELETE", f"/customers/{customer}") == (403, "forbidden")
    assert delete(installation.key(role=Role.FINANCE), customer).status_code == 204
    assert shop.api.refused("DELETE", f"/customers/{'0' * 32}") == (404, "unknown_customer")
