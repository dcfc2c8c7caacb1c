"""Sales through the API: the examples E-57…E-66 and the cases T-25…T-41."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.database import tables as t
from mpm_host.verification.verification import verify
from tests.support.issuing import issue_order


@pytest.fixture
def shop(umeme):
    return Shop(umeme)


def pay(shop, sale, amount):
    """Pay so much of a sale: its oldest rows first."""
    shop.api.ok("POST", "/cash-payments", {"amount": str(amount), "sale_id": sale["id"]})


def costs(sale):
    return [row["cost"] for row in sale["rows"]]


@pytest.fixture(autouse=True)
def the_ledger_adds_up_afterwards(installation):
    yield
    with installation.host.engines.read.connect() as connection:
        assert list(verify(connection)) == []


def test_e_57_and_t_26_a_down_payment_is_a_paid_row_with_its_ledger_line(installation, shop):
    sale = shop.television(cost="1000", down_payment="200", instalments=5)

    assert shop.rows(sale) == [
        ("2026-01-31", "200", "0"),
        ("2026-02-28", "160", "160"),
        ("2026-03-31", "160", "160"),
        ("2026-04-30", "160", "160"),
        ("2026-05-31", "160", "160"),
        ("2026-06-30", "160", "160"),
    ]
    assert (sale["cost"], sale["down_payment"], sale["remaining"]) == ("1000", "200", "800")
    with installation.host.engines.read.connect() as connection:
        booked = connection.execute(
            sa.select(t.entries.c.account, t.entries.c.amount, t.entries.c.refers_to).order_by(
                t.entries.c.position
            )
        ).all()
    assert booked == [("cash", -20000, ""), ("down_payment", 20000, sale["rows"][0]["id"])]


def test_t_28_a_sale_without_down_payment_books_nothing(installation, shop):
    shop.television(cost="1000", instalments=5)
    with installation.host.engines.read.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.entries)) == 0


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param({"cost": "1000", "instalments": 3}, ["333.33", "333.33", "333.34"], id="E-58"),
        pytest.param(
            {"cost": "1000", "down_payment": "100", "instalment_cost": "250"},
            ["100", "250", "250", "250", "150"],
            id="E-59",
        ),
    ],
)
def test_instalments_are_those_of_the_examples(shop, terms, expected):
    assert costs(shop.television(**terms)) == expected


def test_e_60_month_ends_are_clamped(shop):
    sale = shop.television(cost="900", instalments=3)
    assert [row["due_on"] for row in sale["rows"]] == ["2026-02-28", "2026-03-31", "2026-04-30"]


def test_e_61_the_first_due_day_is_the_one_agreed_on(shop):
    sale = shop.television(cost="900", instalments=2, first_due_on="2026-03-01")
    assert [row["due_on"] for row in sale["rows"]] == ["2026-03-01", "2026-04-01"]


def test_t_25_energy_as_a_service_has_a_daily_price_and_no_rows(shop):
    home = shop.home(sale={"price_per_day": "100", "minimum_payment": "300"})
    sale = home["sale"]
    assert (sale["price_per_day"], sale["minimum_payment"], sale["rows"], sale["status"]) == (
        "100", "300", [], "open",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        ({"cost": "1000"}, 422, "terms_invalid"),
        ({"cost": "1000", "instalments": 2, "instalment_cost": "5"}, 422, "terms_invalid"),
        ({"price_per_day": "0"}, 422, "terms_invalid"),
        ({"price_per_day": "100", "down_payment": "10"}, 422, "terms_invalid"),
        ({"cost": "1000", "instalments": 0}, 422, "body_invalid"),
        ({"cost": "1000", "down_payment": "1001", "instalments": 2}, 422, "down_payment_invalid"),
        ({"cost": 1000, "instalments": 2}, 422, "body_invalid"),
        ({"cost": "1000.001", "instalments": 2}, 422, "amount_invalid"),
        ({"cost": "1000", "instalments": 2, "period": "daily"}, 422, "body_invalid"),
        ({"cost": "1000", "instalments": 2, "sold_on": "2026-02-30"}, 422, "body_invalid"),
        ({"cost": "1000", "instalments": 2, "sold_on": "1999-01-01"}, 422, "date_invalid"),
    ],
    ids=["none", "two", "E-44", "service down", "count 0", "down above cost", "number", "decimals",
         "T-36 daily", "30 February", "last century"],
)  # fmt: skip
def test_terms_that_make_no_plan_are_refused(shop, terms, status, code):
    customer, appliance = shop.customer(), shop.appliance(kind="other")
    body = {"customer_id": customer, "appliance_id": appliance, "sold_on": "2026-01-31"}
    assert shop.api.refused("POST", "/sales", body | terms) == (status, code)
    assert shop.api.ok("GET", "/sales")["items"] == []


def change_total(shop, sale, total):
    return shop.api.ok("PATCH", f"/sales/{sale['id']}", {"cost": total})


def test_e_63_and_t_29_another_total_is_shared_by_untouched_rows(installation, shop):
    sale = shop.television(cost="1000", instalments=5)
    changed = change_total(shop, sale, "1500")

    assert costs(changed) == ["300"] * 5
    assert changed["cost"] == "1500"
    noted = [each for each in installation.audit(shop.api) if each["action"] == "sale.changed"]
    assert [(each["before"], each["after"]) for each in noted] == [
        ({"cost": "1000"}, {"cost": "1500"})
    ]


def test_e_64_and_t_30_the_last_row_takes_the_rest(shop):
    sale = shop.television(cost="900", instalments=3)
    assert costs(change_total(shop, sale, "1000")) == ["333.33", "333.33", "333.34"]


def test_e_65_and_t_31_rows_that_were_paid_on_stay(installation, shop):
    sale = shop.television(cost="1000", instalments=5)
    pay(shop, sale, 250)

    assert shop.rows(change_total(shop, sale, "1300")) == [
        ("2026-02-28", "200", "0"),
        ("2026-03-31", "200", "150"),
        ("2026-04-30", "300", "300"),
        ("2026-05-31", "300", "300"),
        ("2026-06-30", "300", "300"),
    ]


def test_e_66_t_32_and_t_33_totals_that_cannot_be_are_refused(shop):
    sale = shop.television(cost="1000", instalments=2)
    path = f"/sales/{sale['id']}"
    pay(shop, sale, 510)
    assert shop.api.refused("PATCH", path, {"cost": "300"}) == (422, "total_below_paid")
    assert shop.api.refused("PATCH", path, {"cost": "2000"}) == (422, "no_untouched_row")
    assert costs(shop.api.ok("GET", path)) == ["500", "500"]


def test_t_34_a_rescheduled_plan_continues_after_the_latest_settled_row(installation, shop):
    sale = shop.television(cost="1600", instalments=4)
    pay(shop, sale, 400)
    body = {"instalments": 3, "period": "monthly"}
    changed = shop.api.ok("POST", f"/sales/{sale['id']}/reschedule", body)

    assert shop.rows(changed) == [
        ("2026-02-28", "400", "0"),
        ("2026-03-28", "400", "400"),
        ("2026-04-28", "400", "400"),
        ("2026-05-28", "400", "400"),
    ]


def test_t_35_a_plan_becomes_weekly(installation, shop):
    sale = shop.television(cost="1600", instalments=4)
    pay(shop, sale, 500)
    body = {"instalments": 11, "period": "weekly"}
    changed = shop.api.ok("POST", f"/sales/{sale['id']}/reschedule", body)

    assert changed["period"] == "weekly"
    assert shop.rows(changed)[:4] == [
        ("2026-02-28", "400", "0"),
        ("2026-02-28", "100", "0"),  # of the row of March
        ("2026-03-07", "100", "100"),
        ("2026-03-14", "100", "100"),
    ]
    assert changed["remaining"] == "1100"


def test_what_was_taken_back_changes_neither_dates_nor_days(installation, shop):
    """Rows a payment was booked on stay for its entries' sake, and are none of the plan."""
    terms = {"cost": "1200", "instalments": 3, "sold_on": "2026-03-01"}
    sale = shop.home("12345678", sale=terms)["sale"]
    pay(shop, sale, 1100)
    [payment] = shop.api.ok("GET", "/payments")["items"]
    shop.api.ok("POST", f"/payments/{payment['id']}/reverse", {"reason": "wrong customer"})
    path = f"/sales/{sale['id']}"
    shop.api.ok("POST", f"{path}/reschedule", {"instalments": 6, "period": "monthly"})
    weekly = {"instalments": 12, "period": "weekly"}
    rows = shop.rows(shop.api.ok("POST", f"{path}/reschedule", weekly))

    due = [date(2026, 3, 8) + timedelta(weeks=week) for week in range(12)]
    assert rows == [(day.isoformat(), "100", "100") for day in due]
    assert shop.rows(shop.api.ok("PATCH", f"{path}/rows/12", {"cost": "0"})) == rows[:-1]
    for number in range(11):
        installation.pay("12345678", "100", f"R{number}")
    orders = sa.select(t.orders.c.kind, t.orders.c.quantity).order_by(t.orders.c.id)
    with installation.host.engines.read.connect() as connection:
        sold = [(order.kind, order.quantity) for order in connection.execute(orders)]
        assert list(verify(connection)) == []
    assert sold[1:] == [("time", 7)] * 10 + [("unlock", None)]


def test_t_36_no_instalment_is_no_schedule(shop):
    sale = shop.television(cost="1000", instalments=2)
    for body in ({"instalments": 0, "period": "weekly"}, {"instalments": 2, "period": "daily"}):
        path = f"/sales/{sale['id']}/reschedule"
        assert shop.api.refused("POST", path, body) == (422, "body_invalid")


def test_t_37_a_single_row_changes_the_total(shop):
    sale = shop.television(cost="1000", instalments=2)
    changed = shop.api.ok("PATCH", f"/sales/{sale['id']}/rows/2", {"cost": "450"})
    assert (costs(changed), changed["cost"]) == (["500", "450"], "950")

    gone = shop.api.ok("PATCH", f"/sales/{sale['id']}/rows/2", {"cost": "0"})
    assert (costs(gone), gone["cost"]) == (["500"], "500")


def test_t_38_a_paid_row_stays_as_it_is(installation, shop):
    sale = shop.television(cost="1000", instalments=2)
    pay(shop, sale, 500)
    path = f"/sales/{sale['id']}/rows"
    assert shop.api.refused("PATCH", f"{path}/1", {"cost": "1"}) == (422, "row_already_paid")
    for number in ("0", "3", "x", "99999"):
        assert shop.api.refused("PATCH", f"{path}/{number}", {"cost": "1"}) == (404, "unknown_row")
    assert costs(shop.api.ok("GET", f"/sales/{sale['id']}")) == ["500", "500"]


def test_t_39_a_sale_with_a_device_gives_it_its_owner(shop):
    home = shop.home(sale={"cost": "1000", "instalments": 2})
    device, sale = home["device"], home["sale"]
    shop.api.ok("DELETE", f"/sales/{sale['id']}")
    other = shop.customer("Neema", "0712345670")
    body = {
        "customer_id": other,
        "appliance_id": device["appliance_id"],
        "device_serial": device["serial"],
        "cost": "800",
        "instalments": 2,
        "sold_on": "2026-03-02",
    }
    shop.api.ok("POST", "/sales", body)

    after = shop.api.ok("GET", f"/devices/{device['id']}")
    assert (after["customer_id"], after["village_id"]) == (other, device["village_id"])
    assert shop.api.refused("POST", "/sales", body) == (409, "plan_open")


def test_t_40_a_deleted_sale_releases_its_device_and_keeps_the_ledger(installation, shop):
    home = shop.home(sale={"cost": "1000", "instalments": 2, "down_payment": "100"})
    path = f"/sales/{home['sale']['id']}"
    pay(shop, home["sale"], 450)
    assert shop.api.refused("DELETE", path) == (409, "payment_open")
    [payment] = shop.api.ok("GET", "/payments")["items"]
    host = installation.host
    issue_order(host.engines.write, host.vault, payment["id"], installation.clock())
    shop.api.ok("DELETE", path)

    assert shop.api.ok("GET", path)["status"] == "deleted"
    assert shop.api.ok("GET", f"/devices/{home['device']['id']}")["customer_id"] is None
    for method, more, body in (
        ("DELETE", "", None),
        ("PATCH", "", {"cost": "5"}),
        ("POST", "/reschedule", {"instalments": 1, "period": "weekly"}),
        ("PATCH", "/rows/1", {"cost": "5"}),
    ):
        assert shop.api.refused(method, path + more, body) == (422, "sale_deleted")
    with installation.host.engines.read.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.entries)) == 4
    actions = [each["action"] for each in installation.audit(shop.api)]
    assert actions[0] == "sale.deleted"


def test_the_price_of_energy_as_a_service_can_change(shop):
    sale = shop.home(sale={"price_per_day": "100"})["sale"]
    path = f"/sales/{sale['id']}"
    changed = shop.api.ok("PATCH", path, {"price_per_day": "120", "minimum_payment": "240"})
    assert (changed["price_per_day"], changed["minimum_payment"]) == ("120", "240")
    assert shop.api.refused("PATCH", path, {"cost": "5"}) == (422, "no_instalments")
    assert shop.api.refused("PATCH", path, {"price_per_day": "0"}) == (422, "terms_invalid")
