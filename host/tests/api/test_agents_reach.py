"""What agents see of payments, whom they may ask to pay, and what is taken back from them."""

from __future__ import annotations

import pytest

from host.tests.api.telecoms import SERIAL, Telecom, pushing_config
from host.tests.api.test_agents import Field
from mpm_core.simulation.server import serve
from mpm_host.verification.verification import verify
from tests.kit.acme_pay import AcmePaySimulator
from tests.support.query_plans import captured_statements, scanning_statements

METER = SERIAL


@pytest.fixture
def config_text(database_url, plugin_folder):
    return pushing_config(database_url, plugin_folder)


@pytest.fixture
def telecom(installation):
    simulator = AcmePaySimulator()
    with serve({"acme-pay": simulator}) as simulation:
        yield Telecom(installation, (simulator, simulation.base_url("acme-pay")))
        with installation.host.engines.read.connect() as connection:
            assert list(verify(connection)) == []


@pytest.fixture
def field(installation, telecom):
    """An agent in the mini-grid of the telecom's company."""
    grid = telecom.api.ok("GET", "/mini-grids")["items"][0]
    return Field(installation, telecom.api, telecom.shop, grid)


def meter_elsewhere(field, serial="47007777777"):
    """Register a meter of a customer in another mini-grid."""
    body = field.shop.meter_body(serial, village_id=field.other_village())
    body["customer"] = {"name": "Said", "surname": "Ali", "phone": "0712000001"}
    return field.owner.ok("POST", "/registrations", body)


def push_body(**changes):
    body = {"instance": "acme", "serial": METER, "amount": "500", "msisdn": "0712345678"}
    return body | changes


# --- own payments ---------------------------------------------------------------------------------


def test_an_agent_sees_the_payments_they_took_or_asked_for_and_no_others(field, telecom):
    api = field.api()
    taken = api.ok("POST", "/cash-payments", {"amount": "500", "serial": METER})["id"]
    asked = api.ok("POST", "/pushes", push_body())
    office = field.owner.ok("POST", "/cash-payments", {"amount": "500", "serial": METER})["id"]
    others = field.api(field.new_agent("0755000003")["id"], name="other")
    theirs = others.ok("POST", "/cash-payments", {"amount": "500", "serial": METER})["id"]

    seen = [each["id"] for each in api.ok("GET", "/payments")["items"]]
    assert seen == [asked["payment_id"], taken]
    assert api.ok("GET", f"/payments/{taken}")["id"] == taken
    for hidden in (office, theirs):
        assert api.refused("GET", f"/payments/{hidden}") == (404, "unknown_payment")
    assert [each["id"] for each in others.ok("GET", "/payments")["items"]] == [theirs]
    assert len(field.owner.ok("GET", "/payments")["items"]) == 4


def test_an_agents_payments_are_paged_and_filtered_like_all(field):
    api = field.api()
    taken = [
        api.ok("POST", "/cash-payments", {"amount": "500", "serial": METER})["id"] for _ in range(3)
    ]
    first = api.ok("GET", "/payments", limit=2)
    rest = api.ok("GET", "/payments", limit=2, cursor=first["next"])
    assert [each["id"] for each in first["items"] + rest["items"]] == taken[::-1]
    assert api.ok("GET", "/payments", status="settled")["items"] == []
    assert api.ok("GET", "/payments", serial="47007777777")["items"] == []


def test_an_agent_reveals_nothing(field):
    api = field.api()
    taken = api.ok("POST", "/cash-payments", {"amount": "500", "serial": METER})["id"]
    assert api.refused("GET", f"/payments/{taken}", reveal=True) == (403, "forbidden")


def test_an_agents_list_reads_no_growing_table_as_a_whole(field):
    api, engines = field.api(), field.installation.host.engines
    api.ok("POST", "/cash-payments", {"amount": "500", "serial": METER})
    with captured_statements(engines.read) as said:
        api.ok("GET", "/payments")
        api.ok("GET", "/pushes")
    assert scanning_statements(engines.write, said) == set()


# --- pushes ---------------------------------------------------------------------------------------


def test_an_agent_sees_only_the_pushes_they_asked_for(field):
    api = field.api()
    own = api.ok("POST", "/pushes", push_body())["id"]
    office = field.owner.ok("POST", "/pushes", push_body())["id"]
    assert [each["id"] for each in api.ok("GET", "/pushes")["items"]] == [own]
    assert api.ok("GET", f"/pushes/{own}")["id"] == own
    assert api.refused("GET", f"/pushes/{office}") == (404, "unknown_push")


def test_an_agent_asks_only_customers_of_their_own_mini_grid(field, telecom):
    """T-74 for pushes: nobody is asked, and nothing is stored."""
    other = meter_elsewhere(field)
    sale = field.shop.television(other["customer"]["id"], cost="1000", instalments=2)
    api = field.api()
    for target in (
        {"serial": other["device"]["serial"]},
        {"serial": None, "sale_id": sale["id"]},
    ):
        refusal = api.refused("POST", "/pushes", push_body(**target))
        assert refusal == (403, "outside_mini_grid")
    assert api.refused("POST", "/pushes", push_body(serial="1")) == (404, "unknown_serial")
    assert field.owner.ok("GET", "/pushes")["items"] == []


def test_a_down_payment_that_a_payer_is_asked_for_is_no_cash_of_the_agent(field, telecom):
    customer, radio = field.shop.customer("Neema", "0712345670"), field.radio("3000")
    body = field.sale(radio, customer, down_payment="1000")
    body["down_payment_push"] = {"instance": "acme"}
    sale = field.api().ok("POST", "/sales", body)
    assert (field.money(), field.entries()) == (("0", "0", "0"), [])
    assert field.api(name="second").ok("GET", f"/pushes/{sale['push']['id']}")["amount"] == "1000"


# --- appliances -----------------------------------------------------------------------------------


def test_an_appliance_can_be_taken_back_and_is_sold_no_more(field):
    radio, customer = field.radio(), field.shop.customer("Neema", "0712345670")
    api, path = field.api(), f"/agents/{field.agent}/appliances/{radio}"
    sold = api.ok("POST", "/sales", field.sale(radio, customer))

    assert field.owner.ok("DELETE", path) is None
    assert field.owner.ok("GET", f"/agents/{field.agent}/appliances")["items"] == []
    assert api.refused("POST", "/sales", field.sale(radio, customer)) == (
        403,
        "appliance_not_assigned",
    )
    assert api.ok("GET", f"/sales/{sold['id']}")["status"] == "open"
    field.owner.ok("DELETE", path)  # again: it is gone already
    audit = field.installation.audit(field.owner)
    noted = [each for each in audit if each["action"] == "agent.appliance_taken_back"]
    assert [(each["subject"], each["before"]) for each in noted] == [
        (field.agent, {"appliance_id": radio, "price": "3000"})
    ]
    field.assign(radio, "2800")
    assert api.ok("POST", "/sales", field.sale(radio, customer))["cost"] == "2800"


def test_what_cannot_be_taken_back_is_refused(field):
    radio = field.radio()
    assert field.api().refused("DELETE", f"/agents/{field.agent}/appliances/{radio}") == (
        403,
        "forbidden",
    )
    unknown = f"/agents/{field.agent}/appliances/{'0' * 32}"
    assert field.owner.refused("DELETE", unknown) == (404, "unknown_appliance")
    assert field.owner.refused("DELETE", f"/agents/{'0' * 32}/appliances/{radio}") == (
        404,
        "unknown_agent",
    )


# --- sales that are taken back --------------------------------------------------------------------


@pytest.fixture
def sold(field):
    """A sale whose down payment of 1000 the agent holds."""
    customer = field.shop.customer("Neema", "0712345670")
    return field.api().ok(
        "POST", "/sales", field.sale(field.radio(), customer, down_payment="1000")
    )


def test_t_40_the_agent_gives_the_down_payment_of_a_deleted_sale_back(field, sold):
    assert field.money() == ("1000", "100", "900")
    field.owner.ok("DELETE", f"/sales/{sold['id']}")
    assert field.money() == ("0", "0", "0")
    assert field.entries() == [
        ("down_payment", "1000", "100", "1000"),
        ("reversal", "-1000", "-100", "0"),
    ]
    shown = field.owner.ok("GET", f"/sales/{sold['id']}")
    assert (shown["status"], shown["down_payment_remaining"]) == ("deleted", "1000")
    [noted] = [
        each for each in field.installation.audit(field.owner) if each["action"] == "sale.deleted"
    ]
    assert noted["before"]["down_payment"] == "1000"
    assert noted["after"]["down_payment"] == f"given back by agent {field.agent}"
    again = field.owner.refused("DELETE", f"/sales/{sold['id']}")
    assert (again, field.money()) == ((422, "sale_deleted"), ("0", "0", "0"))


def test_cash_that_was_handed_over_is_not_the_agents_to_give(field, sold):
    field.hand_over("900")
    answer = field.owner("DELETE", f"/sales/{sold['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "down_payment_handed_over")
    assert answer.json()["detail"] == (
        "Agent 'Juma' took a down payment of 1000 TZS for the sale but holds only 0 TZS: it was "
        "handed over. Let the company give it back, and delete the sale with "
        "keep_down_payment=true."
    )
    field.owner.ok("DELETE", f"/sales/{sold['id']}", keep_down_payment=True)
    assert field.owner.ok("GET", f"/sales/{sold['id']}")["status"] == "deleted"
    assert field.money() == ("0", "0", "0")
    assert field.entries()[-1][0] == "commission_paid"


def test_a_down_payment_can_be_kept_though_the_agent_still_holds_it(field, sold):
    field.owner.ok("DELETE", f"/sales/{sold['id']}", keep_down_payment=True)
    assert field.money() == ("1000", "100", "900")


def test_a_commission_that_was_paid_is_owed_when_its_sale_is_deleted(field, sold):
    field.hand_over("900")
    field.api(name="second").ok("POST", "/cash-payments", {"amount": "1500", "serial": METER})
    assert field.money() == ("1500", "150", "1350")
    field.owner.ok("DELETE", f"/sales/{sold['id']}")
    assert field.money() == ("500", "50", "450")
