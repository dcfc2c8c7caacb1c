"""`/cash-payments` and `/devices/{id}/tokens`, through the API."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.access.roles import Role
from mpm_host.database import tables as t
from mpm_host.verification.verification import verify

SERIAL = "47001234567"
WHY = "meter was replaced"


@pytest.fixture
def shop(umeme):
    return Shop(umeme)


@pytest.fixture
def meter(shop):
    return shop.meter(SERIAL)["device"]["id"]


@pytest.fixture
def sound(installation):
    """The ledger must be right whatever a test did."""
    yield
    with installation.host.engines.read.connect() as connection:
        assert [str(each) for each in verify(connection)] == []


pytestmark = pytest.mark.usefixtures("sound")


def payments(installation):
    with installation.host.engines.read.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(t.payments))


# --- cash -----------------------------------------------------------------------------------------


def test_cash_for_a_device_answers_the_payment(shop, meter):
    del meter
    taken = shop.api.ok("POST", "/cash-payments", {"amount": "1000", "serial": SERIAL})

    assert (taken["instance"], taken["channel"], taken["status"]) == (
        "cash", "cash", "token_pending",
    )  # fmt: skip
    assert taken["lines"] == [{"kind": "energy", "amount": "1000", "refers_to": None}]
    assert shop.api.ok("GET", f"/payments/{taken['id']}") == taken
    assert shop.api.ok("GET", "/payments", serial=SERIAL)["items"] == [taken]


def test_cash_for_a_sale_answers_the_payment(shop):
    sale = shop.television(cost="1000", instalments=5)

    taken = shop.api.ok("POST", "/cash-payments", {"amount": "200", "sale_id": sale["id"]})

    assert (taken["serial"], taken["status"]) == (None, "settled")
    assert taken["lines"] == [
        {"kind": "instalment", "amount": "200", "refers_to": taken["lines"][0]["refers_to"]}
    ]
    assert shop.rows(shop.api.ok("GET", f"/sales/{sale['id']}"))[0][2] == "0"


def test_the_same_request_again_answers_the_same_payment(installation, shop, meter):
    del meter
    body, once = (
        {"amount": "1000", "serial": SERIAL},
        {"Idempotency-Key": "receipt-17"},
    )

    first = shop.api("POST", "/cash-payments", body, headers=once)
    again = shop.api("POST", "/cash-payments", body, headers=once)

    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert payments(installation) == 1
    assert shop.api.refused("POST", "/cash-payments", {**body, "amount": "2000"}, headers=once) == (
        422,
        "idempotency_key_reused",
    )


CASH_REFUSALS = {
    "unknown serial": ({"amount": "1000", "serial": "404"}, 404, "unknown_serial"),
    "unknown sale": ({"amount": "1000", "sale_id": "404"}, 404, "unknown_sale"),
    "nothing": ({"amount": "0", "serial": SERIAL}, 422, "amount_invalid"),
    "too little": ({"amount": "1", "serial": SERIAL}, 422, "amount_below_minimum"),
    "no target": ({"amount": "1000"}, 422, "payment_target_invalid"),
    "both": ({"amount": "1", "serial": SERIAL, "sale_id": "1"}, 422, "payment_target_invalid"),
    "another field": ({"amount": "1", "serial": SERIAL, "msisdn": "1"}, 422, "body_invalid"),
    "a number": ({"amount": 1000, "serial": SERIAL}, 422, "body_invalid"),
}


@pytest.mark.parametrize(("body", "status", "code"), CASH_REFUSALS.values(), ids=CASH_REFUSALS)
def test_cash_that_cannot_be_taken_is_refused_and_nothing_is_booked(
    installation, shop, meter, body, status, code
):
    del meter
    assert shop.api.refused("POST", "/cash-payments", body) == (status, code)
    assert payments(installation) == 0


@pytest.mark.parametrize(
    ("amount", "code"),
    [("199", "amount_below_minimum"), ("1000.01", "amount_above_maximum")],
    ids=["T-13", "T-14"],
)
def test_what_a_plan_does_not_take_is_refused(installation, shop, amount, code):
    sale = shop.television(cost="1000", instalments=5)
    body = {"amount": amount, "sale_id": sale["id"]}

    assert shop.api.refused("POST", "/cash-payments", body) == (422, code)
    assert payments(installation) == 0


@pytest.mark.parametrize(
    ("role", "may"), [(Role.OPERATOR, False), (Role.FINANCE, True), (Role.OWNER, True)]
)
def test_taking_cash_and_giving_tokens_need_permissions(installation, shop, meter, role, may):
    """T-49."""
    somebody = installation.key(role=role)
    token = {"amount": "1", "unit": "kWh", "reason": WHY}
    for path, body in (
        ("/cash-payments", {"amount": "1000", "serial": SERIAL}),
        (f"/devices/{meter}/tokens", token),
    ):
        if may:
            somebody.ok("POST", path, body)
        else:
            assert somebody.refused("POST", path, body) == (403, "forbidden")
    assert installation.public.refused("POST", f"/devices/{meter}/tokens", token) == (
        401, "unauthenticated",
    )  # fmt: skip


def test_cash_can_be_reversed_and_exported(installation, shop, meter):
    del meter
    installation.elevate_everybody()
    taken = shop.api.ok("POST", "/cash-payments", {"amount": "1000", "serial": SERIAL})

    back = shop.api.ok("POST", f"/payments/{taken['id']}/reverse", {"reason": "counted twice"})

    assert (back["status"], back["lines"]) == ("reversed", [])
    [row] = shop.api.ok("GET", "/exports/payments", format="json")
    assert {name: row[name] for name in ("id", "channel", "instance", "number", "status")} == {
        "id": taken["id"], "channel": "cash", "instance": "cash", "number": "1",
        "status": "reversed",
    }  # fmt: skip


# --- ad-hoc tokens --------------------------------------------------------------------------------


def test_a_token_answers_a_payment_of_its_own_channel(installation, shop, meter):
    body = {"amount": "3", "unit": "kWh", "reason": WHY}

    given = shop.api.ok("POST", f"/devices/{meter}/tokens", body)

    assert (given["instance"], given["channel"], given["amount"]) == ("ad_hoc", "ad_hoc", "300")
    assert given["calculation"]["asked_watt_hours"] == "3000"
    assert shop.api.ok("GET", "/payments")["items"] == [given]
    noted = next(
        line for line in installation.audit(shop.api) if line["action"] == "payment.ad_hoc"
    )
    assert (noted["subject"], noted["reason"]) == (given["id"], WHY)
    assert noted["after"] == {"amount": "300", "serial": SERIAL, "asked": "3 kWh"}


def test_a_token_asked_for_again_with_the_same_key_is_the_same(installation, shop, meter):
    body, once = {"amount": "3", "unit": "kWh", "reason": WHY}, {"Idempotency-Key": "ticket-9"}

    answers = [
        shop.api.ok("POST", f"/devices/{meter}/tokens", body, headers=once) for _ in range(2)
    ]

    assert answers[0] == answers[1]
    assert payments(installation) == 1


def test_the_device_tells_which_units_are_possible_and_why_not(shop, meter):
    assert shop.api.ok("GET", f"/devices/{meter}/tokens") == {
        "units": [
            {"unit": "currency", "possible": True, "code": None, "message": None},
            {"unit": "kWh", "possible": True, "code": None, "message": None},
            {
                "unit": "days",
                "possible": False,
                "code": "unit_not_supported",
                "message": "Device 47001234567 is of kind meter and takes no days; use kWh or "
                "currency.",
            },
        ]
    }


TOKEN_REFUSALS = {
    "T-46": ({"unit": "days"}, 422, "unit_not_supported"),
    "T-49-amount": ({"amount": "0"}, 422, "amount_invalid"),
    "T-49-unit": ({"unit": None}, 422, "body_invalid"),
    "another unit": ({"unit": "Wh"}, 422, "body_invalid"),
    "no reason": ({"reason": ""}, 422, "body_invalid"),
    "blank reason": ({"reason": "  "}, 422, "reason_required"),
}


@pytest.mark.parametrize(("change", "status", "code"), TOKEN_REFUSALS.values(), ids=TOKEN_REFUSALS)
def test_a_token_that_cannot_be_given_is_refused_and_nothing_is_booked(
    installation, shop, meter, change, status, code
):
    body = {"amount": "3", "unit": "kWh", "reason": WHY} | change

    assert shop.api.refused("POST", f"/devices/{meter}/tokens", body) == (status, code)
    assert payments(installation) == 0


def test_a_device_without_a_plan_gets_no_days(shop):
    """T-47: the capability tells the same reason."""
    home = shop.home()["device"]["id"]
    body = {"amount": "4", "unit": "days", "reason": WHY}

    assert shop.api.refused("POST", f"/devices/{home}/tokens", body) == (422, "no_plan")
    told = shop.api.ok("GET", f"/devices/{home}/tokens")["units"]
    assert [unit["code"] for unit in told] == ["no_plan", "unit_not_supported", "no_plan"]


def test_an_unknown_device_gets_no_token(shop):
    body = {"amount": "4", "unit": "days", "reason": WHY}

    assert shop.api.refused("POST", "/devices/404/tokens", body) == (404, "unknown_device")
    assert shop.api.refused("GET", "/devices/404/tokens") == (404, "unknown_device")
