"""Cases of the domain about payments and plugins, through the API on the real database."""

from __future__ import annotations

import sqlalchemy as sa

from host.tests.api.conftest import PLUGINS
from host.tests.api.worlds import Shop
from mpm_host.database import tables as t

SERIAL = "47001234567"


def test_t_16_staff_name_no_provider(umeme):
    """Cash is cash; what a telecom does is asked for at `/pushes`."""
    Shop(umeme).meter(SERIAL)
    answer = umeme("POST", "/cash-payments", {"serial": SERIAL, "amount": "1000", "provider": 999})

    assert (answer.status_code, answer.json()["code"]) == (422, "body_invalid")
    assert "`provider`" in answer.json()["detail"]
    assert umeme.ok("GET", "/payments")["items"] == []


def test_t_20_the_telecoms_one_can_pay_through_are_listed(installation, umeme):
    def telecoms():
        listed = umeme.ok("GET", "/plugins")["instances"]
        return [each["instance"] for each in listed if each["kind"] == "telecom"]

    assert telecoms() == []
    umeme.ok("PUT", "/plugins/airtel", {"settings": {"jwt_secret": "s" * 64}})
    assert telecoms() == ["airtel"]


def test_t_63_credentials_are_stored_encrypted_and_each_company_has_its_own_address(installation):
    secret = "canary-" + "s" * 64
    apis = [installation.company("umeme"), installation.company("wengine")]

    made = [api.ok("PUT", "/plugins/airtel", {"settings": {"jwt_secret": secret}}) for api in apis]

    assert [each["settings"]["jwt_secret"] for each in made] == ["••••••"] * 2
    assert len({each["callback_urls"]["c2b/process"] for each in made}) == 2
    with installation.host.engines.read.connect() as connection:
        rows = connection.execute(sa.select(t.instances)).all()
    assert "airtel" in repr(rows)
    assert "canary" not in repr(rows)


def test_t_90_less_than_the_access_rate_that_is_owed_is_taken(installation, clock):
    """Upstream refuses it; the debts come first, and need no token."""
    api = installation.company("umeme", PLUGINS)
    shop = Shop(api)
    rate = {"amount": "1000", "period_days": 7}
    made = shop.meter(SERIAL, tariff_id=shop.tariff(access_rate=rate, minimum_purchase="100"))
    clock.move(days=8)

    payment = api.ok("GET", f"/payments/{installation.pay(SERIAL, '500', 'OM-1')}")

    assert (payment["status"], payment["reason"], payment["tokens"]) == ("settled", "", [])
    assert [(line["kind"], line["amount"]) for line in payment["lines"]] == [("access_rate", "500")]
    customer = api.ok("GET", f"/customers/{made['customer']['id']}")
    assert [debt["remaining"] for debt in customer["access_debts"]] == ["500"]
