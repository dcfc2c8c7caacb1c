"""Agents through the API: the examples E-67 to E-71 and the cases T-72 to T-78."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.access.roles import PERMISSIONS, Role
from mpm_host.database import agent_tables
from mpm_host.database import tables as t
from mpm_host.verification.verification import verify
from mpm_host.web.api.all_operations import OPERATIONS

PASSWORD = "correct horse"
METER = "47001234567"


@pytest.fixture
def shop(umeme):
    return Shop(umeme)


@pytest.fixture
def grid(umeme, shop):
    return umeme.ok("GET", "/mini-grids")["items"][0]


@pytest.fixture
def field(installation, umeme, shop, grid):
    return Field(installation, umeme, shop, grid)


@pytest.fixture(autouse=True)
def the_books_add_up_afterwards(installation):
    yield
    with installation.host.engines.read.connect() as connection:
        assert list(verify(connection)) == []


class Field:
    """A mini-grid with an agent, another mini-grid, and short ways to sell."""

    def __init__(self, installation, owner, shop, grid):
        self.installation, self.owner, self.shop, self.grid = installation, owner, shop, grid
        self.agent = self.new_agent()["id"]

    def new_agent(self, phone="0755000001", rate="0.10", risk_balance="3000", grid_id=None):
        body = {
            "name": "Juma",
            "phone": phone,
            "mini_grid_id": grid_id or self.grid["id"],
            "commission_rate": rate,
            "risk_balance": risk_balance,
        }
        return self.owner.ok("POST", "/agents", body)

    def api(self, agent_id=None, name="robot"):
        """The API as the agent's own app sees it."""
        body = {"name": name, "role": "agent", "agent_id": agent_id or self.agent}
        return self.owner.as_(self.owner.ok("POST", "/api-keys", body)["key"])

    def other_village(self):
        cluster = self.grid["cluster_id"]
        body = {"name": "Ukerewe", "cluster_id": cluster}
        grid = self.owner.ok("POST", "/mini-grids", body)["id"]
        return self.owner.ok("POST", "/villages", {"name": "Nansio", "mini_grid_id": grid})["id"]

    def customer_elsewhere(self, phone="0712999999"):
        body = {
            "name": "Neema",
            "surname": "Said",
            "phone": phone,
            "village_id": self.other_village(),
        }
        return self.owner.ok("POST", "/customers", body)["id"]

    def other_village_of(self, customer):
        return self.owner.ok("GET", f"/customers/{customer}")["village_id"]

    def move(self, customer, village):
        """Let a customer live somewhere else."""
        c = t.customers.c
        with self.installation.host.engines.write.begin() as connection:
            connection.execute(
                sa.update(t.customers).where(c.id == customer).values(village_id=village)
            )

    def grid_of(self, village):
        return self.owner.ok("GET", f"/villages/{village}")["mini_grid_id"]

    def radio(self, price="3000"):
        """An appliance that the agent may sell."""
        appliance = self.shop.appliance("Radio", "other", "2500")
        self.assign(appliance, price)
        return appliance

    def assign(self, appliance, price):
        body = {"appliance_id": appliance, "price": price}
        return self.owner.ok("POST", f"/agents/{self.agent}/appliances", body)

    def sale(self, appliance, customer, **terms):
        return {"customer_id": customer, "appliance_id": appliance, "instalments": 1} | terms

    def money(self):
        found = self.owner.ok("GET", f"/agents/{self.agent}")
        return found["balance"], found["commission"], found["due"]

    def hand_over(self, amount):
        return self.owner.ok("POST", f"/agents/{self.agent}/receipts", {"amount": amount})

    def entries(self):
        found = self.owner.ok("GET", f"/agents/{self.agent}/entries")["items"]
        return [
            (each["kind"], each["amount"], each["commission"], each["balance_after"])
            for each in reversed(found)
        ]

    def counts(self):
        with self.installation.host.engines.read.connect() as connection:
            return [
                connection.scalar(sa.select(sa.func.count()).select_from(table))
                for table in (t.customers, t.devices, t.plans, t.payments, t.entries,
                              agent_tables.agent_entries)
            ]  # fmt: skip


# --- agents themselves ----------------------------------------------------------------------------


def test_a_new_agent_holds_nothing(installation, field):
    shown = field.owner.ok("GET", f"/agents/{field.agent}")
    assert shown == {
        "id": field.agent,
        "name": "Juma",
        "phone": shown["phone"],
        "mini_grid_id": field.grid["id"],
        "commission_rate": "0.10",
        "risk_balance": "3000",
        "balance": "0",
        "commission": "0",
        "due": "0",
        "currency": "TZS",
        "enabled": True,
        "created_at": "2026-03-02T09:00:00Z",
    }
    assert "755000001" not in shown["phone"]
    assert field.owner.ok("GET", "/agents")["items"] == [shown]
    [noted] = [
        each for each in installation.audit(field.owner) if each["action"] == "agent.created"
    ]
    assert noted["after"] == {
        "name": "Juma",
        "mini_grid_id": field.grid["id"],
        "commission_rate": "0.10",
        "risk_balance": "3000",
        "enabled": True,
    }


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"commission_rate": "1.5"}, 422, "commission_rate_invalid", id="T-78"),
        pytest.param({"commission_rate": "-0.1"}, 422, "body_invalid", id="negative rate"),
        pytest.param({"commission_rate": 0.1}, 422, "body_invalid", id="a number as rate"),
        pytest.param({"risk_balance": "0.001"}, 422, "amount_invalid", id="below minor units"),
        pytest.param({"phone": "12"}, 422, "phone_invalid", id="phone"),
        pytest.param({"phone": "+255 755 000 001"}, 409, "phone_taken", id="phone taken"),
        pytest.param({"name": " "}, 422, "name_invalid", id="name"),
        pytest.param({"mini_grid_id": "0" * 32}, 404, "unknown_mini_grid", id="mini-grid"),
        pytest.param({"balance": "5"}, 422, "body_invalid", id="unknown field"),
    ],
)
def test_an_agent_that_cannot_be_is_refused(field, change, status, code):
    body = {
        "name": "Ali",
        "phone": "0755000002",
        "mini_grid_id": field.grid["id"],
        "commission_rate": "0.05",
        "risk_balance": "100",
    }
    assert field.owner.refused("POST", "/agents", body | change) == (status, code)
    assert len(field.owner.ok("GET", "/agents")["items"]) == 1


def test_an_agent_is_changed_and_the_change_is_audited(installation, field):
    path = f"/agents/{field.agent}"
    changed = field.owner.ok("PATCH", path, {"commission_rate": "0.2", "risk_balance": "50"})
    assert (changed["commission_rate"], changed["risk_balance"]) == ("0.2", "50")
    field.owner.ok("PATCH", path, {})
    assert field.owner.refused("PATCH", path, {"commission_rate": "2"}) == (
        422,
        "commission_rate_invalid",
    )
    [noted] = [
        each for each in installation.audit(field.owner) if each["action"] == "agent.changed"
    ]
    assert (noted["before"]["risk_balance"], noted["after"]["risk_balance"]) == ("3000", "50")


# --- selling --------------------------------------------------------------------------------------


def test_e_67_and_e_68_an_agent_sells_and_hands_over(field):
    customer, radio = field.shop.customer(), field.radio()
    sold = field.api().ok("POST", "/sales", field.sale(radio, customer, down_payment="3000"))
    assert (sold["cost"], sold["down_payment"], sold["status"]) == ("3000", "3000", "settled")
    assert field.money() == ("3000", "300", "2700")

    receipt = field.hand_over("2700")
    assert (receipt["commission_paid"], receipt["balance_before"], receipt["balance_after"]) == (
        "300", "3000", "0",
    )  # fmt: skip
    assert field.money() == ("0", "0", "0")
    assert field.owner.ok("GET", f"/agents/{field.agent}/receipts")["items"] == [receipt]
    assert field.entries() == [
        ("down_payment", "3000", "300", "3000"),
        ("handed_over", "-2700", "0", "300"),
        ("commission_paid", "-300", "-300", "0"),
    ]


def test_an_owner_sells_for_an_agent_by_naming_them(installation, field):
    customer, radio = field.shop.customer(), field.radio()
    body = field.sale(radio, customer, down_payment="500", agent_id=field.agent)
    sold = field.owner.ok("POST", "/sales", body)
    assert field.money() == ("500", "50", "450")
    [noted] = [each for each in installation.audit(field.owner) if each["action"] == "sale.created"]
    assert (noted["subject"], noted["after"]["agent_id"]) == (sold["id"], field.agent)


def test_others_may_not_act_for_an_agent(installation, field):
    customer, radio = field.shop.customer(), field.radio()
    operator = installation.key(role=Role.OPERATOR)
    body = field.sale(radio, customer, agent_id=field.agent)
    assert operator.refused("POST", "/sales", body) == (403, "forbidden")
    other = field.new_agent("0755000002")["id"]
    assert field.api(other).refused("POST", "/sales", body) == (404, "unknown_agent")


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        pytest.param({"down_payment": "3001"}, 422, "down_payment_invalid", id="above the price"),
        pytest.param({"cost": "2999"}, 422, "cost_differs", id="another price"),
        pytest.param({"down_payment": "2500"}, 403, "agent_limit", id="E-69"),
    ],
)
def test_what_an_agent_may_not_sell_is_refused_and_nothing_is_written(field, terms, status, code):
    customer, radio = field.shop.customer(), field.radio()
    api = field.api()
    api.ok("POST", "/sales", field.sale(radio, customer, down_payment="600"))
    before = field.counts()
    assert api.refused("POST", "/sales", field.sale(radio, customer, **terms)) == (status, code)
    assert field.counts() == before
    assert field.money() == ("600", "60", "540")


def test_an_agent_sells_only_what_they_were_given(field):
    customer = field.shop.customer()
    other = field.shop.appliance("Fan", "other", "700")
    assert field.api().refused("POST", "/sales", field.sale(other, customer, cost="700")) == (
        403,
        "appliance_not_assigned",
    )


def test_an_appliance_can_get_another_price(installation, field):
    radio = field.radio("3000")
    field.assign(radio, "3000")
    again = field.assign(radio, "2800")
    assert field.api().ok("GET", f"/agents/{field.agent}/appliances")["items"] == [again]
    assert (again["name"], again["price"]) == ("Radio", "2800")
    changes = [
        each["after"]["price"]
        for each in installation.audit(field.owner)
        if each["action"] == "agent.appliance_assigned"
    ]
    assert changes == ["2800", "3000"]
    path = f"/agents/{field.agent}/appliances"
    for price, appliance, expected in (
        ("0", radio, (422, "amount_invalid")),
        ("10", "0" * 32, (404, "unknown_appliance")),
    ):
        body = {"appliance_id": appliance, "price": price}
        assert field.owner.refused("POST", path, body) == expected


def test_energy_as_a_service_is_sold_without_cost(field):
    home = field.shop.home(sale=None)
    field.assign(home["device"]["appliance_id"], "9000")
    body = {
        "customer_id": home["customer"]["id"],
        "appliance_id": home["device"]["appliance_id"],
        "device_serial": "12345678",
        "price_per_day": "100",
    }
    assert field.api().ok("POST", "/sales", body)["price_per_day"] == "100"


# --- whom they serve ------------------------------------------------------------------------------


def test_t_74_an_agent_registers_new_people_of_the_own_mini_grid_alone(field):
    api, known = field.api(), field.shop.customer(phone="0712345678")
    body = {"name": "Zuri", "surname": "Ali", "phone": "0712111111"}
    own, other = field.shop.village, field.other_village()
    before = field.counts()
    for change, expected in (
        ({"village_id": other}, (403, "outside_mini_grid")),
        ({"village_id": own, "phone": "+255712345678"}, (409, "phone_taken")),
        ({"village_id": "0" * 32}, (404, "unknown_village")),
    ):
        assert api.refused("POST", "/customers", body | change) == expected
    assert field.counts() == before
    made = api.ok("POST", "/customers", body | {"village_id": own})["id"]
    seen = {each["id"] for each in api.ok("GET", "/customers")["items"]}
    assert seen == {known, made}


def test_t_74_an_agent_registers_devices_in_the_own_mini_grid_alone(field):
    api, tariff = field.api(), field.shop.tariff()
    elsewhere = field.customer_elsewhere()
    body = field.shop.meter_body(METER, tariff_id=tariff)
    other = field.other_village_of(elsewhere)
    before = field.counts()
    for change, expected in (
        ({"village_id": other}, (403, "outside_mini_grid")),
        ({"customer": {"id": elsewhere}}, (403, "outside_mini_grid")),
        (
            {"customer": {"name": "A", "surname": "B", "phone": "0712999999"}},
            (409, "phone_taken"),
        ),
    ):
        assert api.refused("POST", "/registrations", body | change) == expected
    assert field.counts() == before
    first = api.ok("POST", "/registrations", body)
    assert api.ok("POST", "/registrations", body) == first


def test_a_registration_with_a_sale_books_its_cash_once_however_often_it_is_sent(field):
    home = field.shop.appliance("Home 40", "shs", "2000")
    field.assign(home, "2500")
    body = {
        "request_id": "app-1",
        "customer": {"name": "Baraka", "surname": "Mushi", "phone": "0712345679"},
        "village_id": field.shop.village,
        "device": {
            "kind": "shs",
            "serial": "12345678",
            "manufacturer": "sunking",
            "appliance_id": home,
        },
        "sale": {"down_payment": "1000", "instalments": 3},
    }
    api = field.api()
    first = api.ok("POST", "/registrations", body)
    assert (first["sale"]["cost"], first["sale"]["down_payment"]) == ("2500", "1000")
    field.assign(home, "2600")
    assert api.ok("POST", "/registrations", body) == first
    assert field.money() == ("1000", "100", "900")

    more = {"request_id": "app-2", "sale": {"down_payment": "2001", "instalments": 3}}
    more["device"] = body["device"] | {"serial": "12345679"}
    more["customer"] = {"id": first["customer"]["id"]}
    assert api.refused("POST", "/registrations", body | more) == (403, "agent_limit")


def test_an_agent_sees_only_the_own_customers_and_themselves(field):
    own = field.shop.meter(METER)
    stranger = field.customer_elsewhere()
    field.shop.television(stranger, cost="1000", instalments=2)
    mine = field.shop.television(own["customer"]["id"], cost="1000", instalments=2)
    other = field.new_agent("0755000002")["id"]
    api = field.api()

    assert [each["id"] for each in api.ok("GET", "/customers")["items"]] == [own["customer"]["id"]]
    assert [each["serial"] for each in api.ok("GET", "/devices")["items"]] == [METER]
    assert [each["id"] for each in api.ok("GET", "/sales")["items"]] == [mine["id"]]
    assert [each["id"] for each in api.ok("GET", "/agents")["items"]] == [field.agent]
    api.ok("GET", f"/customers/{own['customer']['id']}")
    assert api.refused("GET", f"/customers/{stranger}") == (404, "unknown_customer")
    field.move(own["customer"]["id"], field.other_village_of(stranger))
    device = f"/devices/{own['device']['id']}"
    assert api.refused("GET", device) == (404, "unknown_device")
    assert api.refused("GET", f"{device}/tokens") == (404, "unknown_device")
    assert api.refused("GET", f"/sales/{mine['id']}") == (404, "unknown_sale")
    for path in ("", "/entries", "/receipts", "/appliances"):
        api.ok("GET", f"/agents/{field.agent}{path}")
        assert api.refused("GET", f"/agents/{other}{path}") == (404, "unknown_agent")
    assert api.refused("POST", f"/agents/{field.agent}/receipts", {"amount": "1"}) == (
        403,
        "forbidden",
    )
    assert api.refused("POST", "/sales", field.sale(field.radio(), stranger)) == (
        403,
        "outside_mini_grid",
    )


OPEN_TO_AGENTS = {
    "log_out", "elevate", "show_me", "change_own_password", "list_manufacturers", "list_clusters",
    "show_cluster", "list_mini_grids", "show_mini_grid", "list_villages", "show_village",
    "list_tariffs", "show_tariff", "list_appliances", "show_appliance", "create_customer",
    "list_customers", "show_customer", "register", "list_devices", "show_device",
    "show_token_units", "create_sale", "list_sales", "show_sale", "list_agents", "show_agent",
    "list_agent_receipts", "list_agent_entries", "list_agent_appliances", "take_cash_payment",
    "create_push", "list_pushes", "show_push", "list_payments", "show_payment",
}  # fmt: skip


def test_only_these_operations_are_open_to_agents():
    """Whoever opens another one asks first whether it shows only the agent's own customers."""
    may = PERMISSIONS[Role.AGENT]
    found = {
        each.name
        for each in OPERATIONS
        if not each.public and (each.permission is None or each.permission in may)
    }
    assert found == OPEN_TO_AGENTS


# --- cash -----------------------------------------------------------------------------------------


def test_t_72_an_agent_takes_cash_for_a_device(field):
    field.shop.meter(METER)
    payment = field.api().ok("POST", "/cash-payments", {"amount": "500", "serial": METER})
    assert (payment["amount"], payment["status"]) == ("500", "token_pending")
    assert field.money() == ("500", "50", "450")
    assert field.entries() == [("payment", "500", "50", "500")]


def test_an_agent_takes_cash_for_a_sale(field):
    customer, radio = field.shop.customer(), field.radio()
    api = field.api()
    sold = api.ok("POST", "/sales", field.sale(radio, customer, instalments=2))
    api.ok("POST", "/cash-payments", {"amount": "1500", "sale_id": sold["id"]})
    assert field.money() == ("1500", "150", "1350")


def test_the_same_request_again_is_the_same_cash(field):
    """T-67."""
    field.shop.meter(METER)
    api, body = field.api(), {"amount": "500", "serial": METER}
    headers = {"Idempotency-Key": "one"}
    first = api.ok("POST", "/cash-payments", body, headers=headers)
    assert api.ok("POST", "/cash-payments", body, headers=headers) == first
    assert field.money() == ("500", "50", "450")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"amount": "3001"}, 403, "agent_limit", id="T-73"),
        pytest.param({"amount": "-500"}, 422, "amount_invalid", id="E-70"),
        pytest.param({"amount": "0"}, 422, "amount_invalid", id="nothing"),
        pytest.param({"amount": "1.001"}, 422, "amount_invalid", id="below minor units"),
        pytest.param({"serial": "404"}, 404, "unknown_serial", id="E-54"),
    ],
)
def test_cash_that_cannot_be_taken_is_refused_and_nothing_is_written(field, body, status, code):
    field.shop.meter(METER)
    before = field.counts()
    given = {"amount": "500", "serial": METER} | body
    assert field.api().refused("POST", "/cash-payments", given) == (status, code)
    assert field.counts() == before
    assert field.money() == ("0", "0", "0")


def test_e_71_cents_are_kept(field):
    field.shop.meter(METER)
    field.api().ok("POST", "/cash-payments", {"amount": "999.90", "serial": METER})
    assert field.money() == ("999.90", "99.99", "899.91")


def test_cash_of_another_mini_grids_customer_is_refused(field):
    field.shop.meter(METER)
    other = field.other_village_of(field.customer_elsewhere())
    elsewhere = field.new_agent("0755000009", grid_id=field.grid_of(other))["id"]
    given = {"amount": "500", "serial": METER, "agent_id": elsewhere}
    assert field.owner.refused("POST", "/cash-payments", given) == (403, "outside_mini_grid")
    assert field.entries() == []


def test_a_payment_that_is_taken_back_leaves_the_agents_account(installation, field):
    field.shop.meter(METER)
    payment = field.api().ok("POST", "/cash-payments", {"amount": "500", "serial": METER})
    path = f"/payments/{payment['id']}/reverse"
    reversed_ = field.owner.ok("POST", path, {"reason": "typed wrongly"})
    assert reversed_["status"] == "reversed"
    assert field.money() == ("0", "0", "0")
    assert field.owner.ok("GET", "/agents")["items"][0]["balance"] == "0"
    assert field.entries() == [("payment", "500", "50", "500")]

    field.api(name="second").ok("POST", "/cash-payments", {"amount": "3000", "serial": METER})
    assert field.entries() == [
        ("payment", "500", "50", "500"),
        ("reversal", "-500", "-50", "0"),
        ("payment", "3000", "300", "3000"),
    ]


def test_two_payments_at_once_cannot_pass_the_limit_together(installation, field):
    field.shop.meter(METER)
    api, answers = field.api(), []
    ready = threading.Barrier(6)

    def take():
        ready.wait()
        answer = api("POST", "/cash-payments", {"amount": "1000", "serial": METER})
        answers.append((answer.status_code, answer.json().get("code")))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == [(201, None)] * 3 + [(403, "agent_limit")] * 3
    assert field.money() == ("3000", "300", "2700")


# --- handing over ---------------------------------------------------------------------------------


def test_t_75_and_t_76_commission_is_paid_with_the_first_receipt(field):
    field.owner.ok("PATCH", f"/agents/{field.agent}", {"commission_rate": "0.05"})
    field.shop.meter(METER)
    field.api().ok("POST", "/cash-payments", {"amount": "100", "serial": METER})
    assert field.money() == ("100", "5", "95")
    first = field.hand_over("40")
    assert (first["balance_before"], first["commission_paid"], first["balance_after"]) == (
        "100", "5", "55",
    )  # fmt: skip
    second = field.hand_over("30")
    assert (second["commission_paid"], second["balance_after"]) == ("0", "25")
    assert field.entries()[1:] == [
        ("handed_over", "-40", "0", "60"),
        ("commission_paid", "-5", "-5", "55"),
        ("handed_over", "-30", "0", "25"),
    ]


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        pytest.param("200", "receipt_above_due", id="T-77"),
        pytest.param("0", "amount_invalid", id="nothing"),
        pytest.param("-5", "amount_invalid", id="negative"),
    ],
)
def test_t_77_a_receipt_that_is_not_due_is_refused(field, amount, code):
    path = f"/agents/{field.agent}/receipts"
    field.shop.meter(METER)
    assert field.owner.refused("POST", path, {"amount": "5"}) == (422, "nothing_due")
    field.api().ok("POST", "/cash-payments", {"amount": "100", "serial": METER})
    assert field.owner.refused("POST", path, {"amount": amount}) == (422, code)
    assert field.money() == ("100", "10", "90")
    assert field.owner.ok("GET", path)["items"] == []


def test_a_receipt_sent_twice_under_one_key_is_one(installation, field):
    field.shop.meter(METER)
    field.api().ok("POST", "/cash-payments", {"amount": "100", "serial": METER})
    finance = installation.key(role=Role.FINANCE)
    path, headers = f"/agents/{field.agent}/receipts", {"Idempotency-Key": "r1"}
    first = finance.ok("POST", path, {"amount": "45"}, headers=headers)
    assert finance.ok("POST", path, {"amount": "45"}, headers=headers) == first
    assert field.money() == ("45", "0", "45")
    [noted] = [
        each for each in installation.audit(field.owner) if each["action"] == "agent.handed_over"
    ]
    assert noted["after"] == {
        "receipt_id": first["id"],
        "amount": "45",
        "commission_paid": "10",
        "balance": "45",
    }


# --- logging in -----------------------------------------------------------------------------------


def test_an_agent_logs_in_as_a_person_and_is_out_when_disabled(installation, field):
    body = {
        "email": "juma@example.com",
        "name": "Juma",
        "role": "agent",
        "password": PASSWORD,
        "agent_id": field.agent,
    }
    field.owner.ok("POST", "/users", body)
    session = {"email": "juma@example.com", "password": PASSWORD}
    api = field.owner.as_(installation.public.ok("POST", "/sessions", session)["bearer"])
    robot = field.api()
    me = api.ok("GET", "/me")
    assert (me["role"], me["permissions"]) == ("agent", sorted(PERMISSIONS[Role.AGENT]))

    field.owner.ok("PATCH", f"/agents/{field.agent}", {"enabled": False})
    for bearer in (api, robot):
        assert bearer.refused("GET", "/me") == (401, "unauthenticated")
    field.shop.meter(METER)
    given = {"amount": "5", "serial": METER, "agent_id": field.agent}
    assert field.owner.refused("POST", "/cash-payments", given) == (409, "agent_disabled")


@pytest.mark.parametrize("path", ["/users", "/api-keys"])
def test_role_agent_needs_an_agent_and_no_other_role_has_one(field, path):
    user = {"email": "a@example.com", "password": PASSWORD} if path == "/users" else {}
    for change, expected in (
        ({"role": "agent"}, (422, "agent_required")),
        ({"role": "agent", "agent_id": "0" * 32}, (404, "unknown_agent")),
        ({"role": "operator", "agent_id": field.agent}, (422, "agent_forbidden")),
    ):
        body = {"name": "Juma"} | user | change
        assert field.owner.refused("POST", path, body) == expected


def test_nobody_becomes_an_agent_later_nor_stops_being_one(field):
    body = {"name": "Juma", "password": PASSWORD}
    agent = body | {"email": "a@example.com", "role": "agent", "agent_id": field.agent}
    other = body | {"email": "b@example.com", "role": "operator"}
    for given, role, code in (
        (agent, "operator", "agent_forbidden"),
        (other, "agent", "agent_required"),
    ):
        user = field.owner.ok("POST", "/users", given)["id"]
        assert field.owner.refused("PATCH", f"/users/{user}", {"role": role}) == (422, code)
        field.owner.ok("PATCH", f"/users/{user}", {"name": "J. Juma"})


def test_a_login_of_role_agent_without_an_agent_opens_nothing(installation, field):
    api = field.api()
    with installation.host.engines.write.begin() as connection:
        connection.execute(sa.delete(agent_tables.agent_logins))
    assert api.refused("GET", "/me") == (401, "unauthenticated")


# --- what is written stays ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "table",
    [agent_tables.agent_receipts, agent_tables.agent_entries],
    ids=lambda table: table.name,
)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_entries_and_receipts_can_never_be_changed(installation, field, table, verb):
    field.shop.meter(METER)
    field.api().ok("POST", "/cash-payments", {"amount": "100", "serial": METER})
    field.hand_over("5")
    statement = sa.update(table).values(amount=1) if verb == "update" else sa.delete(table)
    with (
        pytest.raises(sa.exc.DBAPIError, match=f"{table.name} is append-only"),
        installation.host.engines.write.begin() as connection,
    ):
        connection.execute(statement)
