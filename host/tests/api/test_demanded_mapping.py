"""T-82: whether the manufacturer knows a device, and companies that demand that it does."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_core import Money, Msisdn, ProcessRequest, Reply, ValidationRequest
from mpm_core.simulation.server import serve
from mpm_core.simulation.simulators import simulator_of
from mpm_host.access.roles import Role
from mpm_host.database import tables as t
from mpm_host.payments.booking import Accept, Book, Intend
from mpm_host.payments.quotes import QuoteQuestion, Quoter
from mpm_sunking.plugin import SunKing

SERIAL = "12345678"
OBJECTION = (
    f"The manufacturer has not confirmed device {SERIAL} (unknown), and the company demands that."
)


@pytest.fixture
def sunking():
    simulator = simulator_of(SunKing)
    for serial in (SERIAL, "12345679", "12345670"):
        simulator.knows(serial)
    return simulator


@pytest.fixture
def umeme(installation, sunking):
    """Company umeme, whose sunking answers."""
    api = installation.company("umeme", ("calin", "sunking"))
    with serve({"sunking": sunking}) as server:
        settings = dict(sunking.settings(server.base_url("sunking")))
        api.ok("PUT", "/plugins/sunking", {"settings": settings})
        yield api


@pytest.fixture
def shop(umeme):
    return Shop(umeme)


def demand(api, *, it=True):
    return api.ok("PATCH", "/company", {"demand_mapping": it})


def home_body(shop, serial=SERIAL):
    return {
        "request_id": f"app-{serial}",
        "customer": {"name": "Baraka", "surname": "Mushi", "phone": "0712345679"},
        "village_id": shop.village,
        "device": {
            "kind": "shs",
            "serial": serial,
            "manufacturer": "sunking",
            "appliance_id": shop.appliance(f"Home of {serial}"),
        },
        "sale": {"cost": "1000", "instalments": 2},
    }


def counted(installation):
    with installation.host.engines.read.connect() as connection:
        return [
            connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (t.customers, t.devices, t.plans)
        ]


# --- the setting ----------------------------------------------------------------------------------


def test_the_company_is_shown_and_changed(installation, umeme):
    before = umeme.ok("GET", "/company")
    assert before == {
        "slug": "umeme",
        "name": "Umeme",
        "country": "TZ",
        "currency": "TZS",
        "timezone": "Africa/Dar_es_Salaam",
        "managed_by_configuration": False,
        "arrears_buy_time": False,
        "demand_mapping": False,
    }
    body = {"name": " Umeme Vijijini ", "demand_mapping": True, "arrears_buy_time": True}
    changed = before | body | {"name": "Umeme Vijijini"}
    assert umeme.ok("PATCH", "/company", body) == changed
    assert umeme.ok("PATCH", "/company", {}) == changed
    noted = [each for each in installation.audit(umeme) if each["action"] == "company.changed"]
    assert [(each["before"], each["after"]) for each in noted] == [
        (
            {"name": "Umeme", "demand_mapping": False, "arrears_buy_time": False},
            {"name": "Umeme Vijijini", "demand_mapping": True, "arrears_buy_time": True},
        )
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": " "}, "name_invalid"),
        ({"demand_mapping": "yes"}, "body_invalid"),
        ({"country": "KE"}, "body_invalid"),
    ],
    ids=["name", "text", "country"],
)
def test_a_change_of_the_company_that_cannot_be_is_refused(umeme, body, code):
    assert umeme.refused("PATCH", "/company", body) == (422, code)


def test_only_owners_and_admins_change_the_company(installation, umeme):
    for role in (Role.FINANCE, Role.OPERATOR):
        api = installation.key(role=role)
        assert api.refused("PATCH", "/company", {"demand_mapping": True}) == (403, "forbidden")
    assert demand(installation.key(role=Role.ADMIN))["demand_mapping"] is True


# --- registration ---------------------------------------------------------------------------------


def test_a_device_the_manufacturer_knows_is_registered_as_mapped(installation, umeme, shop):
    demand(umeme)
    made = umeme.ok("POST", "/registrations", home_body(shop))
    assert made["device"]["mapping"] == "mapped"
    with installation.host.engines.read.connect() as connection:
        assert connection.scalar(sa.select(t.devices.c.next_at)) is None  # nobody asks again


@pytest.mark.parametrize(
    ("fault", "status", "code", "detail"),
    [
        pytest.param(
            "unknown_device",
            422,
            "device_not_mapped",
            (
                f"Manufacturer 'sunking' does not know device '{SERIAL}', and the company demands "
                "that; check the serial, or have the device added there. Nothing was stored."
            ),
            id="not mapped",
        ),
        pytest.param(
            "error_500",
            503,
            "plugin_unavailable",
            (
                f"Manufacturer 'sunking' did not say whether it knows device '{SERIAL}', and the "
                "company demands that. Nothing was stored; try again."
            ),
            id="unreachable",
        ),
    ],
)
def test_a_device_nobody_confirms_is_not_stored(
    installation, umeme, shop, sunking, fault, status, code, detail
):
    demand(umeme)
    body = home_body(shop)
    sunking.set_fault(fault, serial=SERIAL)

    answer = umeme("POST", "/registrations", body, headers={"Idempotency-Key": "one"})

    told = answer.json()
    assert (answer.status_code, told["code"], told["detail"]) == (status, code, detail)
    assert counted(installation) == [0, 0, 0]
    assert ("retry-after" in answer.headers) == (status == 503)

    sunking.clear_faults()
    made = umeme.ok("POST", "/registrations", body, headers={"Idempotency-Key": "one"})
    assert made["device"]["mapping"] == "mapped"


def test_a_manufacturer_without_look_up_cannot_satisfy_the_demand(installation, umeme, shop):
    body = shop.meter_body()
    demand(umeme)
    assert umeme.refused("POST", "/registrations", body) == (409, "operation_not_supported")
    assert counted(installation) == [0, 0, 0]
    demand(umeme, it=False)
    assert umeme.ok("POST", "/registrations", body)["device"]["mapping"] == "unknown"


def test_a_request_sent_again_asks_nobody(umeme, shop, sunking):
    demand(umeme)
    body = home_body(shop)
    first = umeme.ok("POST", "/registrations", body)
    sunking.set_fault("error_500", serial=SERIAL)
    assert umeme.ok("POST", "/registrations", body) == first


def test_what_needs_no_manufacturer_is_refused_before_it_is_asked(umeme, shop, sunking):
    demand(umeme)
    sunking.set_fault("error_500", serial=SERIAL)
    body = home_body(shop) | {"village_id": "0" * 32}
    assert umeme.refused("POST", "/registrations", body) == (404, "unknown_village")


def test_without_the_demand_registration_waits_for_nobody(umeme, shop, sunking):
    sunking.set_fault("error_500", serial=SERIAL)
    assert umeme.ok("POST", "/registrations", home_body(shop))["device"]["mapping"] == "unknown"


# --- the result is kept, and can be asked for -----------------------------------------------------


def test_t_82_devices_are_found_by_what_the_manufacturer_said(installation, umeme, shop, sunking):
    sunking.set_fault("unknown_device", serial="12345679")
    sunking.set_fault("error_500", serial="12345670")
    serials = {"mapped": SERIAL, "not_mapped": "12345679", "unreachable": "12345670"}
    for serial in serials.values():
        umeme.ok("POST", "/registrations", home_body(shop, serial))
    shop.meter()
    for device in umeme.ok("GET", "/devices")["items"]:
        installation.services.devices.work_on(device["id"])

    for mapping, serial in (serials | {"unsupported": "47001234567"}).items():
        found = umeme.ok("GET", "/devices", mapping=mapping)["items"]
        assert [(each["serial"], each["mapping"]) for each in found] == [(serial, mapping)]
    assert umeme.refused("GET", "/devices", mapping="maybe") == (422, "query_invalid")


def test_a_manufacturer_is_asked_again_when_somebody_wishes(installation, umeme, shop, sunking):
    sunking.set_fault("unknown_device", serial=SERIAL)
    device = umeme.ok("POST", "/registrations", home_body(shop))["device"]
    path = f"/devices/{device['id']}"
    installation.services.devices.work_on(device["id"])
    assert umeme.ok("GET", path)["mapping"] == "not_mapped"
    sunking.clear_faults()
    installation.services.devices.work_on(device["id"])
    assert umeme.ok("GET", path)["mapping"] == "not_mapped"  # nobody asked

    assert umeme.ok("POST", f"{path}/look-up")["mapping"] == "not_mapped"
    installation.services.devices.work_on(device["id"])
    assert umeme.ok("GET", path)["mapping"] == "mapped"


# --- payments -------------------------------------------------------------------------------------


@pytest.fixture
def imported(installation, umeme, shop):
    """A device that came by import: not mapped yet."""
    columns = (
        "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer,appliance,"
        "cost,instalments"
    )
    row = f"Kagera,Muleba,Kimwani,Baraka,Mushi,0712345679,shs,{SERIAL},sunking,Home 40,1000,2"
    demand(umeme)
    report = umeme.ok(
        "POST", "/imports", content=f"{columns}\n{row}\n".encode(),
        headers={"Content-Type": "text/csv"},
    )  # fmt: skip
    assert json.dumps(report).count('"error"') == 0
    return umeme.ok("GET", "/devices", serial=SERIAL)["items"][0]


class Till:
    """A telecom's instance of the company, which may validate and process."""

    def __init__(self, installation):
        self.host, self.clock = installation.host, installation.clock
        company = self.host.house.directory.by_slug["umeme"]
        installation.host.companies.choose("umeme", "airtel", installation.actor)
        self.airtel = self.host.house.directory.instance_named(company.id, "airtel")
        self.amount = Money.parse("500", "TZS")
        self.payer = Msisdn.parse("0712345678", "TZ")

    def validate(self, reference):
        request = ValidationRequest(
            reference=reference, intent=reference, serial=SERIAL, amount=self.amount,
            payer=self.payer,
        )  # fmt: skip
        quoter = Quoter(clock=self.clock, directory=lambda: self.host.house.directory)
        with self.host.engines.read.connect() as connection:
            [quoted] = quoter(connection, [QuoteQuestion(instance=self.airtel, request=request)])
        self._book(
            Intend(
                instance=self.airtel, request=request, objection=quoted.objection,
                device_kind=quoted.device_kind,
            )
        )  # fmt: skip
        return quoted.objection

    def process(self, reference):
        request = ProcessRequest(
            reference=reference, intent=reference, serial=SERIAL, amount=self.amount,
            payer=self.payer,
        )  # fmt: skip
        reply = Reply(status=200, content_type="text/plain", body=b"ok")
        payment = self._book(Accept(instance=self.airtel, request=request, reply=reply)).payment
        return payment.status, payment.reason

    def _book(self, command):
        book = Book(
            vault=self.host.vault, clock=self.clock, directory=lambda: self.host.house.directory
        )
        with self.host.engines.write.begin() as connection:
            return book(connection, [command])[0]


def test_an_imported_device_can_be_paid_once_it_is_mapped(installation, imported):
    till = Till(installation)
    objection = till.validate("one")
    assert (objection.code, objection.message) == ("device_not_mapped", OBJECTION)

    installation.services.devices.work_on(imported["id"])

    assert till.validate("two") is None
    assert till.process("two") == ("token_pending", "")


@pytest.mark.usefixtures("imported")
def test_money_for_a_device_that_is_not_mapped_waits_for_a_person(installation):
    till = Till(installation)
    assert till.process("direct") == ("unmatched", "device_not_mapped")
    till.validate("refused")
    assert till.process("refused") == ("unmatched", "device_not_mapped")


def test_what_was_validated_before_the_demand_is_taken(installation, umeme, imported):
    till = Till(installation)
    demand(umeme, it=False)
    assert till.validate("early") is None
    demand(umeme)
    assert till.process("early") == ("token_pending", "")


def test_cash_is_not_taken_for_a_device_that_is_not_mapped(umeme, imported):
    body = {"serial": imported["serial"], "amount": "500"}
    assert umeme.refused("POST", "/cash-payments", body) == (422, "device_not_mapped")
    demand(umeme, it=False)
    assert umeme.ok("POST", "/cash-payments", body)["status"] == "token_pending"
